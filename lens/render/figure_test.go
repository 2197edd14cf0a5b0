package render_test

import (
	"bytes"
	"encoding/csv"
	"image/png"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/lens/render"
)

func figure() *render.Figure {
	return &render.Figure{
		Title: `"a" into "b"`, Notes: []string{"a model"}, Means: "recovery", Digits: 2,
		Grids: []render.Matrix{{
			Name: "mlp_out", RowsAre: "layer", Are: "position", Rows: []string{"0", "1"},
			Columns: []render.Column{{Token: " x\n", Name: "0"}, {Token: "=1\u202e", Name: "1"}},
			Values:  [][]float64{{0.5, -0.001}, {math.NaN(), -1.25}},
		}},
	}
}

func TestAFigureOnATerminal(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	require.NoError(t, render.FigureTerminal(&b, figure(), render.TerminalOptions{Width: 60}))
	require.Equal(t, `"a" into "b"
a model

mlp_out
layer 1        –   -1.25
0           0.50    0.00
             ·x␊ =1‹RLO›
position       0       1

recovery
`, b.String())
	b.Reset()
	require.NoError(t, render.FigureTerminal(&b, figure(), render.TerminalOptions{Width: 16, Color: render.TrueColor}))
	require.Contains(t, b.String(), "position 1 to 1, 1 of 2", "what does not fit is a page of its own")
	require.Contains(t, b.String(), "\x1b[38;2;")
}

func TestAFigureAsCSV(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	require.NoError(t, render.FigureCSV(&b, figure()))
	lines, err := csv.NewReader(&b).ReadAll()
	require.NoError(t, err)
	require.Equal(t, []string{"grid", "row", "column", "token", "value"}, lines[0])
	require.Equal(t, []string{"mlp_out", "0", "1", "'=1\\u202e", "-0.001"}, lines[2])
	require.Equal(t, []string{"mlp_out", "1", "0", " x␊", ""}, lines[3])
}

func TestAFigureIsTheSamePictureEachTime(t *testing.T) {
	t.Parallel()
	for _, format := range []render.Format{render.PNG, render.SVG} {
		var a, b bytes.Buffer
		require.NoError(t, render.FigurePicture(&a, figure(), render.PictureOptions{Format: format}))
		require.NoError(t, render.FigurePicture(&b, figure(), render.PictureOptions{Format: format}))
		require.Equal(t, a.Bytes(), b.Bytes())
		if format == render.PNG {
			_, err := png.Decode(&a)
			require.NoError(t, err)
			continue
		}
		require.Contains(t, a.String(), "-1.25")
	}
}

func TestAFigureOfManyColumnsIsDrawnWithoutNumbers(t *testing.T) {
	t.Parallel()
	f := figure()
	m := &f.Grids[0]
	for range 900 {
		m.Columns = append(m.Columns, m.Columns[0])
		for i := range m.Values {
			m.Values[i] = append(m.Values[i], 1)
		}
	}
	var b bytes.Buffer
	require.NoError(t, render.FigurePicture(&b, f, render.PictureOptions{}))
	c, err := png.DecodeConfig(&b)
	require.NoError(t, err)
	require.LessOrEqual(t, c.Width, 16384)
}

func TestThePageOfAFigureNeedsNothing(t *testing.T) {
	t.Parallel()
	f := figure()
	f.Title = "<script>alert(1)</script>"
	var b bytes.Buffer
	require.NoError(t, render.FigureHTML(&b, f))
	page := b.String()
	require.Equal(t, 1, strings.Count(page, "<script"), "its own")
	require.Contains(t, page, "&lt;script&gt;")
	require.Contains(t, page, `layer 1, position 1 &#34;=1\u202e&#34;: -1.25`)
	require.Contains(t, page, "default-src &#39;none&#39;")
}

