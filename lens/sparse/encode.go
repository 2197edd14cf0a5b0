package sparse

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// dtypes are the types of weights, which stay as they are.
var dtypes = map[checkpoint.Type]mlx.Dtype{checkpoint.F32: mlx.Float32, checkpoint.F16: mlx.Float16, checkpoint.BF16: mlx.BFloat16}

// Options say how a dictionary is put on a model.
type Options struct {
	// In and Out name the places, in any dialect, in place of what the file says; "": as it says.
	In, Out   string
	MaxMemory int64 // bytes, of all that MLX has; 0: no bound
}

// Encoder is a dictionary on a model's device.
type Encoder struct {
	*Autoencoder
	In, Out model.Place // the same, but of a transcoder

	device  mlx.Device
	weights map[string]*mlx.Array
}

// On copies the weights to the model's device, in the type of the file, where they stay until Close.
// It fails where the model has not the places, or states of another size, and for weights that are
// not finite.
func (a *Autoencoder) On(m model.Model, o Options) (*Encoder, error) {
	in, out, err := a.places(m, o)
	if err == nil {
		err = a.fitsMemory(o.MaxMemory)
	}
	if err != nil {
		return nil, fmt.Errorf("sparse: %s: %w", a.Path, err)
	}
	e := &Encoder{Autoencoder: a, In: in, Out: out, device: m.Device(), weights: map[string]*mlx.Array{}}
	for name := range a.want() {
		if err := e.load(name); err != nil {
			e.Close()
			return nil, fmt.Errorf("sparse: %s: %w", a.Path, err)
		}
	}
	return e, nil
}

// Close frees the weights, and closes the file.
func (e *Encoder) Close() {
	for _, w := range e.weights {
		w.Free()
	}
	e.weights = nil
	e.Autoencoder.Close()
}

// What On returns where neither the file nor the options say a place.
var (
	ErrNoIn  = errors.New("the file does not say which place it is of: name it, such as layers.12.resid_post")
	ErrNoOut = errors.New("it is a transcoder, and the file does not say which place it reconstructs: name it, such as layers.12.mlp_out")
)

// places finds where the model has what the dictionary reads and reconstructs.
func (a *Autoencoder) places(m model.Model, o Options) (in, out model.Place, err error) {
	hook, hookOut := a.Hook, a.HookOut
	if o.In != "" {
		hook = o.In
	}
	if o.Out != "" {
		hookOut = o.Out
	}
	switch {
	case hook == "":
		return in, out, ErrNoIn
	case hookOut == "" && a.Transcoder:
		return in, out, ErrNoOut
	case hookOut == "":
		hookOut = hook
	}
	for _, p := range []struct {
		at   *model.Place
		hook string
		d    int
		what string
	}{{&in, hook, a.DIn, "reads"}, {&out, hookOut, a.DOut, "reconstructs"}} {
		if *p.at, err = m.Paths().Place(p.hook); err != nil {
			return in, out, fmt.Errorf("it %s %q: %w; name another place if you know that it is the same", p.what, p.hook, err)
		}
		if d := size(m, *p.at); d != p.d {
			return in, out, fmt.Errorf("it %s states of %d numbers at %s, and the model has %d there: it is a dictionary of another model%s", p.what, p.d, *p.at, d, of(a.Model))
		}
	}
	return in, out, nil
}

func of(name string) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf(", %q", name)
}

// size is how many numbers a state has, those of all its heads; 0 where a place has none of one position.
func size(m model.Model, at model.Place) int {
	if at.Site.Axis(model.Key) >= 0 || at.Site == model.ExpertIDs {
		return 0
	}
	n := 1
	for _, s := range m.Shape().In(at.Layer).Sizes(at.Site) {
		n *= s
	}
	return n
}

// Reconstructs returns an error unless a place of a model is the one that the dictionary reconstructs; of
// a file that does not say which that is, one of the same size.
func (a *Autoencoder) Reconstructs(m model.Model, at model.Place) error {
	hook := cmp.Or(a.HookOut, a.Hook)
	if a.Transcoder && a.HookOut == "" {
		hook = ""
	}
	if hook != "" {
		own, err := m.Paths().Place(hook)
		if err != nil {
			return fmt.Errorf("sparse: %s: it reconstructs %q: %w", a.Path, hook, err)
		}
		if own != at {
			return fmt.Errorf("sparse: %s: its directions are of %s, and not of %s", a.Path, own, at)
		}
	}
	if d := size(m, at); d != a.DOut {
		return fmt.Errorf("sparse: %s: its directions have %d numbers, and the model has %d at %s: it is a dictionary of another model%s", a.Path, a.DOut, d, at, of(a.Model))
	}
	return nil
}

// Bytes is what the weights take.
func (a *Autoencoder) Bytes() int64 {
	total := int64(0)
	for name, shape := range a.want() {
		n := int64(1)
		for _, s := range shape {
			n *= int64(s)
		}
		_, typ, _ := a.arrays.shape(a.names[name])
		total += n * int64(dtypes[typ].Size())
	}
	return total
}

