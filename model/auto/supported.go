package auto

import (
	"maps"
	"slices"
	"strings"
)

// Family is an architecture that Open knows, under all model_types that it has.
type Family struct {
	Name  string   `json:"name"`
	Types []string `json:"types"` // of config.json
	GGUF  []string `json:"gguf"`  // general.architecture of GGUF files
	With  string   `json:"with"`  // what of it runs
}

// families are all that there are.
var families = []Family{
	{"Gemma", []string{"gemma"}, []string{"gemma"}, "read as a Llama with gains of 1 + w, tanh GELU, a scaled embedding"},
	{"Command R, Command R7B, Command A", []string{"cohere", "cohere2"}, nil, "parallel blocks on one norm, norms on heads, scaled logits; in `cohere2` three of four layers slide, and the fourth does not turn"},
	{"DeepSeek V2, V2-Lite and Coder-V2", []string{"deepseek_v2"}, nil, "as DeepSeek V3, with a softmax over all experts, chosen of all or within groups"},
	{"DeepSeek V3, R1", []string{"deepseek_v3"}, nil, "queries, keys and values from a latent of few dimensions, experts chosen within groups, with a shared one"},
	{"Gemma 2", []string{"gemma2"}, []string{"gemma2"}, "soft caps, norms before and after, every other layer slides"},
	{"Gemma 3", []string{"gemma3_text", "gemma3"}, []string{"gemma3"}, "norms on queries and keys, two rotary bases, five of six layers slide; of the multimodal form the text part"},
	{"Gemma 4", []string{"gemma4", "gemma4_text", "gemma4_unified"}, nil, "heads of two sizes, keys as values, layers that share keys and values, an embedding for each layer, experts beside the MLP; of the multimodal forms the text part"},
	{"GLM-4, GLM-4-0414", []string{"glm", "glm4"}, nil, "a part of a head turned by neighbours, one matrix for both branches of the MLP; in `glm4` norms before and after"},
	{"GLM-4.5, 4.6 and 4.7", []string{"glm4_moe"}, nil, "half of a head turned, norms on heads in some, experts after the first layers and one that all positions pass"},
	{"GLM-4.7-Flash", []string{"glm4_moe_lite"}, nil, "read as a DeepSeek V3; experts in layers by `mlp_layer_types` too"},
	{"GPT-2", []string{"gpt2"}, []string{"gpt2"}, "the three file layouts, `n_inner`, six activations, both scales of attention"},
	{"GPT-J", []string{"gptj"}, nil, "parallel blocks with one norm, neighbouring dimensions turned, a bias on the head"},
	{"GPT-NeoX, Pythia", []string{"gpt_neox"}, nil, "parallel and sequential blocks, part of a head turned, exact and tanh GELU"},
	{"gpt-oss", []string{"gpt_oss"}, []string{"gpt-oss"}, "sinks, every other layer slides, experts with biases, in MXFP4 or plain"},
	{"Granite 3", []string{"granite"}, nil, "multipliers on the embedding, scores, what a block adds and logits; biases"},
	{"Granite 4.0", []string{"granitemoehybrid"}, nil, "Granite 3's multipliers; Mamba-2 in most layers or in none, attention with positions or without, experts and an MLP that all positions pass, or that alone"},
	{"LFM2", []string{"lfm2"}, nil, "gated convolutions over a few positions in most layers, attention in the others, norms on queries and keys"},
	{"LFM2's mixtures of experts", []string{"lfm2_moe"}, nil, "the same, with experts in all layers but the first ones"},
	{"Llama 1 to 3.3 and what copies it", []string{"llama"}, []string{"llama"}, "grouped queries, biases, `head_dim`, tied or not, windows by `layer_types`"},
	{"Llama 4", []string{"llama4", "llama4_text"}, nil, "attention within chunks, layers that see all and do not turn, experts weighed by what goes into them, a shared one; of the multimodal form the text part"},
	{"Ministral 3", []string{"ministral3"}, nil, "read as a Mistral whose queries grow with their position"},
	{"Mistral", []string{"mistral"}, nil, "read as a Llama with a sliding window in every layer"},
	{"Mistral 3", []string{"mistral3"}, nil, "of the multimodal form the text part, a Mistral or a Ministral 3"},
	{"Mixtral", []string{"mixtral"}, []string{"llama"}, "read as a Mistral with experts in place of the MLP"},
	{"Nemotron-H, Nemotron Nano 2, Nemotron 3", []string{"nemotron_h"}, nil, "each layer is one thing: Mamba-2, attention without positions, an MLP with a squared ReLU, or experts, some of which see a latent"},
	{"OLMo 2", []string{"olmo2"}, nil, "norms after attention and MLP"},
	{"OLMo 3", []string{"olmo3"}, nil, "read as an OLMo 2 with windows in three of four layers, rope scaling in the others"},
	{"OLMoE", []string{"olmoe"}, nil, "experts, norms over all heads, bounds on queries, keys and values"},
	{"Phi-1, Phi-1.5, Phi-2", []string{"phi"}, nil, "parallel blocks with one norm, part of a head turned, a bias on the head, norms on queries and keys or none"},
	{"Phi-3, Phi-3.5, Phi-4-mini", []string{"phi3"}, []string{"phi3"}, "fused matrices, longrope, part of a head turned"},
	{"Qwen 3.5", []string{"qwen3_5", "qwen3_5_text"}, nil, "a gated delta rule in three of four layers, attention with gates in the fourth; of the multimodal form the text part"},
	{"Qwen 3.5's mixtures of experts", []string{"qwen3_5_moe", "qwen3_5_moe_text"}, nil, "the same, with experts and one that all positions pass"},
	{"Qwen2, Qwen2.5", []string{"qwen2"}, []string{"qwen2"}, "read as a Llama with biases on queries, keys and values; windows"},
	{"Qwen2-VL, Qwen2.5-VL", []string{"qwen2_vl", "qwen2_5_vl"}, nil, "of the multimodal form the text part, read as a Qwen2"},
	{"Qwen3", []string{"qwen3"}, []string{"qwen3"}, "norms on queries and keys"},
	{"Qwen3's mixtures of experts", []string{"qwen3_moe"}, []string{"qwen3moe"}, "the same, experts in all layers or some"},
	{"Qwen3-Next", []string{"qwen3_next"}, nil, "as Qwen 3.5's mixtures, experts in all layers or some"},
	{"Qwen3-VL", []string{"qwen3_vl"}, nil, "of the multimodal form the text part, read as a Qwen3"},
	{"Qwen3-VL's mixtures of experts", []string{"qwen3_vl_moe"}, nil, "the same, experts in all layers or some"},
	{"SmolLM3", []string{"smollm3"}, nil, "read as a Llama where every fourth layer has no positions; windows"},
	{"StableLM, StableLM 2", []string{"stablelm"}, nil, "sequential and parallel blocks, part of a head turned, a norm for each head or none"},
	{"StarCoder2", []string{"starcoder2"}, nil, "biases or none, a sliding window in every layer or none, tied or not"},
}

// Supported returns the architectures that Open knows, in alphabetical order.
func Supported() []Family {
	return slices.SortedFunc(slices.Values(families), func(a, b Family) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
}

// leftOut are those that Open refuses by name; With says why.
var leftOut = []Family{
	{"Gemma 3n", []string{"gemma3n", "gemma3n_text"}, nil, "AltUp carries four streams from block to block, and makes logits of all four; a lens, an edit or a patch here reads one state of `d_model` numbers, which does not say what the model would"},
}

// LeftOut returns the architectures that were considered and are refused, With saying why.
func LeftOut() []Family { return slices.Clone(leftOut) }

// whyLeftOut returns why a model_type is refused, "" if it is not one of those.
func whyLeftOut(kind string) string {
	for _, f := range leftOut {
		if slices.Contains(f.Types, kind) {
			return f.Name + " is left out: " + strings.ReplaceAll(f.With, "`", "")
		}
	}
	return ""
}

// types lists what a table has.
func types[T any](table map[string]T) []string { return slices.Sorted(maps.Keys(table)) }

// listed joins the names of a table.
func listed[T any](table map[string]T) string { return strings.Join(types(table), ", ") }
