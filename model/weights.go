package model

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
)

// Form says how quantized weights are held.
type Form string

// The forms of weights.
const (
	Auto   Form = "auto"   // dense on the CPU when that fits in memory, else packed
	Packed Form = "packed" // as the checkpoint has them
	Dense  Form = "dense"  // unpacked once, at load
)

// Loader takes the weights of a model out of a checkpoint: it finds each by an
// ordered list of names, checks its shape, and notes what it took. Load then does
// the work, in parallel, and fails with all that is missing, misshapen or left
// over in one error.
type Loader struct {
	ck     *checkpoint.Checkpoint
	quant  *Quantization
	scope  *mlx.Scope
	device mlx.Device
	dense  bool
	wide   bool              // 16-bit weights become float32
	own    map[string]string // role → the user's module path

	weights  *Weights
	jobs     []job
	taken    map[string]bool
	roles    []string // all that the model asked for
	missing  []string
	wrong    []string
	resolved []Resolved
}

// Weights are a model's arrays.
type Weights struct {
	device mlx.Device
	mu     sync.Mutex
	arrays []*mlx.Array
}

func (w *Weights) add(a *mlx.Array) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.arrays = append(w.arrays, a)
}

// Free frees the arrays.
func (w *Weights) Free() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.arrays {
		a.Free()
	}
	w.arrays = nil
}

// Weights returns the arrays that the loader makes and holds.
func (l *Loader) Weights() *Weights { return l.weights }

// Hold makes an array one of the weights, so that it is freed with them.
func (l *Loader) Hold(a *mlx.Array) *mlx.Array {
	l.weights.add(a)
	return a
}

// put is Hold for an array that a layer has asked for.
func (l *Loader) put(dst **mlx.Array, a *mlx.Array) error {
	*dst = l.Hold(a)
	return a.Err()
}

// Resolved tells which module of the checkpoint a part of the model was found in.
type Resolved struct {
	Role   string `json:"role"`   // layers.3.q, final_norm, …
	Module string `json:"module"` // its path in the checkpoint
	Rule   string `json:"rule"`   // which candidate matched
	Form   string `json:"form"`   // bf16, affine 4-bit group 32, …
	Shape  []int  `json:"shape"`  // of the matrix that it stands for
	Bytes  int    `json:"bytes"`  // in memory
}

// job makes the arrays of one weight; size orders the jobs, the largest first.
type job struct {
	size  int
	run   func(work *buffers) error
	reads []*checkpoint.Tensor
}

func (l *Loader) job(size int, run func(work *buffers) error, reads ...*checkpoint.Tensor) {
	l.jobs = append(l.jobs, job{size, run, reads})
}

// buffers are kept from job to job by the goroutine that runs them.
type buffers struct {
	floats         []float32
	words          []uint32
	scales, biases []uint16
}

// NewLoader returns a Loader for a checkpoint. own names modules by role, where the
// usual names do not hold; asStored keeps 16-bit weights on a CPU.
func NewLoader(ck *checkpoint.Checkpoint, quant *Quantization, device mlx.Device, form Form, own map[string]string, asStored bool) (*Loader, error) {
	lib, err := mlx.LoadedLibrary()
	if err != nil {
		return nil, err
	}
	l := &Loader{ck: ck, quant: quant, scope: mlx.On(device), device: device, own: own, wide: device == mlx.CPU && !asStored, taken: map[string]bool{}, weights: &Weights{device: device}}
	switch form {
	case Dense:
		l.dense = true
	case Packed:
	case Auto, "":
		// On the CPU MLX's packed product is scalar code, 60 times slower than
		// a dense one; three quarters leave room for the activations.
		l.dense = device == mlx.CPU && l.denseBytes() < lib.Memory/4*3
	default:
		return nil, fmt.Errorf("model: weights %q: want auto, packed or dense", form)
	}
	return l, nil
}

// Dense reports whether quantized weights are unpacked.
func (l *Loader) Dense() bool { return l.dense }

