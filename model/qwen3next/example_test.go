package qwen3next_test

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model/qwen3next"
)

// Every fourth layer attends; what the others remember does not grow with a sequence.
func ExampleParse35() {
	c, err := qwen3next.Parse35([]byte(`{"model_type": "qwen3_5", "text_config": {"model_type": "qwen3_5_text", "hidden_size": 1024, "intermediate_size": 3584,
		"num_hidden_layers": 8, "num_attention_heads": 8, "num_key_value_heads": 2, "vocab_size": 248320, "linear_num_value_heads": 16,
		"rope_parameters": {"rope_type": "default", "rope_theta": 10000000, "partial_rotary_factor": 0.25, "mrope_section": [11, 11, 10]}}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for layer, linear := range c.Linear {
		if !linear {
			fmt.Println("layer", layer, "attends, with", c.NumAttentionHeads, "heads of", c.HeadDim)
		}
	}
	// Output:
	// layer 3 attends, with 8 heads of 256
	// layer 7 attends, with 8 heads of 256
}
