package render

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
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
	ts, err := newTypesetter(nil)
	require.NoError(t, err)
	p := &painter{typesetter: ts, g: g, o: PictureOptions{View: v}}
	d, err := p.heatmap()
	require.NoError(t, err)
	return d.(*heatmap)
}

// cellBox is where a heat map has a cell, in pixels, less its frame.
func (h *heatmap) cellBox(r, p int) image.Rectangle {
	x := h.left() + float64(p%h.per)*h.cell.w
	y := snap(headHeight+margin) + float64(p/h.per)*h.bandHeight() + h.edgeRow() + float64(len(h.g.Rows)-1-r)*h.cell.h
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

func TestPNGHasTheSizeOfItsLayoutAnd192DotsAnInch(t *testing.T) {
	g := wideGrid(4, 6)
	data := picture(t, g, PictureOptions{})
	img, err := png.Decode(bytes.NewReader(data))
	require.NoError(t, err)
	w, h := layout(t, g, Prob).size()
	require.Equal(t, image.Rect(0, 0, int(math.Round(w/pixel)), int(math.Round(h/pixel))), img.Bounds())
	at := bytes.Index(data, []byte("pHYs"))
	require.Equal(t, 8+25+4, at, "right behind IHDR")
	for _, from := range []int{at + 4, at + 8} {
		require.Equal(t, uint32(7559), binary.BigEndian.Uint32(data[from:]), "192 / 0.0254 pixels a metre")
	}
	require.Equal(t, byte(1), data[at+12])
}

func TestCellsHaveTheColourOfTheRampExactly(t *testing.T) {
	for _, v := range []View{Prob, Logit, Rank, KL, Entropy, Margin, Own} {
		g := wideGrid(5, 7)
		img, h, s := pngOf(t, g, PictureOptions{View: v}), layout(t, g, v), v.scale(g)
		for r := range g.Rows {
			for p := range g.Positions {
				b := h.cellBox(r, p)
				want := ramp(s.at(v.number(&g.Cells[r][p])))
				require.Equal(t, want, rgbAt(img, b.Min.X, b.Min.Y), "%s, row %d, position %d: a corner", views[v].name, r, p)
				require.Equal(t, want, rgbAt(img, b.Max.X-1, b.Max.Y-1), "%s, row %d, position %d: the other", views[v].name, r, p)
			}
		}
	}
}

func TestColourBarRunsFromTheRampsLightEndToItsDarkEnd(t *testing.T) {
	for _, v := range []View{Prob, Rank, KL} {
		g := wideGrid(20, 3)
		img, h := pngOf(t, g, PictureOptions{View: v}), layout(t, g, v)
		x := int(math.Round((snap(h.left()+3*h.cell.w+margin) + barThick/2) / pixel))
		y := int(math.Round(snap(headHeight+margin+h.edgeRow()) / pixel))
		require.Equal(t, ramp(1), rgbAt(img, x, y), views[v].name)
		require.Equal(t, white, rgbAt(img, x, y-1), "above it is nothing")
		require.Equal(t, ramp(0), rgbAt(img, x, y+int(barLength/pixel)-1), views[v].name)
		require.Equal(t, white, rgbAt(img, x, y+int(barLength/pixel)))
	}
}

// svgText is what an SVG says, and where.
type svgText struct {
	x, y     float64
	says     string
	vertical bool
}

// svg reads an SVG, whatever is wrong with which fails the test.
func svg(t testing.TB, data []byte) (texts []svgText, title, desc string) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(data))
	d.Strict = true
	in := ""
	for {
		token, err := d.Token()
		if err == io.EOF {
			return texts, title, desc
		}
		require.NoError(t, err)
		switch e := token.(type) {
		case xml.StartElement:
			in = e.Name.Local
			require.Contains(t, []string{"svg", "title", "desc", "g", "path", "text"}, in, "an element of a token got through")
			if in == "text" {
				texts = append(texts, svgText{})
			}
			for _, a := range e.Attr {
				if in == "text" && a.Name.Local == "x" {
					fmt.Sscan(a.Value, &texts[len(texts)-1].x)
				}
				if in == "text" && a.Name.Local == "y" {
					fmt.Sscan(a.Value, &texts[len(texts)-1].y)
				}
				if a.Name.Local == "transform" && in == "text" {
					texts[len(texts)-1].vertical = true
				}
			}
		case xml.EndElement:
			in = ""
		case xml.CharData:
			switch in {
			case "text":
				texts[len(texts)-1].says += string(e)
			case "title":
				title += string(e)
			case "desc":
				desc += string(e)
			}
		}
	}
}

