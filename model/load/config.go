package load

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/mlxlens/mlxlens/mlx"
)

// Harmless says for which values a key of a config.json changes nothing.
type Harmless func(v any) bool

// Null is the absent or null value.
func Null(v any) bool { return v == nil }

// Is holds for null and for one value.
func Is(want any) Harmless {
	return func(v any) bool { return v == nil || v == want }
}

// changing lists keys, of any architecture, that change the mathematics in ways that
// an architecture has to implement.
var changing = map[string]Harmless{
	"attn_logit_softcapping": Null, "final_logit_softcapping": Null, "logit_scale": Is(1.0),
	"attention_multiplier": Null, "embedding_multiplier": Is(1.0), "residual_multiplier": Is(1.0), "logits_scaling": Is(1.0),
	"num_experts": Is(0.0), "num_local_experts": Is(0.0), "n_routed_experts": Is(0.0), "clip_qkv": Null, "use_qk_norm": Is(false), "qk_norm": Is(false),
	"no_rope_layers": Null, "attention_sink": Null, "sliding_window": Null, "layer_types": onlyFull, "query_pre_attn_scalar": Null,
	"use_bidirectional_attention": Is(false), "add_cross_attention": Is(false), "altup_num_inputs": Null, "hidden_size_per_layer_input": Is(0.0),
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
	if err := json.Unmarshal(raw, c); err != nil {
		return fmt.Errorf("%s: config.json: %w", arch, err)
	}
	var all map[string]any
	if err := json.Unmarshal(raw, &all); err != nil {
		return fmt.Errorf("%s: config.json: %w", arch, err)
	}
	keys := slices.Sorted(maps.Keys(all))
	for _, key := range keys {
		if x, ok := beyondFloat32(all[key]); ok {
			return fmt.Errorf("%s: config.json: %s has the number %v, and what is computed with has at most %v", arch, key, x, math.MaxFloat32)
		}
	}
	for _, key := range keys {
		harmless, ok := own[key]
		if !ok {
			if harmless, ok = changing[key]; !ok || slices.Contains(implemented, key) {
				continue
			}
		}
		if !harmless(all[key]) {
			return fmt.Errorf("%s: config.json: %s %v is not implemented", arch, key, all[key])
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

// ActivationNames are their names.
func ActivationNames() []string { return slices.Sorted(maps.Keys(Activations)) }
