package model

import (
	"fmt"
	"slices"

	"github.com/mlxlens/mlxlens/mlx"
)

// Module is what holds the weights of one part of a model: a matrix with what unpacks it and its
// bias, a norm's gain, the matrices of all experts of a layer. It points to where the model reads
// them, so that what is put there is what the next pass computes with.
type Module struct {
	Role  string // layers.3.q
	Path  string // in the checkpoint
	Form  string // affine 4-bit group 32, bf16, …
	Shape []int  // of the matrix, or of the stack of them: [..., out, in]

	Weight         **mlx.Array
	Scales, Biases **mlx.Array       // of a packed weight; what they point to is nil where it is dense
	Quant          *mlx.Quantization // how it is packed
	Dtype          *mlx.Dtype        // what a table's rows are unpacked to; nil: it is no table
	Others         []**mlx.Array     // biases and factors; what they point to is nil where there is none
}

// Fits reports whether another module can stand in this one's place: both are of one role and shape, and have
// the same kinds of arrays beside the weight. A norm that has a bias does not fit one that knows none.
func (m *Module) Fits(other *Module) bool {
	return m.Role == other.Role && slices.Equal(m.Shape, other.Shape) && len(m.Others) == len(other.Others) &&
		(m.Dtype == nil) == (other.Dtype == nil) && (m.Quant == nil) == (other.Quant == nil)
}

// Exchange gives two modules of the same role, of two models, each other's weights, whatever their
// packing. To do so again undoes it. Nothing is copied: the arrays stay where they are, and each
// model frees its own. No pass of either model may be built at the same time.
func (m *Module) Exchange(other *Module) error {
	if !m.Fits(other) {
		return fmt.Errorf("model: exchange: %s %v and %s %v are not the same part of two models", m.Role, m.Shape, other.Role, other.Shape)
	}
	mine, theirs := m.arrays(), other.arrays()
	for i := range mine {
		*mine[i], *theirs[i] = *theirs[i], *mine[i]
	}
	if m.Quant != nil {
		*m.Quant, *other.Quant = *other.Quant, *m.Quant
	}
	if m.Dtype != nil {
		*m.Dtype, *other.Dtype = *other.Dtype, *m.Dtype
	}
	m.Form, other.Form = other.Form, m.Form
	return nil
}

// arrays are where its arrays stand.
func (m *Module) arrays() []**mlx.Array {
	all := []**mlx.Array{m.Weight}
	if m.Quant != nil {
		all = append(all, m.Scales, m.Biases)
	}
	return append(all, m.Others...)
}

// Rows returns some of the first axis of the weight, unpacked, float32, as an array of scope. In a
// stack of experts these are experts.
func (m *Module) Rows(scope *mlx.Scope, from, to int) *mlx.Array {
	rows := func(a *mlx.Array) *mlx.Array { return mlx.Slice(scope.Hold(a), 0, mlx.Between(from, to)) }
	w := rows(*m.Weight)
	if m.Quant == nil || *m.Scales == nil {
		return mlx.AsType(w, mlx.Float32)
	}
	var biases *mlx.Array
	if *m.Biases != nil {
		biases = rows(*m.Biases)
	}
	return mlx.Dequantize(w, rows(*m.Scales), biases, *m.Quant, mlx.Float32)
}

// Parameters is how many numbers the weight has.
func (m *Module) Parameters() int {
	n := 1
	for _, d := range m.Shape {
		n *= d
	}
	return n
}