// fitsMemory refuses weights that a bound has no room for.
func (a *Autoencoder) fitsMemory(bound int64) error {
	need := a.Bytes() + 2*chunkBytes
	if free := bound - int64(mlx.ActiveMemory()); bound > 0 && need > free {
		return fmt.Errorf("its weights and the work with them take %d MB, and %d MB are left: allow more memory", (need+1<<20-1)>>20, max(0, free>>20))
	}
	return nil
}

// load copies an array to the device.
func (e *Encoder) load(name string) error {
	x, err := e.arrays.array(e.names[name])
	if err != nil {
		return err
	}
	w := mlx.FromBytes(mlx.On(e.device), x.Bytes, dtypes[x.Type], x.Shape...)
	e.weights[name] = w
	finite, err := finite(w)
	if err == nil && !finite {
		err = fmt.Errorf("%s has NaN or an infinity: its training went wrong, or the file is damaged", x.Name)
	}
	if err == nil && name == rMag { // only its exponential is used
		scope := mlx.NewScope(e.device)
		defer scope.Close()
		if finite, err = isFinite(mlx.Exp(mlx.AsType(scope.Hold(w), mlx.Float32))); err == nil && !finite {
			err = fmt.Errorf("%s has a number whose exponential float32 does not hold", x.Name)
		}
	}
	return err
}

// finite looks at an array in parts.
func finite(w *mlx.Array) (bool, error) {
	if w.Ndim() == 0 {
		return isFiniteIn(w, nil)
	}
	rows := max(1, chunkBytes/4/max(1, w.Size()/max(1, w.Dim(0))))
	for from := 0; from < w.Dim(0); from += rows {
		part := mlx.Between(from, min(from+rows, w.Dim(0)))
		if ok, err := isFiniteIn(w, &part); err != nil || !ok {
			return ok, err
		}
	}
	return true, nil
}

func isFiniteIn(w *mlx.Array, part *mlx.Range) (bool, error) {
	scope := mlx.NewScope(w.Device())
	defer scope.Close()
	x := scope.Hold(w)
	if part != nil {
		x = mlx.Slice(x, 0, *part)
	}
	return isFinite(x)
}

// isFinite reports whether x·0 is 0 everywhere.
func isFinite(x *mlx.Array) (bool, error) {
	zero := mlx.Scale(mlx.AsType(x, mlx.Float32), 0)
	sum, err := mlx.Item[float32](mlx.Sum(zero))
	return sum == 0, err
}

// chunkBytes bounds what is widened of a matrix, and the activations of the states that are encoded at once.
const chunkBytes = 64 << 20

// Rows is how many states are encoded at once: with so many their activations fit a bound.
func (e *Encoder) Rows() int { return max(1, chunkBytes/4/e.Features) }

// chunks calls f with the features [from, to), so many that their weights of n inputs, widened, fit a bound.
func (e *Encoder) chunks(n int, f func(from, to int)) {
	step := max(1, chunkBytes/4/n)
	for from := 0; from < e.Features; from += step {
		f(from, min(from+step, e.Features))
	}
}

// normalized is x̃, and what undoes the normalisation of a reconstruction.
func (e *Encoder) normalized(x *mlx.Array) (y *mlx.Array, undo func(*mlx.Array) *mlx.Array) {
	undo = func(r *mlx.Array) *mlx.Array { return r }
	switch e.Norm {
	case LayerNorm:
		mean := mlx.KeepDims(mlx.Mean, x, -1)
		centred := mlx.Subtract(x, mean)
		variance := mlx.Scale(mlx.KeepDims(mlx.Mean, mlx.Square(centred), -1), float64(e.DIn)/float64(max(1, e.DIn-1)))
		std := mlx.Sqrt(variance)
		x = mlx.Divide(centred, mlx.Shift(std, 1e-5))
		undo = func(r *mlx.Array) *mlx.Array { return mlx.Add(mlx.Multiply(r, std), mean) }
	case ConstantNorm:
		factor := mlx.Divide(mlx.Sqrt(mlx.Scalar(x.Scope(), float32(e.DIn))), mlx.Sqrt(mlx.KeepDims(mlx.Sum, mlx.Square(x), -1)))
		x = mlx.Multiply(x, factor)
		undo = func(r *mlx.Array) *mlx.Array { return mlx.Divide(r, factor) }
	}
	if e.Transcoder {
		return x, func(r *mlx.Array) *mlx.Array { return r }
	}
	return x, undo
}

