package render

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/lens"
)

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
			require.Contains(t, []string{"svg", "title", "desc", "g", "path", "text", "defs", "use", "metadata", "RDF", "Description", "creator", "source", "description", "subject"}, in, "an element of a token got through")
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

func TestTextIsDrawnAsOutlinesAndLiesUnseenOverThem(t *testing.T) {
	g := wideGrid(1, 1)
	prompt := "aa b"
	g.Prompt = &prompt
	data := string(picture(t, g, PictureOptions{Format: SVG}))
	require.Equal(t, 1, strings.Count(data, `<path id="LiberationSans-61"`), "a character is defined once")
	unseen := data[strings.Index(data, `<g fill-opacity="0"`):]
	unseen, seen, _ := strings.Cut(unseen, "</g>")
	require.Contains(t, unseen, "aa b")
	require.NotContains(t, seen, "aa b")

	prompt = "東 b"
	data = string(picture(t, g, PictureOptions{Format: SVG}))
	_, seen, _ = strings.Cut(data[strings.Index(data, `<g fill-opacity="0"`):], "</g>")
	require.Contains(t, seen, "東 b", "what is only in dots is in the reader's fonts")
}
