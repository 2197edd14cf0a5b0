package gptj_test

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model/gptj"
)

// What follows from the config of GPT-J 6B.
func Example() {
	c, err := gptj.ParseConfig([]byte(`{"model_type": "gptj", "n_embd": 4096, "n_head": 16, "n_layer": 28, "vocab_size": 50400, "rotary_dim": 64}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.RotaryDim, "of", c.NEmbd/c.NHead, "dimensions turn; an MLP of", *c.NInner, "with", c.ActivationFunction)
	// Output:
	// 64 of 256 dimensions turn; an MLP of 16384 with gelu_new
}
