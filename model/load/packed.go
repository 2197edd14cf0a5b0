package load

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/mlx"
)

// packed is a weight in MLX's own packing: uint32 [..., out, in·bits/32] with scales and, for
// the affine mode, biases [..., out, in/group].
type packed struct {
	q                      mlx.Quantization
	weight, scales, biases *stack // no scales or biases: nil
	shape                  []int  // of the matrix or the stack of them: [..., out, in]
	bytes                  bool   // the codes are stored as bytes, four to a word
}

// shapes returns those of the codes, and of the scales and biases.
func (p *packed) shapes() (codes, scales []int) {
	last := len(p.shape) - 1
	out, in := p.shape[:last:last], p.shape[last]
	return append(out, in*p.q.Bits/32), append(out, in/max(p.q.GroupSize, 1))
}

// tensors returns what is read for it.
func (p *packed) tensors() []*checkpoint.Tensor {
	all := slices.Concat(p.weight.parts, p.scales.parts)
	if p.biases != nil {
		all = append(all, p.biases.parts...)
	}
	return all
}

func (p *packed) affine() bool { return p.q.Mode == "affine" }

// packedArrays are where a weight goes that may be packed.
type packedArrays struct {
	weight, scales, biases **mlx.Array
	quant                  *mlx.Quantization
}

// packed takes a weight in MLX's own packing.
func (l *Loader) packed(p *packed, w Want, path string, dense bool, to packedArrays) {
	if !l.takePacked(p, path) {
		return
	}
	if problem := p.misfit(w); problem != "" {
		l.wrong = append(l.wrong, problem)
		return
	}
	n := product(w.Shape)
	if dense && p.affine() {
		l.describe(describeQuantization(p.q), n*4)
		l.job(n, func(work *buffers) error {
			buf := grown(&work.floats, n)
			if err := unpackAffine(buf, p); err != nil {
				return err
			}
			return l.put(to.weight, mlx.FromSlice(l.scope, buf, w.Shape...))
		}, p.tensors()...)
		return
	}
	*to.quant = p.q
	scale := 1 // byte for each group
	if p.affine() {
		scale = 4 // a scale and a bias of 16 bits
		if l.wide || p.scales.typ() == checkpoint.F32 {
			scale = 8
		}
	}
	l.describe(describeQuantization(p.q), n*p.q.Bits/8+p.scales.size()*scale)
	if p.affine() {
		l.job(n/8, func(*buffers) error { return l.asPacked(p, to) }, p.tensors()...)
		return
	}
	l.noteCodes(p)
	l.job(n/8, func(*buffers) error {
		if dense {
			*to.quant = mlx.Quantization{}
		}
		return l.coded(p, dense, to)
	}, p.tensors()...)
}

func product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// inferred returns how a weight is packed that a config does not list: group size and bits
// follow from the shapes, and modes other than the affine one from these. Where they make no
// packing that exists, it is the config's default.
func inferred(w Want, weight, scales *stack, missing mlx.Quantization) mlx.Quantization {
	last := len(w.Shape) - 1
	if scales == nil || last < 1 || len(weight.shape) != last+1 || len(scales.shape) != last+1 {
		return missing
	}
	in, groups, words := w.Shape[last], scales.shape[last], weight.shape[last]
	q := mlx.Quantization{GroupSize: in / max(groups, 1), Bits: words * 32 / in, Mode: "affine"}
	if scales.typ() == checkpoint.U8 {
		q.Mode = map[[2]int]string{{16, 4}: "nvfp4", {32, 4}: "mxfp4", {32, 8}: "mxfp8"}[[2]int{q.GroupSize, q.Bits}]
	}
	if q.Mode == "" || q.GroupSize*groups != in || q.Bits*in != words*32 || q.Err() != nil {
		return missing
	}
	return q
}

// takePacked marks the tensors of a packed weight as taken, and reports whether they are there.
func (l *Loader) takePacked(p *packed, path string) bool {
	l.take(p.weight)
	if p.scales == nil {
		l.missing = append(l.missing, path+".scales")
		return false
	}
	l.take(p.scales)
	if !p.affine() {
		return true
	}
	if p.biases == nil {
		l.missing = append(l.missing, path+".biases")
		return false
	}
	l.take(p.biases)
	return true
}

