package gpt2_test

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model/gpt2"
)

// What follows from the config of GPT-2 small.
func Example() {
	c, err := gpt2.ParseConfig([]byte(`{"model_type": "gpt2", "n_embd": 768, "n_head": 12, "n_layer": 12, "n_ctx": 1024, "vocab_size": 50257}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.NPositions, "positions, an MLP of", c.NInner, "with", c.ActivationFunction)
	// Output:
	// 1024 positions, an MLP of 3072 with gelu_new
}