// denseBytes returns what all weights take in float32.
func (l *Loader) denseBytes() int {
	total := 0
	for _, name := range l.ck.Names() {
		t := l.ck.Tensor(name)
		n := 4 * t.NumElements()
		if module, ok := strings.CutSuffix(name, ".weight"); ok && t.Type == checkpoint.U32 {
			if q := l.quant.of(module, l.ck.Tensor(module+".scales") != nil); q != nil && q.Bits > 0 {
				n = n * 32 / q.Bits
			}
		}
		total += n
	}
	return total
}

// Want describes a weight to find.
type Want struct {
	Role    string   // its name in this package's words: layers.0.q
	Modules []string // module paths to try, in order
	Shape   []int    // [out, in], or [d_model]
	Bias    bool     // a linear layer with a bias
	Rows    []int    // row r of the result is row Rows[r] of the file, nil: as they are

	Transposed bool // the file has [in, out] (GPT-2's Conv1D); never packed
	PlusOne    bool // a norm's gain is 1 + what the file has (Gemma)
}

// find returns the module that w names, and notes it; "" when none exists.
func (l *Loader) find(w Want) string {
	l.roles = append(l.roles, w.Role)
	if path, ok := l.own[w.Role]; ok {
		if l.ck.Tensor(path+".weight") == nil {
			l.wrong = append(l.wrong, fmt.Sprintf("%s: the module %q that you named has no weight", w.Role, path))
			return ""
		}
		l.note(w, path, "named by the user")
		return path
	}
	for i, path := range w.Modules {
		if l.ck.Tensor(path+".weight") != nil {
			l.note(w, path, fmt.Sprintf("name %d of %d", i+1, len(w.Modules)))
			return path
		}
	}
	l.missing = append(l.missing, w.Modules[0]+".weight")
	return ""
}

// Has reports whether the checkpoint has one of the modules that w names.
func (l *Loader) Has(w Want) bool {
	if _, ok := l.own[w.Role]; ok {
		return true
	}
	return slices.ContainsFunc(w.Modules, func(path string) bool { return l.ck.Tensor(path+".weight") != nil })
}

func (l *Loader) note(w Want, path, rule string) {
	l.resolved = append(l.resolved, Resolved{Role: w.Role, Module: path, Rule: rule, Shape: w.Shape})
}

// Linear takes a linear layer.
func (l *Loader) Linear(w Want) *nn.Linear {
	lin := &nn.Linear{}
	path := l.find(w)
	if path == "" {
		return lin
	}
	l.matrix(w, path, l.dense, &lin.Weight, &lin.Scales, &lin.Biases, &lin.Quant)
	if w.Bias {
		t := l.ck.Tensor(path + ".bias")
		if t == nil {
			l.missing = append(l.missing, path+".bias")
			return lin
		}
		l.floats(t, Want{Shape: w.Shape[:1], Rows: w.Rows}, &lin.Bias)
	}
	return lin
}

// Embedding takes a table [d_vocab, d_model].
func (l *Loader) Embedding(w Want) *nn.Embedding {
	e := &nn.Embedding{}
	path := l.find(w)
	if path == "" {
		return e
	}
	l.matrix(w, path, l.dense, &e.Weight, &e.Scales, &e.Biases, &e.Quant)
	e.Dtype = mlx.Float32
	if !l.wide {
		e.Dtype = mlx.BFloat16 // of the modes whose scales are bytes; as mlx-lm
		if t := l.ck.Tensor(path + ".scales"); t != nil && floatType[t.Type] != 0 {
			e.Dtype = floatType[t.Type]
		} else if l.ck.Format == checkpoint.GGUF {
			e.Dtype = mlx.Float16
			if l.ck.Tensor(path + ".weight").Type.WideScales() {
				e.Dtype = mlx.Float32
			}
		}
	}
	return e
}

// RMSNorm takes a norm's gain [d_model].
func (l *Loader) RMSNorm(w Want, eps float64) *nn.RMSNorm {
	n := &nn.RMSNorm{Eps: eps}
	if path := l.find(w); path != "" {
		l.floats(l.ck.Tensor(path+".weight"), w, &n.Weight)
	}
	return n
}

