package qwen3_test

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model/qwen3"
)

// What follows from the config of Qwen3 0.6B, whose heads are wider than its stream.
func Example() {
	c, err := qwen3.ParseConfig([]byte(`{"model_type": "qwen3", "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28, "head_dim": 128,
		"num_attention_heads": 16, "num_key_value_heads": 8, "vocab_size": 151936, "max_position_embeddings": 40960, "rms_norm_eps": 1e-06,
		"rope_theta": 1000000}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("queries of", c.QWidth(), "numbers, keys of", c.KVWidth(), "in a stream of", c.HiddenSize)
	// Output:
	// queries of 2048 numbers, keys of 1024 in a stream of 1024
}
