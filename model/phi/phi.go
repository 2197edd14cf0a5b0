package phi

import (
	"maps"
	"strings"

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
	l.NoteActivation("hidden_act", c.HiddenAct, "gelu_new")
	c.Rope.NotePlain(l, 10_000, 0.4)
	head := load.Want{Role: "unembed", Modules: []string{"lm_head"}, Shape: []int{c.VocabSize, c.HiddenSize}}
	embed := l.Outside("embed", c.VocabSize, c.HiddenSize)
	embed.LookedUp = !*c.TieWordEmbeddings || l.Has(head)
	t := &model.Transformer{
		Embedding: l.Embedding(embed),
		Modules: map[model.Site]string{
			model.Embed: "model.embed_tokens", model.AttnNorm: "model.layers.%d.input_layernorm", model.AttnOut: "model.layers.%d.self_attn",
			model.MLPPre: "model.layers.%d.mlp.fc1", model.MLPOut: "model.layers.%d.mlp", model.ResidPost: "model.layers.%d",
			model.FinalNormOut: "model.final_layernorm", model.Logits: "lm_head",
		},
		Lacks:   load.Lacking(model.PosEmbed, model.AttnRaw, model.ResidMid, model.MLPNorm, model.MLPPreLinear, model.MLPRaw),
		Weights: l.Weights(),
		Sizes:   c.Shape(),
	}
	if !c.QKLayerNorm {
		maps.Copy(t.Lacks, load.Lacking(model.QNormed, model.KNormed))
	}
	for i := range c.NumHiddenLayers {
		t.Blocks = append(t.Blocks, newBlock(c, l.Layer(i), i, rope))
	}
	t.Norm = l.LayerNorm(load.Want{Role: "final_norm", Modules: []string{"model.final_layernorm", "final_layernorm"}, Shape: []int{c.HiddenSize}}, c.LayerNormEps)
	l.BiasedHead(t, *c.TieWordEmbeddings, head)
	l.Ignore(func(name string) bool { return strings.HasSuffix(name, ".rotary_emb.inv_freq") })
	return t, nil
}

func newBlock(c *Config, p load.Part, layer int, rope *model.Rope) *block {
	attn := &attention{
		Attention: c.Attention(layer),
		q:         p.Linear("q", c.QWidth(), c.HiddenSize, true),
		k:         p.Linear("k", c.KVWidth(), c.HiddenSize, true),
		v:         p.Linear("v", c.KVWidth(), c.HiddenSize, true),
		rope:      rope,
	}
	attn.Wide = true // Phi-2's scores are beyond float16
	attn.Out = p.Linear("attn_out", c.HiddenSize, c.QWidth(), true, "self_attn.dense")
	if c.QKLayerNorm {
		attn.qNorm = p.LayerNorm("q_norm", c.HeadDim, c.LayerNormEps, "self_attn.q_layernorm")
		attn.kNorm = p.LayerNorm("k_norm", c.HeadDim, c.LayerNormEps, "self_attn.k_layernorm")
	}
	return &block{
		norm: p.LayerNorm("attn_norm", c.HiddenSize, c.LayerNormEps),
		attn: attn,
		mlp: &model.MLP{
			Up:   p.Linear("mlp_pre", c.IntermediateSize, c.HiddenSize, true, "mlp.fc1"),
			Down: p.Linear("mlp_out", c.HiddenSize, c.IntermediateSize, true, "mlp.fc2"),
			Act:  load.Activations[c.HiddenAct],
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

// attention is causal attention with grouped queries.
type attention struct {
	model.Attention
	q, k, v      *nn.Linear
	qNorm, kNorm *nn.LayerNorm // [d_head], of each head by itself; nil: none
	rope         *model.Rope
}

// forward maps [batch, pos, d_model] to what attention adds to the stream:
//
//	q, k, v = x·W_Q + b_Q, x·W_K + b_K, x·W_V + b_V
//	q, k = LayerNorm(q), LayerNorm(k) where there are such,   a part of them turned by RoPE
//	z = softmax(q·kᵀ·d_head^−½ + causal)·v
//	out = z·W_O + b_O
func (a *attention) forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	q := pass.At(model.Q, layer, model.Heads(a.q.Forward(x), a.Heads))
	k := pass.At(model.K, layer, model.Heads(a.k.Forward(x), a.KVHeads))
	v := pass.At(model.V, layer, model.Heads(a.v.Forward(x), a.KVHeads))
	if a.qNorm != nil {
		q = pass.At(model.QNormed, layer, a.qNorm.Forward(q))
		k = pass.At(model.KNormed, layer, a.kNorm.Forward(k))
	}
	q = pass.Rotate(model.RotQ, layer, q, a.rope) // [batch, head, pos, d_head]
	k = pass.Rotate(model.RotK, layer, k, a.rope)
	return pass.Attend(q, k, v, layer, a.Attention)
}
