// Package load is what the authors of architectures need, and nobody else: it reads
// config.json and GGUF metadata strictly, finds each weight of a model in a checkpoint by an
// ordered list of names, and makes the arrays, packed or unpacked.
//
// [Standard] are the keys that nearly all architectures since Llama share, and
// [Loader.Transformer] what stands around their blocks, so that a new architecture
// writes its block, and what differs from these.
package load

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// Form says how quantized weights are held.
type Form string

// The forms of weights.
const (
	Auto   Form = "auto"   // dense on the CPU when that fits in memory, else packed
	Packed Form = "packed" // as the checkpoint has them

	// PackedExperts leaves experts as they are, of which a position takes few, and unpacks the rest.
	PackedExperts Form = "dense, experts packed"
	Dense         Form = "dense" // unpacked once, at load, but for tables of which rows are looked up
)

// Loader takes the weights of a model out of a checkpoint: it finds each by an
// ordered list of names, checks its shape, and notes what it took. Load then does
// the work, in parallel, and fails with all that is missing, misshapen or left
// over in one error.
type Loader struct {
	ck           *checkpoint.Checkpoint
	quant        *Quantization
	scope        *mlx.Scope
	device       mlx.Device
	dense        bool
	denseExperts bool
	wide         bool              // 16-bit weights become float32
	own          map[string]string // role → the user's module path

	before  string // in front of each module path
	plusOne bool   // the gain of every RMS norm is 1 + what the file has
	biases  bool   // a linear layer has the bias that the file has

	hasExperts bool

	only *model.Span // the layers that are held; nil: all

	bound    int64 // on the memory of the process; 0: none
	weights  *model.Weights
	jobs     []job
	codes    map[string]byteCode // tensors whose bytes are numbers
	taken    map[string]bool
	roles    []string // all that the model asked for
	missing  []string
	wrong    []string
	resolved []Resolved
	held     []*model.Module // one for each of resolved
	notes    []model.Note
}

// Note adds a remark on the model.
func (l *Loader) Note(n model.Note) { l.notes = append(l.notes, n) }

// Notes returns the remarks that were made.
func (l *Loader) Notes() []model.Note { return l.notes }

// Weights returns the arrays that the loader makes and holds.
func (l *Loader) Weights() *model.Weights { return l.weights }

// PlusOne makes the gain of every RMS norm 1 + what the file has (Gemma).
func (l *Loader) PlusOne() { l.plusOne = true }

// OptionalBiases gives every linear layer the bias that the checkpoint has for it, as llama.cpp
// does for Llama.
func (l *Loader) OptionalBiases() { l.biases = true }

// Hold makes an array one of the weights, so that it is freed with them.
func (l *Loader) Hold(a *mlx.Array) *mlx.Array {
	return l.weights.Hold(a)
}

// Resolved tells which module of the checkpoint a part of the model was found in.
type Resolved struct {
	Role    string `json:"role"`              // layers.3.q, final_norm, …
	Module  string `json:"module"`            // its path in the checkpoint
	Rule    string `json:"rule"`              // which candidate matched
	Form    string `json:"form"`              // bf16, affine 4-bit group 32, …
	Shape   []int  `json:"shape"`             // of the matrix that it stands for
	Experts int    `json:"experts,omitempty"` // of which a position passes some: the first axis
	Bytes   int    `json:"bytes"`             // in memory
}

// NewLoader returns a Loader for a checkpoint. own names modules by role, where the
// usual names do not hold; wide makes float32 of 16-bit weights; only names the layers that are taken,
// nil all.
func NewLoader(ck *checkpoint.Checkpoint, quant *Quantization, device mlx.Device, form Form, own map[string]string, wide bool, only *model.Span) (*Loader, error) {
	lib, err := mlx.LoadedLibrary()
	if err != nil {
		return nil, err
	}
	l := &Loader{ck: ck, quant: quant, scope: mlx.On(device), device: device, own: own, wide: wide, taken: map[string]bool{}, codes: map[string]byteCode{}, weights: model.NewWeights(device), only: only}
	switch form {
	case Dense:
		l.dense, l.denseExperts = true, true
	case PackedExperts:
		l.dense = device == mlx.CPU
	case Packed:
	case Auto, "":
		// On the CPU MLX's packed product is scalar code, 60 times slower than
		// a dense one; three quarters leave room for the activations.
		all, experts := l.denseBytes()
		l.denseExperts = device == mlx.CPU && all < lib.Memory/4*3
		l.dense = device == mlx.CPU && all-experts < lib.Memory/4*3
	default:
		return nil, fmt.Errorf("model: weights %q: want auto, packed or dense", form)
	}
	return l, nil
}

// Form says how quantized weights are held: Dense, Packed or, where a model has experts,
// PackedExperts.
func (l *Loader) Form() Form {
	switch {
	case l.dense && !l.denseExperts && l.hasExperts:
		return PackedExperts
	case l.dense:
		return Dense
	}
	return Packed
}

// ofExpert reports whether a tensor holds weights of routed experts, in any layout.
func ofExpert(name string) bool {
	return strings.Contains(name, ".experts.") || strings.Contains(name, ".switch_") || strings.Contains(name, "_exps.")
}

// looksUp reports whether a tensor is part of a table that stays as it is stored, by the names that
// most architectures have for it.
func (l *Loader) looksUp(name string) bool {
	if l.ck.Format == checkpoint.GGUF { // some of its types are unpacked wherever they are
		return false
	}
	has := func(module string) bool {
		return slices.ContainsFunc(l.ck.Names(), func(n string) bool { return strings.HasSuffix(n, module+".weight") })
	}
	return strings.Contains(name, "embed_tokens_per_layer.") || strings.Contains(name, "embed_tokens.") && has("lm_head")
}

// denseBytes returns what all weights take in float32, and those of the experts among them.
func (l *Loader) denseBytes() (all, experts int) {
	for _, name := range l.ck.Names() {
		if !l.counts(name) {
			continue
		}
		t := l.ck.Tensor(name)
		n := 4 * t.NumElements()
		if l.looksUp(name) {
			n = t.NumRows() * t.RowBytes()
		} else if module, ok := strings.CutSuffix(name, ".weight"); ok && t.Type == checkpoint.U32 {
			if q := l.quant.of(module, l.ck.Tensor(module+".scales") != nil); q != nil && q.Bits > 0 {
				n = n * 32 / q.Bits
			}
		}
		if all += n; ofExpert(name) {
			experts += n
		}
	}
	return all, experts
}

// unknownRoles names the user's roles that no part of the model has.
func (l *Loader) unknownRoles() []string {
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
