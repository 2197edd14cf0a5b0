package load

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/mlxlens/mlxlens/internal/exactjson"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// Harmless says for which values a key of a config.json changes nothing.
type Harmless func(v any) bool

// Null is the absent or null value.
func Null(v any) bool { return v == nil }

// Empty is the absent, null or empty list.
func Empty(v any) bool {
	list, ok := v.([]any)
	return v == nil || ok && len(list) == 0
}

// Is holds for null and for one value.
func Is(want any) Harmless {
	return func(v any) bool { return v == nil || v == want }
}

// OneOf holds for null and for some values.
func OneOf(want ...any) Harmless {
	return func(v any) bool { return v == nil || slices.Contains(want, v) }
}

// Number holds for what a key that is read must have: a number other than 0, and no null.
func Number(v any) bool {
	x, ok := v.(float64)
	return ok && x != 0
}

// Said holds for all but null, where null is not what a key that is missing means.
func Said(v any) bool { return v != nil }

// changing lists keys, of any architecture, that change the mathematics in ways that
// an architecture has to implement: what no program reads for a model_type is not read here.
var changing = map[string]Harmless{
	// attention
	"attn_logit_softcapping": Null, "query_pre_attn_scalar": Null, "clip_qkv": Null, "attention_multiplier": Null, "attention_scale": Null,
	"attn_scale": Null, "softmax_scale": Null, "scale_attn_weights": Is(true), "scale_attn_by_inverse_layer_idx": Is(false),
	"use_qk_norm": Is(false), "qk_norm": Is(false), "qk_layernorm": Is(false), "use_qk_layernorm": Is(false), "use_mla": Is(false), "kv_lora_rank": Null,
	"attention_bias": Is(false), "qkv_bias": Is(false), "use_qkv_bias": Is(false), "attention_out_bias": Is(false),
	"attention_sink": Null, "attention_sinks": Null, "add_swa_attention_sink_bias": Is(false), "add_full_attention_sink_bias": Is(false),
	"attn_output_gate": Is(false), "attention_gate": Is(false), "use_gated_attention": Is(false), "attn_temperature_tuning": Is(false), "attention_chunk_size": Null,
	"sliding_window": Null, "sliding_window_pattern": Null, "layer_types": onlyFull, "use_bidirectional_attention": Is(false), "add_cross_attention": Is(false), "is_causal": Is(true), "num_kv_shared_layers": Is(0.0), "multi_query": Is(false),
	// positions
	"alibi": Is(false), "use_alibi": Is(false), "alibi_bias_max": Null, "position_embedding_type": OneOf("rope", "rotary"), "partial_rotary_factor": Is(1.0),
	"rotary_pct": Is(1.0), "rotary_dim": Null, "rope_pct": Is(1.0), "rope_percent": Is(1.0), "rope_ratio": Is(1.0), "rope_interleave": Is(false), "rope_interleaved": Is(false),
	"rope_traditional": Is(false), "rope_local_base_freq": Null, "local_rope_theta": Null, "swa_rope_theta": Null, "rotary_emb_base": Null, "no_rope_layers": Null, "no_rope_layer_interval": Null, "use_rope": Is(true), "use_rotary": Is(true), "use_mrope": Is(false),
	// experts
	"num_experts": Is(0.0), "num_local_experts": Is(0.0), "n_routed_experts": Is(0.0), "moe_num_experts": Is(0.0),
	// blocks
	"mlp_bias": Is(false), "use_bias": Is(false), "parallel_attn": Is(false), "use_parallel_residual": Is(false), "parallel_residual": Is(false),
	"residual_multiplier": Is(1.0), "residual_scale": Is(1.0), "scale_depth": Null, "depth_scale": Null, "scale_residual": Null,
	"layernorm1p": Is(false), "apply_layernorm_1p": Is(false), "rms_norm_add_unit_offset": Is(false), "add_unit_offset": Is(false), "norm_after": Is(false), "use_post_norm": Is(false), "sandwich_norm": Is(false),
	"activation_sparsity_pattern": Null, "mlp_activation_scale": Null, "altup_num_inputs": Null, "hidden_size_per_layer_input": Is(0.0), "laurel_rank": Null,
	// embedding and head
	"embedding_multiplier": Is(1.0), "embedding_scale": Is(1.0), "scale_emb": Is(1.0), "scale_embedding": Is(false), "embedding_multiplier_scale": Is(1.0), "mup_embeddings_scale": Is(1.0), "mup_width_scale": Is(1.0), "mup_width_multiplier": Is(1.0), "mup_attn_multiplier": Is(1.0),
	"dim_model_base": Null, "embedding_layernorm": Is(false), "word_embed_proj_dim": Null,
	"final_logit_softcapping": Null, "logit_scale": Is(1.0), "logits_scaling": Is(1.0), "lm_head_multiplier": Is(1.0), "output_multiplier": Is(1.0), "lm_head_bias": Is(false),
}

