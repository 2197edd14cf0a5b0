package cli

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/hub"
	"github.com/mlxlens/mlxlens/lens/tuned"
)

func TestOneIsSaidInTheSingular(t *testing.T) {
	said := func(say func(*streams)) string {
		var b bytes.Buffer
		say(&streams{out: &b, err: &b})
		return b.String()
	}
	c := &corpus{name: "corpus.txt", sequences: [][]int{{1}}, tokens: 1, cut: 1}
	require.Equal(t, "mlxlens: corpus.txt: 1 sequence, 1 token (1 text was longer, and cut: --length)\n", said(c.say))
	c = &corpus{name: "corpus.txt", sequences: [][]int{{1}, {2, 3}}, tokens: 3, cut: 2}
	require.Equal(t, "mlxlens: corpus.txt: 2 sequences, 3 tokens (2 texts were longer, and cut: --length)\n", said(c.say))

	require.Equal(t, "fetching 1 file, 2.0 kB", started(hub.Event{Files: 1, Total: 2000}))
	require.Equal(t, "fetching 2 files, 2.0 kB", started(hub.Event{Files: 2, Total: 2000}))

	fitted := tuned.Fitted{Steps: 1, Recipe: "belrose", Sequences: 1, Tokens: 1}
	require.Equal(t, "1 step of belrose, on 1 sequence, 1 token, digest none", lensInfo{Fitted: fitted}.trained())

	refused := diagnosis{Library: "libmlxc.so", Refused: []string{"conv2d"}}
	require.Contains(t, said(func(s *streams) { require.NoError(t, refused.print(s, false)) }), "self-check    1 function is refused\n")
	refused.Refused = append(refused.Refused, "rope")
	require.Contains(t, said(func(s *streams) { require.NoError(t, refused.print(s, false)) }), "self-check    2 functions are refused\n")

	info := infoResult{Tokenizer: true, TokenizerVocab: 1}
	var b bytes.Buffer
	require.NoError(t, info.print(&b, false))
	require.Contains(t, b.String(), "1 token, adds no BOS\n")
}
