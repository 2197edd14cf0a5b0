package load

import (
	"fmt"
	"regexp"
	"strings"
)

// embeddingGGUF is the name of the embedding in a GGUF file.
const embeddingGGUF = "token_embd.weight"

// CheckVocabulary refuses the metadata of a GGUF file that contradict its embedding, which has so
// many rows: vocab_size has to say how many they are, and there may be no more tokens. llama.cpp
// opens neither file. Fewer tokens leave rows that pad the matrix, as in other checkpoints.
func CheckVocabulary(arch string, meta map[string]any, rows int) error {
	key := arch + ".vocab_size"
	if v, ok := meta[key]; ok {
		size, ok := number(v)
		if !ok {
			return fmt.Errorf("%s: GGUF: %s is %T, want a number", arch, key, v)
		}
		if size != float64(rows) {
			return fmt.Errorf("%s: GGUF: %s is %v, and %s has %d rows: the file contradicts itself; convert it again", arch, key, size, embeddingGGUF, rows)
		}
	}
	if tokens, _ := meta["tokenizer.ggml.tokens"].([]string); len(tokens) > rows {
		return fmt.Errorf("%s: GGUF: tokenizer.ggml.tokens has %d tokens, and %s %d rows: the file contradicts itself; convert it again", arch, len(tokens), embeddingGGUF, rows)
	}
	return nil
}

// ggufKeys are the names that GGUF has, behind the architecture's, for keys of a config.json.
var ggufKeys = map[string]string{
	"hidden_size": "embedding_length", "n_embd": "embedding_length", "intermediate_size": "feed_forward_length", "n_inner": "feed_forward_length",
	"num_hidden_layers": "block_count", "n_layer": "block_count", "num_attention_heads": "attention.head_count", "n_head": "attention.head_count",
	"num_key_value_heads": "attention.head_count_kv", "head_dim": "attention.key_length", "max_position_embeddings": "context_length", "n_positions": "context_length",
	"rms_norm_eps": "attention.layer_norm_rms_epsilon", "layer_norm_epsilon": "attention.layer_norm_epsilon",
	"num_experts": "expert_count", "num_experts_per_tok": "expert_used_count", "moe_intermediate_size": "expert_feed_forward_length",
	"sliding_window": "attention.sliding_window", "sliding_window_pattern": "attention.sliding_window_pattern", "final_logit_softcapping": "final_logit_softcapping",
}

var configKey = regexp.MustCompile(`\w+`)

// InGGUF is an error about a config that came from the metadata of a GGUF file, in the words of that file: what
// checks a config speaks of config.json and its keys.
func InGGUF(arch string, err error) error {
	_, text, ofConfig := strings.Cut(err.Error(), ": config.json: ")
	if !ofConfig {
		return err
	}
	text = configKey.ReplaceAllStringFunc(text, func(word string) string {
		if key, ok := ggufKeys[word]; ok {
			return arch + "." + key
		}
		return word
	})
	return fmt.Errorf("%s: GGUF: %s", arch, text)
}
