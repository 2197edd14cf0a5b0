package cohere_test

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model/cohere"
)

// What follows from the config of Command R7B: three layers slide and turn, the fourth does neither.
func Example() {
	c, err := cohere.ParseCohere2([]byte(`{"model_type": "cohere2", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
		"num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 256000, "logit_scale": 0.25, "rope_theta": 50000}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("windows:", c.Windows[:4])
	fmt.Println("logits are scaled by", c.LogitScale)
	// Output:
	// windows: [4096 4096 4096 0]
	// logits are scaled by 0.25
}
