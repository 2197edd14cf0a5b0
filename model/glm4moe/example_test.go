package glm4moe_test

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model/glm4moe"
)

// GLM-4.5-Air: of 128 experts a token passes 8, and one that all tokens pass.
func ExampleParseConfig() {
	c, err := glm4moe.ParseConfig([]byte(`{"attention_bias": true, "first_k_dense_replace": 1, "head_dim": 128, "hidden_size": 4096, "intermediate_size": 10944,
		"max_position_embeddings": 131072, "model_type": "glm4_moe", "moe_intermediate_size": 1408, "n_group": 1, "n_routed_experts": 128, "n_shared_experts": 1,
		"norm_topk_prob": true, "num_attention_heads": 96, "num_experts_per_tok": 8, "num_hidden_layers": 46, "num_key_value_heads": 8, "partial_rotary_factor": 0.5,
		"rms_norm_eps": 1e-05, "rope_theta": 1000000, "routed_scaling_factor": 1.0, "topk_group": 1, "use_qk_norm": false, "vocab_size": 151552}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.NumExpertsPerTok, "of", c.NRoutedExperts, "and", *c.NSharedExperts)
	// Output: 8 of 128 and 1
}