func TestAFigureWhoseNumbersDoNotFitIsRefused(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	require.ErrorContains(t, render.FigureCSV(&b, &render.Figure{}), "there is no grid")
	f := figure()
	f.Grids[0].Values[1] = []float64{1}
	require.ErrorContains(t, render.FigureHTML(&b, f), "row 1 of mlp_out has 1 numbers, and there are 2 columns")
	f.Grids[0].Values = f.Grids[0].Values[:1]
	require.ErrorContains(t, render.FigureTerminal(&b, f, render.TerminalOptions{}), "mlp_out has 1 row of numbers and 2 names")
	require.Zero(t, b.Len())
}

func TestTheFirstRowSaysWhatRowsAre(t *testing.T) {
	t.Parallel()
	f := figure()
	f.Grids[0].Are = ""
	var b strings.Builder
	require.NoError(t, render.FigureTerminal(&b, f, render.TerminalOptions{Width: 60}))
	require.Contains(t, b.String(), "\nlayer 1       –   -1.25\n0          0.50    0.00\n")
}

// kinds is a figure of three kinds of numbers: its own, a grid with a scale of its own, and a table.
func kinds() *render.Figure {
	f := figure()
	own, plain := f.Grids[0], f.Grids[0]
	own.Name, own.Means = "own", "a thousand times as much"
	own.Values = [][]float64{{500, 0}, {1000, 1}}
	plain.Name, plain.Plain = "plain", true
	plain.Values = [][]float64{{5000, 0}, {0, 0}}
	f.Grids = append(f.Grids, own, plain)
	return f
}

func TestNumbersOfAnotherKindHaveColoursOfTheirOwn(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	require.NoError(t, render.FigureTerminal(&b, kinds(), render.TerminalOptions{Width: 60, Color: render.TrueColor}))
	require.Contains(t, b.String(), "recovery: -1.25 ")
	require.Contains(t, b.String(), "a thousand times as much: 0.00 ")
	_, table, _ := strings.Cut(b.String(), "plain\n")
	table, _, _ = strings.Cut(table, "recovery")
	require.NotContains(t, table, "\x1b[48;2;")
	b.Reset()
	require.NoError(t, render.FigureHTML(&b, kinds()))
	require.Contains(t, b.String(), `own <span class="sub">a thousand times as much</span>`)
	background := func(says string) string {
		_, cell, ok := strings.Cut(b.String(), `aria-label="`+says+`" style="`)
		require.True(t, ok, says)
		style, _, _ := strings.Cut(cell, `"`)
		return style
	}
	require.NotEqual(t, background(`layer 1, position 0 &#34; x‹\n›&#34;: 1000`), background(`layer 0, position 0 &#34; x‹\n›&#34;: 500`))
	require.Empty(t, background(`layer 0, position 0 &#34; x‹\n›&#34;: 5000`))
	b.Reset()
	require.NoError(t, render.FigurePicture(&b, kinds(), render.PictureOptions{Format: render.SVG}))
	require.Contains(t, b.String(), "colour: a thousand times as much")
}

func TestAPictureWithoutTokensHasNoRoomForThem(t *testing.T) {
	t.Parallel()
	height := func(f *render.Figure) int {
		var b bytes.Buffer
		require.NoError(t, render.FigurePicture(&b, f, render.PictureOptions{}))
		c, err := png.DecodeConfig(&b)
		require.NoError(t, err)
		return c.Height
	}
	with, without := figure(), figure()
	for i := range without.Grids[0].Columns {
		without.Grids[0].Columns[i].Token = ""
	}
	require.Less(t, height(without), height(with))
}

