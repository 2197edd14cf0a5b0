package model

import (
	"fmt"

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

// Transformer is what every architecture here has around its blocks:
//
//	x₀ = E[tokens]·scale + P[positions]
//	xᵢ₊₁ = blockᵢ(xᵢ)
//	logits = cap(s·(Norm(x_L)·Uᵀ + b))
//
// with what an architecture lacks left out. It is a [Model].
type Transformer struct {
	Embedding  *nn.Embedding // E: [d_vocab, d_model]
	EmbedScale float64       // 0: none
	Positions  *nn.Embedding // P: [n_ctx, d_model], nil: none
	Blocks     []Block
	Norm       Norm       // the last one
	Head       *nn.Linear // U: [d_vocab, d_model], nil: E
	TiedBias   *mlx.Array // b: [d_vocab], where U is E; else U has it; nil: none
	LogitScale float64    // s, 0: none
	SoftCap    float64    // c·tanh(logit/c), 0: none

	Sizes   Shape
	Modules map[Site]string // [Paths.Modules]
	Lacks   map[Site]string // [Paths.Lacks]

	LayerLacks   []map[Site]string // [Paths.LayerLacks]
	LayerModules []map[Site]string // [Paths.LayerModules]
	Renamed      map[string]Site   // [Paths.TransformerLens]
	Weights      *Weights          // all arrays, freed by Close
	Remarks      []Note            // what Notes says
	Held         *Part             // what this process holds of it; nil: all
}

// Note is something that runs of some lengths should be told of.
type Note struct {
	Above int // the run has more tokens than these,
	UpTo  int // and no more than these; 0: any number
	Text  string
}

// Stream computes the residual stream behind the first so many blocks.
func (t *Transformer) Stream(tokens *mlx.Array, cache *Cache, tap *Tap, blocks int) *mlx.Array {
	if blocks < 0 || blocks > len(t.Blocks) {
		return mlx.Failed("stream", fmt.Errorf("model: %d blocks, and the model has %d", blocks, len(t.Blocks)))
	}
	pass := newPass(tokens, cache, tap)
	if err := cache.begin(blocks); err != nil {
		return mlx.Failed("stream", err)
	}
	return t.through(func() *mlx.Array { return t.embed(tokens, pass) }, pass, 0, blocks)
}

// Resume is Stream for a pass that begins behind the first so many blocks.
func (t *Transformer) Resume(h, tokens *mlx.Array, cache *Cache, tap *Tap, from, blocks int) *mlx.Array {
	switch {
	case from < 0 || blocks < from || blocks > len(t.Blocks):
		return mlx.Failed("resume", fmt.Errorf("model: from block %d to %d, and the model has %d", from, blocks, len(t.Blocks)))
	case !t.Sizes.Resumable(from):
		return mlx.Failed("resume", fmt.Errorf("model: a pass cannot begin behind block %d: a later one looks at what an earlier one computed beside the stream", from))
	}
	if err := cache.begin(blocks); err != nil {
		return mlx.Failed("resume", err)
	}
	return t.through(func() *mlx.Array { return h }, newPass(tokens, cache, tap), from, blocks)
}

// through maps the stream behind the first so many blocks to that behind more of them.
func (t *Transformer) through(begin func() *mlx.Array, pass *Pass, from, blocks int) *mlx.Array {
	if t.Held != nil {
		return t.pipeline(begin, pass, from, blocks)
	}
	x := begin()
	for i := from; i < blocks; i++ {
		// of a block's arrays only its result outlives it
		x = mlx.Within(x, func(x *mlx.Array) *mlx.Array { return t.Blocks[i].Forward(x, i, pass) })
	}
	pass.Cache.advance(pass.Tokens.Dim(1))
	return x
}

// Logits maps the stream behind the last block to logits.
func (t *Transformer) Logits(h *mlx.Array, tap *Tap) *mlx.Array {
	h = tap.At(FinalNormOut, 0, t.Norm.Forward(OrNaN(h)))
	return tap.At(Logits, 0, t.cap(t.unembedding().Forward(h))) // [batch, pos, d_vocab]
}

func (t *Transformer) embed(tokens *mlx.Array, pass *Pass) *mlx.Array {
	x := t.Embedding.Forward(tokens) // [batch, pos, d_model]
	if t.EmbedScale != 0 {
		x = mlx.Scale(x, t.EmbedScale)
	}
	x = pass.At(Embed, 0, x)
	if t.Positions == nil {
		return x
	}
	n := tokens.Dim(1)
	at := make([]int32, n)
	for i := range at {
		at[i] = int32(pass.from + i)
	}
	p := t.Positions.Forward(mlx.FromSlice(pass.scope, at, 1, n)) // [1, pos, d_model]
	return mlx.Add(x, pass.At(PosEmbed, 0, p))
}

// FinalNorm maps a residual stream to what the head reads, in float32; a stream that is too large for
// its norm to NaN ([OrNaN]).
func (t *Transformer) FinalNorm(h *mlx.Array) *mlx.Array {
	return t.Norm.Forward(OrNaN(mlx.AsType(h, mlx.Float32)))
}

// Unembed maps [..., d_model] to the logits of the ids [from, to).
func (t *Transformer) Unembed(h *mlx.Array, from, to int) *mlx.Array {
	return t.cap(t.unembedding().Rows(h, from, to))
}

// UnembedIDs maps [..., d_model] to the logits of single ids.
func (t *Transformer) UnembedIDs(h *mlx.Array, ids []int) *mlx.Array {
	return softCap(t.UncappedIDs(h, ids), t.SoftCap)
}

// UncappedIDs maps [..., d_model] to the logits of single ids before the soft-cap.
func (t *Transformer) UncappedIDs(h *mlx.Array, ids []int) *mlx.Array {
	return t.scale(t.unembedding().Take(h, ids))
}

// InputEmbedding returns E as a matrix to multiply by.
func (t *Transformer) InputEmbedding() *nn.Linear { return t.Embedding.Unembedding() }

func (t *Transformer) unembedding() *nn.Linear {
	if t.Head != nil {
		return t.Head
	}
	tied := t.InputEmbedding()
	tied.Bias = t.TiedBias
	return tied
}

// cap scales and caps what the unembedding gives.
func (t *Transformer) cap(logits *mlx.Array) *mlx.Array {
	return softCap(t.scale(logits), t.SoftCap)
}

func (t *Transformer) scale(logits *mlx.Array) *mlx.Array {
	if t.LogitScale == 0 {
		return logits
	}
	return mlx.Scale(logits, t.LogitScale)
}

// softCap returns c·tanh(x/c), x itself for c = 0 (Gemma 2, arXiv:2408.00118).
func softCap(x *mlx.Array, c float64) *mlx.Array {
	if c == 0 {
		return x
	}
	return mlx.Scale(mlx.Tanh(mlx.Scale(x, 1/c)), c)
}

// Device returns where the weights are.
func (t *Transformer) Device() mlx.Device { return t.Weights.Device() }

// Parameters returns the modules that hold the weights.
func (t *Transformer) Parameters() []*Module { return t.Weights.Modules }

// Part returns what this process holds of the model; nil: all.
func (t *Transformer) Part() *Part { return t.Held }

// Shape returns the model's sizes.
func (t *Transformer) Shape() Shape { return t.Sizes }

// Paths returns what the model's places are called elsewhere, and which it lacks.
func (t *Transformer) Paths() Paths {
	return Paths{
		Modules: t.Modules, LayerModules: t.LayerModules, Lacks: t.Lacks, LayerLacks: t.LayerLacks,
		TransformerLens: t.Renamed, Layers: t.Sizes.Layers,
	}
}

// Notes returns the remarks on a run of so many tokens.
func (t *Transformer) Notes(tokens int) []string {
	var notes []string
	for _, n := range t.Remarks {
		if tokens > n.Above && (n.UpTo == 0 || tokens <= n.UpTo) {
			notes = append(notes, n.Text)
		}
	}
	return notes
}

// Allow lets sequences have n positions, fewer or more than the model was made for. Learned
// positions end where their table does.
func (t *Transformer) Allow(n int) error {
	made := t.Sizes.Context
	if t.Positions != nil && n > made {
		return fmt.Errorf("model: %d positions: the model has learned %d, and there are none beyond", n, made)
	}
	if n < 1 {
		return fmt.Errorf("model: %d positions: want 1 or more", n)
	}
	if t.Sizes.Context = n; n != made {
		t.Sizes.MadeFor = made
	}
	if n > made {
		t.Remarks = append(t.Remarks, Note{Above: made, Text: fmt.Sprintf("the model was made for %d positions: what it says beyond them may be nonsense", made)})
	}
	return nil
}

// Check returns nil when the model has a place, else why it has not.
func (t *Transformer) Check(at Place) error { return t.Paths().check(at) }

// Lack notes that a layer lacks sites that others have, and why. What all layers lack the model does.
func (t *Transformer) Lack(layer int, why string, sites ...Site) {
	for _, s := range sites {
		t.ofLayer(&t.LayerLacks, layer)[s] = why
		if t.Lacks[s] == "" && len(t.Paths().LayersWith(s)) == 0 {
			t.Lacks[s] = why
			delete(t.Modules, s)
		}
	}
}

// ModuleIn notes that a site is the output of another module in a layer than in others, %d standing
// for the layer.
func (t *Transformer) ModuleIn(layer int, site Site, module string) {
	t.ofLayer(&t.LayerModules, layer)[site] = module
}

// ofLayer returns the layer's map of a list that has one for each.
func (t *Transformer) ofLayer(list *[]map[Site]string, layer int) map[Site]string {
	if *list == nil {
		*list = make([]map[Site]string, t.Sizes.Layers)
	}
	if (*list)[layer] == nil {
		(*list)[layer] = map[Site]string{}
	}
	return (*list)[layer]
}

// Close frees the weights.
func (t *Transformer) Close() { t.Weights.Free() }
