package gemma4_test

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model/gemma4"
)

// What follows from a small config: the last layer sees all, and has heads of another size.
func Example() {
	c, err := gemma4.ParseConfig([]byte(`{"model_type": "gemma4_text", "hidden_size": 1536, "intermediate_size": 6144, "num_hidden_layers": 3, "num_key_value_heads": 1,
		"layer_types": ["sliding_attention", "sliding_attention", "full_attention"], "num_kv_shared_layers": 0, "final_logit_softcapping": 30.0}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("windows", c.Windows, "and heads of", c.HeadDim, "or", c.GlobalHeadDim, "dimensions")
	fmt.Println("of a head that sees all", c.Rope.Partial, "turns")
	// Output:
	// windows [512 512 0] and heads of 256 or 512 dimensions
	// of a head that sees all 0.25 turns
}
