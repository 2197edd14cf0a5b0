package hub

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseRef(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Ref{
		"mlx-community/Llama-3.2-1B-Instruct-4bit": {Owner: "mlx-community", Name: "Llama-3.2-1B-Instruct-4bit", Revision: ""},
		"a/b@main":       {Owner: "a", Name: "b", Revision: "main"},
		"a/b@refs/pr/1":  {Owner: "a", Name: "b", Revision: "refs/pr/1"},
		"a/b@" + commit1: {Owner: "a", Name: "b", Revision: commit1},
		"_a/b_c.d":       {Owner: "_a", Name: "b_c.d", Revision: ""},
		"gpt2":           {Owner: "", Name: "gpt2", Revision: ""},
		"gpt2@main":      {Owner: "", Name: "gpt2", Revision: "main"},
	} {
		got, err := ParseRef(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got)
		require.Equal(t, text, got.String())
	}
	for _, text := range []string{"", "a/", "/a", "a/b/c", "../b", "a/..", "a/b--c", "a--b/c", "a/b@", "a/b@../x", "a/b@/x", "a/b@x/",
		"a/b@a b", "a/b@x\x1b", "a/b@.x", "a/b@x.lock", "a /b", "a/b.git", "-a/b", "a/b-", "a/b@x//y", "a/b@x\u202ey", "a/b@x\u200by", "a\u202e", "é/b", strings.Repeat("a", 97) + "/b"} {
		_, err := ParseRef(text)
		require.ErrorIs(t, err, ErrRef, text)
		require.NotContains(t, err.Error(), "\x1b")
	}
	_, err := ParseRef("../b")
	require.ErrorContains(t, err, `the owner ".." is not made of letters, digits, _, - and . (at most 96; no - or . at either end, no .. or --, no .git last)`)
}

func TestAnAddressOfTheHubIsAReference(t *testing.T) {
	t.Setenv("HF_ENDPOINT", "http://127.0.0.1:8080")
	for text, want := range map[string]string{
		"https://huggingface.co/a/b":                    "a/b",
		"https://huggingface.co/a/b/":                   "a/b",
		"https://hf.co/a/b/tree/main":                   "a/b@main",
		"https://huggingface.co/a/b/tree/refs%2Fpr%2F1": "a/b@refs/pr/1",
		"https://huggingface.co/a/b?library=mlx#x":      "a/b",
		"https://huggingface.co/gpt2":                   "gpt2",
		"https://huggingface.co/gpt2/tree/" + commit1:   "gpt2@" + commit1,
		"http://127.0.0.1:8080/a/b":                     "a/b",
		"https://HuggingFace.co/a/b.c/tree/v1.0":        "a/b.c@v1.0",
	} {
		got, err := ParseRef(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got.String())
	}
	for text, why := range map[string]string{
		"https://example.com/a/b":                     "its host is neither huggingface.co",
		"https://user:secret@example.com/a/b":         "its host is neither",
		"https://huggingface.co/datasets/a/b":         "leads to datasets",
		"https://huggingface.co/a/b/blob/main/x":      "want https://host/owner/name",
		"https://huggingface.co/a/b/tree/main/sub":    "want https://host/owner/name",
		"https://huggingface.co/":                     "the name",
		"https://huggingface.co/a/b/tree/%2e%2e%2fx":  "the revision",
		"https://huggingface.co/a/b/tree/x%E2%80%AEy": "the revision",
		"https://": "it is no address",
	} {
		_, err := ParseRef(text)
		require.ErrorIs(t, err, ErrRef, text)
		require.ErrorContains(t, err, why, text)
		require.NotContains(t, err.Error(), "secret")
		require.NotContains(t, err.Error(), "\u202e")
	}
}
