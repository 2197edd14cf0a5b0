package olmoe_test

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model/olmoe"
)

// Of 64 experts a position passes 8, and their weights need not sum to 1.
func ExampleParseConfig() {
	c, err := olmoe.ParseConfig([]byte(`{"model_type": "olmoe", "hidden_size": 2048, "intermediate_size": 1024, "num_hidden_layers": 16, "num_attention_heads": 16,
		"num_key_value_heads": 16, "num_experts": 64, "num_experts_per_tok": 8, "norm_topk_prob": false, "vocab_size": 50304, "rms_norm_eps": 1e-5}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.NumExpertsPerTok, "of", c.NumExperts, c.NormTopKProb)
	// Output: 8 of 64 false
}
