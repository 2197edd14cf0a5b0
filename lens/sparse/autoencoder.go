package sparse

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/checkpoint/npz"
)

// Activation is what becomes of a feature's pre-activation.
type Activation string

// The activations.
const (
	ReLU      Activation = "relu"
	JumpReLU  Activation = "jumprelu"
	TopK      Activation = "topk"
	Gated     Activation = "gated"
	Threshold Activation = "batchtopk" // ReLU above one threshold for all features, to which a batch's k greatest come in the mean
)

// Normalization is what is done to a state before it is encoded, and undone of its reconstruction.
type Normalization string

// The normalisations.
const (
	NoNorm       Normalization = "none"
	LayerNorm    Normalization = "layer_norm"            // (x − mean)/(std + 1e-5), std with n − 1
	ConstantNorm Normalization = "constant_norm_rescale" // x·√d_in/|x|
)

// Autoencoder is an open file: an autoencoder, or a transcoder, whose reconstruction is of another
// place than its states.
type Autoencoder struct {
	Path       string
	Model      string // that it was trained on, as the file says; "" where it does not
	Hook       string // the place that it reads, in a dialect of places; "" where the file does not say
	HookOut    string // of a transcoder the place that it reconstructs; "" for that of Hook
	Activation Activation
	DIn, DOut  int
	Features   int
	K          int  // of TopK
	ByNorm     bool // pre-activations count times |W_dec| of their feature, and reconstructions divide by it
	Centred    bool // b_dec is subtracted from the state
	Transcoder bool
	Norm       Normalization

	names   map[string]string // of the arrays in the file, by ours
	arrays  source
	closers []func() error
}

// source is a file of arrays.
type source interface {
	shape(name string) ([]int, checkpoint.Type, error)
	array(name string) (checkpoint.Array, error)
	row(name string, i int) (checkpoint.Array, error) // of a matrix
}

// Close closes the file.
func (a *Autoencoder) Close() {
	for _, f := range a.closers {
		_ = f() // it was read only
	}
	a.closers = nil
}

// Weights that a file may have, by SAELens' names.
const (
	wEnc, wDec, bEnc, bDec = "W_enc", "W_dec", "b_enc", "b_dec"
	threshold              = "threshold"
	oneThreshold           = "topk_threshold"
	bGate, bMag, rMag      = "b_gate", "b_mag", "r_mag"
	wSkip                  = "W_skip" // [d_out, d_in]
	affineSkip             = "affine_skip_connection"
	scaling                = "scaling_factor"
)

// want are the shapes of what the activation needs.
func (a *Autoencoder) want() map[string][]int {
	w := map[string][]int{wEnc: {a.DIn, a.Features}, wDec: {a.Features, a.DOut}, bDec: {a.DOut}}
	f := []int{a.Features}
	switch a.Activation {
	case Gated:
		w[bGate], w[bMag], w[rMag] = f, f, f
	case JumpReLU:
		w[bEnc], w[threshold] = f, f
	case Threshold:
		w[bEnc], w[oneThreshold] = f, []int{}
	default:
		w[bEnc] = f
	}
	if a.has(wSkip) {
		w[wSkip] = []int{a.DOut, a.DIn}
	}
	if a.has(affineSkip) {
		w[affineSkip] = []int{a.DIn, a.DOut}
	}
	return w
}

func (a *Autoencoder) has(name string) bool { _, ok := a.names[name]; return ok }

// mostFeatures bounds what a file may say: the largest dictionaries have 2²⁵ features.
const mostFeatures = 1 << 26

// check holds the arrays against what the config says.
func (a *Autoencoder) check() error {
	if a.DIn < 1 || a.DOut < 1 || a.Features < 1 || a.Features > mostFeatures || a.DIn > 1<<20 || a.DOut > 1<<20 {
		return fmt.Errorf("d_in %d, d_out %d and %d features are no sizes of a dictionary", a.DIn, a.DOut, a.Features)
	}
	if a.Activation == TopK && (a.K < 1 || a.K > a.Features) {
		return fmt.Errorf("k is %d, and there are %d features", a.K, a.Features)
	}
	want := a.want()
	for _, name := range slices.Sorted(maps.Keys(a.names)) {
		if _, ok := want[name]; !ok && name != scaling {
			return fmt.Errorf("it has the array %q, which a dictionary with the activation %s has not: a kind that is not read", a.names[name], a.Activation)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		shape := want[name]
		if !a.has(name) {
			return fmt.Errorf("it has no array %s, which a dictionary with the activation %s needs", name, a.Activation)
		}
		got, typ, err := a.arrays.shape(a.names[name])
		if err != nil {
			return err
		}
		if !slices.Equal(got, shape) && !(len(shape) == 0 && slices.Equal(got, []int{1})) {
			return fmt.Errorf("%s has the shape %v, and d_in %d, d_out %d and %d features want %v", a.names[name], got, a.DIn, a.DOut, a.Features, shape)
		}
		if _, ok := dtypes[typ]; !ok {
			return fmt.Errorf("%s is of %s: want F32, F16 or BF16", a.names[name], typ)
		}
	}
	return a.checkScaling()
}

// checkScaling refuses factors that finetuning left, unless all are 1, which SAELens wrote for a while.
func (a *Autoencoder) checkScaling() error {
	if !a.has(scaling) {
		return nil
	}
	x, err := a.floats(scaling)
	if err == nil && slices.ContainsFunc(x, func(x float32) bool { return math.Abs(float64(x)-1) > 1e-5 }) {
		err = fmt.Errorf("it has a scaling_factor that is not 1, which finetuning left: that is not read")
	}
	return err
}

// floats reads a small array.
func (a *Autoencoder) floats(name string) ([]float32, error) {
	x, err := a.arrays.array(a.names[name])
	if err != nil {
		return nil, err
	}
	return x.Float32()
}

// tensors is a .safetensors file.
type tensors struct{ *checkpoint.Checkpoint }

func (t tensors) shape(name string) ([]int, checkpoint.Type, error) {
	x := t.Tensor(name)
	return x.Shape, x.Type, nil
}

func (t tensors) array(name string) (checkpoint.Array, error) { return t.Tensor(name).Array() }

func (t tensors) row(name string, i int) (checkpoint.Array, error) {
	x := t.Tensor(name)
	a := checkpoint.Array{Name: name, Type: x.Type, Shape: x.Shape[1:], Bytes: make([]byte, x.RowBytes())}
	return a, x.Read(a.Bytes, i, i+1)
}

// archive is an .npz file, whose arrays are read to know their shapes.
type archive struct {
	*npz.File
	known map[string]checkpoint.Array // without their bytes
}

func (z archive) shape(name string) ([]int, checkpoint.Type, error) {
	if x, ok := z.known[name]; ok {
		return x.Shape, x.Type, nil
	}
	x, err := z.Array(name, nil)
	x.Bytes = nil
	z.known[name] = x
	return x.Shape, x.Type, err
}

func (z archive) array(name string) (checkpoint.Array, error) { return z.Array(name, nil) }

func (z archive) row(name string, i int) (checkpoint.Array, error) {
	a, err := z.Array(name, nil)
	if err != nil {
		return a, err
	}
	width := len(a.Bytes) / a.Shape[0]
	a.Shape, a.Bytes = a.Shape[1:], a.Bytes[i*width:(i+1)*width]
	return a, nil
}
