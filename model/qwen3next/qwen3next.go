package qwen3next

import (
	"errors"

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
	c.note(l)
	if c.of35 {
		l.Wrapped()
	}
	l.LeaveOut("mtp.")                                    // predicts further tokens
	conv := []int{c.channels(), c.LinearConvKernelDim, 1} // the layout of all convolutions
	stored, err := c.storedConv(l)
	if err != nil {
		return nil, err
	}
	if len(stored) == 3 && stored[2] != 1 {
		conv[1], conv[2] = 1, c.LinearConvKernelDim
		l.PlusOne() // the authors' files have this layout, and gains less 1
	}
	t := l.Transformer(&c.Standard, func(p load.Part, layer int) model.Block { return newBlock(c, p, layer, conv, rope) })
	t.Sizes = c.shape(t.Sizes)
	c.sites(t, l)
	return t, nil
}

// storedConv returns the shape of a convolution in the file, of any layer that is there.
func (c *Config) storedConv(l *load.Loader) ([]int, error) {
	for layer, linear := range c.Linear {
		if !linear {
			continue
		}
		if stored := l.Layer(layer).StoredShape("linear_attn.conv1d.weight"); stored != nil {
			return stored, nil
		}
	}
	if l.Partial() {
		return nil, errors.New("the shards that are there have no convolution, whose layout tells how the file has the gains of norms: have all shards, or other layers, here")
	}
	return nil, nil
}

// note says what mlx-lm computes otherwise.
func (c *Config) note(l *load.Loader) {
	if c.weightsUnsaid {
		l.Note(model.Note{Text: "norm_topk_prob is missing, and the weights of a position's experts sum to 1, as in transformers; mlx-lm leaves them as they are"})
	}
	for layer, linear := range c.Linear {
		if linear != ((layer+1)%c.FullAttentionInterval != 0) {
			l.Note(model.Note{Text: "layer_types say which layers attend, as in transformers; mlx-lm lets each so many one do, by full_attention_interval"})
			return
		}
	}
}

// sites says which layers lack which sites, and what modules are called.
func (c *Config) sites(t *model.Transformer, l *load.Loader) {
	for _, s := range []model.Site{model.QNormed, model.KNormed, model.AttnGate, model.ConvOut} {
		delete(t.Lacks, s)
	}
	for layer, linear := range c.Linear {
		if !linear {
			t.Lack(layer, "attention convolves nothing", model.ConvOut)
			continue
		}
		t.ModuleIn(layer, model.AttnOut, l.Path("model.layers.%d.linear_attn"))
		t.Lack(layer, "its mixer is a gated delta rule, whose queries, keys and values are in conv_out",
			model.Q, model.K, model.V, model.QNormed, model.KNormed, model.RotQ, model.RotK)
		t.Lack(layer, "its mixer is a gated delta rule, which has a state and no pattern", model.AttnScores, model.Pattern)
	}
	if c.mixture {
		l.HaveExperts(t, "model.layers.%d.mlp.gate", c.sparse, "model.layers.%d.mlp.shared_expert")
	}
}

func newBlock(c *Config, p load.Part, layer int, conv []int, rope *model.Rope) *block {
	b := &block{attnNorm: p.RMSNorm("attn_norm", c.HiddenSize, c.RMSNormEps)}
	if c.Linear[layer] {
		b.mixer = newDeltaNet(c, p, conv)
	} else {
		b.mixer = newAttention(c, p, layer, rope)
	}
	b.mlpNorm = p.RMSNorm("mlp_norm", c.HiddenSize, c.RMSNormEps)
	b.mlp = newMLP(c, p, layer)
	return b
}

func newMLP(c *Config, p load.Part, layer int) model.FeedForward {
	if !c.sparse(layer) {
		return p.GatedMLP(&c.Standard, false, mlx.SiLU)
	}
	return &model.MoE{
		Router:     &model.SoftmaxRouter{Gate: p.Gate(c.NumExperts, c.HiddenSize), K: c.NumExpertsPerTok, Renormalize: c.NormTopKProb},
		Experts:    p.GatedExperts(c.NumExperts, c.MoEIntermediateSize, c.HiddenSize),
		Shared:     p.SharedExpert(c.SharedExpertIntermediateSize, c.HiddenSize, "mlp.shared_expert."),
		SharedGate: p.Linear("shared_gate", 1, c.HiddenSize, false, "mlp.shared_expert_gate"),
	}
}

