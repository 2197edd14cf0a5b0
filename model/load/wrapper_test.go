package load

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func unwrapped(t *testing.T, raw string) (map[string]any, bool) {
	t.Helper()
	text, wrapped, err := Unwrap("qwen3_5", []byte(raw))
	require.NoError(t, err)
	var config map[string]any
	require.NoError(t, json.Unmarshal(text, &config))
	return config, wrapped
}

func TestTextConfigTakesFromTheOuterOneWhatItLacks(t *testing.T) {
	c, wrapped := unwrapped(t, `{"tie_word_embeddings": true, "vocab_size": 9007199254740993, "text_config": {"hidden_size": 64}}`)
	require.True(t, wrapped)
	require.Equal(t, map[string]any{"hidden_size": 64.0, "tie_word_embeddings": true, "vocab_size": 9007199254740993.0}, c)
	c, wrapped = unwrapped(t, `{"hidden_size": 64, "text_config": null}`)
	require.False(t, wrapped)
	require.Equal(t, 64.0, c["hidden_size"])
}

func TestTiesThatProgramsReadDifferentlyAreLeftToTheCheckpoint(t *testing.T) {
	c, _ := unwrapped(t, `{"tie_word_embeddings": false, "text_config": {"tie_word_embeddings": true}}`)
	require.NotContains(t, c, "tie_word_embeddings")
	c, _ = unwrapped(t, `{"tie_word_embeddings": true, "text_config": {"tie_word_embeddings": true}}`)
	require.Equal(t, true, c["tie_word_embeddings"])
}

func TestTwoVocabularySizesAreRefused(t *testing.T) {
	_, _, err := Unwrap("qwen3_5", []byte(`{"vocab_size": 100, "text_config": {"vocab_size": 128}}`))
	require.EqualError(t, err, "qwen3_5: config.json: vocab_size is 100, and 128 in text_config: programs differ in which they read; remove the wrong one")
	_, _, err = Unwrap("qwen3_5", []byte(`{"text_config": [1]}`))
	require.ErrorContains(t, err, "text_config")
}
