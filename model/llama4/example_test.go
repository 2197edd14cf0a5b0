package llama4_test

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model/llama4"
)

// Of which positions a layer of Llama 4 Maverick sees the keys; missing keys are Scout's.
func Example() {
	c, err := llama4.ParseText([]byte(`{"model_type": "llama4_text", "interleave_moe_layer_step": 2, "num_local_experts": 128, "use_qk_norm": false}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("chunks of", c.AttentionChunkSize, "positions;", c.NumLocalExperts, "experts of", c.IntermediateSize, "dimensions")
	// Output:
	// chunks of 8192 positions; 128 experts of 8192 dimensions
}
