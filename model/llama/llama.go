package llama

import (
	"fmt"
	"math"
	"strings"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
)

// Model is a Llama.
type Model struct {
	config *Config
	device mlx.Device
	embed  *nn.Embedding // [d_vocab, d_model]
	blocks []*block
	norm   *nn.RMSNorm // [d_model]
	head   *nn.Linear  // [d_vocab, d_model]; nil when tied to the embedding
	rotary mlx.Rotary
}

// Forward computes logits:
//
//	x₀ = E[tokens]
//	xᵢ₊₁ = blockᵢ(xᵢ)
//	logits = RMSNorm(x_L)·Uᵀ
func (m *Model) Forward(tokens *mlx.Array, tap *model.Tap) *mlx.Array {
	x := tap.At(model.Embed, 0, m.embed.Forward(tokens)) // [batch, pos, d_model]
	for i, b := range m.blocks {
		// of a block's arrays only its result outlives it
		x = mlx.Within(x, func(x *mlx.Array) *mlx.Array { return b.forward(x, i, tap) })
	}
	x = tap.At(model.FinalNormOut, 0, m.norm.Forward(x))
	return tap.At(model.Logits, 0, m.unembedding().Forward(x)) // [batch, pos, d_vocab]
}

// FinalNorm maps a residual stream to what the head reads, in float32.
func (m *Model) FinalNorm(h *mlx.Array) *mlx.Array {
	return mlx.RMSNorm(mlx.AsType(h, mlx.Float32), m.norm.Weight, m.norm.Eps)
}

// Unembed maps [..., d_model] to the logits of the ids [from, to).
func (m *Model) Unembed(h *mlx.Array, from, to int) *mlx.Array {
	return m.unembedding().Rows(h, from, to)
}

// UnembedIDs maps [..., d_model] to the logits of single ids.
func (m *Model) UnembedIDs(h *mlx.Array, ids []int) *mlx.Array { return m.unembedding().Take(h, ids) }

func (m *Model) unembedding() *nn.Linear {
	if m.head == nil {
		return m.embed.Unembedding()
	}
	return m.head
}

// Device returns where the weights are.
func (m *Model) Device() mlx.Device { return m.device }

// Shape returns the model's sizes.
func (m *Model) Shape() model.Shape {
	c := m.config
	return model.Shape{
		Layers: c.NumHiddenLayers, DModel: c.HiddenSize, Heads: c.NumAttentionHeads, KVHeads: c.NumKeyValueHeads,
		DHead: c.HeadDim, DMLP: c.IntermediateSize, DVocab: c.VocabSize, Context: c.MaxPositionEmbeddings,
	}
}

// Paths returns mlx-lm's module paths.
func (m *Model) Paths() model.Paths {
	return model.Paths{Layers: m.config.NumHiddenLayers, Modules: map[model.Site]string{
		model.Embed:        "model.embed_tokens",
		model.AttnNorm:     "model.layers.%d.input_layernorm",
		model.AttnOut:      "model.layers.%d.self_attn",
		model.MLPNorm:      "model.layers.%d.post_attention_layernorm",
		model.MLPPre:       "model.layers.%d.mlp.gate_proj",
		model.MLPPreLinear: "model.layers.%d.mlp.up_proj",
		model.MLPOut:       "model.layers.%d.mlp",
		model.ResidPost:    "model.layers.%d",
		model.FinalNormOut: "model.norm",
		model.Logits:       "lm_head",
	}}
}

// Close frees the weights.
func (m *Model) Close() {
	for _, a := range m.arrays() {
		a.Free()
	}
}

func (m *Model) arrays() []*mlx.Array {
	all := append(m.embed.Arrays(), m.norm.Arrays()...)
	if m.head != nil {
		all = append(all, m.head.Arrays()...)
	}
	if m.rotary.Freqs != nil {
		all = append(all, m.rotary.Freqs)
	}
	for _, b := range m.blocks {
		all = append(all, b.arrays()...)
	}
	return all
}

// New takes the weights that a config asks for. The caller runs the loader's Load.
func New(c *Config, l *model.Loader, device mlx.Device) (*Model, error) {
	m := &Model{config: c, device: device}
	vocab := []int{c.VocabSize, c.HiddenSize}
	m.embed = l.Embedding(model.Want{Role: "embed", Modules: []string{"model.embed_tokens", "embed_tokens", "token_embd"}, Shape: vocab})
	freqs, err := m.rope(l)
	if err != nil {
		return nil, err
	}
	m.rotary = freqs
	for i := range c.NumHiddenLayers {
		m.blocks = append(m.blocks, newBlock(c, l, i, m.rotary))
	}
	m.norm = l.RMSNorm(model.Want{Role: "final_norm", Modules: []string{"model.norm", "norm", "output_norm"}, Shape: vocab[1:]}, c.RMSNormEps)
	head := model.Want{Role: "unembed", Modules: []string{"lm_head", "output"}, Shape: vocab}
	tied := c.TieWordEmbeddings != nil && *c.TieWordEmbeddings || c.TieWordEmbeddings == nil && !l.Has(head)
	if !tied {
		m.head = l.Linear(head)
	}
	l.Ignore(func(name string) bool {
		return strings.HasSuffix(name, "rotary_emb.inv_freq") || tied && strings.HasPrefix(name, "lm_head.")
	})
	return m, nil
}

// rope returns the rotation of queries and keys. llama.cpp stores llama3's factors
// on 1/frequency as the tensor rope_freqs.
func (m *Model) rope(l *model.Loader) (mlx.Rotary, error) {
	c := m.config
	scope := mlx.On(m.device)
	r, err := c.Rope.Rotary(scope, c.HeadDim, c.RopeTheta, c.RopeTraditional)
	if err != nil {
		return r, err
	}
	factors, err := l.Floats("rope_freqs.weight", c.HeadDim/2)
	if err != nil || factors == nil {
		return r, err
	}
	for i, f := range factors {
		factors[i] = float32(float64(f) * math.Pow(c.RopeTheta, 2*float64(i)/float64(c.HeadDim)))
	}
	r.Freqs = mlx.FromSlice(scope, factors)
	return r, r.Freqs.Err()
}

// names returns the module paths of a part of layer i, Hugging Face's and
// llama.cpp's.
func names(i int, hf, gguf string) []string {
	return []string{fmt.Sprintf("model.layers.%d.%s", i, hf), fmt.Sprintf("layers.%d.%s", i, hf), fmt.Sprintf("blk.%d.%s", i, gguf)}
}
