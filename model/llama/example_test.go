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

// Gemma 2B is Llama, but for its gains, its MLP's activation and an embedding times √d_model.
func ExampleParseGemma() {
	c, err := llama.ParseGemma([]byte(`{"model_type": "gemma", "hidden_size": 2048, "intermediate_size": 16384, "num_hidden_layers": 18,
		"num_attention_heads": 8, "num_key_value_heads": 1, "head_dim": 256, "vocab_size": 256000, "rms_norm_eps": 1e-06, "hidden_act": "gelu"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.NumAttentionHeads, "heads of", c.HeadDim, "dimensions read", c.NumKeyValueHeads, "head of keys")
	// Output:
	// 8 heads of 256 dimensions read 1 head of keys
}

// In SmolLM3 3B every fourth layer has no positions.
func ExampleParseSmolLM3() {
	c, err := llama.ParseSmolLM3([]byte(`{"model_type": "smollm3", "hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36,
		"num_attention_heads": 16, "num_key_value_heads": 4, "vocab_size": 128256, "rms_norm_eps": 1e-06, "rope_theta": 5000000}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("layers 2 and 3 without positions:", c.NoPositions[2], c.NoPositions[3])
	// Output:
	// layers 2 and 3 without positions: false true
}
