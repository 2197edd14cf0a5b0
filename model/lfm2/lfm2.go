package lfm2

import (
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
	t := l.Transformer(&c.Standard, func(p load.Part, layer int) model.Block { return newBlock(c, p, layer, rope) })
	t.Sizes = c.shape(t.Sizes)
	c.sites(t, l)
	return t, nil
}

// note says what mlx-lm computes otherwise.
func (c *Config) note(l *load.Loader) {
	c.Rope.NotePlain(l, c.Rope.Theta, 1)
	if c.HeadDim*c.NumAttentionHeads != c.HiddenSize {
		l.Note(model.Note{Text: "heads have head_dim dimensions, as in transformers; mlx-lm does not read it for this model_type"})
	}
	if !*c.TieWordEmbeddings {
		l.Note(model.Note{Text: "the head is not the embedding, as in transformers; mlx-lm ties them for this model_type"})
	}
}

// sites says which layers lack which sites, and what modules are called.
func (c *Config) sites(t *model.Transformer, l *load.Loader) {
	up, gate := "w3", "w1"
	if c.mixture { // mlx-lm renames them
		up, gate = "up_proj", "gate_proj"
	}
	for site, module := range map[model.Site]string{
		model.AttnNorm: "operator_norm", model.MLPNorm: "ffn_norm", model.MLPOut: "feed_forward",
		model.MLPPre: "feed_forward." + gate, model.MLPPreLinear: "feed_forward." + up,
	} {
		t.Modules[site] = l.Path("model.layers.%d." + module)
	}
	delete(t.Lacks, model.QNormed)
	delete(t.Lacks, model.KNormed)
	if c.convolves() {
		delete(t.Lacks, model.ConvOut)
		t.Modules[model.ConvOut] = l.Path("model.layers.%d.conv.conv")
	}
	for layer, conv := range c.Conv {
		switch {
		case conv:
			t.ModuleIn(layer, model.AttnOut, l.Path("model.layers.%d.conv"))
			t.Lack(layer, "its mixer is a convolution over a few positions, which has no heads and no pattern",
				model.Q, model.K, model.V, model.QNormed, model.KNormed, model.RotQ, model.RotK, model.AttnScores, model.Pattern, model.Z, model.HeadOut)
		case c.convolves():
			t.Lack(layer, "attention convolves nothing", model.ConvOut)
		}
	}
	l.HaveExperts(t, "model.layers.%d.feed_forward.gate", c.sparse)
}

func newBlock(c *Config, p load.Part, layer int, rope *model.Rope) *block {
	b := &block{
		mixerNorm: p.RMSNorm("attn_norm", c.HiddenSize, c.RMSNormEps, "operator_norm"),
		mlpNorm:   p.RMSNorm("mlp_norm", c.HiddenSize, c.RMSNormEps, "ffn_norm"),
		mlp:       newMLP(c, p, layer),
	}
	if c.Conv[layer] {
		b.mixer = newShortConv(c, p)
	} else {
		b.mixer = newAttention(c, p, layer, rope)
	}
	return b
}

func newMLP(c *Config, p load.Part, layer int) model.FeedForward {
	if !c.sparse(layer) {
		return &model.GatedMLP{
			Gate: p.Linear("mlp_pre", c.IntermediateSize, c.HiddenSize, false, "feed_forward.w1", "feed_forward.gate_proj"),
			Up:   p.Linear("mlp_pre_linear", c.IntermediateSize, c.HiddenSize, false, "feed_forward.w3", "feed_forward.up_proj"),
			Down: p.Linear("mlp_out", c.HiddenSize, c.IntermediateSize, false, "feed_forward.w2", "feed_forward.down_proj"),
			Act:  mlx.SiLU,
		}
	}
	router := &model.SigmoidRouter{
		Gate: p.Gate(c.NumExperts, c.HiddenSize, "feed_forward.gate"), K: c.NumExpertsPerTok, Renormalize: c.NormTopKProb, SumEps: 1e-6, Scale: c.RoutedScalingFactor,
	}
	if c.UseExpertBias {
		p.Array("router_correction", []int{c.NumExperts}, &router.Correction, "feed_forward.expert_bias")
	}
	return &model.MoE{Router: router, Experts: p.GatedExperts(c.NumExperts, c.MoEIntermediateSize, c.HiddenSize,
		"mlp.experts.%d.gate_proj", "feed_forward.experts.%d.w1", "mlp.experts.%d.up_proj", "feed_forward.experts.%d.w3",
		"mlp.experts.%d.down_proj", "feed_forward.experts.%d.w2", "mlp.experts.", "feed_forward.experts.", "mlp.switch_mlp.", "feed_forward.switch_mlp.")}
}

