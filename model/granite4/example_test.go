package granite4_test

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model/granite4"
)

// What follows from a config of four layers like Granite 4.0 H Tiny's: one attends, and positions
// turn nothing.
func Example() {
	c, err := granite4.ParseConfig([]byte(`{"model_type": "granitemoehybrid", "hidden_size": 1536, "intermediate_size": 512, "shared_intermediate_size": 1024,
		"layer_types": ["mamba", "mamba", "attention", "mamba"], "mamba_n_heads": 48, "mamba_d_head": "auto", "mamba_d_state": 128, "num_hidden_layers": 4,
		"num_attention_heads": 12, "num_key_value_heads": 4, "num_local_experts": 64, "num_experts_per_tok": 6, "position_embedding_type": "nope"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("attention", c.Attends, "and states of", c.MambaNHeads, "heads of", c.MambaDHead, "by", c.MambaDState)
	fmt.Println(c.NumExpertsPerTok, "of", *c.NumLocalExperts, "experts")
	// Output:
	// attention [false false true false] and states of 48 heads of 64 by 128
	// 6 of 64 experts
}