func onlyFull(v any) bool {
	types, ok := v.([]any)
	if v == nil {
		return true
	}
	for _, t := range types {
		ok = ok && t == "full_attention"
	}
	return ok
}

// ReadConfig reads a config.json into c, a pointer to a struct with its keys, which
// may hold defaults. It refuses a key that changes the mathematics unless implemented
// names it; own adds keys of the architecture, or other conditions. Other unknown keys
// are fine.
func ReadConfig(arch string, raw []byte, c any, own map[string]Harmless, implemented ...string) error {
	if err := exactjson.Unmarshal(raw, c); err != nil {
		return fmt.Errorf("%s: config.json: %w", arch, err)
	}
	var texts map[string]json.RawMessage
	if err := exactjson.Unmarshal(raw, &texts); err != nil {
		return fmt.Errorf("%s: config.json: %w", arch, err)
	}
	all := map[string]any{}
	keys := slices.Sorted(maps.Keys(texts))
	for _, key := range keys {
		var v any
		if err := exactjson.Unmarshal(texts[key], &v); err != nil {
			return fmt.Errorf("%s: config.json: %s: %w", arch, key, err)
		}
		all[key] = v
		if x, ok := beyondFloat32(all[key]); ok {
			return fmt.Errorf("%s: config.json: %s has the number %v, and what is computed with has at most %v", arch, key, x, math.MaxFloat32)
		}
	}
	for _, key := range keys {
		if err := checkTokenIDs(arch, key, all); err != nil {
			return err
		}
		harmless, ok := own[key]
		if !ok {
			if harmless, ok = changing[key]; !ok || slices.Contains(implemented, key) {
				continue
			}
		}
		if !harmless(all[key]) {
			return fmt.Errorf("%s: config.json: %s %v is not implemented for this model_type", arch, key, all[key])
		}
	}
	return nil
}

// beyondFloat32 finds a number that is infinite to who computes in float32.
func beyondFloat32(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, math.Abs(v) > math.MaxFloat32
	case []any:
		for _, one := range v {
			if x, ok := beyondFloat32(one); ok {
				return x, true
			}
		}
	case map[string]any:
		for _, one := range v {
			if x, ok := beyondFloat32(one); ok {
				return x, true
			}
		}
	}
	return 0, false
}

// Size is a number of a config that must be above 0, and not so large that no model has it:
// memory is taken by it before the first weight is looked at.
type Size struct {
	Key   string
	Value int
}

// The most layers and dimensions of a head; the largest models have 126 (Llama 3.1 405B) and 512.
const (
	mostLayers  = 4096
	mostHeadDim = 1 << 16
)

// mostOf bounds sizes by their keys, where the bound is not the one of an array's dimension.
var mostOf = map[string]int{"num_hidden_layers": mostLayers, "n_layer": mostLayers, "head_dim": mostHeadDim}

// CheckSizes returns an error that names the first size that is not above 0, or too large.
func CheckSizes(arch string, sizes ...Size) error {
	for _, s := range sizes {
		if s.Value <= 0 {
			return fmt.Errorf("%s: config.json: %s is %d, want a number above 0", arch, s.Key, s.Value)
		}
		if most := cmp.Or(mostOf[s.Key], math.MaxInt32); s.Value > most {
			return fmt.Errorf("%s: config.json: %s is %d, and no model has more than %d", arch, s.Key, s.Value, most)
		}
	}
	return nil
}

