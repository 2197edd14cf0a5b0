package tokenizer

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A dictionary of two answers: Python takes the last, Rust's serde may refuse.
func TestAKeyThatStandsTwiceInAFileOfATokenizerIsRefused(t *testing.T) {
	t.Parallel()
	for file, content := range map[string]string{
		"tokenizer_config.json":   `{"bos_token": "a", "x": {"y": 1}, "bos_token": "b"}`,
		"special_tokens_map.json": `{"bos_token": "a", "bos_token": "a"}`,
		"added_tokens.json":       `{"bos_token": 1, "bos_token": 2}`,
		"generation_config.json":  `{"eos_token_id": 1, "bos_token": 1, "bos_token": 2}`,
		"chat_template.json":      `{"chat_template": "a", "bos_token": 1, "bos_token": 2}`,
	} {
		_, err := withFile(t, file, content)
		require.ErrorContains(t, err, file+`: it has "bos_token" twice: programs differ in which they read; remove one`)
	}
	twice := `{"added_tokens": [], "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "a": 2}, "merges": []}}`
	_, err := withFile(t, "tokenizer.json", twice)
	require.ErrorContains(t, err, `tokenizer.json: it has "model.vocab.a" twice`)
	_, err = FromJSON([]byte(twice), nil)
	require.ErrorContains(t, err, `tokenizer: tokenizer.json: it has "model.vocab.a" twice`)
	_, err = FromJSON([]byte(tiny("", "")), []byte(`{"x": [{"a": 1, "a": 1}]}`))
	require.ErrorContains(t, err, `tokenizer: tokenizer_config.json: it has "x[0].a" twice`)
	_, err = ParseChat([]byte(`[{"role": "user", "content": "Hi", "role": "system"}]`))
	require.EqualError(t, err, `messages: it has "[0].role" twice: programs differ in which they read; remove one`)
}
