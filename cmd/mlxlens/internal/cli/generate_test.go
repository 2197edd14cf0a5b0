package cli

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/generate"
)

func TestGeneratedTextIsVisible(t *testing.T) {
	var out bytes.Buffer
	g := &generatedText{
		out: &out, stops: generate.NewStops(), label: func(int) string { return "\x1b[2Jline\n\u202eé\u009b" },
	}
	_, err := g.add(generate.Token{ID: 1}, nil, false)
	require.NoError(t, err)
	require.Equal(t, "\\x1b[2Jline\n\\u202eé\\u009b ", out.String())
}
