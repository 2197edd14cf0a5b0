package gemma3_test

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model/gemma3"
)

// What follows from the config of Gemma 3 1B: five layers slide, the sixth sees all.
func Example() {
	c, err := gemma3.ParseConfig([]byte(`{"model_type": "gemma3_text", "hidden_size": 1152, "intermediate_size": 6912, "num_hidden_layers": 26, "head_dim": 256,
		"num_attention_heads": 4, "num_key_value_heads": 1, "vocab_size": 262144, "rms_norm_eps": 1e-06, "sliding_window": 512}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("windows:", c.Windows[:6])
	fmt.Println("bases of RoPE where all is seen, and in a window:", c.Rope.Theta, c.LocalRope.Theta)
	// Output:
	// windows: [512 512 512 512 512 0]
	// bases of RoPE where all is seen, and in a window: 1e+06 10000
}
