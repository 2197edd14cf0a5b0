package gptj

import (
	"math"
	"strings"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/load"
)

// New takes the weights that a config asks for. The caller runs the loader's Load.
func New(c *Config, l *load.Loader) (*model.Transformer, error) {
	l.NoteActivation("activation_function", c.ActivationFunction, "gelu_new")
	outside := func(role, module string, shape ...int) load.Want { // mlx-lm's name, and Hugging Face's two
		return load.Want{Role: role, Modules: []string{"model." + module, "transformer." + module, module}, Shape: shape}
	}
	head := load.Want{Role: "unembed", Modules: []string{"lm_head"}, Shape: []int{c.VocabSize, c.NEmbd}}
	embed := outside("embed", "wte", c.VocabSize, c.NEmbd)
	embed.LookedUp = !c.TieWordEmbeddings || l.Has(head)
	t := &model.Transformer{
		Embedding: l.Embedding(embed),
		Modules: map[model.Site]string{
			model.Embed: "model.wte", model.AttnNorm: "model.h.%d.ln_1", model.AttnOut: "model.h.%d.attn", model.MLPPre: "model.h.%d.mlp.fc_in",
			model.MLPOut: "model.h.%d.mlp", model.ResidPost: "model.h.%d", model.FinalNormOut: "model.ln_f", model.Logits: "lm_head",
		},
		Lacks: load.Lacking(model.PosEmbed, model.QNormed, model.KNormed, model.AttnRaw, model.ResidMid, model.MLPNorm,
			model.MLPPreLinear, model.MLPRaw),
		Weights: l.Weights(),
		Sizes: model.Shape{
			Layers: c.NLayer, DModel: c.NEmbd, Heads: c.NHead, KVHeads: c.NHead, DHead: c.headDim(),
			DMLP: *c.NInner, DVocab: c.VocabSize, Context: c.NPositions,
		},
	}
	rope := &model.Rope{Rotary: mlx.Rotary{Dims: c.RotaryDim, Traditional: true, Base: 10_000, Scale: 1}, Magnitude: 1}
	for i := range c.NLayer {
		t.Blocks = append(t.Blocks, newBlock(c, l.Layer(i, "model.h.%d.", "transformer.h.%d.", "h.%d."), rope))
	}
	t.Norm = l.LayerNorm(outside("final_norm", "ln_f", c.NEmbd), c.LayerNormEpsilon)
	l.BiasedHead(t, c.TieWordEmbeddings, head)
	l.Ignore(func(name string) bool { // the causal mask as buffers
		return strings.HasSuffix(name, ".attn.bias") || strings.HasSuffix(name, ".attn.masked_bias")
	})
	return t, nil
}

func newBlock(c *Config, p load.Part, rope *model.Rope) *block {
	projection := func(role, module string) *nn.Linear { return p.Linear(role, c.NEmbd, c.NEmbd, false, module) }
	return &block{
		norm: p.LayerNorm("attn_norm", c.NEmbd, c.LayerNormEpsilon, "ln_1"),
		attn: &attention{
			q: projection("q", "attn.q_proj"), k: projection("k", "attn.k_proj"), v: projection("v", "attn.v_proj"),
			rope: rope,
			Attention: model.Attention{
				Heads: c.NHead, KVHeads: c.NHead, Scale: 1 / math.Sqrt(float64(c.headDim())),
				Wide: true, // as in the authors' code
				Out:  projection("attn_out", "attn.out_proj"),
			},
		},
		mlp: &model.MLP{
			Up:   p.Linear("mlp_pre", *c.NInner, c.NEmbd, true, "mlp.fc_in"),
			Down: p.Linear("mlp_out", c.NEmbd, *c.NInner, true, "mlp.fc_out"),
			Act:  load.Activations[c.ActivationFunction],
		},
	}
}

type block struct {
	norm *nn.LayerNorm
	attn *attention
	mlp  *model.MLP
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

// attention is causal attention.
type attention struct {
	model.Attention
	q, k, v *nn.Linear
	rope    *model.Rope // of neighbouring dimensions
}

// forward maps [batch, pos, d_model] to what attention adds to the stream:
//
//	q, k, v = x·W_Q, x·W_K, x·W_V,   the first dimensions of q, k turned by RoPE in pairs
//	z = softmax(q·kᵀ·d_head^−½ + causal)·v
//	out = z·W_O
func (a *attention) forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	q := pass.At(model.Q, layer, model.Heads(a.q.Forward(x), a.Heads))
	k := pass.At(model.K, layer, model.Heads(a.k.Forward(x), a.KVHeads))
	v := pass.At(model.V, layer, model.Heads(a.v.Forward(x), a.KVHeads))
	q = pass.Rotate(model.RotQ, layer, q, a.rope) // [batch, head, pos, d_head]
	k = pass.Rotate(model.RotK, layer, k, a.rope)
	return pass.Attend(q, k, v, layer, a.Attention)
}
