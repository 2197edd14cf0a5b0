package llama_test

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model/llama"
)

// What follows from the config of Llama 3.2 1B.
func Example() {
	c, err := llama.ParseConfig([]byte(`{"model_type": "llama", "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
		"num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256, "max_position_embeddings": 131072, "rms_norm_eps": 1e-05,
		"rope_theta": 500000, "rope_scaling": {"rope_type": "llama3", "factor": 32, "low_freq_factor": 1, "high_freq_factor": 4,
		"original_max_position_embeddings": 8192}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.HeadDim, "dimensions a head,", c.NumAttentionHeads/c.NumKeyValueHeads, "heads read one head of keys")
	fmt.Println("rope:", c.Rope.Kind(), c.Rope.Theta)
	// Output:
	// 64 dimensions a head, 4 heads read one head of keys
	// rope: llama3 500000
}

// Mistral 7B is Llama, but that every layer slides.
func ExampleParseMistral() {
	c, err := llama.ParseMistral([]byte(`{"model_type": "mistral", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
		"num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 32000, "max_position_embeddings": 32768, "rms_norm_eps": 1e-05,
		"sliding_window": 4096}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("a query of layer 0 sees", c.Windows[0], "keys")
	// Output:
	// a query of layer 0 sees 4096 keys
}
