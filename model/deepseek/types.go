package deepseek

import (
	"fmt"

	"github.com/mlxlens/mlxlens/internal/exactjson"
	"github.com/mlxlens/mlxlens/model/load"
)

// The model_types.
const (
	v2      = "deepseek_v2"
	v3      = "deepseek_v3"
	glmLite = "glm4_moe_lite"
)

// greedy is the topk_method of a DeepSeek V2 that chooses of all experts, and not of groups.
const greedy = "greedy"

// ParseV2 reads the config.json of a DeepSeek V2, whose router has a softmax over all experts.
func ParseV2(raw []byte) (*Config, error) {
	rank, shared, untied := 1536, 2, false
	c := &Config{
		Standard: load.Standard{
			HiddenSize: 4096, IntermediateSize: 11_008, NumHiddenLayers: 32, NumAttentionHeads: 32, VocabSize: 102_400,
			RMSNormEps: 1e-6, MaxPositionEmbeddings: 2048, HiddenAct: "silu", TieWordEmbeddings: &untied,
		},
		Routed:         load.Routed{NRoutedExperts: 64, NSharedExperts: &shared, MoEIntermediateSize: 1407, RoutedScalingFactor: 1, Softmax: true},
		RopeInterleave: true, TopKMethod: greedy,
		QLoRARank: &rank, KVLoRARank: 512, QKNopeHeadDim: 128, QKRopeHeadDim: 64, VHeadDim: 128, arch: v2,
	}
	// no program normalises the weights of a position's experts here, or turns other pairs
	return c.read(raw, map[string]load.Harmless{
		"scoring_func": load.Is("softmax"), "topk_method": load.OneOf(greedy, "group_limited_greedy"), "norm_topk_prob": load.Is(false), "moe_layer_freq": load.Is(1.0),
		"n_routed_experts": load.Number, "num_experts_per_tok": load.Number, "first_k_dense_replace": load.Said, "num_experts": load.Null,
		"mlp_layer_types": load.Null, "rope_interleave": load.Is(true), "rope_traditional": load.Null, "v_head_dim": load.Number,
	}, 1)
}

// ParseV3 reads the config.json of a DeepSeek V3.
func ParseV3(raw []byte) (*Config, error) {
	rank, shared, untied := 1536, 1, false
	c := &Config{
		Standard: load.Standard{
			HiddenSize: 7168, IntermediateSize: 18_432, NumHiddenLayers: 61, NumAttentionHeads: 128, VocabSize: 129_280,
			RMSNormEps: 1e-6, MaxPositionEmbeddings: 4096, HiddenAct: "silu", TieWordEmbeddings: &untied,
		},
		Routed: load.Routed{
			NRoutedExperts: 256, NSharedExperts: &shared, NumExpertsPerTok: 8, MoEIntermediateSize: 2048, FirstKDenseReplace: 3,
			NGroup: 8, TopKGroup: 4, NormTopKProb: true, RoutedScalingFactor: 2.5,
		},
		RopeInterleave: true,
		QLoRARank:      &rank, KVLoRARank: 512, QKNopeHeadDim: 128, QKRopeHeadDim: 64, VHeadDim: 128, NumNextnPredictLayer: 1, arch: v3,
	}
	return c.read(raw, sigmoidKeys(map[string]load.Harmless{"mlp_layer_types": load.Null}), 2)
}

// ParseGLM reads the config.json of a GLM-4.7-Flash, a DeepSeek V3 with numbers of its own.
func ParseGLM(raw []byte) (*Config, error) {
	rank, shared, untied := 768, 1, false
	c := &Config{
		Standard: load.Standard{
			HiddenSize: 2048, IntermediateSize: 10_240, NumHiddenLayers: 47, NumAttentionHeads: 20, VocabSize: 154_880,
			RMSNormEps: 1e-5, MaxPositionEmbeddings: 202_752, HiddenAct: "silu", TieWordEmbeddings: &untied,
		},
		Routed: load.Routed{
			NRoutedExperts: 64, NSharedExperts: &shared, NumExpertsPerTok: 4, MoEIntermediateSize: 1536, FirstKDenseReplace: 1,
			NGroup: 1, TopKGroup: 1, NormTopKProb: true, RoutedScalingFactor: 1.8,
		},
		RopeInterleave: true,
		QLoRARank:      &rank, KVLoRARank: 512, QKNopeHeadDim: 192, QKRopeHeadDim: 64, VHeadDim: 256, NumNextnPredictLayer: 1, arch: glmLite,
	}
	if _, err := c.read(raw, sigmoidKeys(nil), 2); err != nil {
		return nil, err
	}
	return c, c.layerTypes(raw)
}

// sigmoidKeys are those of [load.RoutedKeys], and of how heads turn.
func sigmoidKeys(own map[string]load.Harmless) map[string]load.Harmless {
	keys := load.RoutedKeys(own)
	keys["rope_interleave"], keys["rope_traditional"], keys["v_head_dim"] = load.Said, load.Null, load.Number
	return keys
}

// layerTypes lets mlp_layer_types say which layers have experts, where it is there.
func (c *Config) layerTypes(raw []byte) error {
	var said struct {
		First *int `json:"first_k_dense_replace"`
	}
	if err := exactjson.Unmarshal(raw, &said); err != nil {
		return fmt.Errorf("%s: config.json: %w", c.arch, err)
	}
	if c.MLPLayerTypes == nil {
		return nil
	}
	if len(c.MLPLayerTypes) != c.NumHiddenLayers {
		return fmt.Errorf("%s: config.json: mlp_layer_types has %d layers, and num_hidden_layers is %d", c.arch, len(c.MLPLayerTypes), c.NumHiddenLayers)
	}
	c.Dense = map[int]bool{}
	for layer, kind := range c.MLPLayerTypes {
		switch dense := kind == "dense"; {
		case !dense && kind != "sparse":
			return fmt.Errorf("%s: config.json: mlp_layer_types %q is not implemented (have: dense, sparse)", c.arch, kind)
		case said.First != nil && dense != (layer < *said.First):
			return fmt.Errorf("%s: config.json: first_k_dense_replace is %d, and mlp_layer_types has %q for layer %d: programs differ in which they read; remove the wrong one", c.arch, *said.First, kind, layer)
		default:
			c.Dense[layer] = dense
		}
	}
	return nil
}