// find returns the texts that say what is asked for.
func find(texts []svgText, says string) []svgText {
	var out []svgText
	for _, x := range texts {
		if x.says == says {
			out = append(out, x)
		}
	}
	return out
}

func TestFinalLayerIsOnTopTheInputBelowAndWhatCameNextAbove(t *testing.T) {
	g := wideGrid(3, 4)
	g.Rows = []string{"embed", "layers.0.resid_mid", "layers.1.resid_post"}
	g.Tokens = nil
	for i, s := range []string{"input0", "input1", "input2", "input3", "after"} {
		g.Tokens = append(g.Tokens, lens.Token{ID: 500 + i, Bytes: s})
	}
	texts, _, _ := svg(t, picture(t, g, PictureOptions{Format: SVG, View: Rank}))
	var ys []float64
	for _, name := range []string{"next", "1", "0 mid", "embed", "input", "position"} {
		all := find(texts, name)
		require.NotEmpty(t, all, name)
		ys = append(ys, all[0].y)
		if name == "1" { // also a tick of the bar and a position; the row's name is the leftmost
			ys[len(ys)-1] = leftmost(all).y
		}
	}
	require.IsIncreasing(t, ys)
	above, below := find(texts, "input1")[0], find(texts, "input1")[1]
	if above.y > below.y {
		above, below = below, above
	}
	require.InDelta(t, ys[0], above.y, 1, "in the row of what came next")
	require.InDelta(t, ys[4], below.y, 1, "in the row of the input")
	require.Less(t, above.x, below.x, "one position earlier")
	require.NotEmpty(t, find(texts, "after"))
	require.True(t, find(texts, "layer")[0].vertical)
	require.NotEmpty(t, find(texts, "rank"), "the bar has a title")
}

func leftmost(texts []svgText) svgText {
	out := texts[0]
	for _, x := range texts {
		if x.x < out.x {
			out = x
		}
	}
	return out
}

func TestRightAnswersAreFramedAndNoOthers(t *testing.T) {
	g := wideGrid(3, 8) // row r says the token rows−r later: the last row, what came next
	img, h := pngOf(t, g, PictureOptions{}), layout(t, g, Prob)
	for r := range g.Rows {
		for p := range g.Positions {
			b := h.cellBox(r, p)
			background := rgbAt(img, b.Min.X, b.Min.Y)
			framed := rgbAt(img, b.Min.X+1, b.Min.Y+1) == ink(background)
			require.Equal(t, r == 2 && p < 7, framed, "row %d, position %d", r, p)
		}
	}
}

func TestTitleNamesPromptModelAndLens(t *testing.T) {
	g := wideGrid(2, 3)
	data := picture(t, g, PictureOptions{Format: SVG, View: KL})
	texts, title, desc := svg(t, data)
	require.Equal(t, `"a prompt" · Tiny-1M · logit lens`, title)
	require.Contains(t, desc, "KL(final ‖ row) in nats: 2 rows, 3 positions.")
	require.NotEmpty(t, find(texts, `"a prompt"`))
	require.NotEmpty(t, find(texts, "Tiny-1M · logit lens"))
	require.NotEmpty(t, find(texts, "kl, nats"))
	require.Contains(t, string(data), `role="img"`)

	long := strings.Repeat("many words ", 200)
	g.Prompt = &long
	texts, title, _ = svg(t, picture(t, g, PictureOptions{Format: SVG}))
	require.Contains(t, title, long, "the whole prompt is there for those who read it aloud")
	require.Regexp(t, `^"many words .*…"$`, texts[0].says)
	g.Prompt = nil
	_, title, _ = svg(t, picture(t, g, PictureOptions{Format: SVG}))
	require.Contains(t, title, "3 token ids")
}