type block struct {
	mixerNorm *nn.RMSNorm
	mixer     mixer
	mlpNorm   *nn.RMSNorm
	mlp       model.FeedForward
}

// mixer is what lets positions look at each other: attention in some layers, a convolution in most.
// It maps [batch, pos, d_model] to what is added to the stream.
type mixer interface {
	forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array
}

// Forward maps resid_pre to resid_post, both [batch, pos, d_model]:
//
//	h = x + Mixer(RMSNorm(x)), attention or a gated convolution
//	y = h + MLP(RMSNorm(h)), or a mixture of experts
func (b *block) Forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	x = pass.At(model.ResidPre, layer, x)
	n := pass.At(model.AttnNorm, layer, b.mixerNorm.Forward(x))
	a := pass.At(model.AttnOut, layer, b.mixer.forward(n, layer, pass))
	h := pass.At(model.ResidMid, layer, mlx.Add(x, a))
	n = pass.At(model.MLPNorm, layer, b.mlpNorm.Forward(h))
	m := pass.At(model.MLPOut, layer, b.mlp.Forward(n, layer, pass))
	return pass.At(model.ResidPost, layer, mlx.Add(h, m))
}

// shortConv is a convolution over a few positions, with a gate before it and one behind.
type shortConv struct {
	in, out *nn.Linear // [3·d_model, d_model], [d_model, d_model]
	w       *mlx.Array // [channel, width, 1] or [channel, 1, width]
	bias    *mlx.Array // [channel]; nil: none
	width   int
}

func newShortConv(c *Config, p load.Part) *shortConv {
	m := &shortConv{
		in:    p.Linear("mixer_in", 3*c.HiddenSize, c.HiddenSize, c.ConvBias, "conv.in_proj"),
		out:   p.Linear("mixer_out", c.HiddenSize, c.HiddenSize, c.ConvBias, "conv.out_proj"),
		width: c.ConvLCache,
	}
	shape := []int{c.HiddenSize, c.ConvLCache, 1}
	if stored := p.StoredShape("conv.conv.weight"); len(stored) == 3 && stored[2] != 1 {
		shape[1], shape[2] = 1, c.ConvLCache // Hugging Face's layout
	}
	p.Array("conv", shape, &m.w, "conv.conv.weight")
	if c.ConvBias {
		p.Array("conv_bias", []int{c.HiddenSize}, &m.bias, "conv.conv.bias")
	}
	return m
}

// forward maps [batch, pos, d_model] to what the mixer adds to the stream:
//
//	B, C, u = x·W_in
//	y_t = Σ_j w_j ⊙ (B ⊙ u)_(t−width+1+j), of each channel by itself
//	out = (C ⊙ y)·W_out
func (m *shortConv) forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	parts := mlx.Split(m.in.Forward(x), 3, 2)
	y := model.Convolve(pass.Tail(layer, mlx.Multiply(parts[0], parts[2]), m.width-1), m.w)
	if m.bias != nil {
		y = mlx.Add(y, m.bias)
	}
	y = pass.At(model.ConvOut, layer, y) // [batch, pos, channel]
	return m.out.Forward(mlx.Multiply(parts[1], y))
}

// attention is causal attention with grouped queries.
type attention struct {
	model.Attention
	q, k, v      *nn.Linear
	qNorm, kNorm *nn.RMSNorm // [d_head], of each head by itself
	rope         *model.Rope
}

func newAttention(c *Config, p load.Part, layer int, rope *model.Rope) *attention {
	a := &attention{
		Attention: c.Attention(layer),
		q:         p.Linear("q", c.QWidth(), c.HiddenSize, false),
		k:         p.Linear("k", c.KVWidth(), c.HiddenSize, false),
		v:         p.Linear("v", c.KVWidth(), c.HiddenSize, false),
		qNorm:     p.RMSNorm("q_norm", c.HeadDim, c.RMSNormEps, "self_attn.q_layernorm"),
		kNorm:     p.RMSNorm("k_norm", c.HeadDim, c.RMSNormEps, "self_attn.k_layernorm"),
		rope:      rope,
	}
	a.Out = p.Linear("attn_out", c.HiddenSize, c.QWidth(), false, "self_attn.out_proj")
	return a
}

// forward maps [batch, pos, d_model] to what attention adds to the stream:
//
//	q, k, v = x·W_Q, x·W_K, x·W_V
//	q, k = RMSNorm(q), RMSNorm(k),   turned by RoPE
//	z = softmax(q·kᵀ·d_head^−½ + causal)·v
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
