package phi_test

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model/phi"
)

// What follows from the config of Phi-2.
func Example() {
	c, err := phi.ParseConfig([]byte(`{"model_type": "phi", "hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 32,
		"num_attention_heads": 32, "vocab_size": 51200, "partial_rotary_factor": 0.4}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(float64(c.HeadDim)*c.Rope.Partial, "of", c.HeadDim, "dimensions turn; the MLP's activation is", c.HiddenAct)
	// Output:
	// 32 of 80 dimensions turn; the MLP's activation is gelu_new
}