func TestTokensCannotBreakTheSVG(t *testing.T) {
	g := wideGrid(2, 6)
	for i, s := range []string{"</text><script>", "&amp;", "\x00\x1b]0;x\a", "<!--", "]]>", "\ufffe\uffff"} {
		g.Tokens[i].Bytes = s
		g.Cells[0][i].Top[0].Token.Bytes = s
	}
	prompt := "</title><script>alert(1)</script>\x00"
	g.Prompt, g.Model.Ref = &prompt, "x/<b>&"
	texts, title, _ := svg(t, picture(t, g, PictureOptions{Format: SVG}))
	require.Contains(t, title, "</title><script>")
	require.Contains(t, title, "<b>&")
	require.NotEmpty(t, find(texts, "&amp;"), "as written")
	for _, k := range []Kind{Curves} {
		svg(t, picture(t, g, PictureOptions{Format: SVG, Kind: k}))
	}
}

func TestSameGridGivesTheSameBytes(t *testing.T) {
	for _, f := range []Format{PNG, SVG} {
		for _, k := range []Kind{Heatmap, Curves} {
			o := PictureOptions{Format: f, Kind: k}
			require.True(t, bytes.Equal(picture(t, grid(), o), picture(t, grid(), o)), "%+v", o)
		}
	}
}

func TestCellsWithoutANumberAreHatchedInGreyWithADash(t *testing.T) {
	g := wideGrid(3, 4)
	bad := []float64{math.NaN(), math.Inf(1), math.Inf(-1)}
	for p, x := range bad {
		g.Cells[1][p].KL = x
	}
	img, h := pngOf(t, g, PictureOptions{View: KL}), layout(t, g, KL)
	for p := range bad {
		b := h.cellBox(1, p)
		for y := b.Min.Y; y < b.Max.Y; y++ {
			for x := b.Min.X; x < b.Max.X; x++ {
				c := rgbAt(img, x, y)
				require.True(t, c.r == c.g && c.g == c.b, "%v: a colour", c)
			}
		}
		require.True(t, hasColour(img, b, paper))
		require.True(t, hasColour(img, b, black), "a dash and the token")
		require.Equal(t, "–", string([]rune(h.cellText(&g.Cells[1][p], 100))[0]))
	}
	for i := range 101 {
		c := ramp(float64(i) / 100)
		require.False(t, c.r == c.g && c.g == c.b, "the ramp has no grey")
	}
	g.Cells[1][0].Top = nil
	require.Equal(t, "–", h.cellText(&g.Cells[1][0], 100))
	texts, _, _ := svg(t, picture(t, g, PictureOptions{Format: SVG, View: KL}))
	require.NotEmpty(t, find(texts, "hatched, –: no number"))
}

func TestRankThatIsNotKnownIsNoNumber(t *testing.T) {
	g := wideGrid(2, 3)
	g.Cells[0][0].Answer.Rank = 0
	require.True(t, math.IsNaN(Rank.number(&g.Cells[0][0])))
	require.Positive(t, Rank.scale(g).lo)
	h := layout(t, g, Rank)
	require.Equal(t, "–", string([]rune(h.cellText(&g.Cells[0][0], 100))[0]))
	picture(t, g, PictureOptions{View: Rank})
}

func TestSmallAndEmptyGridsAreDrawn(t *testing.T) {
	for _, size := range [][2]int{{0, 0}, {3, 0}, {0, 3}, {1, 1}, {1, 5}, {5, 1}} {
		g := wideGrid(size[0], size[1])
		for _, f := range []Format{PNG, SVG} {
			for _, k := range []Kind{Heatmap, Curves} {
				for v := range views {
					data := picture(t, g, PictureOptions{Format: f, Kind: k, View: View(v)})
					require.NotEmpty(t, data)
					if f == SVG {
						svg(t, data)
					}
				}
			}
		}
	}
	h := layout(t, wideGrid(1, 2), Prob)
	_, height := h.size()
	require.LessOrEqual(t, h.barTop()+h.barLength()+margin, height, "the bar of a low grid is whole")
	texts, _, _ := svg(t, picture(t, wideGrid(0, 0), PictureOptions{Format: SVG}))
	require.Contains(t, texts[len(texts)-1].says, "nothing was read")
}

func TestGridOfTheLastPositionOnlyIsDrawn(t *testing.T) {
	g := wideGrid(4, 6)
	g.Positions = []int{5}
	for r := range g.Cells {
		g.Cells[r] = g.Cells[r][5:]
	}
	texts, _, _ := svg(t, picture(t, g, PictureOptions{Format: SVG}))
	require.NotEmpty(t, find(texts, "5"), "the position keeps its number")
	require.NotEmpty(t, find(texts, draw(token(g.Tokens[5].Bytes))))
}

