package cohere

import (
	"maps"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/load"
)

// New takes the weights that a config asks for. The caller runs the loader's Load.
func New(c *Config, l *load.Loader) (*model.Transformer, error) {
	rope, err := c.Rope.Rotation(l, c.HeadDim)
	if err != nil {
		return nil, err
	}
	c.Rope.NotePlain(l, c.theta, 1)
	if c.atOdds() {
		l.Note(model.Note{Text: "layer_types say which layers slide and turn, as in transformers; mlx-lm goes by sliding_window_pattern"})
	}
	t := l.Transformer(&c.Standard, func(p load.Part, layer int) model.Block {
		if !c.turns(layer) {
			return newBlock(c, l, p, layer, nil)
		}
		return newBlock(c, l, p, layer, rope)
	})
	t.LogitScale = c.LogitScale
	delete(t.Modules, model.Logits) // the head's output is not scaled
	delete(t.Modules, model.MLPNorm)
	maps.Copy(t.Lacks, load.Lacking(model.ResidMid, model.MLPNorm))
	if c.UseQKNorm {
		delete(t.Lacks, model.QNormed)
		delete(t.Lacks, model.KNormed)
	}
	lackTurns(c, t)
	return t, nil
}

// lackTurns says which layers do not turn queries and keys, if it is not all of them.
func lackTurns(c *Config, t *model.Transformer) {
	const why = "queries and keys of a layer that sees all do not turn"
	any := false
	for layer := range c.NumHiddenLayers {
		if any = any || c.turns(layer); !c.turns(layer) {
			t.Lack(layer, why, model.RotQ, model.RotK)
		}
	}
	if !any {
		t.Lacks[model.RotQ], t.Lacks[model.RotK] = why, why
	}
}

func newBlock(c *Config, l *load.Loader, p load.Part, layer int, rope *model.Rope) *block {
	norm := func(role string, shape ...int) *nn.LayerNorm {
		w := p.Want(role, shape)
		w.Unbiased = true
		return l.LayerNorm(w, c.LayerNormEps)
	}
	attn := &attention{
		Attention: c.Attention(layer),
		q:         p.Linear("q", c.QWidth(), c.HiddenSize, c.AttentionBias),
		k:         p.Linear("k", c.KVWidth(), c.HiddenSize, c.AttentionBias),
		v:         p.Linear("v", c.KVWidth(), c.HiddenSize, c.AttentionBias),
		rope:      rope,
	}
	if c.UseQKNorm {
		attn.qNorm, attn.kNorm = norm("q_norm", c.NumAttentionHeads, c.HeadDim), norm("k_norm", c.NumKeyValueHeads, c.HeadDim)
	}
	attn.Out = p.Linear("attn_out", c.HiddenSize, c.QWidth(), c.AttentionBias)
	return &block{norm: norm("attn_norm", c.HiddenSize), attn: attn, mlp: p.GatedMLP(&c.Standard, false, mlx.SiLU)}
}

type block struct {
	norm *nn.LayerNorm
	attn *attention
	mlp  *model.GatedMLP
}

// Forward maps resid_pre to resid_post, both [batch, pos, d_model]:
//
//	n = LayerNorm(x)
//	y = x + Attn(n) + MLP(n)
func (b *block) Forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	x = pass.At(model.ResidPre, layer, x)
	n := pass.At(model.AttnNorm, layer, b.norm.Forward(x))
	a := pass.At(model.AttnOut, layer, b.attn.forward(n, layer, pass))
	m := pass.At(model.MLPOut, layer, b.mlp.Forward(n, layer, pass))
	return pass.At(model.ResidPost, layer, mlx.Add(mlx.Add(x, a), m))
}

// attention is causal attention with grouped queries, over the last Window positions where
// there is a window.
type attention struct {
	model.Attention
	q, k, v      *nn.Linear
	qNorm, kNorm *nn.LayerNorm // gains [head, d_head]; nil: none
	rope         *model.Rope   // nil: nothing turns
}

// forward maps [batch, pos, d_model] to what attention adds to the stream:
//
//	q, k, v = x·W_Q, x·W_K, x·W_V
//	q, k = LayerNorm(q), LayerNorm(k) where there are norms,   turned by RoPE where a layer turns
//	z = softmax(q·kᵀ·d_head^−½ + causal + window)·v
//	out = z·W_O
func (a *attention) forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	q := pass.At(model.Q, layer, model.Heads(a.q.Forward(x), a.Heads))
	k := pass.At(model.K, layer, model.Heads(a.k.Forward(x), a.KVHeads))
	v := pass.At(model.V, layer, model.Heads(a.v.Forward(x), a.KVHeads))
	if a.qNorm != nil {
		q = pass.At(model.QNormed, layer, normed(q, a.qNorm))
		k = pass.At(model.KNormed, layer, normed(k, a.kNorm))
	}
	if a.rope == nil {
		return pass.Attend(model.Swap(q), model.Swap(k), v, layer, a.Attention)
	}
	q = pass.Rotate(model.RotQ, layer, q, a.rope) // [batch, head, pos, d_head]
	k = pass.Rotate(model.RotK, layer, k, a.rope)
	return pass.Attend(q, k, v, layer, a.Attention)
}

// normed is a LayerNorm of each head of x, [batch, pos, head, d_head], with a gain of its own.
func normed(x *mlx.Array, n *nn.LayerNorm) *mlx.Array {
	return mlx.Multiply(n.Weight, mlx.LayerNorm(x, nil, nil, n.Eps))
}