// LayerNorm takes a norm's gain and bias, both [d_model].
func (l *Loader) LayerNorm(w Want, eps float64) *nn.LayerNorm {
	n := &nn.LayerNorm{Eps: eps}
	path := l.find(w)
	if path == "" {
		return n
	}
	l.floats(l.ck.Tensor(path+".weight"), w, &n.Weight)
	if t := l.ck.Tensor(path + ".bias"); t != nil {
		l.floats(t, w, &n.Bias)
	} else {
		l.missing = append(l.missing, path+".bias")
	}
	return n
}

// Part takes the weights of one part of a model, such as a layer: roles and modules
// are named below those of the part.
type Part struct {
	l        *Loader
	role     string
	prefixes []string
}

// Layer returns layer i, whose modules' paths begin with one of the patterns: %d
// stands for i.
func (l *Loader) Layer(i int, patterns ...string) Part {
	p := Part{l: l, role: fmt.Sprintf("layers.%d.", i)}
	for _, pattern := range patterns {
		p.prefixes = append(p.prefixes, fmt.Sprintf(pattern, i))
	}
	return p
}

// Want names a weight of the part; modules are its names under any of the prefixes.
func (p Part) Want(role string, modules []string, shape ...int) Want {
	w := Want{Role: p.role + role, Shape: shape}
	for _, prefix := range p.prefixes {
		for _, m := range modules {
			w.Modules = append(w.Modules, prefix+m)
		}
	}
	return w
}

// Linear takes a linear layer [out, in].
func (p Part) Linear(role string, modules []string, out, in int, bias bool) *nn.Linear {
	w := p.Want(role, modules, out, in)
	w.Bias = bias
	return p.l.Linear(w)
}

// RMSNorm takes a norm of n dimensions.
func (p Part) RMSNorm(role string, modules []string, n int, eps float64) *nn.RMSNorm {
	return p.l.RMSNorm(p.Want(role, modules, n), eps)
}

// Floats takes a plain tensor by its full name as float32, nil when the checkpoint
// has none.
func (l *Loader) Floats(name string, n int) ([]float32, error) {
	t := l.ck.Tensor(name)
	if t == nil {
		return nil, nil
	}
	l.taken[name] = true
	if t.NumElements() != n {
		return nil, fmt.Errorf("model: tensor %q has shape %v, want %d elements", name, t.Shape, n)
	}
	out := make([]float32, n)
	return out, t.Float32(out, 0, t.Shape[0])
}

// Ignore marks tensors that checkpoints carry and models do not need.
func (l *Loader) Ignore(known func(name string) bool) {
	for _, name := range l.ck.Names() {
		if known(name) {
			l.taken[name] = true
		}
	}
}

// matrix takes a weight that may be packed, in safetensors by its scales, in GGUF
// by its type.
func (l *Loader) matrix(w Want, path string, dense bool, weight, scales, biases **mlx.Array, quant *mlx.Quantization) {
	t := l.ck.Tensor(path + ".weight")
	if t.Type.Quantized() {
		l.ggufMatrix(w, t, dense, weight, scales, biases, quant)
		return
	}
	s := l.ck.Tensor(path + ".scales")
	q := l.quant.of(path, s != nil)
	if q == nil {
		l.floats(t, w, weight)
		return
	}
	l.packed(w, path, *q, dense, weight, scales, biases, quant)
}

// floats takes an unpacked tensor: in float32 on the CPU, which computes in it, and
// as stored on a GPU.
func (l *Loader) floats(t *checkpoint.Tensor, w Want, dst **mlx.Array) {
	l.taken[t.Name] = true
	shape := slices.Clone(w.Shape)
	if w.Transposed {
		slices.Reverse(shape)
	}
	if !slices.Equal(t.Shape, shape) {
		l.wrong = append(l.wrong, fmt.Sprintf("tensor %q has shape %v, want %v", t.Name, t.Shape, shape))
		return
	}
	d, ok := floatType[t.Type]
	if !ok {
		l.wrong = append(l.wrong, fmt.Sprintf("tensor %q is %s, want F32, F16 or BF16", t.Name, t.Type))
		return
	}
	if w.Rows != nil {
		t = t.Rows(w.Rows)
	}
	n := t.NumElements()
	if l.wide {
		d = mlx.Float32
	}
	l.describe(strings.ToLower(t.Type.String()), n*d.Size())
	l.job(n, func(work *buffers) error {
		var a *mlx.Array
		if l.wide {
			buf := grown(&work.floats, n)
			if err := t.Float32(buf, 0, t.Shape[0]); err != nil {
				return err
			}
			a = mlx.FromSlice(l.scope, buf, shape...)
		} else {
			raw := make([]byte, t.NumRows()*t.RowBytes()) // Bytes has no reordered rows
			if err := t.Read(raw, 0, t.NumRows()); err != nil {
				return err
			}
			a = mlx.FromBytes(l.scope, raw, d, shape...)
		}
		if w.Transposed {
			a = replaced(a, mlx.Contiguous(mlx.Transpose(a)))
		}
		if w.PlusOne { // in the stored type, as mlx-lm adds it
			a = replaced(a, mlx.Shift(a, 1))
		}
		return errors.Join(mlx.Eval(a), l.put(dst, a))
	}, t)
}

