package gpt2

import (
	"math"
	"strings"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/load"
)

// layers are the patterns of a layer's modules: mlx-lm's, Hugging Face's two, and
// llama.cpp's.
var layers = []string{"model.h.%d.", "transformer.h.%d.", "h.%d.", "blk.%d."}

// ends returns the paths of a module outside the layers.
func ends(hf, gguf string) []string {
	return []string{"model." + hf, "transformer." + hf, hf, gguf}
}

// New takes the weights that a config asks for. The caller runs the loader's Load.
func New(c *Config, l *load.Loader) (*model.Transformer, error) {
	t := &model.Transformer{
		Embedding: l.Embedding(load.Want{Role: "embed", Modules: ends("wte", "token_embd"), Shape: []int{c.VocabSize, c.NEmbd}}),
		Positions: l.Embedding(load.Want{Role: "pos_embed", Modules: ends("wpe", "position_embd"), Shape: []int{c.NPositions, c.NEmbd}}),
		Weights:   l.Weights(),
		Lacks:     load.Lacking(model.QNormed, model.KNormed, model.MLPPreLinear, model.AttnRaw, model.MLPRaw),
		Modules: map[model.Site]string{
			model.Embed: "model.wte", model.PosEmbed: "model.wpe",
			model.AttnNorm: "model.h.%d.ln_1", model.AttnOut: "model.h.%d.attn",
			model.MLPNorm: "model.h.%d.ln_2", model.MLPPre: "model.h.%d.mlp.c_fc", model.MLPOut: "model.h.%d.mlp",
			model.ResidPost: "model.h.%d", model.FinalNormOut: "model.ln_f", model.Logits: "lm_head",
		},
		Sizes: model.Shape{
			Layers: c.NLayer, DModel: c.NEmbd, Heads: c.NHead, KVHeads: c.NHead, DHead: c.NEmbd / c.NHead,
			DMLP: c.NInner, DVocab: c.VocabSize, Context: c.NPositions,
		},
	}
	t.Lacks[model.RotQ], t.Lacks[model.RotK] = "positions are embedded, and turn nothing", "positions are embedded, and turn nothing"
	// Hugging Face's files hold Conv1D's weights, [in, out]
	conv := l.Has(load.Want{Modules: []string{"h.0.attn.c_attn", "transformer.h.0.attn.c_attn"}})
	for i := range c.NLayer {
		t.Blocks = append(t.Blocks, newBlock(c, l, l.Layer(i, layers...), i, conv))
	}
	t.Norm = l.LayerNorm(load.Want{Role: "final_norm", Modules: ends("ln_f", "output_norm"), Shape: []int{c.NEmbd}}, c.LayerNormEpsilon)
	t.Head = l.Head(c.TieWordEmbeddings, c.VocabSize, c.NEmbd)
	l.Ignore(func(name string) bool { // the causal mask as a buffer
		return strings.HasSuffix(name, ".attn.bias") || strings.HasSuffix(name, ".attn.masked_bias")
	})
	return t, nil
}

func newBlock(c *Config, l *load.Loader, p load.Part, layer int, conv bool) *block {
	linear := func(role, hf, gguf string, out, in int) *nn.Linear {
		w := p.Want(role, []int{out, in}, hf, gguf)
		w.Bias, w.Transposed = true, conv
		return l.Linear(w)
	}
	attn := &attention{
		Attention: model.Attention{Heads: c.NHead, KVHeads: c.NHead, Scale: 1},
		qkv:       linear("qkv", "attn.c_attn", "attn_qkv", 3*c.NEmbd, c.NEmbd),
	}
	if c.ScaleAttnWeights {
		attn.Scale = 1 / math.Sqrt(float64(c.NEmbd/c.NHead))
	}
	if c.ScaleAttnByInverseLayerIdx { // Mistral's GPT-2 of 2021, for float16
		attn.Scale /= float64(layer + 1)
	}
	attn.Out = linear("attn_out", "attn.c_proj", "attn_output", c.NEmbd, c.NEmbd)
	return &block{
		norm1: p.LayerNorm("attn_norm", c.NEmbd, c.LayerNormEpsilon, "ln_1", "attn_norm"),
		attn:  attn,
		norm2: p.LayerNorm("mlp_norm", c.NEmbd, c.LayerNormEpsilon, "ln_2", "ffn_norm"),
		mlp: &model.MLP{
			Up:   linear("mlp_pre", "mlp.c_fc", "ffn_up", c.NInner, c.NEmbd),
			Down: linear("mlp_out", "mlp.c_proj", "ffn_down", c.NEmbd, c.NInner),
			Act:  c.activation,
		},
	}
}

type block struct {
	norm1 *nn.LayerNorm
	attn  *attention
	norm2 *nn.LayerNorm
	mlp   *model.MLP
}

// Forward maps resid_pre to resid_post, both [batch, pos, d_model]:
//
//	h = x + Attn(LayerNorm(x))
//	y = h + MLP(LayerNorm(h))
func (b *block) Forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	x = pass.At(model.ResidPre, layer, x)
	n := pass.At(model.AttnNorm, layer, b.norm1.Forward(x))
	a := pass.At(model.AttnOut, layer, b.attn.forward(n, layer, pass))
	h := pass.At(model.ResidMid, layer, mlx.Add(x, a))
	n = pass.At(model.MLPNorm, layer, b.norm2.Forward(h))
	m := pass.At(model.MLPOut, layer, b.mlp.Forward(n, layer, pass))
	return pass.At(model.ResidPost, layer, mlx.Add(h, m))
}

// attention is causal attention; one matrix makes queries, keys and values.
type attention struct {
	model.Attention
	qkv *nn.Linear
}

// forward maps [batch, pos, d_model] to what attention adds to the stream:
//
//	[q k v] = x·W_QKV + b
//	z = softmax(scale·q·kᵀ + causal)·v
//	out = z·W_O + b_O
func (a *attention) forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	qkv := model.Heads(a.qkv.Forward(x), 3*a.Heads) // [batch, pos, 3·head, d_head]
	q := pass.At(model.Q, layer, mlx.Slice(qkv, 2, mlx.Between(0, a.Heads)))
	k := pass.At(model.K, layer, mlx.Slice(qkv, 2, mlx.Between(a.Heads, 2*a.Heads)))
	v := pass.At(model.V, layer, mlx.Slice(qkv, 2, mlx.Between(2*a.Heads, 3*a.Heads)))
	return pass.Attend(model.Swap(q), model.Swap(k), v, layer, a.Attention)
}
