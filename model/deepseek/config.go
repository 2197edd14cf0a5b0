package deepseek

import (
	"fmt"
	"math"

	"github.com/mlxlens/mlxlens/model/load"
)

// Config holds the keys of config.json that the model depends on. Defaults are those of
// transformers for the model_type.
type Config struct {
	load.Standard
	load.Routed
	AttentionBias  bool `json:"attention_bias"`
	RopeInterleave bool `json:"rope_interleave"` // neighbouring dimensions turn together

	QLoRARank     *int `json:"q_lora_rank"` // null: queries are made of the stream itself
	KVLoRARank    int  `json:"kv_lora_rank"`
	QKNopeHeadDim int  `json:"qk_nope_head_dim"`
	QKRopeHeadDim int  `json:"qk_rope_head_dim"`
	VHeadDim      int  `json:"v_head_dim"`

	NumNextnPredictLayer int      `json:"num_nextn_predict_layers"`
	MLPLayerTypes        []string `json:"mlp_layer_types"` // of GLM-4.7-Flash alone: dense or sparse
	TopKMethod           string   `json:"topk_method"`     // of DeepSeek V2 alone: by groups or not

	arch string // the model_type
}

// read reads a config.json into defaults, for which least is how many experts of a group its score
// is made of. It rejects what would change the mathematics and is not implemented; other unknown
// keys are fine.
func (c *Config) read(raw []byte, own map[string]load.Harmless, least int) (*Config, error) {
	if err := load.ReadConfig(c.arch, raw, c, own, "attention_bias", "kv_lora_rank"); err != nil {
		return nil, err
	}
	if c.TopKMethod == greedy { // groups change nothing
		c.NGroup, c.TopKGroup = 1, 1
	}
	if err := c.check(least); err != nil {
		return nil, err
	}
	c.NumKeyValueHeads, c.HeadDim = c.NumAttentionHeads, c.QKNopeHeadDim+c.QKRopeHeadDim
	if err := (load.Traits{Arch: c.arch, Theta: 10_000, Acts: []string{"silu"}}).Complete(raw, &c.Standard); err != nil {
		return nil, err
	}
	c.Rope.Traditional = c.RopeInterleave
	return c, nil
}

func (c *Config) check(least int) error {
	refuse := func(format string, args ...any) error {
		return fmt.Errorf(c.arch+": config.json: "+format, args...)
	}
	sizes := []load.Size{
		{Key: "kv_lora_rank", Value: c.KVLoRARank}, {Key: "qk_nope_head_dim", Value: c.QKNopeHeadDim}, {Key: "qk_rope_head_dim", Value: c.QKRopeHeadDim}, {Key: "v_head_dim", Value: c.VHeadDim},
		{Key: "num_attention_heads", Value: c.NumAttentionHeads},
	}
	if c.QLoRARank != nil {
		sizes = append(sizes, load.Size{Key: "q_lora_rank", Value: *c.QLoRARank})
	}
	if err := load.CheckSizes(c.arch, sizes...); err != nil {
		return err
	}
	switch {
	case c.HeadDim != 0 && c.HeadDim != c.QKRopeHeadDim:
		return refuse("head_dim is %d and qk_rope_head_dim %d: programs differ in which they read; remove the wrong one", c.HeadDim, c.QKRopeHeadDim)
	case c.NumKeyValueHeads != 0 && c.NumKeyValueHeads != c.NumAttentionHeads:
		return refuse("num_key_value_heads %d is not num_attention_heads %d: not implemented, every head has keys and values of its own", c.NumKeyValueHeads, c.NumAttentionHeads)
	case c.NumNextnPredictLayer < 0:
		return refuse("num_nextn_predict_layers is %d, want none below 0", c.NumNextnPredictLayer)
	}
	return c.Check(c.arch, least)
}

// scale is the factor on scores: d_head^−½·m², m as [load.RopeConfig.ScoreMagnitude] has it.
func (c *Config) scale() float64 {
	m := c.Rope.ScoreMagnitude()
	return m * m / math.Sqrt(float64(c.HeadDim))
}