func TestFilesOfAFigureSayHowItWasMade(t *testing.T) {
	t.Parallel()
	f := figure()
	f.Made = `{"version":"v1","command":["patch","ü <a>"]}`
	var b bytes.Buffer
	require.NoError(t, render.FigureCSV(&b, f))
	lines, err := csv.NewReader(&b).ReadAll()
	require.NoError(t, err)
	require.Equal(t, "made", lines[0][5])
	require.Equal(t, f.Made, lines[1][5])
	require.Equal(t, []string{"mlp_out", "0", "1", "'=1\\u202e", "-0.001", ""}, lines[2])
	b.Reset()
	require.NoError(t, render.FigurePicture(&b, f, render.PictureOptions{}))
	require.Contains(t, b.String(), "iTXtmade\x00\x00\x00\x00\x00"+f.Made)
	_, err = png.Decode(&b) // which holds chunks against their sums
	require.NoError(t, err)
	b.Reset()
	require.NoError(t, render.FigurePicture(&b, f, render.PictureOptions{Format: render.SVG}))
	require.Contains(t, b.String(), "<dcterms:provenance>{&#34;version&#34;:&#34;v1&#34;,&#34;command&#34;:[&#34;patch&#34;,&#34;ü &lt;a&gt;&#34;]}</dcterms:provenance>")
	b.Reset()
	require.NoError(t, render.FigureHTML(&b, f))
	require.Contains(t, b.String(), `ü &lt;a&gt;`)
}

// A text stands before a cell's number, on every medium and in a column of its own.
func TestAFigureWithTexts(t *testing.T) {
	t.Parallel()
	f := figure()
	f.Grids[0].Texts = [][]string{{" Paris", ""}, {"<b>", "=1"}}
	var b bytes.Buffer
	require.NoError(t, render.FigureTerminal(&b, f, render.TerminalOptions{Width: 60}))
	require.Contains(t, b.String(), "·Paris  0.50")
	b.Reset()
	require.NoError(t, render.FigureCSV(&b, f))
	lines, err := csv.NewReader(&b).ReadAll()
	require.NoError(t, err)
	require.Equal(t, []string{"grid", "row", "column", "token", "value", "text"}, lines[0])
	require.Equal(t, []string{"mlp_out", "1", "1", "'=1\\u202e", "-1.25", "'=1"}, lines[4])
	b.Reset()
	require.NoError(t, render.FigureHTML(&b, f))
	require.Contains(t, b.String(), "·Paris 0.50")
	require.Contains(t, b.String(), "&lt;b&gt; –")
	b.Reset()
	require.NoError(t, render.FigurePicture(&b, f, render.PictureOptions{Format: render.SVG}))
	f.Grids[0].Texts = f.Grids[0].Texts[:1]
	require.ErrorContains(t, render.FigureCSV(&b, f), "texts that are not its cells'")
}

// A figure's texts have been made visible: the isolates around right-to-left words are no letters of them.
func TestIsolatesAreNoLettersOfAFigure(t *testing.T) {
	f := figure()
	f.Title, f.Notes = `"`+render.Visible("fox مرحبا")+`"`, []string{render.Visible("مرحبا")}
	o := render.PictureOptions{Format: render.SVG, Origin: render.Origin{Program: "mlxlens", Command: "mlxlens patch 'fox مرحبا'"}}
	var b bytes.Buffer
	require.NoError(t, render.FigurePicture(&b, f, o))
	require.NotContains(t, b.String(), "u2068")
	require.NotContains(t, b.String(), "u2069")
}

// What rounding leaves is not stretched over the whole scale.
func TestNumbersThatAreAllWrittenAsZeroHaveNoColour(t *testing.T) {
	drawn := func(x float64) string {
		f := &render.Figure{Title: "noise", Means: "KL", Digits: 3, Grids: []render.Matrix{{
			Name: "g", Rows: []string{"a"}, Columns: []render.Column{{Name: "1"}, {Name: "2"}}, Values: [][]float64{{x, x / 3}},
		}}}
		var b bytes.Buffer
		require.NoError(t, render.FigurePicture(&b, f, render.PictureOptions{Format: render.SVG}))
		return b.String()
	}
	require.Equal(t, drawn(0), drawn(4e-4), "in colour and legend")
	require.NotEqual(t, drawn(0), drawn(6e-4))
}
