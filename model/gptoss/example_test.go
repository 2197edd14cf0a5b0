package gptoss_test

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model/gptoss"
)

// gpt-oss-20b: a token passes 4 of 32 experts, and each other layer sees 128 keys.
func ExampleParseConfig() {
	c, err := gptoss.ParseConfig([]byte(`{"model_type": "gpt_oss", "num_hidden_layers": 24, "num_local_experts": 32}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.NumExpertsPerTok, "of", c.NumExperts, c.Windows[:4])
	// Output: 4 of 32 [128 0 128 0]
}
