package granite_test

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model/granite"
)

// What follows from the config of Granite 3.1 2B.
func Example() {
	c, err := granite.ParseConfig([]byte(`{"model_type": "granite", "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 40,
		"num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 49155, "rope_theta": 5000000.0, "attention_multiplier": 0.015625,
		"embedding_multiplier": 12.0, "logits_scaling": 8.0, "residual_multiplier": 0.22}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("scores are q·k ⋅", c.AttentionMultiplier, "for heads of", c.HeadDim)
	fmt.Println("a block adds", c.ResidualMultiplier, "of what attention and the MLP give")
	// Output:
	// scores are q·k ⋅ 0.015625 for heads of 64
	// a block adds 0.22 of what attention and the MLP give
}
