package cli

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/generate"
)

func TestGeneratedTextIsVisible(t *testing.T) {
	var out bytes.Buffer
	g := &generation{
		s: &streams{out: &out}, o: &generateOptions{}, stops: generate.NewStops(),
		label: func(int) string { return "\x1b[2Jline\n\u202eé\u009b" },
	}
	_, err := g.show(t.Context(), 0, generate.Token{ID: 1}, false)
	require.NoError(t, err)
	require.Equal(t, "\\x1b[2Jline\n\\u202eé\\u009b ", out.String())
}
