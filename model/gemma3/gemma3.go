package gemma3

import (
	"fmt"
	"math"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/load"
)

// New takes the weights that a config asks for. The caller runs the loader's Load.
func New(c *Config, l *load.Loader) (*model.Transformer, error) {
	global, err := c.Rope.Rotation(l, c.HeadDim)
	if err != nil {
		return nil, err
	}
	local, err := c.LocalRope.Rotation(l, c.HeadDim)
	if err != nil {
		return nil, err
	}
	if !c.gguf { // llama.cpp's converter has added it
		l.PlusOne()
	}
	if c.wrapped {
		l.Wrapped()
	}
	t := l.Transformer(&c.Standard, func(p load.Part, layer int) model.Block {
		if c.Windows[layer] > 0 {
			return newBlock(c, p, layer, local)
		}
		return newBlock(c, p, layer, global)
	})
	t.EmbedScale = embedScale(c, l)
	if t.SoftCap = load.OrNone(c.FinalLogitSoftcapping); t.SoftCap != 0 {
		delete(t.Modules, model.Logits) // the head's output is not capped
	}
	l.PostNorms(t)
	t.Modules[model.MLPNorm] = l.Path("model.layers.%d.pre_feedforward_layernorm")
	delete(t.Lacks, model.QNormed)
	delete(t.Lacks, model.KNormed)
	return t, nil
}

// embedScale returns √d_model, which the embedding is multiplied by in its own type.
func embedScale(c *Config, l *load.Loader) float64 {
	scale := math.Sqrt(float64(c.HiddenSize))
	if rounded := mlx.BrainOf(float32(scale)).Float32(); float64(rounded) != scale {
		l.Note(model.Note{Text: fmt.Sprintf("the embedding is multiplied by √d_model = %.6g in the type that the model computes in, as in transformers; mlx-lm takes %v for all types", scale, rounded)})
	}
	return scale
}

func newBlock(c *Config, p load.Part, layer int, rope *model.Rope) *block {
	norm := func(role string, module ...string) *nn.RMSNorm {
		return p.RMSNorm(role, c.HiddenSize, c.RMSNormEps, module...)
	}
	attn := &attention{
		Attention: c.Attention(layer),
		q:         p.Linear("q", c.QWidth(), c.HiddenSize, c.AttentionBias),
		k:         p.Linear("k", c.KVWidth(), c.HiddenSize, c.AttentionBias),
		v:         p.Linear("v", c.KVWidth(), c.HiddenSize, c.AttentionBias),
		qNorm:     p.RMSNorm("q_norm", c.HeadDim, c.RMSNormEps),
		kNorm:     p.RMSNorm("k_norm", c.HeadDim, c.RMSNormEps),
		rope:      rope,
	}
	attn.Scale = 1 / math.Sqrt(c.QueryPreAttnScalar)
	attn.Out = p.Linear("attn_out", c.HiddenSize, c.QWidth(), c.AttentionBias)
	return &block{
		preAttnNorm:  norm("attn_norm"),
		attn:         attn,
		postAttnNorm: norm("post_attn_norm"),
		preMLPNorm:   norm("mlp_norm", "pre_feedforward_layernorm", "ffn_norm"),
		mlp:          p.GatedMLP(&c.Standard, false, mlx.GELUTanh),
		postMLPNorm:  norm("post_mlp_norm"),
	}
}

type block struct {
	preAttnNorm, postAttnNorm *nn.RMSNorm
	attn                      *attention
	preMLPNorm, postMLPNorm   *nn.RMSNorm
	mlp                       *model.GatedMLP
}

// Forward maps resid_pre to resid_post, both [batch, pos, d_model]:
//
//	h = x + RMSNorm(Attn(RMSNorm(x)))
//	y = h + RMSNorm(MLP(RMSNorm(h)))
func (b *block) Forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	x = pass.At(model.ResidPre, layer, x)
	n := pass.At(model.AttnNorm, layer, b.preAttnNorm.Forward(x))
	a := pass.At(model.AttnRaw, layer, b.attn.forward(n, layer, pass))
	a = pass.At(model.AttnOut, layer, b.postAttnNorm.Forward(a))
	h := pass.At(model.ResidMid, layer, add(x, a))
	n = pass.At(model.MLPNorm, layer, b.preMLPNorm.Forward(h))
	m := pass.At(model.MLPRaw, layer, b.mlp.Forward(n, layer, pass))
	m = pass.At(model.MLPOut, layer, b.postMLPNorm.Forward(m))
	return pass.At(model.ResidPost, layer, add(h, m))
}

// add returns x + y, in float16 held within its range: the stream grows beyond it.
func add(x, y *mlx.Array) *mlx.Array {
	if x.Dtype() != mlx.Float16 {
		return mlx.Add(x, y)
	}
	const most = 65504 // the largest finite binary16
	s := x.Scope()
	sum := mlx.Add(mlx.AsType(x, mlx.Float32), mlx.AsType(y, mlx.Float32))
	sum = mlx.Maximum(mlx.Minimum(sum, mlx.Scalar[float32](s, most)), mlx.Scalar[float32](s, -most))
	return mlx.AsType(sum, mlx.Float16)
}

// attention is causal attention with grouped queries.
type attention struct {
	model.Attention
	q, k, v      *nn.Linear
	qNorm, kNorm *nn.RMSNorm // [d_head], of each head by itself
	rope         *model.Rope
}

// forward maps [batch, pos, d_model] to the output matrix's [batch, pos, d_model]:
//
//	q, k, v = x·W_Q, x·W_K, x·W_V
//	q, k = RMSNorm(q), RMSNorm(k),   turned by RoPE
//	z = softmax(q·kᵀ·query_pre_attn_scalar^−½ + causal + window)·v
//	out = z·W_O
func (a *attention) forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	q := pass.At(model.Q, layer, model.Heads(a.q.Forward(x), a.Heads))
	k := pass.At(model.K, layer, model.Heads(a.k.Forward(x), a.KVHeads))
	v := pass.At(model.V, layer, model.Heads(a.v.Forward(x), a.KVHeads))
	q = pass.At(model.QNormed, layer, a.qNorm.Forward(q))
	k = pass.At(model.KNormed, layer, a.kNorm.Forward(k))
	q = pass.Rotate(model.RotQ, layer, q, a.rope) // [batch, head, pos, d_head]
	k = pass.Rotate(model.RotK, layer, k, a.rope)
	return pass.Attend(q, k, v, layer, a.Attention)
}
