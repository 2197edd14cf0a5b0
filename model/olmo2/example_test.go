package olmo2_test

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model/olmo2"
)

// What follows from the config of OLMo 2 1B.
func Example() {
	c, err := olmo2.ParseConfig([]byte(`{"model_type": "olmo2", "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
		"num_attention_heads": 16, "vocab_size": 100352, "max_position_embeddings": 4096, "rms_norm_eps": 1e-06, "rope_theta": 500000}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.HeadDim, "dimensions a head,", c.NumKeyValueHeads, "heads of keys, theta", c.Rope.Theta)
	// Output:
	// 128 dimensions a head, 16 heads of keys, theta 500000
}

// In OLMo 3 7B three of four layers slide, and the scaling is of the others.
func ExampleParseOLMo3() {
	c, err := olmo2.ParseOLMo3([]byte(`{"model_type": "olmo3", "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
		"num_attention_heads": 32, "vocab_size": 100278, "max_position_embeddings": 65536, "rms_norm_eps": 1e-06, "rope_theta": 500000,
		"rope_scaling": {"rope_type": "yarn", "factor": 8, "original_max_position_embeddings": 8192}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("windows of layers 2 and 3:", c.Windows[2], c.Windows[3])
	fmt.Println("rope:", c.SlidingRope.Kind(), "and", c.Rope.Kind())
	// Output:
	// windows of layers 2 and 3: 4096 0
	// rope: default and yarn
}
