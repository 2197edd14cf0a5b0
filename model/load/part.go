package load

import (
	"fmt"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
)

// usual has the modules of Llama, which most architectures name alike, by the role of their
// weight: mlx-lm's and Hugging Face's name first, then that of a bare decoder, and
// llama.cpp's. Those of a layer stand behind one of layerPaths.
var usual = map[string][]string{
	"embed":      {"model.embed_tokens", "embed_tokens", "token_embd"},
	"final_norm": {"model.norm", "norm", "output_norm"},
	"unembed":    {"lm_head", "output"},

	"per_layer_embed":      {"model.embed_tokens_per_layer", "embed_tokens_per_layer"},
	"per_layer_projection": {"model.per_layer_model_projection", "per_layer_model_projection"},
	"per_layer_norm":       {"model.per_layer_projection_norm", "per_layer_projection_norm"},

	"attn_norm":      {"input_layernorm", "attn_norm"},
	"q":              {"self_attn.q_proj", "attn_q"},
	"k":              {"self_attn.k_proj", "attn_k"},
	"v":              {"self_attn.v_proj", "attn_v"},
	"q_norm":         {"self_attn.q_norm", "attn_q_norm"},
	"k_norm":         {"self_attn.k_norm", "attn_k_norm"},
	"attn_out":       {"self_attn.o_proj", "attn_output"},
	"post_attn_norm": {"post_attention_layernorm", "post_attention_norm"},
	"post_mlp_norm":  {"post_feedforward_layernorm", "post_ffw_norm"},
	"mlp_norm":       {"post_attention_layernorm", "ffn_norm"},
	"mlp_pre":        {"mlp.gate_proj", "ffn_gate"},
	"mlp_pre_linear": {"mlp.up_proj", "ffn_up"},
	"mlp_gate_up":    {"mlp.gate_up_proj", "ffn_up"},
	"mlp_out":        {"mlp.down_proj", "ffn_down"},
}

var layerPaths = []string{"model.layers.%d.", "layers.%d.", "blk.%d."}

// Part takes the weights of one layer: roles and modules are named below those of the
// layer. A weight is looked for in the modules that are named, or else in those that usual
// has for its role.
type Part struct {
	l        *Loader
	role     string
	prefixes []string
}

// Layer returns layer i, whose modules' paths begin with one of the patterns, %d standing
// for i; without patterns they are Llama's.
func (l *Loader) Layer(i int, patterns ...string) Part {
	p := Part{l: l, role: fmt.Sprintf("layers.%d.", i)}
	if patterns == nil {
		patterns = append(l.within(layerPaths[0]), layerPaths[1:]...)
	}
	for _, pattern := range patterns {
		p.prefixes = append(p.prefixes, fmt.Sprintf(pattern, i))
	}
	if l.skips(p.role) {
		l.leave(p.prefixes)
	}
	return p
}

// Want names a weight of the part.
func (p Part) Want(role string, shape []int, modules ...string) Want {
	w := Want{Role: p.role + role, Shape: shape}
	if modules == nil {
		modules = usual[role]
	}
	for _, prefix := range p.prefixes {
		for _, m := range modules {
			w.Modules = append(w.Modules, prefix+m)
		}
	}
	return w
}

// Linear takes a linear layer [out, in].
func (p Part) Linear(role string, out, in int, bias bool, modules ...string) *nn.Linear {
	w := p.Want(role, []int{out, in}, modules...)
	w.Bias = bias
	return p.l.Linear(w)
}

// Array takes a floating tensor that is no module's weight, by its full name below the layer, into
// dst.
func (p Part) Array(role string, shape []int, dst **mlx.Array, names ...string) {
	w := p.Want(role, shape, names...)
	p.l.roles = append(p.l.roles, w.Role)
	if p.l.skips(w.Role) {
		return
	}
	for i, name := range w.Modules {
		if t := p.l.ck.Tensor(name); t != nil {
			p.l.note(w, name, fmt.Sprintf("name %d of %d", i+1, len(w.Modules)))
			p.l.standsPlain(dst)
			p.l.floats(single(t), w, dst)
			return
		}
	}
	p.l.missing = append(p.l.missing, w.Modules[0])
}

// StoredShape returns the shape of the first of these tensors that the checkpoint has, nil where it
// has none; the names are below the part's path.
func (p Part) StoredShape(names ...string) []int {
	for _, name := range p.Want("", nil, names...).Modules {
		if t := p.l.ck.Tensor(name); t != nil {
			return t.Shape
		}
	}
	return nil
}

// RMSNorm takes a norm of n dimensions.
func (p Part) RMSNorm(role string, n int, eps float64, modules ...string) *nn.RMSNorm {
	return p.l.RMSNorm(p.Want(role, []int{n}, modules...), eps)
}

// LayerNorm takes a norm of n dimensions with gain and bias.
func (p Part) LayerNorm(role string, n int, eps float64, modules ...string) *nn.LayerNorm {
	return p.l.LayerNorm(p.Want(role, []int{n}, modules...), eps)
}

// HeadGains takes the gains of norms without a bias, one of n dimensions for each head, into dst:
// [head, n]. module is a pattern, %d standing for the head.
func (p Part) HeadGains(role string, heads, n int, dst **mlx.Array, module string) {
	w := p.Want(role, []int{heads, n}, module)
	if p.l.skips(w.Role) {
		return
	}
	for i, pattern := range w.Modules {
		gains := make([]*checkpoint.Tensor, heads)
		for head := range gains {
			gains[head] = p.l.ck.Tensor(fmt.Sprintf(pattern, head) + ".weight")
		}
		if all := stacked(gains); all != nil {
			p.l.note(w, pattern, fmt.Sprintf("name %d of %d", i+1, len(w.Modules)))
			p.l.standsPlain(dst)
			p.l.floats(all, w, dst)
			return
		}
	}
	p.l.missing = append(p.l.missing, fmt.Sprintf(w.Modules[0], 0)+".weight, and those of the other heads")
}

// GatedMLP takes the three matrices of a gated MLP.
func (p Part) GatedMLP(s *Standard, bias bool, act func(*mlx.Array) *mlx.Array) *model.GatedMLP {
	return &model.GatedMLP{
		Gate: p.Linear("mlp_pre", s.IntermediateSize, s.HiddenSize, bias),
		Up:   p.Linear("mlp_pre_linear", s.IntermediateSize, s.HiddenSize, bias),
		Down: p.Linear("mlp_out", s.HiddenSize, s.IntermediateSize, bias),
		Act:  act,
	}
}

// FusedMLP takes the two matrices of a gated MLP that has one for both branches.
func (p Part) FusedMLP(s *Standard, act func(*mlx.Array) *mlx.Array) *model.FusedMLP {
	return &model.FusedMLP{
		GateUp: p.Linear("mlp_gate_up", 2*s.IntermediateSize, s.HiddenSize, false),
		Down:   p.Linear("mlp_out", s.HiddenSize, s.IntermediateSize, false),
		Act:    act,
	}
}
