package render

import (
	"bytes"
	"fmt"
	"image/png"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/lens"
)

func TestPicturesSayHowTheyWereMade(t *testing.T) {
	g := wideGrid(2, 3)
	g.Edits = []string{"layers.1.mlp_out@-1=zero"}
	o := PictureOptions{Origin: Origin{Program: "mlxlens 1.2", Command: "mlxlens trace 'a <b> 東'"}}
	data := picture(t, g, o)
	for _, want := range []string{"Title\x00\x00\x00\x00\x00\"a prompt\"", "Software\x00\x00\x00\x00\x00mlxlens 1.2", "Source\x00\x00\x00\x00\x00models/tiny/Tiny-1M.gguf",
		"Comment\x00\x00\x00\x00\x00mlxlens trace 'a <b> 東'", "Edits\x00\x00\x00\x00\x00layers.1.mlp_out@-1=zero"} {
		require.True(t, bytes.Contains(data, []byte("iTXt"+want)), want)
	}
	_, err := png.Decode(bytes.NewReader(data))
	require.NoError(t, err)

	o.Format = SVG
	data = picture(t, g, o)
	texts, _, _ := svg(t, data)
	require.NotEmpty(t, find(texts, "edited: layers.1.mlp_out@-1=zero"))
	require.NotEmpty(t, find(texts, "mlxlens 1.2 · mlxlens trace 'a <b> 東'"))
	require.Contains(t, string(data), "<dc:description>mlxlens trace &#39;a &lt;b&gt; 東&#39;</dc:description>")

	o.Format = PDF
	text := string(picture(t, g, o))
	for _, want := range []string{"<pdf:Producer>mlxlens 1.2</pdf:Producer>", "Edits: layers.1.mlp_out@-1=zero", "Source: models/tiny/Tiny-1M.gguf"} {
		require.True(t, strings.Contains(text, want), want)
	}
}

func TestPaperHasNoCaptionAndTheWidthOfAColumn(t *testing.T) {
	g := wideGrid(4, 5)
	o := PictureOptions{Style: Paper, Origin: Origin{Program: "mlxlens 1.2", Command: "mlxlens trace x"}}
	img := pngOf(t, g, o)
	require.InDelta(t, 3.25*dpi*paperDots, img.Bounds().Dx(), 2, "inches")
	o.Format = SVG
	texts, title, _ := svg(t, picture(t, g, o))
	require.Empty(t, find(texts, `"a prompt"`))
	require.Empty(t, find(texts, "mlxlens 1.2 · mlxlens trace x"))
	require.Contains(t, title, `"a prompt"`, "the file says it all the same")
	for _, x := range texts {
		require.Greater(t, x.y, 4.0, "%q is whole", x.says)
	}
	o.Title, o.Width, o.Format = "Mine", 486, PDF
	require.Contains(t, string(picture(t, g, o)), "/MediaBox [0 0 48")
	o.Format = SVG
	texts, title, _ = svg(t, picture(t, g, o))
	require.NotEmpty(t, find(texts, "Mine"))
	require.Contains(t, title, `Mine · "a prompt"`)
}

func TestTextHasTheSizeThatWasAskedFor(t *testing.T) {
	for size, want := range map[float64]string{0: `font-size="8"`, 6: `font-size="6"`, 12: `font-size="12"`} {
		require.Contains(t, string(picture(t, wideGrid(3, 4), PictureOptions{Format: SVG, FontSize: size})), want)
	}
}

func TestAWidthIsKeptByEveryKindOfPicture(t *testing.T) {
	g := withTargets(wideGrid(6, 40))
	for _, k := range []Kind{Heatmap, Curves, Targets, Candidates} {
		for _, width := range []float64{234, 486} {
			var b bytes.Buffer
			require.NoError(t, Picture(&b, g, PictureOptions{Kind: k, Width: width, FontSize: 7}))
			c, err := png.DecodeConfig(&b)
			require.NoError(t, err)
			require.InDelta(t, width*dpi/72, c.Width, 3, "kind %d", k)
		}
	}
}

func TestEveryManiethLayerIsCountedFromTheLast(t *testing.T) {
	texts, _, _ := svg(t, picture(t, wideGrid(8, 2), PictureOptions{Format: SVG, Every: 3}))
	var rows []string
	for _, x := range texts {
		if x.x < 60 && len(x.says) == 1 {
			rows = append(rows, x.says)
		}
	}
	require.Equal(t, []string{"7", "4", "1"}, rows)
}

func TestWhoDoesNotSeeAPictureIsToldOfTheRowsThatAreDrawn(t *testing.T) {
	for _, c := range []struct {
		rows, positions, every int
		says                   string
	}{
		{8, 2, 0, ": 8 rows, 2 positions."},
		{8, 1, 3, ": 3 of the 8 rows read, 1 position."},
		{1, 1, 0, ": 1 row, 1 position."},
		{1, 2, 5, ": 1 row, 2 positions."},
	} {
		g := wideGrid(c.rows, c.positions)
		g.Model.Layers = 30
		name := g.Rows[len(g.Rows)-1]
		g.Final.FirstTop1, g.Final.StableFrom = &name, &name
		_, _, desc := svg(t, picture(t, g, PictureOptions{Format: SVG, Every: c.every}))
		require.Contains(t, desc, c.says)
		if c.every == 3 {
			require.Contains(t, desc, "only in the last of the 8 layers read.", "not of those that are shown")
		}
		require.Equal(t, c.every == 0 && c.rows > 1, strings.Contains(desc, "layers shown"), desc)
	}
	_, _, desc := svg(t, func() []byte {
		var b bytes.Buffer
		require.NoError(t, ComparePicture(&b, twoSides(), false, PictureOptions{Format: SVG, Every: 9}))
		return b.Bytes()
	}())
	require.Contains(t, desc, ": 1 of the ")
}

