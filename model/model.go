// Package model says what a lens needs of a language model: the places in its
// computation ([Site]), a way to see and change what passes there ([Tap]), what is
// remembered from pass to pass ([Cache]), and the functions that turn a state into
// logits ([Model]).
//
// Each architecture has a folder of its own with its own block; [Transformer] is what
// they all have around their blocks, [Pass] and [Attention] what they do alike inside.
// model/load takes weights out of a checkpoint, and model/auto opens one by its
// model_type.
package model

import (
	"cmp"
	"slices"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
)

// Model is a decoder-only transformer opened up for inspection. Nothing is computed
// before it is evaluated.
type Model interface {
	// Stream computes the residual stream behind the first so many blocks, [batch, pos,
	// d_model], from ids [batch, pos] int32; 0 is what enters the first block. With a
	// cache the ids continue what it has seen, and are added to it; all passes with one
	// cache go through the same number of blocks. A nil tap sees nothing.
	Stream(tokens *mlx.Array, cache *Cache, tap *Tap, blocks int) *mlx.Array

	// Resume is Stream for a pass that begins behind the first so many blocks, whose stream h is,
	// [batch, pos, d_model]: of many runs that differ in later blocks alone, what lies before is
	// computed once. [Shape.Resumable] says where it can begin.
	Resume(h, tokens *mlx.Array, cache *Cache, tap *Tap, from, blocks int) *mlx.Array

	// Logits maps the stream behind the last block to logits [batch, pos, d_vocab], in the
	// type that the model computes in.
	Logits(h *mlx.Array, tap *Tap) *mlx.Array

	// FinalNorm maps a residual stream [..., d_model] to [..., d_model], float32.
	FinalNorm(h *mlx.Array) *mlx.Array

	// Unembed maps [..., d_model] to the logits [..., to−from] of the ids [from, to),
	// in the type of h: the unembedding without the norm, and what the architecture
	// does to its logits (a soft-cap, a scale).
	Unembed(h *mlx.Array, from, to int) *mlx.Array

	// UnembedIDs maps [..., d_model] to the logits [..., len(ids)] of single ids.
	UnembedIDs(h *mlx.Array, ids []int) *mlx.Array

	// InputEmbedding returns the token embedding as a matrix to multiply by, h·Eᵀ: [..., d_model] to
	// [..., d_vocab], the rows as they are stored, without the factor that some architectures put on
	// them. Where the head is tied it is the head's matrix.
	InputEmbedding() *nn.Linear

	// UncappedIDs is UnembedIDs before the architecture's soft-cap, if it has one: what is linear
	// in h, but for the head's bias.
	UncappedIDs(h *mlx.Array, ids []int) *mlx.Array

	// Notes say what a run of so many tokens should be told of: where programs that read such a
	// model differ, and which of them is followed.
	Notes(tokens int) []string

	// Parameters returns the modules that hold the weights, in the order that the model asked for
	// them. Their roles differ.
	Parameters() []*Module

	// Check returns nil when the model has a place, else why it has not. Whoever is given
	// places asks it before a pass.
	Check(at Place) error

	// Part says which layers this process holds of a model that several hold together; nil: it holds
	// all. A tap sees the places of these layers, and those before and behind all layers where they are
	// computed: what enters the first block by the first rank, final norm and logits by every one.
	Part() *Part

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
	DValue  int `json:"d_v,omitempty"` // of a head's values, and of z; 0: DHead
	DMLP    int `json:"d_mlp"`
	DVocab  int `json:"d_vocab"`
	Experts int `json:"experts,omitempty"`  // of a mixture, in each of its layers
	TopK    int `json:"k,omitempty"`        // of which a position takes so many
	DExpert int `json:"d_expert,omitempty"` // hidden dimensions of each

	// DPerLayer is how many dimensions the embedding has that each layer has of its own; 0: none.
	DPerLayer int `json:"d_per_layer,omitempty"`

	// DRecurrent is how many numbers of a position a mixer other than attention works with; 0: the
	// model has none.
	DRecurrent int `json:"d_recurrent,omitempty"`
	DConv      int `json:"d_conv,omitempty"` // channels that it convolves
	Context    int `json:"n_ctx"`            // positions that a sequence may have

	// MadeFor is how many positions the model was made for, where another number is allowed; 0: Context.
	MadeFor int `json:"n_ctx_made_for,omitempty"`

	// ShortContext is the length up to which sequences turn by other factors than longer ones
	// (longrope); 0: all turn alike.
	ShortContext int `json:"n_ctx_short,omitempty"`

	// Own has the sizes of layers that differ in them, 0 for a size that does not; nil: none do.
	Own []LayerShape `json:"layer_shapes,omitempty"`
}

