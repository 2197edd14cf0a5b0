package llama

import (
	"fmt"
	"math"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
)

type block struct {
	inputNorm    *nn.RMSNorm
	attn         *attention
	postAttnNorm *nn.RMSNorm
	mlp          *mlp
}

// forward maps resid_pre to resid_post, both [batch, pos, d_model]:
//
//	h = x + Attn(RMSNorm(x))
//	y = h + MLP(RMSNorm(h))
func (b *block) forward(x *mlx.Array, layer int, tap *model.Tap) *mlx.Array {
	x = tap.At(model.ResidPre, layer, x)
	n := tap.At(model.AttnNorm, layer, b.inputNorm.Forward(x))
	a := tap.At(model.AttnOut, layer, b.attn.forward(n, layer, tap))
	h := tap.At(model.ResidMid, layer, mlx.Add(x, a))
	n = tap.At(model.MLPNorm, layer, b.postAttnNorm.Forward(h))
	m := tap.At(model.MLPOut, layer, b.mlp.forward(n, layer, tap))
	return tap.At(model.ResidPost, layer, mlx.Add(h, m))
}

func newBlock(c *Config, l *model.Loader, i int, rotary mlx.Rotary) *block {
	role := func(name string) string { return fmt.Sprintf("layers.%d.%s", i, name) }
	linear := func(name, hf, gguf string, out, in int, bias bool, rows []int) *nn.Linear {
		return l.Linear(model.Want{Role: role(name), Modules: names(i, hf, gguf), Shape: []int{out, in}, Bias: bias, Rows: rows})
	}
	norm := func(name, hf, gguf string) *nn.RMSNorm {
		return l.RMSNorm(model.Want{Role: role(name), Modules: names(i, hf, gguf), Shape: []int{c.HiddenSize}}, c.RMSNormEps)
	}
	var qRows, kRows []int
	if c.interleaved {
		qRows, kRows = halvesFromPairs(c.NumAttentionHeads, c.HeadDim), halvesFromPairs(c.NumKeyValueHeads, c.HeadDim)
	}
	q, kv := c.NumAttentionHeads*c.HeadDim, c.NumKeyValueHeads*c.HeadDim
	return &block{
		inputNorm: norm("attn_norm", "input_layernorm", "attn_norm"),
		attn: &attention{
			q:     linear("q", "self_attn.q_proj", "attn_q", q, c.HiddenSize, c.AttentionBias, qRows),
			k:     linear("k", "self_attn.k_proj", "attn_k", kv, c.HiddenSize, c.AttentionBias, kRows),
			v:     linear("v", "self_attn.v_proj", "attn_v", kv, c.HiddenSize, c.AttentionBias, nil),
			o:     linear("attn_out", "self_attn.o_proj", "attn_output", c.HiddenSize, q, c.AttentionBias, nil),
			heads: c.NumAttentionHeads, kvHeads: c.NumKeyValueHeads, headDim: c.HeadDim,
			scale:  1 / math.Sqrt(float64(c.HeadDim)),
			rotary: rotary,
		},
		postAttnNorm: norm("mlp_norm", "post_attention_layernorm", "ffn_norm"),
		mlp: &mlp{
			gate: linear("mlp_pre", "mlp.gate_proj", "ffn_gate", c.IntermediateSize, c.HiddenSize, c.MLPBias, nil),
			up:   linear("mlp_pre_linear", "mlp.up_proj", "ffn_up", c.IntermediateSize, c.HiddenSize, c.MLPBias, nil),
			down: linear("mlp_out", "mlp.down_proj", "ffn_down", c.HiddenSize, c.IntermediateSize, c.MLPBias, nil),
		},
	}
}

func (b *block) arrays() []*mlx.Array {
	all := append(b.inputNorm.Arrays(), b.postAttnNorm.Arrays()...)
	for _, l := range []*nn.Linear{b.attn.q, b.attn.k, b.attn.v, b.attn.o, b.mlp.gate, b.mlp.up, b.mlp.down} {
		all = append(all, l.Arrays()...)
	}
	return all
}
