package lfm2_test

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model/lfm2"
)

// Which layers of an LFM2 attend, and how wide its MLP is: the config says the latter as 3/2 of it.
func Example() {
	c, err := lfm2.ParseConfig([]byte(`{"model_type": "lfm2", "hidden_size": 2048, "block_ff_dim": 12288, "block_auto_adjust_ff_dim": true, "block_multiple_of": 256,
		"num_hidden_layers": 4, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 65536, "full_attn_idxs": [2]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("convolutions", c.Conv, "over", c.ConvLCache, "positions; an MLP of", c.IntermediateSize)
	// Output:
	// convolutions [true true false true] over 3 positions; an MLP of 8192
}
