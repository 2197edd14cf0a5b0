package render

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheScaleOfAFigureHasNumbersBetweenItsEnds(t *testing.T) {
	f := &Figure{Digits: 2}
	require.Equal(t, []mark{{0.25, "-0.50"}, {0.5, "0.00"}, {0.75, "0.50"}}, f.marks(hues{least: -1, most: 1}))
	require.Equal(t, []mark{{0.25, "1.00"}, {0.5, "2.00"}, {0.75, "3.00"}}, f.marks(hues{most: 4}))
	f.Digits = 0
	require.Empty(t, f.marks(hues{most: 1}), "no whole number is there")
	require.Equal(t, []mark{{0.5, "0"}}, f.marks(hues{least: -1, most: 1}))
	require.Empty(t, f.marks(hues{}))
}

func TestAScaleHasEveryColourThatIsShown(t *testing.T) {
	f := &Figure{Digits: 2, Grids: []Matrix{{Rows: []string{"0"}, Columns: make([]Column, 3), Values: [][]float64{{1, -0.0008, 0}}}}}
	h := f.scale(&f.Grids[0])
	require.Zero(t, h.least, "what is shown of a number below 0 is 0.00")
	require.Equal(t, h.of(0), h.of(-0.0008))
	f.Grids[0].Values[0][1] = -0.008
	h = f.scale(&f.Grids[0])
	require.Equal(t, -1.0, h.least)
	require.NotEqual(t, h.of(0), h.of(-0.008))
}
