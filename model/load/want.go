package load

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
)

// Want describes a weight to find.
type Want struct {
	Role    string   // its name in this package's words: layers.0.q
	Modules []string // module paths to try, in order
	Shape   []int    // [out, in], or [d_model]
	Bias    bool     // a linear layer with a bias
	Rows    []int    // row r of the result is row Rows[r] of the file, nil: as they are

	Transposed bool    // the file has [in, out] (GPT-2's Conv1D); never packed
	Columns    Portion // of the file's last axis
	PlusOne    bool    // a norm's gain is 1 + what the file has (Gemma)
	Unbiased   bool    // a LayerNorm without a bias (Cohere)

	// LookedUp is a table of which rows are looked up, and that no product is made with: it stays as
	// it is stored, on a CPU too, and the rows are unpacked.
	LookedUp bool
}

// unpackedOnly says what of w a packed weight does not allow, "" if nothing.
func (w Want) unpackedOnly() string {
	switch {
	case w.Rows != nil:
		return "its rows in another order"
	case w.Transposed:
		return "it transposed"
	case w.Columns.Of > 1:
		return "a part of its columns"
	case w.PlusOne:
		return "1 added to it"
	}
	return ""
}

// find returns the module that w names, and notes it; "" when none exists.
func (l *Loader) find(w Want) string {
	l.roles = append(l.roles, w.Role)
	if l.skips(w.Role) {
		return ""
	}
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
	return slices.ContainsFunc(w.Modules, func(path string) bool {
		return l.ck.Tensor(path+".weight") != nil || l.ck.Absent(path+".weight") != ""
	})
}

// Packed reports whether the module that w names is packed.
func (l *Loader) Packed(w Want) bool {
	return slices.ContainsFunc(w.Modules, func(path string) bool { return l.ck.Tensor(path+".scales") != nil })
}

func (l *Loader) note(w Want, path, rule string) {
	l.resolved = append(l.resolved, Resolved{Role: w.Role, Module: path, Rule: rule, Shape: w.Shape})
	l.held = append(l.held, &model.Module{Role: w.Role, Path: path, Shape: w.Shape})
}

// stands notes where the weights go of what find has just found: those that may be packed, and
// others beside them.
func (l *Loader) stands(to packedArrays, others ...**mlx.Array) *model.Module {
	m := l.held[len(l.held)-1]
	m.Weight, m.Scales, m.Biases, m.Quant, m.Others = to.weight, to.scales, to.biases, to.quant, others
	return m
}

// standsPlain is stands for weights that are never packed.
func (l *Loader) standsPlain(weight **mlx.Array, others ...**mlx.Array) {
	l.stands(packedArrays{weight: weight}, others...)
}

// Linear takes a linear layer.
func (l *Loader) Linear(w Want) *nn.Linear {
	lin := &nn.Linear{}
	path := l.find(w)
	if path == "" {
		return lin
	}
	to := packedArrays{&lin.Weight, &lin.Scales, &lin.Biases, &lin.Quant}
	l.stands(to, &lin.Bias)
	l.matrix(w, path, l.dense, to)
	t := l.ck.Tensor(path + ".bias")
	if w.Bias || l.biases && t != nil {
		if t == nil {
			l.missing = append(l.missing, path+".bias")
			return lin
		}
		l.floats(single(t), Want{Shape: w.Shape[:1], Rows: w.Rows}, &lin.Bias)
	}
	return lin
}

// Embedding takes a table [d_vocab, d_model], which is LookedUp unless it is the head's matrix too.
func (l *Loader) Embedding(w Want) *nn.Embedding {
	e := &nn.Embedding{}
	if w.LookedUp && l.only != nil && l.only.From > 0 { // it makes what enters the first layer
		l.roles = append(l.roles, w.Role)
		for _, path := range w.Modules {
			l.leave([]string{path + "."})
		}
		return e
	}
	path := l.find(w)
	if path == "" {
		return e
	}
	to := packedArrays{&e.Weight, &e.Scales, &e.Biases, &e.Quant}
	l.stands(to).Dtype = &e.Dtype
	l.matrix(w, path, l.dense && !w.LookedUp, to)
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
	w.PlusOne = w.PlusOne || l.plusOne
	if path := l.find(w); path != "" {
		l.standsPlain(&n.Weight)
		l.floats(single(l.ck.Tensor(path+".weight")), w, &n.Weight)
	}
	return n
}

// LayerNorm takes a norm's gain and, unless it has none, its bias, both [d_model].
func (l *Loader) LayerNorm(w Want, eps float64) *nn.LayerNorm {
	n := &nn.LayerNorm{Eps: eps}
	path := l.find(w)
	if path == "" {
		return n
	}
	l.standsPlain(&n.Weight, &n.Bias)
	l.floats(single(l.ck.Tensor(path+".weight")), w, &n.Weight)
	if w.Unbiased {
		return n
	}
	if t := l.ck.Tensor(path + ".bias"); t != nil {
		l.floats(single(t), Want{Shape: w.Shape}, &n.Bias) // the bias has no +1
	} else {
		l.missing = append(l.missing, path+".bias")
	}
	return n
}

// BiasedHead gives a model the head that w names, with its bias: a matrix of its own, or that of
// the embedding where they are tied and the checkpoint has no other, as in transformers.
func (l *Loader) BiasedHead(t *model.Transformer, tied bool, w Want) {
	if !tied || l.Has(w) {
		w.Bias = true
		t.Head = l.Linear(w)
		return
	}
	bias := Want{Role: w.Role + "_bias", Shape: w.Shape[:1]}
	for i, path := range w.Modules {
		if b := single(l.ck.Tensor(path + ".bias")); b != nil {
			l.note(bias, path, fmt.Sprintf("name %d of %d", i+1, len(w.Modules)))
			l.standsPlain(&t.TiedBias)
			l.floats(b, bias, &t.TiedBias)
			return
		}
	}
	l.missing = append(l.missing, w.Modules[0]+".bias")
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
	if at, err := t.NotFinite(); err != nil {
		return nil, err
	} else if at >= 0 {
		return nil, fmt.Errorf("model: tensor %q has NaN or an infinity at element %d", name, at)
	}
	out := make([]float32, n)
	return out, t.Float32(out, 0, t.Shape[0])
}

// LeaveOut is Ignore for modules below a path, also where it stands below others.
func (l *Loader) LeaveOut(path string) {
	l.Ignore(func(name string) bool { return strings.HasPrefix(name, path) || strings.Contains(name, "."+path) })
}

// Ignore marks tensors that checkpoints carry and models do not need.
func (l *Loader) Ignore(known func(name string) bool) {
	for _, name := range l.ck.Names() {
		if known(name) {
			l.taken[name] = true
		}
	}
}