func TestWidePromptsBreakIntoBandsWithLegibleText(t *testing.T) {
	for _, n := range []int{5, 40, 200} {
		h := layout(t, wideGrid(30, n), Prob)
		require.GreaterOrEqual(t, h.cell.text, 5.0, "points")
		w, height := h.size()
		require.NoError(t, bounded(w, height))
		require.LessOrEqual(t, w, max(screen, 1.3*height))
		require.GreaterOrEqual(t, h.bands*h.per, n)
		require.Less(t, (h.bands-1)*h.per, n, "no band is empty")
		require.Equal(t, n > few, h.bands > 1)
	}
}

func TestPicturesAreBounded(t *testing.T) {
	h := layout(t, wideGrid(30, 3000), Prob)
	require.Zero(t, h.cell.text, "below the legible size text is left out")
	require.NoError(t, bounded(h.size()))
	require.Contains(t, h.foot(), "too many cells for their tokens")

	err := Picture(io.Discard, wideGrid(60, 8000), PictureOptions{})
	require.ErrorContains(t, err, "pixels; the most is 16384 a side")
	require.ErrorContains(t, err, "choose fewer positions or layers")
}

func TestUnknownChoicesOfAPictureFail(t *testing.T) {
	g := wideGrid(2, 3)
	for want, o := range map[string]PictureOptions{
		"kind 9 is unknown (have: Heatmap, Curves, Targets)":                  {Kind: 9},
		"format 9 is unknown (have: PNG, SVG)":                                {Format: 9},
		"view 99 is unknown":                                                  {View: 99},
		"position 3 before the last is not in the grid: it has 3 (0–2)":       {Kind: Curves, Back: 3},
		"the grid has none: name some in lens.Options.Targets":                {Kind: Targets},
		"render: picture: font: open testdata/picture-none.ttf":               {Fonts: []string{"testdata/picture-none.ttf"}},
		`render: picture: font "picture_test.go" is not one that can be read`: {Fonts: []string{"picture_test.go"}},
	} {
		require.ErrorContains(t, Picture(io.Discard, g, o), want)
	}
}

// fullDisk takes so many bytes.
type fullDisk int

func (d *fullDisk) Write(p []byte) (int, error) {
	if *d -= fullDisk(len(p)); *d < 0 {
		return 0, errors.New("disk full")
	}
	return len(p), nil
}

func TestPictureToAWriterThatFailsIsAnError(t *testing.T) {
	g := wideGrid(2, 2)
	whole := len(picture(t, g, PictureOptions{}))
	for _, room := range []int{0, 8, 20, 60, whole / 2, whole - 1} {
		d := fullDisk(room)
		require.ErrorContains(t, Picture(&d, g, PictureOptions{}), "render: picture: disk full", "after %d bytes of %d", room, whole)
	}
	require.ErrorContains(t, Picture(brokenWriter{}, g, PictureOptions{Format: SVG}), "disk full")
}

func TestTicksOfRanksAreOnALogScaleWithBothEnds(t *testing.T) {
	var texts []string
	for _, x := range logTicks(1, 41192) {
		texts = append(texts, x.text)
	}
	require.Equal(t, []string{"1", "10", "100", "1,000", "10,000", "41,192"}, texts)
	require.Equal(t, []tick{{0, "0.0"}, {0.2, "0.2"}, {0.4, "0.4"}, {0.6000000000000001, "0.6"}, {0.8, "0.8"}, {1, "1.0"}}, linearTicks(0, 1, 5))
	for i := 0; i < 60; i++ { // no scale is without ticks, and none has too many
		lo := math.Pow(10, float64(i%7)-3)
		ticks := linearTicks(-lo, lo*float64(1+i), 6)
		assert.GreaterOrEqual(t, len(ticks), 2)
		assert.LessOrEqual(t, len(ticks), 9)
	}
}

func BenchmarkPicture30x200(b *testing.B) {
	g := wideGrid(30, 200)
	for name, f := range map[string]Format{"png": PNG, "svg": SVG} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				require.NoError(b, Picture(io.Discard, g, PictureOptions{Format: f, View: Rank}))
			}
		})
	}
}