// Encode returns the activations [n, feature], float32, of states [n, d_in] of In; states with heads
// are one behind the other. At most [Encoder.Rows] states should come at once.
func (e *Encoder) Encode(x *mlx.Array) *mlx.Array {
	scope := x.Scope()
	x, _ = e.normalized(mlx.AsType(x, mlx.Float32))
	if e.Centred {
		x = mlx.Subtract(x, e.wide(scope, bDec))
	}
	var parts []*mlx.Array
	e.chunks(e.DIn, func(from, to int) {
		some := mlx.Between(from, to)
		w := mlx.AsType(mlx.Slice(scope.Hold(e.weights[wEnc]), 1, some), mlx.Float32)
		parts = append(parts, e.active(scope, mlx.Matmul(x, w), some))
	})
	a := parts[0]
	if len(parts) > 1 {
		a = mlx.Concatenate(-1, parts...)
	}
	if e.Activation == TopK && e.K < e.Features {
		kth := mlx.Slice(mlx.Partition(a, e.Features-e.K, -1), -1, mlx.Between(e.Features-e.K, e.Features-e.K+1))
		a = mlx.Where(mlx.GreaterEqual(a, kth), a, mlx.ZerosLike(a))
	}
	if e.Activation == TopK {
		a = mlx.ReLU(a)
	}
	return a
}

// wide is a small array in float32.
func (e *Encoder) wide(scope *mlx.Scope, name string) *mlx.Array {
	return mlx.AsType(scope.Hold(e.weights[name]), mlx.Float32)
}

// active applies the activation to x·W_enc of some features; of TopK the bias alone.
func (e *Encoder) active(scope *mlx.Scope, product *mlx.Array, some mlx.Range) *mlx.Array {
	part := func(name string) *mlx.Array { return mlx.Slice(e.wide(scope, name), 0, some) }
	if e.Activation == Gated {
		open := mlx.Greater(mlx.Add(product, part(bGate)), mlx.ZerosLike(product))
		magnitude := mlx.ReLU(mlx.Add(mlx.Multiply(product, mlx.Exp(part(rMag))), part(bMag)))
		return mlx.Where(open, magnitude, mlx.ZerosLike(magnitude))
	}
	pre := mlx.Add(product, part(bEnc))
	if e.ByNorm {
		pre = mlx.Multiply(pre, e.lengths(scope, some))
	}
	switch e.Activation {
	case JumpReLU:
		return mlx.Where(mlx.Greater(pre, part(threshold)), mlx.ReLU(pre), mlx.ZerosLike(pre))
	case Threshold:
		return mlx.Where(mlx.Greater(pre, mlx.Reshape(e.wide(scope, oneThreshold), 1)), mlx.ReLU(pre), mlx.ZerosLike(pre))
	case TopK:
		return pre
	}
	return mlx.ReLU(pre)
}

// lengths are |W_dec| of some features.
func (e *Encoder) lengths(scope *mlx.Scope, some mlx.Range) *mlx.Array {
	w := mlx.AsType(mlx.Slice(scope.Hold(e.weights[wDec]), 0, some), mlx.Float32)
	return mlx.Sqrt(mlx.Sum(mlx.Square(w), -1))
}

// Decode returns the reconstruction [n, d_out], float32, of activations of states x, [n, d_in].
func (e *Encoder) Decode(a, x *mlx.Array) *mlx.Array {
	scope := a.Scope()
	x = mlx.AsType(x, mlx.Float32)
	_, undo := e.normalized(x)
	sum := e.wide(scope, bDec)
	e.chunks(e.DOut, func(from, to int) {
		some := mlx.Between(from, to)
		part := mlx.Slice(a, -1, some)
		if e.ByNorm {
			part = mlx.Divide(part, e.lengths(scope, some))
		}
		sum = mlx.Add(sum, mlx.Matmul(part, mlx.AsType(mlx.Slice(scope.Hold(e.weights[wDec]), 0, some), mlx.Float32)))
	})
	sum = undo(sum)
	switch {
	case e.has(wSkip):
		sum = mlx.Add(sum, mlx.MatmulT(x, e.wide(scope, wSkip)))
	case e.has(affineSkip):
		sum = mlx.Add(sum, mlx.Matmul(x, e.wide(scope, affineSkip)))
	}
	return sum
}

// Directions returns the rows of W_dec of some features, [len(features), d_out] in float32: what a
// feature of activation 1 adds to the reconstruction, before a normalisation is undone.
func (e *Encoder) Directions(scope *mlx.Scope, features []int) *mlx.Array {
	at := make([]int32, len(features))
	for i, f := range features {
		at[i] = int32(f)
	}
	return mlx.AsType(mlx.Take(scope.Hold(e.weights[wDec]), mlx.FromSlice(scope, at), 0), mlx.Float32)
}

// Direction reads the row of W_dec of one feature.
func (a *Autoencoder) Direction(feature int) ([]float32, error) {
	if feature < 0 || feature >= a.Features {
		return nil, fmt.Errorf("sparse: %s: feature %d: there are %d (0–%d)", a.Path, feature, a.Features, a.Features-1)
	}
	row, err := a.arrays.row(a.names[wDec], feature)
	if err != nil {
		return nil, fmt.Errorf("sparse: %s: %w", a.Path, err)
	}
	return row.Float32()
}
