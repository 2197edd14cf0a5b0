package gptneox_test

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model/gptneox"
)

// What follows from the config of Pythia 160M.
func Example() {
	c, err := gptneox.ParseConfig([]byte(`{"model_type": "gpt_neox", "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
		"num_attention_heads": 12, "vocab_size": 50304}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("attention and MLP in parallel:", c.UseParallelResidual)
	fmt.Println(float64(c.HeadDim)*c.Rope.Partial, "of", c.HeadDim, "dimensions turn")
	// Output:
	// attention and MLP in parallel: true
	// 16 of 64 dimensions turn
}
