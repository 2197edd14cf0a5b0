// Package model says what a lens needs of a language model: the places in its
// computation ([Site]), a way to see and change what passes there ([Tap]), what is
// remembered from pass to pass ([Cache]), and the two functions that turn a state
// into logits ([Model]).
//
// Each architecture has a folder of its own with its own block; [Decoder] is what
// they all have around their blocks; model/auto opens a checkpoint by its
// model_type.
package model

import (
	"github.com/mlxlens/mlxlens/mlx"
)

// Model is a decoder-only transformer opened up for inspection.
type Model interface {
	// Forward computes logits [batch, pos, d_vocab] from ids [batch, pos] int32.
	// With a cache the ids continue what it has seen, and are added to it.
	// Nothing is computed before it is evaluated, so that a caller who only wants
	// what the tap saw does not pay for the logits.
	Forward(tokens *mlx.Array, cache *Cache, tap *Tap) *mlx.Array

	// FinalNorm maps a residual stream [..., d_model] to [..., d_model], float32.
	FinalNorm(h *mlx.Array) *mlx.Array

	// Unembed maps [..., d_model] to the logits [..., to−from] of the ids [from, to),
	// in the type of h: the unembedding without the norm, and what the architecture
	// does to its logits (a soft-cap, a scale).
	Unembed(h *mlx.Array, from, to int) *mlx.Array

	// UnembedIDs maps [..., d_model] to the logits [..., len(ids)] of single ids.
	UnembedIDs(h *mlx.Array, ids []int) *mlx.Array

	Shape() Shape
	Paths() Paths
	Device() mlx.Device

	// Close frees the weights.
	Close()
}

// Shape holds a model's sizes.
type Shape struct {
	Layers  int `json:"layers"`
	DModel  int `json:"d_model"`
	Heads   int `json:"heads"`
	KVHeads int `json:"kv_heads"`
	DHead   int `json:"d_head"`
	DMLP    int `json:"d_mlp"`
	DVocab  int `json:"d_vocab"`
	Context int `json:"n_ctx"` // positions that the model was made for
}

// ToLogits applies the final norm and the unembedding: [..., d_model] to
// [..., d_vocab].
func ToLogits(m Model, h *mlx.Array) *mlx.Array {
	return m.Unembed(m.FinalNorm(h), 0, m.Shape().DVocab)
}
