package render

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// tall is a figure of grids that are much higher than wide.
func tall(grids int) *Figure {
	f := &Figure{Title: "tall", Notes: []string{"a note"}, Means: "numbers", Digits: 2}
	for i := range grids {
		m := Matrix{Name: fmt.Sprintf("grid %d", i), RowsAre: "layer", Are: "position"}
		for c := range 3 {
			m.Columns = append(m.Columns, Column{Token: " t", Name: fmt.Sprint(c)})
		}
		for r := range 30 {
			m.Rows = append(m.Rows, fmt.Sprint(r))
			m.Values = append(m.Values, []float64{float64(r), -1, 0})
		}
		f.Grids = append(f.Grids, m)
	}
	return f
}

func figureTexts(t *testing.T, f *Figure, o PictureOptions) []svgText {
	t.Helper()
	var b bytes.Buffer
	o.Format = SVG
	require.NoError(t, FigurePicture(&b, f, o))
	texts, _, _ := svg(t, b.Bytes())
	return texts
}

func TestGridsOfAFigureStandBesideEachOtherWhereTheyAreHigh(t *testing.T) {
	texts := figureTexts(t, tall(3), PictureOptions{})
	a, b, c := find(texts, "grid 0")[0], find(texts, "grid 1")[0], find(texts, "grid 2")[0]
	require.Equal(t, a.y, b.y)
	require.Less(t, a.x, b.x)
	require.Less(t, b.x, c.x)
	require.Len(t, find(texts, "-1.00"), 90)

	texts = figureTexts(t, tall(3), PictureOptions{Width: 150})
	a, b = find(texts, "grid 0")[0], find(texts, "grid 1")[0]
	require.Equal(t, a.x, b.x, "below each other, where a width asks for it")
	require.Less(t, a.y, b.y)
}

func TestAFigureFollowsItsOptions(t *testing.T) {
	f := tall(1)
	require.Empty(t, find(figureTexts(t, f, PictureOptions{Numbers: NumbersHidden}), "-1.00"))
	require.Len(t, find(figureTexts(t, f, PictureOptions{Every: 10}), "-1.00"), 3)
	require.Len(t, f.Grids[0].Rows, 30, "the figure stays as it is")
	texts := figureTexts(t, f, PictureOptions{Title: "Mine", Origin: Origin{Program: "mlxlens 1", Edits: []string{"e"}}})
	for _, want := range []string{"Mine", "tall", "edited: e", "mlxlens 1"} {
		require.NotEmpty(t, find(texts, want), want)
	}
	texts = figureTexts(t, f, PictureOptions{Style: Paper, Origin: Origin{Program: "mlxlens 1"}})
	for _, none := range []string{"tall", "a note", "mlxlens 1"} {
		require.Empty(t, find(texts, none), none)
	}
	require.Greater(t, find(texts, "grid 0")[0].y, 5.0, "the name is whole")
}

func TestANumberThatIsShownAsZeroHasItsColour(t *testing.T) {
	f := &Figure{Title: "t", Means: "m", Digits: 2, Grids: []Matrix{{Name: "g", Rows: []string{"0"}, Columns: make([]Column, 4), Values: [][]float64{{-1, -0.004, 0.004, 0.5}}}}}
	h := f.scales()[0]
	require.Equal(t, -1.0, h.least)
	for _, x := range f.Grids[0].Values[0][1:3] {
		require.Equal(t, "0.00", f.number(x))
		require.Equal(t, h.of(0), h.of(x), "%g", x)
	}
	f.Grids[0].Values = [][]float64{{1e-9, -1e-9, 2e-9, 0}}
	require.Zero(t, f.scales()[0].most, "a scale of noise has no far end")
	for _, v := range []View{Logit, Margin} {
		require.NotContains(t, v.text(-0.0001), "-", "of view %d", v)
	}
	require.Equal(t, "0.00", unsigned("-0.00"))
	require.Equal(t, "0.00", unsigned("+0.00"))
	require.Equal(t, "-0.01", unsigned("-0.01"))
	require.Equal(t, "0", plainNumber(-0.2, 0))
}

func TestTokensStandUprightWhereAFiguresCellsAreNarrow(t *testing.T) {
	f := tall(3)
	for i := range f.Grids {
		m := &f.Grids[i]
		m.Columns = append(m.Columns, m.Columns...)
		for r := range m.Values {
			m.Values[r] = append(m.Values[r], m.Values[r]...)
		}
	}
	texts := figureTexts(t, f, PictureOptions{Style: Paper})
	require.Empty(t, find(texts, "-1.00"))
	require.Len(t, find(texts, "·t"), 18)
	require.True(t, find(texts, "·t")[0].vertical)
	require.Equal(t, find(texts, "grid 0")[0].y, find(texts, "grid 1")[0].y)
}