func TestAPictureThatItsWidthHasNoRoomForSaysWhatFits(t *testing.T) {
	g := withTargets(wideGrid(6, 5))
	for _, k := range []Kind{Heatmap, Curves, Targets, Candidates} {
		o := PictureOptions{Format: SVG, Kind: k, Width: 144, FontSize: 20}
		err := Picture(io.Discard, g, o)
		require.ErrorIs(t, err, ErrNarrow, "kind %d", k)
		var inches, asked, text float64
		var points, of int
		_, scanErr := fmt.Sscanf(err.Error(), "render: picture: the picture is too narrow: with text of 20 points it takes %f inches (%d points), and %f (%d) were asked for: allow as many, or text of %f points", &inches, &points, &asked, &of, &text)
		require.NoError(t, scanErr, err.Error())
		require.InDelta(t, float64(points), 72*inches, 1)
		require.Greater(t, points, 144)
		o.FontSize = text
		require.NoError(t, Picture(io.Discard, g, o), "the text that it names, %g", text)
		o.FontSize, o.Width = 20, float64(points)
		texts, _, _ := svg(t, picture(t, g, o))
		for _, x := range texts {
			require.NotContains(t, x.says, "too many cells", "kind %d", k)
		}
	}
	err := FigurePicture(io.Discard, tall(3), PictureOptions{Width: 72})
	require.ErrorIs(t, err, ErrNarrow)
	require.ErrorContains(t, FigurePicture(io.Discard, tall(3), PictureOptions{Width: 72, FontSize: 72}), "and 1.00 (72) were asked for: allow as many, or text of 4.7 points")
	require.NoError(t, FigurePicture(io.Discard, tall(3), PictureOptions{Width: 72, FontSize: 4.7}))
}

func TestLinesBelowANarrowPictureAreBrokenAndNotCut(t *testing.T) {
	texts, _, _ := svg(t, picture(t, wideGrid(2, 3), PictureOptions{Format: SVG, Width: 150}))
	var foot []string
	for _, x := range texts {
		if len(foot) > 0 || strings.HasPrefix(x.says, "framed:") {
			foot = append(foot, x.says)
		}
	}
	require.Greater(t, len(foot), 1)
	require.Equal(t, "framed: the token that came next", strings.Join(foot, " "))
}

func TestNumbersStandInTheirCells(t *testing.T) {
	g := wideGrid(2, 3)
	texts, _, _ := svg(t, picture(t, g, PictureOptions{Format: SVG, View: KL, Numbers: NumbersShown}))
	require.Len(t, find(texts, KL.text(g.Cells[1][2].KL)), 1)
	texts, _, _ = svg(t, picture(t, g, PictureOptions{Format: SVG, View: KL}))
	require.Empty(t, find(texts, KL.text(g.Cells[1][2].KL)))
}

func TestCandidatesOfTheLastPositionStandSideBySide(t *testing.T) {
	g := wideGrid(3, 4)
	texts, _, desc := svg(t, picture(t, g, PictureOptions{Format: SVG, Kind: Candidates}))
	require.Contains(t, desc, "at position 3")
	for r := range g.Rows {
		for _, c := range g.Cells[r][3].Top {
			require.NotEmpty(t, find(texts, draw(token(c.Bytes))), "row %d", r)
		}
	}
	require.NotEmpty(t, find(texts, "rank"))
	require.ErrorContains(t, Picture(io.Discard, g, PictureOptions{Kind: Candidates, Back: 4}), "position 4 before the last is not in the grid")
}

func TestWhatCannotBeAskedOfAPictureIsRefused(t *testing.T) {
	for want, o := range map[string]PictureOptions{
		"style 7 is unknown (have: Screen, Paper)":     {Style: 7},
		"a width of 10 points: want 72 to 14400":       {Width: 10},
		"a width of NaN points":                        {Width: math.NaN()},
		"text of 1 points: want 3 to 72":               {FontSize: 1},
		"every -1th layer: want 1 or more":             {Every: -1},
		"pixels; the most is 16384 a side and 5033164": {Width: 14400},
	} {
		require.ErrorContains(t, Picture(io.Discard, wideGrid(2, 2), o), want)
	}
}

func TestDarkIsAGridWithoutProbabilitiesToSee(t *testing.T) {
	g := wideGrid(10, 4)
	require.False(t, Dark(g))
	for r := range 9 {
		for p := range g.Positions {
			g.Cells[r][p].Answer.Prob = 0.01
		}
	}
	require.True(t, Dark(g))
	require.False(t, Dark(&lens.Grid{}))
}

func TestOneOfSomethingIsSaidSo(t *testing.T) {
	g := wideGrid(1, 1)
	g.Prompt = nil
	require.Equal(t, "1 token", pageTitle(g))
	require.Contains(t, subtitle(g), "1 layer")
	require.NotContains(t, subtitle(g), "1 layers")
	require.NotContains(t, subtitle(g), "1 tokens")
	_, title, _ := svg(t, picture(t, g, PictureOptions{Format: SVG}))
	require.Contains(t, title, "1 token id ")
}
