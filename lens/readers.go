package lens

import (
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
)

// Negated returns the reader of negated states: a row is the logit lens of −h, whose best tokens are
// those that h speaks against. Where neither the final norm nor the head has a bias they are the logit
// lens' last ones, in reverse.
func Negated() Translator { return negated{} }

type negated struct{}

func (negated) Name() string { return "negated logit" }

func (negated) Has(model.Place) (bool, error) { return true, nil }

func (negated) Translate(_ model.Place, h *mlx.Array) *mlx.Array { return mlx.Negative(h) }

// Embedding returns the reader of states by the token embedding E: the score of a token t is
//
//	Σᵢ ĥᵢ·E[t]ᵢ,  ĥ = h/√(mean h² + 1e-12)
//
// which says which input tokens a state resembles. ĥ is the state at the size that a norm without gain
// gives it: the final norm's gain, mean and bias belong to the unembedding, and are left out, as are
// the architecture's soft-cap and factor on logits. E is as it is stored: the factor of Gemma (√d_model)
// or Granite on what is looked up would sharpen probabilities, and change no order. Where the head is
// tied and the norm's gain is 1 the scores are the logit lens'.
func Embedding(m model.Model) Head { return embedding{m.InputEmbedding()} }

type embedding struct{ table *nn.Linear }

func (embedding) Name() string { return "embedding" }

func (embedding) Has(model.Place) (bool, error) { return true, nil }

func (embedding) Translate(_ model.Place, h *mlx.Array) *mlx.Array {
	h = mlx.AsType(h, mlx.Float32)
	size := mlx.Sqrt(mlx.Add(mlx.KeepDims(mlx.Mean, mlx.Square(h), -1), mlx.Scalar[float32](h.Scope(), 1e-12)))
	return mlx.Divide(h, size)
}

func (e embedding) Unembed(h *mlx.Array, from, to int) *mlx.Array { return e.table.Rows(h, from, to) }

func (e embedding) UnembedIDs(h *mlx.Array, ids []int) *mlx.Array { return e.table.Take(h, ids) }
