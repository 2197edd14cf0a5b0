package nemotronh

import (
	"fmt"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/load"
	"github.com/mlxlens/mlxlens/model/mamba2"
)

// New takes the weights that a config asks for. The caller runs the loader's Load.
func New(c *Config, l *load.Loader) (*model.Transformer, error) {
	c.note(l)
	l.LeaveOut("mtp.")                                             // predicts further tokens
	outside := func(role, module string, shape ...int) load.Want { // the authors' and mlx-lm's name, and transformers' own
		return load.Want{Role: role, Modules: []string{"backbone." + module, "model." + module, module}, Shape: shape}
	}
	t := &model.Transformer{
		Embedding: l.Embedding(outside("embed", "embeddings", c.VocabSize, c.HiddenSize)),
		Weights:   l.Weights(),
		Sizes:     c.shape(c.Shape()),
	}
	for i := range c.NumHiddenLayers {
		t.Blocks = append(t.Blocks, newBlock(c, l.Layer(i, "backbone.layers.%d.", "model.layers.%d.", "layers.%d."), i))
	}
	t.Norm = l.RMSNorm(outside("final_norm", "norm_f", c.HiddenSize), c.RMSNormEps)
	t.Head = l.Head(c.TieWordEmbeddings, c.VocabSize, c.HiddenSize)
	c.sites(t, l)
	return t, nil
}

// note says what mlx-lm computes otherwise.
func (c *Config) note(l *load.Loader) {
	say := func(is bool, text string, about ...any) {
		if is {
			l.Note(model.Note{Text: fmt.Sprintf(text, about...)})
		}
	}
	if c.has(Mamba) && c.TimeStepMin > 0 {
		limit := "lets them be any"
		if len(c.TimeStepLimit) == 2 {
			limit = fmt.Sprintf("holds them from %v to %v, by time_step_limit", float64(c.TimeStepLimit[0]), float64(c.TimeStepLimit[1]))
		}
		say(true, "the steps of the state space are at least %v (time_step_min), as in transformers; mlx-lm %s", c.TimeStepMin, limit)
	}
	say(c.has(Mamba) && c.MambaProjBias != nil && *c.MambaProjBias != c.UseBias, "use_bias says whether the matrices of the state space have biases, as in transformers; mlx-lm reads mamba_proj_bias")
	say(c.has(Attention) && c.headUnsaid && c.HeadDim*c.NumAttentionHeads != c.HiddenSize,
		"head_dim is missing, and a head has 128 dimensions, as in transformers; mlx-lm takes hidden_size/num_attention_heads")
	mixes := c.has(Experts)
	say(mixes && c.weightsUnsaid, "norm_topk_prob is missing, and the weights of a position's experts sum to 1 before they are scaled, as in transformers; mlx-lm leaves them as they are")
	say(mixes && c.NormTopKProb && c.NumExpertsPerTok == 1, "the weight of a position's only expert is 1 times routed_scaling_factor, as in transformers; mlx-lm does not normalise one alone")
}

// Why a layer lacks sites.
const (
	noMLP     = "the layer is a mixer, and no MLP"
	noMixer   = "the layer is an MLP, and no mixer"
	noExperts = "the layer has no experts"
)

// sites says which layers lack which sites, and what modules are called.
func (c *Config) sites(t *model.Transformer, l *load.Loader) {
	t.Lacks = load.Lacking(model.PosEmbed, model.QNormed, model.KNormed, model.AttnRaw, model.MLPRaw, model.MLPPreLinear)
	t.Lacks[model.PosEmbed] = "positions are not embedded, and turn nothing"
	t.Lacks[model.RotQ], t.Lacks[model.RotK] = "positions do not turn queries and keys", "positions do not turn queries and keys"
	t.Lacks[model.ResidMid] = "a layer is a mixer or an MLP, and there is no state between two"
	const of = "backbone.layers.%d."
	t.Modules = map[model.Site]string{
		model.Embed: "backbone.embeddings", model.ResidPost: "backbone.layers.%d", model.FinalNormOut: "backbone.norm_f", model.Logits: "lm_head",
	}
	if c.has(Mamba) {
		mamba2.Have(t, c.are(Mamba), c.are(Attention))
	}
	if c.has(Experts) {
		l.HaveRouter(t, of+"mixer.gate")
		delete(t.Lacks, model.SharedOut)
		t.Modules[model.SharedOut] = of + "mixer.shared_experts"
	}
	experts := []model.Site{model.RouterLogits, model.ExpertIDs, model.ExpertWeights, model.ExpertPost, model.ExpertOut, model.SharedOut}
	for layer, kind := range c.Kinds {
		norm, out := model.AttnNorm, model.AttnOut
		if kind == MLP || kind == Experts {
			norm, out = model.MLPNorm, model.MLPOut
			t.Lack(layer, noMixer, model.AttnNorm, model.ConvOut, model.Q, model.K, model.V, model.AttnScores, model.Pattern, model.AttnGate, model.Z, model.HeadOut, model.AttnOut)
		} else {
			t.Lack(layer, noMLP, append(experts, model.MLPNorm, model.MLPPre, model.MLPPost, model.MLPOut)...)
		}
		t.ModuleIn(layer, norm, of+"norm")
		t.ModuleIn(layer, out, of+"mixer")
		switch kind {
		case MLP:
			t.Lack(layer, noExperts, experts...)
			t.ModuleIn(layer, model.MLPPre, of+"mixer.up_proj")
		case Experts:
			t.ModuleIn(layer, model.MLPPre, of+"mixer.shared_experts.up_proj")
		}
	}
}