// take marks the tensors of a stack as taken.
func (l *Loader) take(s *stack) {
	for _, t := range s.parts {
		l.taken[t.Name] = true
	}
}

// misfit says why the tensors are not what w needs, "" if they are.
func (p *packed) misfit(w Want) string {
	t, s := p.weight, p.scales
	if what := w.unpackedOnly(); what != "" {
		return fmt.Sprintf("tensor %q is packed in %s, and the model needs %s, which only plain numbers allow", t.name(), describeQuantization(p.q), what)
	}
	if what := cmp.Or(t.mixed(), s.mixed()); what != "" {
		return what
	}
	codes, scales := p.shapes()
	scaleOK, codeOK := s.typ() == checkpoint.U8, t.typ() == checkpoint.U32 || p.bytes
	if p.affine() {
		_, scaleOK = floatType[s.typ()]
	}
	if scaleOK && codeOK && slices.Equal(t.shape, codes) && slices.Equal(s.shape, scales) && (p.biases == nil || slices.Equal(p.biases.shape, scales) && p.biases.mixed() == "") {
		return ""
	}
	return fmt.Sprintf("tensor %q is %s%v with scales %s%v, and a matrix %v in %s needs U32%v with scales %v",
		t.name(), t.typ(), t.shape, s.typ(), s.shape, w.Shape, describeQuantization(p.q), codes, scales)
}

// asPacked makes the arrays of the affine mode.
func (l *Loader) asPacked(p *packed, to packedArrays) error {
	shape, _ := p.shapes()
	raw, err := p.weight.bytes()
	if err != nil {
		return err
	}
	codes := mlx.FromBytes(l.scope, raw, mlx.Uint32, shape...)
	ss, err := l.stored(p.scales)
	if err != nil {
		return err
	}
	bs, err := l.stored(p.biases)
	if err != nil {
		return err
	}
	return errors.Join(l.put(to.weight, codes), l.put(to.scales, ss), l.put(to.biases, bs))
}

// coded makes the arrays of the modes whose scales are bytes, each mode's own code.
func (l *Loader) coded(p *packed, dense bool, to packedArrays) error {
	shape, scaleShape := p.shapes()
	raw, err := p.weight.bytes()
	if err != nil {
		return err
	}
	rawScales, err := p.scales.bytes()
	if err != nil {
		return err
	}
	codes := mlx.FromBytes(l.scope, raw, mlx.Uint32, shape...)
	bytes := mlx.FromBytes(l.scope, rawScales, mlx.Uint8, scaleShape...)
	if !dense {
		return errors.Join(l.put(to.weight, codes), l.put(to.scales, bytes))
	}
	defer bytes.Free()
	a := replaced(codes, mlx.Dequantize(codes, bytes, nil, p.q, mlx.Float32))
	return errors.Join(mlx.Eval(a), l.put(to.weight, a))
}

// stored makes an array of floating tensors: in float32 on the CPU, as stored on a
// GPU.
func (l *Loader) stored(s *stack) (*mlx.Array, error) {
	d, ok := floatType[s.typ()]
	if !ok {
		return nil, fmt.Errorf("model: tensor %q is %s, want F32, F16 or BF16", s.name(), s.typ())
	}
	if !l.wide {
		raw, err := s.bytes()
		if err != nil {
			return nil, err
		}
		return mlx.FromBytes(l.scope, raw, d, s.shape...), nil
	}
	wide := make([]float32, s.size())
	if err := s.float32(wide); err != nil {
		return nil, err
	}
	return mlx.FromSlice(l.scope, wide, s.shape...), nil
}

// unpackAffine computes w = scale·q + bias in float32, element 0 in the lowest bits
// of the little-endian stream that a row of words is.
func unpackAffine(dst []float32, p *packed) error {
	q, groups := p.q, p.scales.size()
	scales, biases := make([]float32, groups), make([]float32, groups)
	if err := p.scales.float32(scales); err != nil {
		return err
	}
	if err := p.biases.float32(biases); err != nil {
		return err
	}
	raw, err := p.weight.bytes()
	if err != nil {
		return err
	}
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
