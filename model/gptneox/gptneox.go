package gptneox

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
	outside := func(role, module string, shape ...int) load.Want { // Hugging Face's name, and mlx-lm's
		return load.Want{Role: role, Modules: []string{"gpt_neox." + module, "model." + module, module}, Shape: shape}
	}
	embed := outside("embed", "embed_in", c.VocabSize, c.HiddenSize)
	embed.LookedUp = !*c.TieWordEmbeddings
	t := &model.Transformer{
		Embedding: l.Embedding(embed),
		Modules: map[model.Site]string{
			model.Embed: "model.embed_in", model.AttnNorm: "model.h.%d.input_layernorm", model.AttnOut: "model.h.%d.attention",
			model.MLPNorm: "model.h.%d.post_attention_layernorm", model.MLPPre: "model.h.%d.mlp.dense_h_to_4h", model.MLPOut: "model.h.%d.mlp",
			model.ResidPost: "model.h.%d", model.FinalNormOut: "model.final_layer_norm", model.Logits: "model.embed_out",
		},
		Lacks:   load.Lacking(model.PosEmbed, model.QNormed, model.KNormed, model.MLPPreLinear, model.AttnRaw, model.MLPRaw),
		Weights: l.Weights(),
		Sizes:   c.Shape(),
	}
	if c.UseParallelResidual {
		maps.Copy(t.Lacks, load.Lacking(model.ResidMid))
	}
	for i := range c.NumHiddenLayers {
		t.Blocks = append(t.Blocks, newBlock(c, l.Layer(i, "gpt_neox.layers.%d.", "model.h.%d."), i, rope))
	}
	t.Norm = l.LayerNorm(outside("final_norm", "final_layer_norm", c.HiddenSize), c.LayerNormEps)
	if !*c.TieWordEmbeddings {
		t.Head = l.Linear(outside("unembed", "embed_out", c.VocabSize, c.HiddenSize))
	}
	l.Ignore(func(name string) bool { // the causal mask and the rotation as buffers
		return strings.HasSuffix(name, ".attention.bias") || strings.HasSuffix(name, ".attention.masked_bias") || strings.HasSuffix(name, ".rotary_emb.inv_freq")
	})
	return t, nil
}

func newBlock(c *Config, p load.Part, layer int, rope *model.Rope) *block {
	attn := &attention{
		Attention: c.Attention(layer),
		qkv:       p.Linear("qkv", 3*c.HiddenSize, c.HiddenSize, c.AttentionBias, "attention.query_key_value"),
		rope:      rope,
	}
	attn.Out = p.Linear("attn_out", c.HiddenSize, c.HiddenSize, c.AttentionBias, "attention.dense")
	return &block{
		parallel: c.UseParallelResidual,
		attnNorm: p.LayerNorm("attn_norm", c.HiddenSize, c.LayerNormEps, "input_layernorm"),
		attn:     attn,
		mlpNorm:  p.LayerNorm("mlp_norm", c.HiddenSize, c.LayerNormEps, "post_attention_layernorm"),
		mlp: &model.MLP{
			Up:   p.Linear("mlp_pre", c.IntermediateSize, c.HiddenSize, true, "mlp.dense_h_to_4h"),
			Down: p.Linear("mlp_out", c.HiddenSize, c.IntermediateSize, true, "mlp.dense_4h_to_h"),
			Act:  load.Activations[c.HiddenAct],
		},
	}
}

type block struct {
	parallel          bool
	attnNorm, mlpNorm *nn.LayerNorm
	attn              *attention
	mlp               *model.MLP
}

// Forward maps resid_pre to resid_post, both [batch, pos, d_model]:
//
//	parallel:    y = x + Attn(LayerNorm₁(x)) + MLP(LayerNorm₂(x))
//	sequential:  h = x + Attn(LayerNorm₁(x)),   y = h + MLP(LayerNorm₂(h))
func (b *block) Forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	x = pass.At(model.ResidPre, layer, x)
	a := pass.At(model.AttnOut, layer, b.attn.forward(pass.At(model.AttnNorm, layer, b.attnNorm.Forward(x)), layer, pass))
	h, read := mlx.Add(x, a), x
	if !b.parallel {
		h = pass.At(model.ResidMid, layer, h)
		read = h
	}
	m := pass.At(model.MLPOut, layer, b.mlp.Forward(pass.At(model.MLPNorm, layer, b.mlpNorm.Forward(read)), layer, pass))
	return pass.At(model.ResidPost, layer, mlx.Add(h, m))
}

// attention is causal attention; one matrix makes queries, keys and values, head by head.
type attention struct {
	model.Attention
	qkv  *nn.Linear
	rope *model.Rope
}

// forward maps [batch, pos, d_model] to what attention adds to the stream:
//
//	[q k v] of each head = x·W_QKV + b,   a part of q, k turned by RoPE
//	z = softmax(q·kᵀ·d_head^−½ + causal)·v
//	out = z·W_O + b_O
func (a *attention) forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	qkv := mlx.Split(model.Heads(a.qkv.Forward(x), a.Heads), 3, -1) // [batch, pos, head, d_head] each
	q, k, v := pass.At(model.Q, layer, qkv[0]), pass.At(model.K, layer, qkv[1]), pass.At(model.V, layer, qkv[2])
	q = pass.Rotate(model.RotQ, layer, q, a.rope) // [batch, head, pos, d_head]
	k = pass.Rotate(model.RotK, layer, k, a.rope)
	return pass.Attend(q, k, v, layer, a.Attention)
}
