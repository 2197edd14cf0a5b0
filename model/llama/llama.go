package llama

import (
	"math"

	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
)

// New takes the weights that a config asks for. The caller runs the loader's Load.
func New(c *Config, l *model.Loader) (*model.Decoder, error) {
	rope, err := newRope(c, l)
	if err != nil {
		return nil, err
	}
	d := &model.Decoder{
		Embedding: l.KinEmbedding("", c.VocabSize, c.HiddenSize),
		Names:     model.KinNames(),
		Weights:   l.Weights(),
		Lacking:   []model.Site{model.PosEmbed},
		Sizes: model.Shape{
			Layers: c.NumHiddenLayers, DModel: c.HiddenSize, Heads: c.NumAttentionHeads, KVHeads: c.NumKeyValueHeads,
			DHead: c.HeadDim, DMLP: c.IntermediateSize, DVocab: c.VocabSize, Context: max(c.Rope.Reach(), c.MaxPositionEmbeddings),
		},
	}
	for i := range c.NumHiddenLayers {
		d.Blocks = append(d.Blocks, newBlock(c, l.Layer(i, model.KinLayers...), c.Windows[i], l, rope))
	}
	d.FinalGain = l.RMSNorm(model.KinFinalNorm("", c.HiddenSize), c.RMSNormEps)
	d.Head = l.KinHead("", c.TieWordEmbeddings, c.VocabSize, c.HiddenSize)
	return d, nil
}

// newRope returns the rotation of queries and keys. llama.cpp stores llama3's factors
// on 1/frequency as the tensor rope_freqs.
func newRope(c *Config, l *model.Loader) (*model.Rope, error) {
	rope, err := c.Rope.Rope(l, c.HeadDim)
	if err != nil {
		return nil, err
	}
	factors, err := l.Floats("rope_freqs.weight", c.HeadDim/2)
	if err != nil || factors == nil {
		return rope, err
	}
	return rope, rope.StretchBy(l, factors)
}

func newBlock(c *Config, p model.Part, window int, l *model.Loader, rope *model.Rope) *block {
	q, kv := c.NumAttentionHeads*c.HeadDim, c.NumKeyValueHeads*c.HeadDim
	turned := func(role string, modules []string, out, heads int) *nn.Linear {
		w := p.Want(role, modules, out, c.HiddenSize)
		w.Bias = c.AttentionBias
		if c.interleaved {
			w.Rows = model.HalvesFromPairs(heads, c.HeadDim)
		}
		return l.Linear(w)
	}
	return &block{
		inputNorm: p.RMSNorm("attn_norm", []string{"input_layernorm", "attn_norm"}, c.HiddenSize, c.RMSNormEps),
		attn: &attention{
			q:    turned("q", []string{"self_attn.q_proj", "attn_q"}, q, c.NumAttentionHeads),
			k:    turned("k", []string{"self_attn.k_proj", "attn_k"}, kv, c.NumKeyValueHeads),
			v:    p.Linear("v", []string{"self_attn.v_proj", "attn_v"}, kv, c.HiddenSize, c.AttentionBias),
			o:    p.Linear("attn_out", []string{"self_attn.o_proj", "attn_output"}, c.HiddenSize, q, c.AttentionBias),
			rope: rope,
			Attention: model.Attention{
				Heads: c.NumAttentionHeads, KVHeads: c.NumKeyValueHeads,
				Scale: 1 / math.Sqrt(float64(c.HeadDim)), Window: window,
			},
		},
		postAttnNorm: p.RMSNorm("mlp_norm", []string{"post_attention_layernorm", "ffn_norm"}, c.HiddenSize, c.RMSNormEps),
		mlp: &mlp{
			gate: p.Linear("mlp_pre", []string{"mlp.gate_proj", "ffn_gate"}, c.IntermediateSize, c.HiddenSize, c.MLPBias),
			up:   p.Linear("mlp_pre_linear", []string{"mlp.up_proj", "ffn_up"}, c.IntermediateSize, c.HiddenSize, c.MLPBias),
			down: p.Linear("mlp_out", []string{"mlp.down_proj", "ffn_down"}, c.HiddenSize, c.IntermediateSize, c.MLPBias),
		},
	}
}