// LayerShape holds those of a layer's sizes that are its own, and 0 for the others.
type LayerShape struct {
	Heads   int `json:"heads,omitempty"`
	KVHeads int `json:"kv_heads,omitempty"`
	DHead   int `json:"d_head,omitempty"`
	DMLP    int `json:"d_mlp,omitempty"`

	// State is how many numbers the layer remembers of a sequence of any length, in place of keys
	// and values; 0: it has those.
	State int `json:"state,omitempty"`

	// LooksBack says that the layer has no keys and values of its own, and looks at an earlier one's.
	LooksBack bool `json:"looks_back,omitempty"`

	// Memoryless says that positions do not look at each other in the layer, which remembers nothing.
	Memoryless bool `json:"memoryless,omitempty"`
}

// In returns the sizes that hold in a layer.
func (s Shape) In(layer int) Shape {
	if layer < len(s.Own) {
		own := s.Own[layer]
		s.Heads, s.KVHeads = cmp.Or(own.Heads, s.Heads), cmp.Or(own.KVHeads, s.KVHeads)
		s.DHead, s.DMLP = cmp.Or(own.DHead, s.DHead), cmp.Or(own.DMLP, s.DMLP)
	}
	return s
}

// Resumable reports whether a pass can begin behind the first so many blocks ([Model].Resume): no
// later one looks at an earlier one's keys and values, or has an embedding of its own.
func (s Shape) Resumable(from int) bool {
	if from == 0 {
		return true
	}
	later := s.Own[min(from, len(s.Own)):]
	return s.DPerLayer == 0 && !slices.ContainsFunc(later, func(l LayerShape) bool { return l.LooksBack })
}

// Forward computes logits [batch, pos, d_vocab] from ids [batch, pos] int32: the stream
// through all blocks, and what follows them.
func Forward(m Model, tokens *mlx.Array, cache *Cache, tap *Tap) *mlx.Array {
	return m.Logits(m.Stream(tokens, cache, tap, m.Shape().Layers), tap)
}

// Reach goes as far as some places need: through the blocks before the last of them, and
// on to the logits if one of them is behind the blocks. What it returns is the last array
// that was built. On ranks the tap of each one goes by the places that it computes ([Model].Part).
func Reach(m Model, tokens *mlx.Array, cache *Cache, tap *Tap, places []Place) *mlx.Array {
	blocks, on := 0, false
	for _, p := range places {
		blocks = max(blocks, p.Blocks(m.Shape().Layers))
		on = on || p.AfterBlocks()
	}
	h := m.Stream(tokens, cache, tap, blocks)
	if !on {
		return h
	}
	return m.Logits(h, tap)
}

// ToLogits applies the final norm and the unembedding in float32, as a lens does:
// [..., d_model] to [..., d_vocab].
func ToLogits(m Model, h *mlx.Array) *mlx.Array {
	return m.Unembed(m.FinalNorm(h), 0, m.Shape().DVocab)
}

// Tokens returns ids as a pass takes them, [1, pos].
func Tokens(s *mlx.Scope, ids []int) *mlx.Array {
	tokens := make([]int32, len(ids))
	for i, id := range ids {
		tokens[i] = int32(id)
	}
	return mlx.FromSlice(s, tokens, 1, len(ids))
}
