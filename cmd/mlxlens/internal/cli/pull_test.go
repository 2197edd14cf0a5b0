package cli

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/hub"
	"github.com/mlxlens/mlxlens/internal/hubtest"
)

// hubOf serves one small model and points the environment to it and to an empty cache.
func hubOf(t *testing.T) *hubtest.Server {
	t.Helper()
	s := hubtest.New(map[string]*hubtest.Repo{"someone/tiny": {Commit: strings.Repeat("1", 40), Files: map[string][]byte{
		"config.json": []byte("{}"), "model.safetensors": make([]byte, 2_000_000),
	}}})
	t.Cleanup(s.Close)
	t.Setenv("HF_ENDPOINT", s.URL)
	t.Setenv("HF_HUB_CACHE", t.TempDir())
	t.Setenv("HF_HUB_OFFLINE", "")
	return s
}

func TestOnATerminalTheUserIsAskedWithTheSize(t *testing.T) {
	for answer, want := range map[string]bool{"y\n": true, "YES\n": true, " y ": true, "n\n": false, "\n": false, "": false, "maybe\n": false} {
		s := hubOf(t)
		var errs bytes.Buffer
		o := modelOptions{}
		path, err := o.expand(&streams{ctx: t.Context(), in: strings.NewReader(answer), out: io.Discard, err: &errs, asks: true}, "someone/tiny")
		require.Contains(t, errs.String(), "Download someone/tiny (2.0 MB)? [y/N] ")
		if want {
			require.NoError(t, err, answer)
			require.DirExists(t, path)
			require.Equal(t, 1, s.Gets("model.safetensors"))
		} else {
			require.ErrorContains(t, err, "model someone/tiny was not downloaded", answer)
			require.Zero(t, s.Gets("model.safetensors"))
		}
	}
}

func TestATypoIsToldBeforeTheQuestion(t *testing.T) {
	hubOf(t)
	var errs bytes.Buffer
	o := modelOptions{}
	_, err := o.expand(&streams{ctx: t.Context(), in: strings.NewReader("y\n"), out: io.Discard, err: &errs, asks: true}, "someone/tniy")
	require.ErrorIs(t, err, hub.ErrNotFound)
	require.NotContains(t, errs.String(), "Download")
}

func TestTheAnswerLeavesTheRestOfStdin(t *testing.T) {
	in := strings.NewReader("y\nThe capital of France is")
	require.True(t, confirm(in, io.Discard, "?"))
	rest, err := io.ReadAll(in)
	require.NoError(t, err)
	require.Equal(t, "The capital of France is", string(rest))
}
