package granite4

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
	var rope *model.Rope
	if c.turns() {
		var err error
		if rope, err = c.Rope.Rotation(l, c.HeadDim); err != nil {
			return nil, err
		}
	}
	c.note(l)
	t := l.Transformer(&c.Standard, func(p load.Part, layer int) model.Block { return newBlock(c, l, p, layer, rope) })
	if t.Head != nil && c.TieWordEmbeddings == nil {
		l.Note(model.Note{Text: "tie_word_embeddings is missing, and the file's head is taken, as in transformers; mlx-lm takes the embedding in its place"})
	}
	t.EmbedScale, t.LogitScale = c.EmbeddingMultiplier, 1/c.LogitsScaling
	t.Sizes = c.shape(t.Sizes)
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
	attends := len(c.attending()) > 0
	say(c.unsaid["num_local_experts"], "num_local_experts is missing, and there are 8, as in transformers; mlx-lm takes an MLP in their place")
	say(attends && c.PositionEmbeddingType == "", "position_embedding_type is missing or null, and queries and keys do not turn, as in transformers; mlx-lm turns them")
	say(attends && c.turns() && c.Rope.Kind() != "default", "queries and keys turn by rope type %q, as in transformers; mlx-lm knows no scaling for this model_type", c.Rope.Kind())
	say(attends && c.HeadDim*c.NumAttentionHeads != c.HiddenSize, "heads have head_dim dimensions, as in transformers; mlx-lm does not read it for this model_type")
	say(c.hybrid() && c.MambaNGroups > 1, "each of the mamba_n_groups is normed by itself, as in transformers; mlx-lm norms all of them together")
	say(c.hybrid() && c.unsaid["time_step_limit"], "time_step_limit is missing, and the steps of the state space have no bounds, as in transformers; mlx-lm takes 0.001 to 100")
}

// attending lists the layers that attend.
func (c *Config) attending() (layers []int) {
	for layer, attends := range c.Attends {
		if attends {
			layers = append(layers, layer)
		}
	}
	return layers
}

// sites says which layers lack which sites, and what modules are called.
func (c *Config) sites(t *model.Transformer, l *load.Loader) {
	l.Multiplied(t)
	delete(t.Modules, model.Embed) // outputs before their multipliers
	delete(t.Modules, model.Logits)
	if !c.turns() {
		t.Lacks[model.RotQ], t.Lacks[model.RotK] = "positions do not turn queries and keys", "positions do not turn queries and keys"
	}
	if c.hybrid() {
		mamba2.Have(t, c.mixes, func(layer int) bool { return c.Attends[layer] })
	}
	for layer := range c.Attends {
		if c.mixes(layer) {
			t.ModuleIn(layer, model.AttnRaw, l.Path("model.layers.%d.mamba"))
		}
	}
	if !c.mixture() {
		return
	}
	l.HaveRouter(t, "model.layers.%d.block_sparse_moe.router.layer")
	delete(t.Lacks, model.SharedOut)
	t.Modules[model.SharedOut] = l.Path("model.layers.%d.shared_mlp")
	l.Fused(t)
	delete(t.Modules, model.MLPRaw) // the sum of two modules'
}

func newBlock(c *Config, l *load.Loader, p load.Part, layer int, rope *model.Rope) *block {
	b := &block{
		mixerNorm:  p.RMSNorm("attn_norm", c.HiddenSize, c.RMSNormEps),
		mlpNorm:    p.RMSNorm("mlp_norm", c.HiddenSize, c.RMSNormEps),
		mlp:        newMLP(c, l, p),
		multiplier: c.ResidualMultiplier,
	}
	if c.Attends[layer] {
		b.mixer = newAttention(c, p, layer, rope)
	} else {
		b.mixer = mamba2.New(p, c.mamba(), "mamba.")
	}
	return b
}

// fusedMLP has one matrix for both branches.
const fusedMLP = "shared_mlp.input_linear"

