package phi3_test

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model/phi3"
)

// What follows from the config of Phi-3 mini.
func Example() {
	c, err := phi3.ParseConfig([]byte(`{"model_type": "phi3", "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 32,
		"num_attention_heads": 32, "vocab_size": 32064, "max_position_embeddings": 4096, "rms_norm_eps": 1e-05, "sliding_window": 2047}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.HeadDim, "dimensions a head; a query sees", c.Windows[0], "keys")
	// Output:
	// 96 dimensions a head; a query sees 2047 keys
}
