package deepseek_test

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model/deepseek"
)

// What DeepSeek V3 compresses keys and values to.
func Example() {
	c, err := deepseek.ParseV3([]byte(`{"model_type": "deepseek_v3", "num_attention_heads": 128, "kv_lora_rank": 512, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("a latent of", c.KVLoRARank, "numbers for keys and values of", c.NumAttentionHeads*(c.HeadDim+c.VHeadDim))
	// Output:
	// a latent of 512 numbers for keys and values of 40960
}
