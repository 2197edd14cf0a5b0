package gptj

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The keys of EleutherAI/gpt-j-6b.
func TestConfigOfGPTJ(t *testing.T) {
	c, err := ParseConfig([]byte(`{"activation_function": "gelu_new", "architectures": ["GPTJForCausalLM"], "attn_pdrop": 0.0, "bos_token_id": 50256, "embd_pdrop": 0.0,
		"eos_token_id": 50256, "gradient_checkpointing": false, "initializer_range": 0.02, "layer_norm_epsilon": 1e-05, "model_type": "gptj",
		"n_embd": 4096, "n_head": 16, "n_inner": null, "n_layer": 28, "n_positions": 2048, "resid_pdrop": 0.0, "rotary": true, "rotary_dim": 64,
		"scale_attn_weights": true, "summary_type": "cls_index", "tie_word_embeddings": false, "tokenizer_class": "GPT2Tokenizer",
		"transformers_version": "4.18.0.dev0", "use_cache": true, "vocab_size": 50400}`))
	require.NoError(t, err)
	assert.Equal(t, []int{256, 64, 16_384}, []int{c.headDim(), c.RotaryDim, *c.NInner})
	assert.False(t, c.TieWordEmbeddings)
}

func TestWhatGPTJDoesNotHaveIsRefused(t *testing.T) {
	for key, want := range map[string]string{
		`"rotary_dim": null`:                   "rotary_dim <nil> is not implemented",
		`"rotary_dim": 0`:                      "rotary_dim 0 is not implemented",
		`"rotary_dim": 7`:                      "rotary_dim is 7, want an even number above 0",
		`"rotary_dim": 18`:                     "rotary_dim is 18, want an even number above 0, and no more than the 16 dimensions of a head",
		`"rotary": false`:                      "rotary false is not implemented",
		`"rope_theta": 500`:                    "rope_theta 500 is not implemented",
		`"rope_scaling": {"type": "linear"}`:   "rope_scaling map[type:linear] is not implemented",
		`"hidden_size": 32`:                    "hidden_size 32 is not implemented",
		`"n_inner": 0`:                         "n_inner is 0, want a number above 0",
		`"n_head": 5`:                          "n_embd 64 is no multiple of n_head 5",
		`"layer_norm_epsilon": 0`:              "layer_norm_epsilon is 0, want a number above 0",
		`"activation_function": "gelu_10"`:     `activation_function "gelu_10" is not implemented`,
		`"scale_attn_weights": false`:          "scale_attn_weights false is not implemented",
		`"n_layer": 0`:                         "n_layer is 0, want a number above 0",
		`"partial_rotary_factor": 0.5`:         "partial_rotary_factor 0.5 is not implemented",
		`"position_embedding_type": "learned"`: "position_embedding_type learned is not implemented",
	} {
		_, err := ParseConfig([]byte(`{"n_embd": 64, "n_head": 4, "n_layer": 2, "vocab_size": 96, "rotary_dim": 16, ` + key + `}`))
		require.ErrorContains(t, err, want)
	}
}
