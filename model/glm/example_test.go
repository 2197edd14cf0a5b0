package glm_test

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model/glm"
)

// What follows from the config of GLM-4 9B 0414: half of each head turns.
func Example() {
	c, err := glm.ParseGLM4([]byte(`{"model_type": "glm4", "hidden_size": 4096, "intermediate_size": 13696, "num_hidden_layers": 40,
		"num_attention_heads": 32, "num_key_value_heads": 2, "head_dim": 128, "partial_rotary_factor": 0.5, "vocab_size": 151552}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.NumAttentionHeads/c.NumKeyValueHeads, "heads read one head of keys")
	fmt.Println(float64(c.HeadDim)*c.Rope.Partial, "of", c.HeadDim, "dimensions turn, neighbours together:", c.Rope.Traditional)
	// Output:
	// 16 heads read one head of keys
	// 64 of 128 dimensions turn, neighbours together: true
}