// replaced frees a, of which b was made.
func replaced(a, b *mlx.Array) *mlx.Array {
	a.Free()
	return b
}

var floatType = map[checkpoint.Type]mlx.Dtype{
	checkpoint.F32: mlx.Float32, checkpoint.F16: mlx.Float16, checkpoint.BF16: mlx.BFloat16,
}

// describe completes the note of the weight that find has just found.
func (l *Loader) describe(form string, bytes int) {
	if len(l.resolved) > 0 {
		r := &l.resolved[len(l.resolved)-1]
		if r.Form == "" {
			r.Form = form
		}
		r.Bytes += bytes
	}
}

// ggufMatrix takes a quantized GGUF tensor: blocks of 32 weights along a row.
func (l *Loader) ggufMatrix(w Want, t *checkpoint.Tensor, dense bool, weight, scales, biases **mlx.Array, quant *mlx.Quantization) {
	l.taken[t.Name] = true
	if !slices.Equal(t.Shape, w.Shape) {
		l.wrong = append(l.wrong, fmt.Sprintf("tensor %q has shape %v, want %v", t.Name, t.Shape, w.Shape))
		return
	}
	bits := t.Type.AffineBits()
	dense = dense || bits == 0 // groups of 16, or no affine form: MLX has no packing for it
	q := mlx.Quantization{GroupSize: 32, Bits: bits, Mode: "affine"}
	if w.Rows != nil {
		t = t.Rows(w.Rows)
	}
	n := t.NumElements()
	rows := t.Shape[0]
	if dense {
		l.describe(t.Type.String(), n*4)
		l.job(n, func(work *buffers) error {
			buf := grown(&work.floats, n)
			if err := t.Float32(buf, 0, rows); err != nil {
				return err
			}
			return l.put(weight, mlx.FromSlice(l.scope, buf, w.Shape...))
		}, t)
		return
	}
	*quant = q
	scale := 2
	if l.wide || t.Type.WideScales() {
		scale = 4
	}
	l.describe(t.Type.String(), n*bits/8+n/32*2*scale)
	l.job(n, func(work *buffers) error {
		cols := w.Shape[1]
		words := grown(&work.words, n*bits/32)
		if t.Type.WideScales() {
			both := grown(&work.floats, n/32*2)
			ss, bs := both[:n/32], both[n/32:]
			if err := t.Affine32(0, rows, words, ss, bs); err != nil {
				return err
			}
			return errors.Join(
				l.put(weight, mlx.FromSlice(l.scope, words, rows, cols*bits/32)),
				l.put(scales, mlx.FromSlice(l.scope, ss, rows, cols/32)),
				l.put(biases, mlx.FromSlice(l.scope, bs, rows, cols/32)))
		}
		ss, bs := grown(&work.scales, n/32), grown(&work.biases, n/32)
		if err := t.Affine(0, rows, words, ss, bs); err != nil {
			return err
		}
		return errors.Join(
			l.put(weight, mlx.FromSlice(l.scope, words, rows, cols*bits/32)),
			l.put(scales, l.halves(work, ss, rows, cols/32)),
			l.put(biases, l.halves(work, bs, rows, cols/32)))
	}, t)
}

