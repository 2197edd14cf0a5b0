package llama4

import (
	"fmt"
	"slices"

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
	if c.wrapped {
		l.Wrapped()
		c.note(l)
	} else {
		c.noteText(l)
	}
	t := l.Transformer(&c.Standard, func(p load.Part, layer int) model.Block { return newBlock(c, p, layer, rope) })
	t.Sizes = c.shape(t.Sizes)
	for site, module := range map[model.Site]string{model.MLPOut: "", model.MLPPre: ".gate_proj", model.MLPPreLinear: ".up_proj"} {
		t.Modules[site] = l.Path("model.layers.%d.feed_forward" + module)
	}
	if c.UseQKNorm && slices.Contains(c.turn, true) {
		delete(t.Lacks, model.QNormed)
		delete(t.Lacks, model.KNormed)
	}
	for layer, turns := range c.turn {
		if !turns {
			t.Lack(layer, "positions do not turn the queries and keys of this layer", model.RotQ, model.RotK)
			t.Lack(layer, "queries and keys are normed in layers that turn them alone", model.QNormed, model.KNormed)
		}
	}
	l.HaveExperts(t, "model.layers.%d.feed_forward.router", c.hasExperts, "model.layers.%d.feed_forward.shared_expert")
	return t, nil
}

// note says what mlx-lm computes otherwise in a model that also sees.
func (c *Config) note(l *load.Loader) {
	fourth := func(layers []bool) bool {
		for layer, is := range layers {
			if is == ((layer+1)%4 == 0) {
				return false
			}
		}
		return true
	}
	if !fourth(c.turn) || !fourth(c.chunks) {
		l.Note(model.Note{Text: "which layers turn and which attend within chunks is what the config says, as in transformers; mlx-lm takes every fourth layer for one that does neither"})
	}
	for layer, sparse := range c.sparse {
		if c.MoELayers != nil && (c.InterleaveMoEStep < 1 || sparse != ((layer+1)%c.InterleaveMoEStep == 0)) {
			l.Note(model.Note{Text: "moe_layers says which layers have experts, as in transformers; mlx-lm goes by interleave_moe_layer_step"})
			break
		}
	}
	if c.UseQKNorm && c.RMSNormEps != 1e-6 && slices.Contains(c.turn, true) {
		l.Note(model.Note{Text: fmt.Sprintf("queries and keys are normed with rms_norm_eps, %v, as in transformers; mlx-lm has 1e-6 there", c.RMSNormEps)})
	}
	if slices.Contains(c.sparse, true) && c.NumExpertsPerTok > 1 {
		l.Note(model.Note{Text: fmt.Sprintf("a position takes %d experts, as in transformers; mlx-lm refuses more than one", c.NumExpertsPerTok)})
	}
}

// noteText says what mlx-lm computes otherwise in a text model.
func (c *Config) noteText(l *load.Loader) {
	c.Rope.NotePlain(l, c.Rope.Theta, 1)
	if slices.Contains(c.chunks, true) {
		l.Note(model.Note{Above: c.AttentionChunkSize, Text: fmt.Sprintf("attention is within chunks of %d positions, as in transformers; mlx-lm has no chunks in a text model", c.AttentionChunkSize)})
	}
	still := slices.Index(c.turn, false)
	if still < 0 {
		return
	}
	if c.UseQKNorm {
		l.Note(model.Note{Text: "queries and keys are normed in layers that turn them alone, as in transformers; mlx-lm norms all in a text model"})
	}
	if s := c.queries(still); s.Beta != 0 {
		l.Note(model.Note{Above: int(s.Every) - 1, Text: fmt.Sprintf("queries grow every %v positions, as in transformers; mlx-lm's do not in a text model", s.Every)})
	}
}

func newBlock(c *Config, p load.Part, layer int, rope *model.Rope) *block {
	b := &block{
		attnNorm: p.RMSNorm("attn_norm", c.HiddenSize, c.RMSNormEps),
		attn: &attention{
			Attention: c.attention(layer),
			q:         p.Linear("q", c.QWidth(), c.HiddenSize, c.AttentionBias),
			k:         p.Linear("k", c.KVWidth(), c.HiddenSize, c.AttentionBias),
			v:         p.Linear("v", c.KVWidth(), c.HiddenSize, c.AttentionBias),
			query:     c.queries(layer),
		},
		mlpNorm: p.RMSNorm("mlp_norm", c.HiddenSize, c.RMSNormEps),
		mlp:     newMLP(c, p, layer),
	}
	b.attn.Out = p.Linear("attn_out", c.HiddenSize, c.QWidth(), c.AttentionBias)
	if c.turn[layer] {
		b.attn.rope = rope
		if c.UseQKNorm {
			b.attn.norm = &nn.RMSNorm{Eps: c.RMSNormEps}
		}
	}
	return b
}

