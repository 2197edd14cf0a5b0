package tokenizer

import (
	"fmt"
	"maps"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// digitsVocabulary is a byte-level vocabulary with two merges of digits.
func digitsVocabulary() map[string]any {
	var tokens []string
	for c := '!'; c <= '~'; c++ {
		tokens = append(tokens, string(c))
	}
	tokens = append(tokens, "Ġ", "12", "123", "1234")
	return map[string]any{
		"general.architecture": "llama", "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.tokens": tokens,
		"tokenizer.ggml.merges": []string{"1 2", "12 3", "123 4"},
	}
}

func encoded(t *testing.T, meta map[string]any, text string) (tok *Tokenizer, pieces []string) {
	t.Helper()
	tok, err := FromGGUF(meta)
	require.NoError(t, err)
	ids, err := tok.Encode(text, false)
	require.NoError(t, err)
	for _, id := range ids {
		piece, _ := tok.Piece(id)
		pieces = append(pieces, piece)
	}
	return tok, pieces
}

// What llama.cpp in xllamacpp 2026.10 gives; a file without a name is warned about.
func TestFilesWithoutANameHaveLlamaCppsDefaultRules(t *testing.T) {
	for _, pre := range []any{nil, "", "default"} {
		meta := digitsVocabulary()
		if pre != nil {
			meta["tokenizer.ggml.pre"] = pre
		}
		tok, pieces := encoded(t, meta, "1234")
		assert.Equal(t, []string{"123", "4"}, pieces)
		require.Len(t, tok.Notes(), 1)
		assert.Contains(t, tok.Notes()[0], "llama.cpp's default is taken")
	}
}

func TestOtherNamesStandForRulesThatAreKnown(t *testing.T) {
	for name, want := range map[string][]string{
		"phi-2": {"1234"}, "olmo": {"1234"}, "mpt": {"1234"},
		"starcoder": {"1", "2", "3", "4"}, "command-r": {"1", "2", "3", "4"}, "megrez": {"1", "2", "3", "4"}, "stablelm2": {"1", "2", "3", "4"},
		"falcon3": {"123", "4"}, "pixtral": {"123", "4"}, "smaug-bpe": {"123", "4"}, "glm4": {"123", "4"},
	} {
		meta := digitsVocabulary()
		meta["tokenizer.ggml.pre"] = name
		tok, pieces := encoded(t, meta, "1234")
		assert.Equal(t, want, pieces, name)
		assert.Empty(t, tok.Notes(), name)
	}
}

func TestAVocabularyTellsWhoseRulesItGoesWith(t *testing.T) {
	meta := digitsVocabulary()
	tokens := append(meta["tokenizer.ggml.tokens"].([]string), "<|begin_of_text|>", "<|eot_id|>")
	for i := len(tokens); i < 128_256; i++ {
		tokens = append(tokens, fmt.Sprintf("<%d>", i))
	}
	meta["tokenizer.ggml.tokens"] = tokens
	tok, pieces := encoded(t, meta, "1234")
	assert.Equal(t, []string{"123", "4"}, pieces)
	require.Len(t, tok.Notes(), 1)
	assert.Contains(t, tok.Notes()[0], `those of "llama-bpe" are taken`)
}

func TestEmptyTokensAndIDsOfNoTokenArePassedOver(t *testing.T) {
	meta := digitsVocabulary()
	meta["tokenizer.ggml.pre"] = "gpt-2"
	meta["tokenizer.ggml.tokens"] = append(meta["tokenizer.ggml.tokens"].([]string), "", "")
	for _, key := range []string{"bos_token_id", "eos_token_id", "eot_token_id"} {
		changed := maps.Clone(meta)
		changed["tokenizer.ggml."+key] = uint32(9999)
		tok, pieces := encoded(t, changed, "12")
		assert.Equal(t, []string{"12"}, pieces)
		require.Len(t, tok.Notes(), 1)
		assert.Contains(t, tok.Notes()[0], key+" is 9999, and ids go from 0 to 99: it is passed over")
		assert.Empty(t, tok.EOS())
		assert.False(t, tok.AddsBOS())
	}
}