func newBlock(c *Config, p load.Part, layer int) model.Block {
	norm := p.RMSNorm("norm", c.HiddenSize, c.RMSNormEps, "norm")
	switch c.Kinds[layer] {
	case Mamba:
		return &mixing{norm, mamba2.New(p, c.mamba(), "mixer.")}
	case Attention:
		return &mixing{norm, newAttention(c, p, layer)}
	case Experts:
		return &feeding{norm, newMoE(c, p)}
	}
	return &feeding{norm, newMLP(c, p, "mlp", c.IntermediateSize, "mixer.")}
}

// mixing is a layer that lets positions look at each other, and does nothing else.
type mixing struct {
	norm  *nn.RMSNorm
	mixer mixer
}

// mixer is attention or a state space. It maps [batch, pos, d_model] to what is added to the stream.
type mixer interface {
	Forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array
}

// Forward maps resid_pre to resid_post, both [batch, pos, d_model]:
//
//	y = x + Mixer(RMSNorm(x))
func (b *mixing) Forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	x = pass.At(model.ResidPre, layer, x)
	n := pass.At(model.AttnNorm, layer, b.norm.Forward(x))
	a := pass.At(model.AttnOut, layer, b.mixer.Forward(n, layer, pass))
	return pass.At(model.ResidPost, layer, mlx.Add(x, a))
}

// feeding is a layer in which each position stays by itself.
type feeding struct {
	norm *nn.RMSNorm
	mlp  model.FeedForward // or experts
}

// Forward maps resid_pre to resid_post, both [batch, pos, d_model]:
//
//	y = x + MLP(RMSNorm(x)), or experts and an MLP that all positions pass
func (b *feeding) Forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	x = pass.At(model.ResidPre, layer, x)
	n := pass.At(model.MLPNorm, layer, b.norm.Forward(x))
	m := pass.At(model.MLPOut, layer, b.mlp.Forward(n, layer, pass))
	return pass.At(model.ResidPost, layer, mlx.Add(x, m))
}

// newMLP takes an MLP with one branch, max(x·W_up, 0)²·W_down, whose modules' paths begin with path.
func newMLP(c *Config, p load.Part, role string, size int, path string) *model.MLP {
	return &model.MLP{
		Up:   p.Linear(role+"_pre", size, c.HiddenSize, c.MLPBias, path+"up_proj"),
		Down: p.Linear(role+"_out", c.HiddenSize, size, c.MLPBias, path+"down_proj"),
		Act:  nn.ReLU2,
	}
}

func newMoE(c *Config, p load.Part) *model.MoE {
	router := &model.SigmoidRouter{
		Gate: p.Gate(c.NRoutedExperts, c.HiddenSize, "mixer.gate"), K: c.NumExpertsPerTok, Renormalize: c.NormTopKProb,
		Scale: c.RoutedScalingFactor, Groups: c.NGroup, Kept: c.TopKGroup,
	}
	p.Array("router_correction", []int{c.NRoutedExperts}, &router.Correction, "mixer.gate.e_score_correction_bias")
	m := &model.MoE{
		Router:  router,
		Experts: p.PlainExperts(c.NRoutedExperts, c.MoEIntermediateSize, c.dLatent(), nn.ReLU2, "mlp.switch_mlp.up_proj", "mixer.switch_mlp.fc1", "mlp.switch_mlp.down_proj", "mixer.switch_mlp.fc2", "mlp.experts.", "mixer.experts."),
		Shared:  newMLP(c, p, "shared", c.MoESharedExpertIntermediateSize, "mixer.shared_experts."),
	}
	if c.MoELatentSize != nil {
		m.Experts.In = p.Linear("latent_in", c.dLatent(), c.HiddenSize, c.MLPBias, "mixer.fc1_latent_proj")
		m.Experts.Out = p.Linear("latent_out", c.HiddenSize, c.dLatent(), c.MLPBias, "mixer.fc2_latent_proj")
	}
	return m
}

// attention is causal attention with grouped queries, in which no position turns anything.
type attention struct {
	model.Attention
	q, k, v *nn.Linear
}

func newAttention(c *Config, p load.Part, layer int) *attention {
	a := &attention{
		Attention: c.Attention(layer),
		q:         p.Linear("q", c.QWidth(), c.HiddenSize, false, "mixer.q_proj"),
		k:         p.Linear("k", c.KVWidth(), c.HiddenSize, false, "mixer.k_proj"),
		v:         p.Linear("v", c.KVWidth(), c.HiddenSize, false, "mixer.v_proj"),
	}
	a.Out = p.Linear("attn_out", c.HiddenSize, c.QWidth(), false, "mixer.o_proj")
	return a
}

// Forward maps [batch, pos, d_model] to what attention adds to the stream:
//
//	q, k, v = x·W_Q, x·W_K, x·W_V
//	z = softmax(q·kᵀ·d_head^−½ + causal)·v
//	out = z·W_O
func (a *attention) Forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	q := pass.At(model.Q, layer, model.Heads(a.q.Forward(x), a.Heads))
	k := pass.At(model.K, layer, model.Heads(a.k.Forward(x), a.KVHeads))
	v := pass.At(model.V, layer, model.Heads(a.v.Forward(x), a.KVHeads))
	return pass.Attend(model.Swap(q), model.Swap(k), v, layer, a.Attention)
}
