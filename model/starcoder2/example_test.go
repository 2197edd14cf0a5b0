package starcoder2_test

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model/starcoder2"
)

// What follows from the config of StarCoder2 7B.
func Example() {
	c, err := starcoder2.ParseConfig([]byte(`{"model_type": "starcoder2", "hidden_size": 4608, "intermediate_size": 18432, "num_hidden_layers": 32,
		"num_attention_heads": 36, "num_key_value_heads": 4, "vocab_size": 49152, "sliding_window": 4096, "rope_theta": 1000000}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.NumKeyValueHeads, "heads of keys for", c.NumAttentionHeads, "of queries; a query sees", c.Windows[0], "keys")
	// Output:
	// 4 heads of keys for 36 of queries; a query sees 4096 keys
}