func newMLP(c *Config, p load.Part, layer int) model.FeedForward {
	const path = "feed_forward."
	if !c.sparse[layer] {
		return &model.GatedMLP{
			Gate: p.Linear("mlp_pre", c.IntermediateSizeMLP, c.HiddenSize, false, path+"gate_proj"),
			Up:   p.Linear("mlp_pre_linear", c.IntermediateSizeMLP, c.HiddenSize, false, path+"up_proj"),
			Down: p.Linear("mlp_out", c.HiddenSize, c.IntermediateSizeMLP, false, path+"down_proj"),
			Act:  mlx.SiLU,
		}
	}
	experts := p.TransposedExperts(c.NumLocalExperts, c.IntermediateSize, c.HiddenSize, "mlp.switch_mlp.", path+"experts.", "mlp.experts.", path+"experts.")
	experts.Before = true
	return &model.MoE{
		Router:  &model.SigmoidRouter{Gate: p.Gate(c.NumLocalExperts, c.HiddenSize, path+"router"), K: c.NumExpertsPerTok, ByLogits: true, Scale: 1},
		Experts: experts,
		Shared:  p.SharedExpert(c.IntermediateSize, c.HiddenSize, path+"shared_expert."),
	}
}

type block struct {
	attnNorm *nn.RMSNorm
	attn     *attention
	mlpNorm  *nn.RMSNorm
	mlp      model.FeedForward
}

// Forward maps resid_pre to resid_post, both [batch, pos, d_model]:
//
//	h = x + Attn(RMSNorm(x))
//	y = h + MLP(RMSNorm(h)), or S(n) + Σ_e E_e(σ(n·W_e)·n) of n = RMSNorm(h) and the few experts of
//	the greatest n·W_e
func (b *block) Forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	x = pass.At(model.ResidPre, layer, x)
	n := pass.At(model.AttnNorm, layer, b.attnNorm.Forward(x))
	a := pass.At(model.AttnOut, layer, b.attn.forward(n, layer, pass))
	h := pass.At(model.ResidMid, layer, mlx.Add(x, a))
	n = pass.At(model.MLPNorm, layer, b.mlpNorm.Forward(h))
	m := pass.At(model.MLPOut, layer, b.mlp.Forward(n, layer, pass))
	return pass.At(model.ResidPost, layer, mlx.Add(h, m))
}

// attention is causal attention with grouped queries, in most layers within chunks of positions.
type attention struct {
	model.Attention
	q, k, v *nn.Linear
	norm    *nn.RMSNorm // of each head, without a gain; nil: none
	rope    *model.Rope // nil: positions turn nothing
	query   model.QueryScale
}

// forward maps [batch, pos, d_model] to what attention adds to the stream:
//
//	q, k, v = x·W_Q, x·W_K, x·W_V
//	q, k = RMSNorm(q), RMSNorm(k), turned by RoPE; in layers that do not turn q·s of the position
//	z = softmax(q·kᵀ·d_head^−½ + causal + chunk)·v
//	out = z·W_O
//
// The authors turn first. A rotation leaves lengths as they are, and a norm without a gain leaves
// directions, so that both orders are one.
func (a *attention) forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	q := pass.At(model.Q, layer, model.Heads(a.q.Forward(x), a.Heads))
	k := pass.At(model.K, layer, model.Heads(a.k.Forward(x), a.KVHeads))
	v := pass.At(model.V, layer, model.Heads(a.v.Forward(x), a.KVHeads))
	if a.norm != nil {
		q = pass.At(model.QNormed, layer, a.norm.Forward(q))
		k = pass.At(model.KNormed, layer, a.norm.Forward(k))
	}
	q = pass.Rotate(model.RotQ, layer, q, a.rope) // [batch, head, pos, d_head]
	k = pass.Rotate(model.RotK, layer, k, a.rope)
	return pass.Attend(a.query.Of(q, pass), k, v, layer, a.Attention)
}
