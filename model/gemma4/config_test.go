package gemma4

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const rope = `"rope_parameters": {"full_attention": {"partial_rotary_factor": 0.25, "rope_theta": 1000000.0, "rope_type": "proportional"},
	"sliding_attention": {"rope_theta": 10000.0, "rope_type": "default"}}`

// types are those of so many layers, of which each so many-th sees all.
func types(layers, every int) string {
	all := make([]string, layers)
	for i := range all {
		all[i] = "sliding_attention"
		if (i+1)%every == 0 {
			all[i] = "full_attention"
		}
	}
	out, _ := json.Marshal(all)
	return string(out)
}

// As the config.json of Gemma 4 E2B is published, without its towers.
func TestConfigOfGemma4E2B(t *testing.T) {
	c, err := ParseConfig(fmt.Appendf(nil, `{"architectures": ["Gemma4ForConditionalGeneration"], "audio_config": {}, "audio_token_id": 258881, "boi_token_id": 255999,
		"dtype": "bfloat16", "image_token_id": 258880, "model_type": "gemma4", "text_config": {"attention_bias": false, "attention_dropout": 0.0,
		"attention_k_eq_v": false, "bos_token_id": 2, "enable_moe_block": false, "eos_token_id": 1, "final_logit_softcapping": 30.0, "global_head_dim": 512,
		"head_dim": 256, "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 1536, "hidden_size_per_layer_input": 256, "intermediate_size": 6144,
		"layer_types": %s, "max_position_embeddings": 131072, "model_type": "gemma4_text", "moe_intermediate_size": null, "num_attention_heads": 8,
		"num_experts": null, "num_global_key_value_heads": null, "num_hidden_layers": 35, "num_key_value_heads": 1, "num_kv_shared_layers": 20, "pad_token_id": 0,
		"rms_norm_eps": 1e-06, %s, "sliding_window": 512, "tie_word_embeddings": true, "top_k_experts": null, "use_bidirectional_attention": null,
		"use_double_wide_mlp": true, "vocab_size": 262144, "vocab_size_per_layer_input": 262144}, "tie_word_embeddings": true, "vision_config": {}}`, types(35, 5), rope))
	require.NoError(t, err)
	assert.Equal(t, []int{512, 512, 512, 512, 0}, c.Windows[:5])
	s := c.shape()
	assert.Equal(t, []int{256, 512}, []int{s.In(3).DHead, s.In(4).DHead})
	assert.Equal(t, []int{6144, 12288}, []int{s.In(14).DMLP, s.In(15).DMLP})
	assert.Equal(t, []int{13, 13, 13, 13, 14}, []int{c.source(15), c.source(16), c.source(17), c.source(18), c.source(19)})
	assert.Equal(t, []int{19, 24, 29, 34}, c.sharing(14))
	own := 12*2*256 + 3*2*512 // a position's keys and values in the fifteen layers that have them
	assert.Equal(t, 1000*own, s.Remembered(2000)*4/5-s.Remembered(1000)*4/5)
}

// As Gemma 4 26B-A4B is published: keys are values in layers that see all, and there are no embeddings of layers.
func TestConfigOfGemma426BA4B(t *testing.T) {
	c, err := ParseConfig(fmt.Appendf(nil, `{"model_type": "gemma4", "text_config": {"attention_bias": false, "attention_k_eq_v": true, "enable_moe_block": true,
		"final_logit_softcapping": 30.0, "global_head_dim": 512, "head_dim": 256, "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 2816,
		"hidden_size_per_layer_input": 0, "intermediate_size": 2112, "layer_types": %s, "max_position_embeddings": 262144, "model_type": "gemma4_text",
		"moe_intermediate_size": 704, "num_attention_heads": 16, "num_experts": 128, "num_global_key_value_heads": 2, "num_hidden_layers": 30,
		"num_key_value_heads": 8, "num_kv_shared_layers": 0, "rms_norm_eps": 1e-06, %s, "sliding_window": 1024, "tie_word_embeddings": true, "top_k_experts": 8,
		"use_bidirectional_attention": "vision", "use_double_wide_mlp": false, "vocab_size": 262144, "vocab_size_per_layer_input": 262144}}`, types(30, 6), rope))
	require.NoError(t, err)
	s := c.shape()
	assert.Equal(t, []int{8, 2}, []int{s.In(4).KVHeads, s.In(5).KVHeads})
	assert.Equal(t, []int{128, 8, 704}, []int{s.Experts, s.TopK, s.DExpert})
	assert.Zero(t, s.DPerLayer)
}

// transformers writes the sizes of layers that see all in a key of its own when it saves a model.
func TestWhatTransformersSavesIsRead(t *testing.T) {
	const config = `{"attention_k_eq_v": true, "final_logit_softcapping": null, "head_dim": 16, "hidden_size": 32, "hidden_size_per_layer_input": 0, "intermediate_size": 64,
		"layer_types": ["sliding_attention", "full_attention"], "num_attention_heads": 8, "num_hidden_layers": 2, "num_key_value_heads": 4,
		"num_kv_shared_layers": 0, "per_layer_config": {"1": {"head_dim": 48, "num_key_value_heads": 2}}, "vocab_size": 99}`
	c, err := ParseConfig([]byte(config))
	require.NoError(t, err)
	assert.Equal(t, []int{16, 48}, []int{c.headDim(0), c.headDim(1)})
	assert.Equal(t, []int{4, 2}, []int{c.shape().In(0).KVHeads, c.shape().In(1).KVHeads})
	assert.Equal(t, []float64{0.25, 1e6, 1, 1e4}, []float64{c.Rope.Partial, c.Rope.Theta, c.LocalRope.Partial, c.LocalRope.Theta}, "without rope_parameters")
	_, err = ParseConfig([]byte(strings.Replace(config, `"attention_k_eq_v": true`, `"attention_k_eq_v": false`, 1)))
	require.ErrorContains(t, err, "2 key heads for layer 1, and keys are no values")
	_, err = ParseConfig([]byte(strings.Replace(config, `"per_layer_config": {"1": {"head_dim": 48, "num_key_value_heads": 2}}`, `"global_head_dim": null`, 1)))
	require.ErrorContains(t, err, "global_head_dim")
}