// CheckHeads completes and checks the sizes of attention: no kvHeads means heads, no
// headDim means hidden/heads.
func CheckHeads(arch string, hidden, heads int, kvHeads, headDim *int) error {
	if *kvHeads == 0 {
		*kvHeads = heads
	}
	if *headDim == 0 {
		if hidden%heads != 0 {
			return fmt.Errorf("%s: config.json: hidden_size %d is no multiple of num_attention_heads %d, and there is no head_dim", arch, hidden, heads)
		}
		*headDim = hidden / heads
	}
	if *headDim > mostHeadDim || *kvHeads > math.MaxInt32 {
		return CheckSizes(arch, Size{"head_dim", *headDim}, Size{"num_key_value_heads", *kvHeads})
	}
	switch {
	case *headDim < 0 || *headDim%2 != 0:
		return fmt.Errorf("%s: config.json: head_dim %d, want an even number above 0", arch, *headDim)
	case *kvHeads < 0 || heads%*kvHeads != 0:
		return fmt.Errorf("%s: config.json: num_attention_heads %d is no multiple of num_key_value_heads %d", arch, heads, *kvHeads)
	}
	return nil
}

// Windows returns how many keys each layer's queries see, 0 for all, from layer_types
// ("full_attention", "sliding_attention"); without them usual says which layers slide.
func Windows(arch string, layers int, types []string, window int, usual func(layer int) bool) ([]int, error) {
	if types != nil && len(types) != layers {
		return nil, fmt.Errorf("%s: config.json: layer_types has %d layers, and num_hidden_layers is %d", arch, len(types), layers)
	}
	out := make([]int, layers)
	for i := range out {
		slides := types == nil && usual(i)
		if types != nil {
			switch types[i] {
			case "full_attention":
			case "sliding_attention":
				slides = true
			default:
				return nil, fmt.Errorf("%s: config.json: layer_types %q is not implemented (have: full_attention, sliding_attention)", arch, types[i])
			}
		}
		if !slides {
			continue
		}
		if window <= 0 {
			return nil, fmt.Errorf("%s: config.json: layer %d slides, and sliding_window is %d, want a number above 0", arch, i, window)
		}
		out[i] = window
	}
	return out, nil
}

// CheckActivation returns an error unless got is one of the names that mean the
// architecture's activation.
func CheckActivation(arch, key, got string, have ...string) error {
	if slices.Contains(have, got) {
		return nil
	}
	return fmt.Errorf("%s: config.json: %s %q is not implemented (have: %s)", arch, key, got, strings.Join(have, ", "))
}

// OrNone returns the number that a key gives, 0 for null.
func OrNone(x *float64) float64 {
	if x == nil {
		return 0
	}
	return *x
}

// Activations are the functions that a config may name where an architecture takes any.
var Activations = map[string]func(*mlx.Array) *mlx.Array{
	"gelu_new": mlx.GELUTanh, "gelu_pytorch_tanh": mlx.GELUTanh, "gelu_fast": mlx.GELUTanh,
	"gelu": mlx.GELU, "silu": mlx.SiLU, "swish": mlx.SiLU, "tanh": mlx.Tanh, "relu": mlx.ReLU,
}

// activationWords are what names of theirs mean in words, where it is not the name itself.
var activationWords = map[string]string{
	"gelu_new": "the tanh form of GELU", "gelu_pytorch_tanh": "the tanh form of GELU", "gelu_fast": "the tanh form of GELU",
	"gelu": "the exact GELU", "silu": "SiLU", "swish": "SiLU",
}

// NoteActivation remarks on an activation that a key names where mlx-lm takes another for the
// model_type, whatever the config says.
func (l *Loader) NoteActivation(key, act, mlxLM string) {
	if ours, theirs := cmp.Or(activationWords[act], act), cmp.Or(activationWords[mlxLM], mlxLM); ours != theirs {
		l.Note(model.Note{Text: fmt.Sprintf("the MLP's activation is %s, which %s names, as in transformers; mlx-lm takes %s", ours, key, theirs)})
	}
}

// ActivationNames are their names.
func ActivationNames() []string { return slices.Sorted(maps.Keys(Activations)) }
