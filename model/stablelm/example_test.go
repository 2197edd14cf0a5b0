package stablelm_test

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model/stablelm"
)

// What follows from the config of StableLM 2 12B.
func Example() {
	c, err := stablelm.ParseConfig([]byte(`{"model_type": "stablelm", "hidden_size": 5120, "intermediate_size": 13824, "num_hidden_layers": 40,
		"num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 100352, "qk_layernorm": true, "use_parallel_residual": true}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("attention and MLP in parallel:", c.UseParallelResidual)
	fmt.Println(c.HeadDim, "dimensions a head, each normed:", c.QKLayerNorm)
	// Output:
	// attention and MLP in parallel: true
	// 160 dimensions a head, each normed: true
}
