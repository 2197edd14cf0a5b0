package llama

import (
	"math"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/load"
)

// New takes the weights that a config asks for. The caller runs the loader's Load.
func New(c *Config, l *load.Loader) (*model.Transformer, error) {
	if c.gguf {
		l.OptionalBiases()
	}
	if c.wrapped {
		l.Wrapped()
	}
	if c.plusOne {
		l.PlusOne()
	}
	for _, n := range c.notes {
		l.Note(n)
	}
	rope, err := newRope(c, l)
	if err != nil {
		return nil, err
	}
	t := l.Transformer(&c.Standard, func(p load.Part, layer int) model.Block {
		if c.NoPositions != nil && c.NoPositions[layer] {
			return newBlock(c, l, p, layer, nil)
		}
		return newBlock(c, l, p, layer, rope)
	})
	for layer, without := range c.NoPositions {
		if without {
			t.Lack(layer, "positions do not turn the queries and keys of this layer", model.RotQ, model.RotK)
		}
	}
	if c.scaled {
		t.EmbedScale = math.Sqrt(float64(c.HiddenSize))
	}
	if c.NumExperts > 0 {
		t.Sizes = c.Sizes(t.Sizes)
		l.HaveExperts(t, "model.layers.%d.block_sparse_moe.gate", c.Sparse.Sparse)
		t.Modules[model.MLPOut] = l.Path("model.layers.%d.block_sparse_moe")
	}
	return t, nil
}

// newRope returns the rotation of queries and keys. llama.cpp stores llama3's factors
// on 1/frequency as the tensor rope_freqs.
func newRope(c *Config, l *load.Loader) (*model.Rope, error) {
	rope, err := c.Rope.Rotation(l, c.HeadDim)
	if err != nil {
		return nil, err
	}
	factors, err := l.Floats("rope_freqs.weight", c.HeadDim/2)
	if err != nil || factors == nil {
		return rope, err
	}
	return rope, l.Stretch(rope, factors)
}

func newBlock(c *Config, l *load.Loader, p load.Part, layer int, rope *model.Rope) *block {
	bias := c.AttentionBias || c.qkvBias
	turned := func(role string, out, heads int) *nn.Linear {
		w := p.Want(role, []int{out, c.HiddenSize})
		w.Bias = bias
		if c.interleaved {
			w.Rows = halvesFromPairs(heads, c.HeadDim)
		}
		return l.Linear(w)
	}
	attn := &attention{
		Attention: c.Attention(layer),
		q:         turned("q", c.QWidth(), c.NumAttentionHeads),
		k:         turned("k", c.KVWidth(), c.NumKeyValueHeads),
		v:         p.Linear("v", c.KVWidth(), c.HiddenSize, bias),
		rope:      rope,
		query:     c.query,
	}
	attn.Out = p.Linear("attn_out", c.HiddenSize, c.QWidth(), c.AttentionBias)
	b := &block{
		attnNorm: p.RMSNorm("attn_norm", c.HiddenSize, c.RMSNormEps),
		attn:     attn,
		mlpNorm:  p.RMSNorm("mlp_norm", c.HiddenSize, c.RMSNormEps),
	}
	switch {
	case c.NumExperts > 0:
		b.mlp = newMixture(c, p)
	case c.act != nil:
		b.mlp = p.GatedMLP(&c.Standard, c.MLPBias, c.act)
	default:
		b.mlp = p.GatedMLP(&c.Standard, c.MLPBias, mlx.SiLU)
	}
	return b
}

// halvesFromPairs returns the row order that undoes llama.cpp's interleaving of
// Llama's q and k: it turns neighbouring pairs of dimensions, the Hugging Face form the
// two halves of a head. Row i of half s of a head is row 2i+s in the file.
func halvesFromPairs(heads, headDim int) []int {
	order := make([]int, 0, heads*headDim)
	for h := range heads {
		for s := range 2 {
			for i := range headDim / 2 {
				order = append(order, h*headDim+2*i+s)
			}
		}
	}
	return order
}

type block struct {
	attnNorm *nn.RMSNorm
	attn     *attention
	mlpNorm  *nn.RMSNorm
	mlp      model.FeedForward
}

// Forward maps resid_pre to resid_post, both [batch, pos, d_model]:
//
//	h = x + Attn(RMSNorm(x))
//	y = h + MLP(RMSNorm(h))
func (b *block) Forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	x = pass.At(model.ResidPre, layer, x)
	n := pass.At(model.AttnNorm, layer, b.attnNorm.Forward(x))
	a := pass.At(model.AttnOut, layer, b.attn.forward(n, layer, pass))
	h := pass.At(model.ResidMid, layer, mlx.Add(x, a))
	n = pass.At(model.MLPNorm, layer, b.mlpNorm.Forward(h))
	m := pass.At(model.MLPOut, layer, b.mlp.Forward(n, layer, pass))
	return pass.At(model.ResidPost, layer, mlx.Add(h, m))
}

// attention is causal attention with grouped queries, over the last Window positions where
// there is a window.
type attention struct {
	model.Attention
	q, k, v *nn.Linear
	rope    *model.Rope // nil: positions turn nothing
	query   model.QueryScale
}

// forward maps [batch, pos, d_model] to what attention adds to the stream:
//
//	q, k, v = x·W_Q, x·W_K, x·W_V,   q, k turned by RoPE
//	z = softmax(q·kᵀ·d_head^−½ + causal + window)·v
//	out = z·W_O
func (a *attention) forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	q := pass.At(model.Q, layer, model.Heads(a.q.Forward(x), a.Heads))
	k := pass.At(model.K, layer, model.Heads(a.k.Forward(x), a.KVHeads))
	v := pass.At(model.V, layer, model.Heads(a.v.Forward(x), a.KVHeads))
	q = pass.Rotate(model.RotQ, layer, q, a.rope) // [batch, head, pos, d_head]
	k = pass.Rotate(model.RotK, layer, k, a.rope)
	return pass.Attend(a.query.Of(q, pass), k, v, layer, a.Attention)
}