// halves makes a float16 array, widened where the CPU computes.
func (l *Loader) halves(work *buffers, bits []uint16, shape ...int) *mlx.Array {
	if l.wide {
		wide := grown(&work.floats, len(bits))
		for i, h := range bits {
			wide[i] = mlx.Half(h).Float32()
		}
		return mlx.FromSlice(l.scope, wide, shape...)
	}
	hs := make([]mlx.Half, len(bits))
	for i, h := range bits {
		hs[i] = mlx.Half(h)
	}
	return mlx.FromSlice(l.scope, hs, shape...)
}

// packed takes a weight in MLX's own packing: uint32 [out, in·bits/32] with scales
// and, for the affine mode, biases [out, in/group].
func (l *Loader) packed(w Want, path string, q mlx.Quantization, dense bool, weight, scales, biases **mlx.Array, quant *mlx.Quantization) {
	t, s, b := l.ck.Tensor(path+".weight"), l.ck.Tensor(path+".scales"), l.ck.Tensor(path+".biases")
	l.taken[t.Name] = true
	if s == nil {
		l.missing = append(l.missing, path+".scales")
		return
	}
	l.taken[s.Name] = true
	if q.Mode == "affine" {
		if b == nil {
			l.missing = append(l.missing, path+".biases")
			return
		}
		l.taken[b.Name] = true
	}
	out, in := w.Shape[0], w.Shape[1]
	wantW, wantS := []int{out, in * q.Bits / 32}, []int{out, in / max(q.GroupSize, 1)}
	scaleOK := s.Type == checkpoint.U8
	if q.Mode == "affine" {
		_, scaleOK = floatType[s.Type]
	}
	if !scaleOK || t.Type != checkpoint.U32 || !slices.Equal(t.Shape, wantW) || !slices.Equal(s.Shape, wantS) || b != nil && !slices.Equal(b.Shape, wantS) {
		l.wrong = append(l.wrong, fmt.Sprintf("tensor %q is %s%v with scales %s%v, and a matrix %v in %s needs U32%v with scales %v",
			t.Name, t.Type, t.Shape, s.Type, s.Shape, w.Shape, describeQuantization(q), wantW, wantS))
		return
	}
	n := out * in
	if dense && q.Mode == "affine" {
		l.describe(describeQuantization(q), n*4)
		l.job(n, func(work *buffers) error {
			buf := grown(&work.floats, n)
			if err := unpackAffine(buf, t, s, b, q); err != nil {
				return err
			}
			return l.put(weight, mlx.FromSlice(l.scope, buf, out, in))
		}, t, s, b)
		return
	}
	*quant = q
	l.describe(describeQuantization(q), n*q.Bits/8+s.NumElements()*4)
	reads := []*checkpoint.Tensor{t, s}
	if b != nil {
		reads = append(reads, b)
	}
	l.job(n/8, func(*buffers) error {
		codes := mlx.FromBytes(l.scope, t.Bytes(), mlx.Uint32, wantW...)
		if q.Mode != "affine" { // scales of one byte, each mode's own code
			bytes := mlx.FromBytes(l.scope, s.Bytes(), mlx.Uint8, wantS...)
			if !dense {
				return errors.Join(l.put(weight, codes), l.put(scales, bytes))
			}
			defer bytes.Free()
			*quant = mlx.Quantization{}
			a := replaced(codes, mlx.Dequantize(codes, bytes, nil, q, mlx.Float32))
			return errors.Join(mlx.Eval(a), l.put(weight, a))
		}
		ss, err := l.stored(s)
		if err != nil {
			return err
		}
		bs, err := l.stored(b)
		if err != nil {
			return err
		}
		return errors.Join(l.put(weight, codes), l.put(scales, ss), l.put(biases, bs))
	}, reads...)
}

// stored makes an array of a floating tensor: in float32 on the CPU, as stored on a
// GPU.
func (l *Loader) stored(t *checkpoint.Tensor) (*mlx.Array, error) {
	d, ok := floatType[t.Type]
	if !ok {
		return nil, fmt.Errorf("model: tensor %q is %s, want F32, F16 or BF16", t.Name, t.Type)
	}
	if !l.wide {
		return mlx.FromBytes(l.scope, t.Bytes(), d, t.Shape...), nil
	}
	wide := make([]float32, t.NumElements())
	if err := t.Float32(wide, 0, t.Shape[0]); err != nil {
		return nil, err
	}
	return mlx.FromSlice(l.scope, wide, t.Shape...), nil
}

