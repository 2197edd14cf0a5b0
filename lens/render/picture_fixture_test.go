package render

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/lens"
)

// wideGrid is a lens of so many rows and positions, its tokens words and awkward ones,
// its numbers all different.
func wideGrid(rows, positions int) *lens.Grid {
	prompt := "a prompt"
	g := &lens.Grid{Schema: lens.TraceSchema, Lens: "logit", Prompt: &prompt, Edits: []string{},
		Model: lens.ModelInfo{Ref: "models/tiny/Tiny-1M.gguf", Layers: rows}}
	words := append([]string{" Paris", " capital", ",", " of", "ing", " the", "東京", "안녕"}, awkward...)
	token := func(i int) lens.Token { return lens.Token{ID: i % len(words), Bytes: words[i%len(words)]} }
	for p := range positions {
		g.Tokens = append(g.Tokens, token(p))
		g.Positions = append(g.Positions, p)
	}
	for r := range rows {
		g.Rows = append(g.Rows, fmt.Sprintf("layers.%d.resid_post", r))
		var row []lens.Cell
		for p := range positions {
			share := float64(r*positions+p+1) / float64(rows*positions+1)
			row = append(row, lens.Cell{
				Top: []lens.Candidate{{Token: token(p + rows - r), Logit: 9 * share, Prob: share}, {Token: token(p), Logit: 0, Prob: 0}},
				KL:  1 - share, Entropy: 2 - share,
				Answer: lens.Target{Token: token(p + 1), Logit: 10 * share, Prob: share, Rank: 1 + int(1000*(1-share))},
			})
		}
		g.Cells = append(g.Cells, row)
	}
	if rows > 0 && positions > 0 {
		g.Final = lens.Final{Position: -1, Token: token(positions)}
	}
	return g
}

func picture(t testing.TB, g *lens.Grid, o PictureOptions) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, Picture(&b, g, o))
	return b.Bytes()
}

func pngOf(t testing.TB, g *lens.Grid, o PictureOptions) image.Image {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(picture(t, g, o)))
	require.NoError(t, err)
	return img
}

// layout is the heat map as Picture lays it out.
func layout(t testing.TB, g *lens.Grid, v View) *heatmap {
	t.Helper()
	p, err := newPainter(g, PictureOptions{View: v})
	require.NoError(t, err)
	d, err := p.heatmap()
	require.NoError(t, err)
	return d.(*heatmap)
}

// cellBox is where a heat map has a cell, in pixels, less its frame.
func (h *heatmap) cellBox(r, p int) image.Rectangle {
	x := h.left() + float64(p%h.per)*h.cell.w
	y := h.painter.top() + float64(p/h.per)*h.bandHeight() + h.edgeRows(h.above) + float64(len(h.g.Rows)-1-r)*h.cell.h
	at := func(v float64) int { return int(math.Round(v / pixel)) }
	return image.Rect(at(x), at(y), at(x+h.cell.w), at(y+h.cell.h))
}

func rgbAt(img image.Image, x, y int) rgb {
	c := color.RGBAModel.Convert(img.At(x, y)).(color.RGBA)
	return rgb{c.R, c.G, c.B}
}

func hasColour(img image.Image, r image.Rectangle, c rgb) bool {
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			if rgbAt(img, x, y) == c {
				return true
			}
		}
	}
	return false
}
