// Package deepseek is the architecture of DeepSeek V3 (DeepSeek-AI 2024, arXiv:2412.19437):
// multi-head latent attention, and mixtures of experts that are chosen within groups.
package deepseek

import (
	"fmt"
	"math"

	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/load"
)

// Config holds the keys of config.json that the model depends on. Defaults are those of
// DeepSeek V3 as transformers has them.
type Config struct {
	load.Standard
	AttentionBias  bool `json:"attention_bias"`
	RopeInterleave bool `json:"rope_interleave"` // neighbouring dimensions turn together

	QLoRARank     *int `json:"q_lora_rank"` // null: queries are made of the stream itself
	KVLoRARank    int  `json:"kv_lora_rank"`
	QKNopeHeadDim int  `json:"qk_nope_head_dim"`
	QKRopeHeadDim int  `json:"qk_rope_head_dim"`
	VHeadDim      int  `json:"v_head_dim"`

	NRoutedExperts       int     `json:"n_routed_experts"`
	NSharedExperts       *int    `json:"n_shared_experts"` // null: none
	NumExpertsPerTok     int     `json:"num_experts_per_tok"`
	MoEIntermediateSize  int     `json:"moe_intermediate_size"`
	FirstKDenseReplace   int     `json:"first_k_dense_replace"`
	NGroup               int     `json:"n_group"`
	TopKGroup            int     `json:"topk_group"`
	NormTopKProb         bool    `json:"norm_topk_prob"`
	RoutedScalingFactor  float64 `json:"routed_scaling_factor"`
	NumNextnPredictLayer int     `json:"num_nextn_predict_layers"`
}

func defaults() *Config {
	rank, shared, untied := 1536, 1, false
	return &Config{
		Standard: load.Standard{
			HiddenSize: 7168, IntermediateSize: 18_432, NumHiddenLayers: 61, NumAttentionHeads: 128, VocabSize: 129_280,
			RMSNormEps: 1e-6, MaxPositionEmbeddings: 4096, HiddenAct: "silu", TieWordEmbeddings: &untied,
		},
		RopeInterleave: true,
		QLoRARank:      &rank, KVLoRARank: 512, QKNopeHeadDim: 128, QKRopeHeadDim: 64, VHeadDim: 128,
		NRoutedExperts: 256, NSharedExperts: &shared, NumExpertsPerTok: 8, MoEIntermediateSize: 2048, FirstKDenseReplace: 3,
		NGroup: 8, TopKGroup: 4, NormTopKProb: true, RoutedScalingFactor: 2.5, NumNextnPredictLayer: 1,
	}
}

var traits = load.Traits{Arch: "deepseek_v3", Theta: 10_000, Acts: []string{"silu"}}

// said is a key that null says nothing of that a program would compute.
func said(v any) bool { return v != nil }

// ParseConfig reads a config.json. It rejects what would change the mathematics and
// is not implemented; other unknown keys are fine.
func ParseConfig(raw []byte) (*Config, error) {
	c := defaults()
	own := map[string]load.Harmless{
		"moe_layer_freq": load.Is(1.0), "topk_method": load.Is("noaux_tc"), "scoring_func": load.Is("sigmoid"),
		"n_routed_experts": load.Number, "rope_traditional": load.Null, "rope_interleave": said, "norm_topk_prob": said,
		"n_group": load.Number, "topk_group": load.Number, "num_experts_per_tok": load.Number, "first_k_dense_replace": said, "v_head_dim": load.Number,
	}
	if err := load.ReadConfig("deepseek_v3", raw, c, own, "attention_bias", "kv_lora_rank"); err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	c.NumKeyValueHeads, c.HeadDim = c.NumAttentionHeads, c.QKNopeHeadDim+c.QKRopeHeadDim
	if err := traits.Complete(raw, &c.Standard); err != nil {
		return nil, err
	}
	c.Rope.Traditional = c.RopeInterleave
	return c, nil
}

