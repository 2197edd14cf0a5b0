package gemma2_test

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model/gemma2"
)

// What follows from the config of Gemma 2 2B: every other layer slides, 0 being no window.
func Example() {
	c, err := gemma2.ParseConfig([]byte(`{"model_type": "gemma2", "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26, "head_dim": 256,
		"num_attention_heads": 8, "num_key_value_heads": 4, "vocab_size": 256000, "rms_norm_eps": 1e-06, "query_pre_attn_scalar": 256}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("windows of layers 0 and 1:", c.Windows[0], c.Windows[1])
	fmt.Println("caps of scores and logits:", *c.AttnLogitSoftcapping, *c.FinalLogitSoftcapping)
	// Output:
	// windows of layers 0 and 1: 4096 0
	// caps of scores and logits: 50 30
}