// newMLP takes a layer's MLP, which files of mlx-lm have in three matrices where there are no
// experts, and its experts.
func newMLP(c *Config, l *load.Loader, p load.Part) model.FeedForward {
	if !c.mixture() && !l.Has(p.Want("mlp_gate_up", nil, fusedMLP)) {
		return p.GatedMLP(&c.Standard, false, mlx.SiLU)
	}
	role := map[bool]string{false: "mlp", true: "shared"}[c.mixture()]
	mlp := &model.FusedMLP{
		GateUp: p.Linear(role+"_gate_up", 2*c.IntermediateSize, c.HiddenSize, false, fusedMLP),
		Down:   p.Linear(role+"_out", c.HiddenSize, c.IntermediateSize, false, "shared_mlp.output_linear"),
		Act:    mlx.SiLU,
	}
	if !c.mixture() {
		return mlp
	}
	return &model.MoE{
		Router: &model.SoftmaxRouter{
			Gate: p.Gate(*c.NumLocalExperts, c.HiddenSize, "block_sparse_moe.router.layer", "block_sparse_moe.router"), K: c.NumExpertsPerTok, Renormalize: true,
		},
		Experts: p.GatedExperts(*c.NumLocalExperts, c.dExpert, c.HiddenSize, "mlp.experts.gate_up_proj", "block_sparse_moe.input_linear.weight",
			"mlp.experts.down_proj", "block_sparse_moe.output_linear.weight", "mlp.switch_mlp.", "block_sparse_moe.switch_mlp."),
		Shared: mlp,
	}
}

type block struct {
	mixerNorm  *nn.RMSNorm
	mixer      mixer
	mlpNorm    *nn.RMSNorm
	mlp        model.FeedForward
	multiplier float64 // m
}

// mixer is what lets positions look at each other: attention in some layers, a state space in most.
// It maps [batch, pos, d_model] to the output of its last matrix.
type mixer interface {
	Forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array
}

// Forward maps resid_pre to resid_post, both [batch, pos, d_model]:
//
//	h = x + m·Mixer(RMSNorm(x)), attention or a state space
//	y = h + m·MLP(RMSNorm(h)), or the sum of experts and an MLP that all positions pass
func (b *block) Forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	x = pass.At(model.ResidPre, layer, x)
	n := pass.At(model.AttnNorm, layer, b.mixerNorm.Forward(x))
	a := pass.At(model.AttnRaw, layer, b.mixer.Forward(n, layer, pass))
	a = pass.At(model.AttnOut, layer, mlx.Scale(a, b.multiplier))
	h := pass.At(model.ResidMid, layer, mlx.Add(x, a))
	n = pass.At(model.MLPNorm, layer, b.mlpNorm.Forward(h))
	m := pass.At(model.MLPRaw, layer, b.mlp.Forward(n, layer, pass))
	m = pass.At(model.MLPOut, layer, mlx.Scale(m, b.multiplier))
	return pass.At(model.ResidPost, layer, mlx.Add(h, m))
}

// attention is causal attention with grouped queries.
type attention struct {
	model.Attention
	q, k, v *nn.Linear
	rope    *model.Rope // nil: positions turn nothing
}

func newAttention(c *Config, p load.Part, layer int, rope *model.Rope) *attention {
	a := &attention{
		Attention: c.Attention(layer),
		q:         p.Linear("q", c.QWidth(), c.HiddenSize, c.AttentionBias),
		k:         p.Linear("k", c.KVWidth(), c.HiddenSize, c.AttentionBias),
		v:         p.Linear("v", c.KVWidth(), c.HiddenSize, c.AttentionBias),
		rope:      rope,
	}
	a.Scale = c.AttentionMultiplier
	a.Out = p.Linear("attn_out", c.HiddenSize, c.QWidth(), c.AttentionBias)
	return a
}

// Forward maps [batch, pos, d_model] to the output matrix's [batch, pos, d_model]:
//
//	q, k, v = x·W_Q, x·W_K, x·W_V,   q, k turned by RoPE in models that have it
//	z = softmax(q·kᵀ·attention_multiplier + causal)·v
//	out = z·W_O
func (a *attention) Forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	q := pass.At(model.Q, layer, model.Heads(a.q.Forward(x), a.Heads))
	k := pass.At(model.K, layer, model.Heads(a.k.Forward(x), a.KVHeads))
	v := pass.At(model.V, layer, model.Heads(a.v.Forward(x), a.KVHeads))
	q = pass.Rotate(model.RotQ, layer, q, a.rope) // [batch, head, pos, d_head]
	k = pass.Rotate(model.RotK, layer, k, a.rope)
	return pass.Attend(q, k, v, layer, a.Attention)
}