func (c *Config) check() error {
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("deepseek_v3: config.json: "+format, args...)
	}
	sizes := []load.Size{
		{Key: "kv_lora_rank", Value: c.KVLoRARank}, {Key: "qk_nope_head_dim", Value: c.QKNopeHeadDim}, {Key: "qk_rope_head_dim", Value: c.QKRopeHeadDim}, {Key: "v_head_dim", Value: c.VHeadDim},
		{Key: "n_routed_experts", Value: c.NRoutedExperts}, {Key: "num_experts_per_tok", Value: c.NumExpertsPerTok}, {Key: "moe_intermediate_size", Value: c.MoEIntermediateSize},
		{Key: "n_group", Value: c.NGroup}, {Key: "topk_group", Value: c.TopKGroup}, {Key: "num_attention_heads", Value: c.NumAttentionHeads},
	}
	if c.QLoRARank != nil {
		sizes = append(sizes, load.Size{Key: "q_lora_rank", Value: *c.QLoRARank})
	}
	if c.NSharedExperts != nil {
		sizes = append(sizes, load.Size{Key: "n_shared_experts", Value: *c.NSharedExperts})
	}
	if err := load.CheckSizes("deepseek_v3", sizes...); err != nil {
		return err
	}
	switch each := c.NRoutedExperts / c.NGroup; {
	case c.HeadDim != 0 && c.HeadDim != c.QKRopeHeadDim:
		return refuse("head_dim is %d and qk_rope_head_dim %d: programs differ in which they read; remove the wrong one", c.HeadDim, c.QKRopeHeadDim)
	case c.NumKeyValueHeads != 0 && c.NumKeyValueHeads != c.NumAttentionHeads:
		return refuse("num_key_value_heads %d is not num_attention_heads %d: not implemented, every head has keys and values of its own", c.NumKeyValueHeads, c.NumAttentionHeads)
	case c.NRoutedExperts%c.NGroup != 0 || each < 2:
		return refuse("n_routed_experts %d make no n_group %d groups of 2 or more", c.NRoutedExperts, c.NGroup)
	case c.TopKGroup > c.NGroup:
		return refuse("topk_group is %d, and n_group %d", c.TopKGroup, c.NGroup)
	case c.NumExpertsPerTok > c.TopKGroup*each:
		return refuse("num_experts_per_tok is %d, and %d groups have %d experts", c.NumExpertsPerTok, c.TopKGroup, c.TopKGroup*each)
	case c.FirstKDenseReplace < 0 || c.NumNextnPredictLayer < 0:
		return refuse("first_k_dense_replace is %d and num_nextn_predict_layers %d, want none below 0", c.FirstKDenseReplace, c.NumNextnPredictLayer)
	case c.RoutedScalingFactor <= 0:
		return refuse("routed_scaling_factor is %v, want a number above 0", c.RoutedScalingFactor)
	}
	return nil
}

// sparse reports whether a layer has experts.
func (c *Config) sparse(layer int) bool { return layer >= c.FirstKDenseReplace }

// dShared is how many hidden dimensions the shared expert has, 0 for none.
func (c *Config) dShared() int {
	if c.NSharedExperts == nil {
		return 0
	}
	return *c.NSharedExperts * c.MoEIntermediateSize
}

// shape completes the model's sizes.
func (c *Config) shape(s model.Shape) model.Shape {
	s.DValue = c.VHeadDim
	if c.FirstKDenseReplace >= s.Layers {
		return s
	}
	s.Experts, s.TopK, s.DExpert = c.NRoutedExperts, c.NumExpertsPerTok, c.MoEIntermediateSize
	s.Own = make([]model.LayerShape, s.Layers)
	for layer := range s.Own {
		if c.sparse(layer) {
			s.Own[layer].DMLP = c.dShared()
		}
	}
	return s
}

// scale is the factor on scores: d_head^−½·m², m as [load.RopeConfig.ScoreMagnitude] has it.
func (c *Config) scale() float64 {
	m := c.Rope.ScoreMagnitude()
	return m * m / math.Sqrt(float64(c.HeadDim))
}