type block struct {
	attnNorm *nn.RMSNorm
	mixer    mixer
	mlpNorm  *nn.RMSNorm
	mlp      model.FeedForward
}

// mixer is what lets positions look at each other: attention in some layers, the gated delta rule
// in most. It maps [batch, pos, d_model] to what is added to the stream.
type mixer interface {
	forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array
}

// Forward maps resid_pre to resid_post, both [batch, pos, d_model]:
//
//	h = x + Mixer(RMSNorm(x)), attention or a gated delta rule
//	y = h + MLP(RMSNorm(h)), or a mixture of experts and one that all positions pass
func (b *block) Forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	x = pass.At(model.ResidPre, layer, x)
	n := pass.At(model.AttnNorm, layer, b.attnNorm.Forward(x))
	a := pass.At(model.AttnOut, layer, b.mixer.forward(n, layer, pass))
	h := pass.At(model.ResidMid, layer, mlx.Add(x, a))
	n = pass.At(model.MLPNorm, layer, b.mlpNorm.Forward(h))
	m := pass.At(model.MLPOut, layer, b.mlp.Forward(n, layer, pass))
	return pass.At(model.ResidPost, layer, mlx.Add(h, m))
}

// attention is causal attention with grouped queries, of which each head has a gate (Qiu et al.
// 2025, arXiv:2505.06708).
type attention struct {
	model.Attention
	q            *nn.Linear // queries and gates: [head·2·d_head, d_model]
	k, v         *nn.Linear
	qNorm, kNorm *nn.RMSNorm // [d_head], of each head by itself
	rope         *model.Rope
}

func newAttention(c *Config, p load.Part, layer int, rope *model.Rope) *attention {
	a := &attention{
		Attention: c.Attention(layer),
		q:         p.Linear("q", 2*c.QWidth(), c.HiddenSize, c.AttentionBias),
		k:         p.Linear("k", c.KVWidth(), c.HiddenSize, c.AttentionBias),
		v:         p.Linear("v", c.KVWidth(), c.HiddenSize, c.AttentionBias),
		qNorm:     p.RMSNorm("q_norm", c.HeadDim, c.RMSNormEps),
		kNorm:     p.RMSNorm("k_norm", c.HeadDim, c.RMSNormEps),
		rope:      rope,
	}
	a.Out = p.Linear("attn_out", c.HiddenSize, c.QWidth(), c.AttentionBias)
	return a
}

// forward maps [batch, pos, d_model] to what attention adds to the stream:
//
//	q, g, k, v = x·W_Q, x·W_G, x·W_K, x·W_V
//	q, k = RMSNorm(q), RMSNorm(k),   the first part of each turned by RoPE
//	z = σ(g) ⊙ softmax(q·kᵀ·d_head^−½ + causal)·v
//	out = z·W_O
func (a *attention) forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	both := mlx.Split(model.Heads(a.q.Forward(x), a.Heads), 2, 3)
	q := pass.At(model.Q, layer, both[0])
	k := pass.At(model.K, layer, model.Heads(a.k.Forward(x), a.KVHeads))
	v := pass.At(model.V, layer, model.Heads(a.v.Forward(x), a.KVHeads))
	q = pass.At(model.QNormed, layer, a.qNorm.Forward(q))
	k = pass.At(model.KNormed, layer, a.kNorm.Forward(k))
	q = pass.Rotate(model.RotQ, layer, q, a.rope) // [batch, head, pos, d_head]
	k = pass.Rotate(model.RotK, layer, k, a.rope)
	z := pass.Look(q, k, v, layer, a.Attention)
	gate := pass.At(model.AttnGate, layer, mlx.Sigmoid(both[1]))
	return pass.Project(mlx.Multiply(gate, z), layer, a.Attention)
}
