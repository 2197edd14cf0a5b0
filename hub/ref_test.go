package hub

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseRef(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Ref{
		"mlx-community/Llama-3.2-1B-Instruct-4bit": {"mlx-community", "Llama-3.2-1B-Instruct-4bit", ""},
		"a/b@main":       {"a", "b", "main"},
		"a/b@refs/pr/1":  {"a", "b", "refs/pr/1"},
		"a/b@" + commit1: {"a", "b", commit1},
		"_a/b_c.d":       {"_a", "b_c.d", ""},
	} {
		got, err := ParseRef(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got)
		require.Equal(t, text, got.String())
	}
	for _, text := range []string{"", "a", "a/", "/a", "a/b/c", "../b", "a/..", "a/b--c", "a--b/c", "a/b@", "a/b@../x", "a/b@/x", "a/b@x/",
		"a/b@a b", "a/b@x\x1b", "a/b@.x", "a/b@x.lock", "a /b", "a/b.git", "-a/b", "a/b-", "a/b@x//y", "é/b", strings.Repeat("a", 97) + "/b"} {
		_, err := ParseRef(text)
		require.ErrorIs(t, err, ErrRef, text)
		require.NotContains(t, err.Error(), "\x1b")
	}
}
