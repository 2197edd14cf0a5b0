package render

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/browsertest"
	"github.com/mlxlens/mlxlens/lens"
)

// cutGrid is a grid of "a 北" whose second character three tokens cut; after each its next byte is the answer.
func cutGrid() *lens.Grid {
	g := large(4, 2, 1)
	for i, raw := range []string{"a", " \xe5", "\x8c", "\x97"} {
		g.Tokens[i] = lens.Token{ID: 900 + i, Bytes: raw}
	}
	for r := range g.Cells {
		for p := range g.Cells[r] {
			if p+1 < len(g.Tokens) {
				g.Cells[r][p].Top[0].Token, g.Cells[r][p].Answer.Token = g.Tokens[p+1], g.Tokens[p+1]
			}
		}
	}
	g.Tracked[1][0].Token = g.Tokens[2]
	return g
}

func TestACutCharacterIsTheSameOnEverySurface(t *testing.T) {
	g := cutGrid()
	screen := bare(terminal(t, g, TerminalOptions{Width: 200, View: Prob}))
	for _, part := range []string{"·北‹1/3›", "北‹2/3›", "北‹3/3›", "·‹E5----›"} {
		require.Contains(t, screen, part)
	}
	texts, _, _ := svg(t, picture(t, g, PictureOptions{Format: SVG}))
	var drawn []string
	for _, x := range texts {
		drawn = append(drawn, x.says)
	}
	all := strings.Join(drawn, " ")
	d := dataOf(t, html(t, g))
	for _, part := range []string{"·北‹1/3›", "北‹2/3›", "北‹3/3›", "·‹E5----›"} {
		require.Contains(t, all, part)
		require.Contains(t, d.Texts, part)
	}
	require.Contains(t, all, "‹2/3› the second of a character's 3 bytes")
	for _, surface := range []string{screen, all, strings.Join(d.Texts, " "), html(t, g)} {
		require.NotContains(t, surface, "<0x")
	}
	require.Equal(t, "·北‹1/3›", Part(g.Tokens, 1))
	require.Equal(t, "a", Part(g.Tokens, 0))
	require.Equal(t, "北‹3/3›", PartAfter(g.Tokens, 2, "\x97"))

	var b bytes.Buffer
	require.NoError(t, FigureHTML(&b, &Figure{Title: "x", Grids: []Matrix{{Rows: []string{"0"}, Columns: []Column{{Token: "\xe5", Name: "0"}}, Values: [][]float64{{1}}}}}))
	require.Contains(t, b.String(), "‹E5----›", "of a token alone")
}

func TestACutCharacterThatCameNextIsFramedAndPinned(t *testing.T) {
	b := browse(t, cutGrid(), 1440, 800)
	require.Equal(t, []bool{true, true, true, false}, browsertest.JS[[]bool](b.Page, `[0, 1, 2, 3].map(p => same(best(29, p), D.next[p]))`))
	browsertest.JS[any](b.Page, `go(29, 1, false); toggle(best(29, 1), 1); null`)
	require.Contains(t, b.Text("#pins"), "‹--8C--›")
	link := browsertest.JS[string](b.Page, `String(chosen())`)
	browsertest.JS[any](b.Page, `pins = []; drawPins(); recall(new URLSearchParams("`+link+`")); null`)
	require.Contains(t, b.Text("#pins"), "‹--8C--›")
	b.Shot("cut-1440")
}
