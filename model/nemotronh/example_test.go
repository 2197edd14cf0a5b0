package nemotronh_test

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model/nemotronh"
)

// What the letters of a pattern say of the layers.
func Example() {
	c, err := nemotronh.ParseConfig([]byte(`{"model_type": "nemotron_h", "hidden_size": 2688, "hybrid_override_pattern": "ME*-", "mamba_num_heads": 64,
		"n_routed_experts": 128, "num_experts_per_tok": 6, "num_attention_heads": 32, "num_key_value_heads": 2}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for layer, kind := range c.Kinds {
		fmt.Println(layer, map[nemotronh.Kind]string{
			nemotronh.Mamba: "a state space", nemotronh.Attention: "attention", nemotronh.MLP: "an MLP", nemotronh.Experts: "experts",
		}[kind])
	}
	// Output:
	// 0 a state space
	// 1 experts
	// 2 attention
	// 3 an MLP
}