// unpackAffine computes w = scale·q + bias in float32, element 0 in the lowest bits
// of the little-endian stream that a row of words is.
func unpackAffine(dst []float32, t, s, b *checkpoint.Tensor, q mlx.Quantization) error {
	groups := s.NumElements()
	scales, biases := make([]float32, groups), make([]float32, groups)
	if err := s.Float32(scales, 0, s.Shape[0]); err != nil {
		return err
	}
	if err := b.Float32(biases, 0, b.Shape[0]); err != nil {
		return err
	}
	raw := t.Bytes()
	bytesPerGroup := q.GroupSize * q.Bits / 8
	for g := range groups {
		in := raw[g*bytesPerGroup : (g+1)*bytesPerGroup]
		out := dst[g*q.GroupSize : (g+1)*q.GroupSize]
		scale, bias := scales[g], biases[g]
		switch q.Bits {
		case 4:
			var table [16]float32
			for i := range table {
				table[i] = scale*float32(i) + bias
			}
			for i, x := range in {
				out[2*i], out[2*i+1] = table[x&15], table[x>>4]
			}
		case 8:
			for i, x := range in {
				out[i] = scale*float32(x) + bias
			}
		default: // 2, 3, 5 and 6 bits: a group is a whole number of bytes
			var acc uint64
			have, next := 0, 0
			for i := range out {
				for have < q.Bits {
					acc |= uint64(in[next]) << have
					next++
					have += 8
				}
				out[i] = scale*float32(acc&(1<<q.Bits-1)) + bias
				acc >>= q.Bits
				have -= q.Bits
			}
		}
	}
	return nil
}

// grown returns n elements of a buffer that is kept from job to job.
func grown[T any](buffer *[]T, n int) []T {
	if cap(*buffer) < n {
		*buffer = make([]T, n)
	}
	return (*buffer)[:n]
}

// Load makes the arrays. Nothing is made when a weight is missing, misshapen or
// left over: the error lists them all.
func (l *Loader) Load() error {
	var left []string
	for _, name := range l.ck.Names() {
		if !l.taken[name] {
			left = append(left, name)
		}
	}
	var problems []string
	if len(l.missing) > 0 {
		problems = append(problems, fmt.Sprintf("%d missing: %s", len(l.missing), listed(l.missing)))
	}
	if len(left) > 0 {
		problems = append(problems, fmt.Sprintf("%d that the model does not use: %s", len(left), listed(left)))
	}
	const most = 4
	problems = append(problems, l.wrong[:min(most, len(l.wrong))]...)
	if n := len(l.wrong) - most; n > 0 {
		problems = append(problems, fmt.Sprintf("and %d more such tensors", n))
	}
	problems = append(problems, l.strangers()...)
	if len(problems) > 0 {
		return fmt.Errorf("model: the weights in %s do not fit the config: %s", l.ck.Path, strings.Join(problems, "; "))
	}
	if err := l.ck.Verify(); err != nil {
		return err
	}
	slices.SortStableFunc(l.jobs, func(a, b job) int { return b.size - a.size })
	var mu sync.Mutex
	next := 0
	var group errgroup.Group
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() error {
			var b buffers
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= len(l.jobs) {
					return nil
				}
				if err := l.jobs[i].run(&b); err != nil {
					return err
				}
				for _, t := range l.jobs[i].reads {
					t.Forget()
				}
			}
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return l.ck.Verify()
}

// strangers names the user's roles that no part of the model has.
func (l *Loader) strangers() []string {
	var out []string
	for role := range l.own {
		if !slices.Contains(l.roles, role) {
			out = append(out, fmt.Sprintf("%q is no part of the model (have: %s)", role, strings.Join(l.roles, ", ")))
		}
	}
	return out
}

// Resolved returns what was found where, in the order that the model asked.
func (l *Loader) Resolved() []Resolved { return l.resolved }

// listed joins names, the first few of many.
func listed(names []string) string {
	const most = 6
	slices.Sort(names)
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}
