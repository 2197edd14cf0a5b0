package model

import (
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
)

// Block is one layer of a transformer: resid_pre to resid_post, both
// [batch, pos, d_model].
type Block interface {
	Forward(x *mlx.Array, layer int, pass *Pass) *mlx.Array
}

// Norm is a normalisation of the last axis.
type Norm interface {
	Forward(x *mlx.Array) *mlx.Array
}

// Decoder is what every architecture here has around its blocks:
//
//	x₀ = E[tokens]·scale + P[positions]
//	xᵢ₊₁ = blockᵢ(xᵢ)
//	logits = cap(Norm(x_L)·Uᵀ)
//
// with what an architecture lacks left out. It is a [Model].
type Decoder struct {
	Embedding  *nn.Embedding // E: [d_vocab, d_model]
	EmbedScale float64       // 0: none
	Positions  *nn.Embedding // P: [n_ctx, d_model], nil: none
	Blocks     []Block
	FinalGain  Norm
	Head       *nn.Linear // U: [d_vocab, d_model], nil: E
	SoftCap    float64    // c·tanh(logit/c), 0: none

	Sizes   Shape
	Names   map[Site]string // [Paths.Modules]
	Lacking []Site          // [Paths.Lacking]
	Weights *Weights        // all arrays, freed by Close
}

// Forward computes logits, or goes as far as the tap wants ([Tap.Until]).
func (d *Decoder) Forward(tokens *mlx.Array, cache *Cache, tap *Tap) *mlx.Array {
	pass := newPass(tokens.Scope(), cache, tap)
	x := d.embed(tokens, pass)
	for i, b := range d.Blocks[:tap.blocks(len(d.Blocks), cache != nil)] {
		// of a block's arrays only its result outlives it
		x = mlx.Within(x, func(x *mlx.Array) *mlx.Array { return b.Forward(x, i, pass) })
	}
	if !tap.whole() {
		return x
	}
	x = pass.At(FinalNormOut, 0, d.FinalGain.Forward(x))
	if tap != nil && tap.Until != nil && tap.Until.Site == FinalNormOut {
		return x
	}
	return pass.At(Logits, 0, d.cap(d.unembedding().Forward(x))) // [batch, pos, d_vocab]
}

func (d *Decoder) embed(tokens *mlx.Array, pass *Pass) *mlx.Array {
	x := d.Embedding.Forward(tokens) // [batch, pos, d_model]
	if d.EmbedScale != 0 {
		x = mlx.Scale(x, d.EmbedScale)
	}
	x = pass.At(Embed, 0, x)
	if d.Positions == nil {
		return x
	}
	from, n := pass.Cache.Len(), tokens.Dim(1)
	at := make([]int32, n)
	for i := range at {
		at[i] = int32(from + i)
	}
	p := d.Positions.Forward(mlx.FromSlice(pass.scope, at, 1, n)) // [1, pos, d_model]
	return mlx.Add(x, pass.At(PosEmbed, 0, p))
}

// FinalNorm maps a residual stream to what the head reads, in float32.
func (d *Decoder) FinalNorm(h *mlx.Array) *mlx.Array {
	return d.FinalGain.Forward(mlx.AsType(h, mlx.Float32))
}

// Unembed maps [..., d_model] to the logits of the ids [from, to).
func (d *Decoder) Unembed(h *mlx.Array, from, to int) *mlx.Array {
	return d.cap(d.unembedding().Rows(h, from, to))
}

// UnembedIDs maps [..., d_model] to the logits of single ids.
func (d *Decoder) UnembedIDs(h *mlx.Array, ids []int) *mlx.Array {
	return d.cap(d.unembedding().Take(h, ids))
}

func (d *Decoder) unembedding() *nn.Linear {
	if d.Head == nil {
		return d.Embedding.Unembedding()
	}
	return d.Head
}

func (d *Decoder) cap(logits *mlx.Array) *mlx.Array { return softCap(logits, d.SoftCap) }

// softCap returns c·tanh(x/c), x itself for c = 0 (Gemma 2, arXiv:2408.00118).
func softCap(x *mlx.Array, c float64) *mlx.Array {
	if c == 0 {
		return x
	}
	return mlx.Scale(mlx.Tanh(mlx.Scale(x, 1/c)), c)
}

// Device returns where the weights are.
func (d *Decoder) Device() mlx.Device { return d.Weights.device }

// Shape returns the model's sizes.
func (d *Decoder) Shape() Shape { return d.Sizes }

// Paths returns mlx-lm's module paths.
func (d *Decoder) Paths() Paths {
	return Paths{Modules: d.Names, Lacking: d.Lacking, Layers: d.Sizes.Layers}
}

// Close frees the weights.
func (d *Decoder) Close() { d.Weights.Free() }
