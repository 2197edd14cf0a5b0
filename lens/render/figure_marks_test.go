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
