package render

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

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
