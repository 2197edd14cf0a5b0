package experiment

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// drawn returns rows that have a direction in common, some of which are in the span of others.
func drawn(g *rand.Rand, n, d int, common float64) [][]float64 {
	rows := make([][]float64, n)
	for i := range rows {
		rows[i] = make([]float64, d)
		for k := range rows[i] {
			rows[i][k] = g.NormFloat64() + common*float64(k%3)
		}
		if i > 1 && i%4 == 0 {
			rows[i] = combine(rows[:2], []float64{0.5, 1.5})
		}
	}
	return rows
}

// The conditions of the best fit are checked by leastSquares itself; here no other fit of random ones is better.
func TestNoOtherCoordinatesFitBetter(t *testing.T) {
	t.Parallel()
	g := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		n, d := 1+round%12, 8+round%5
		rows := drawn(g, n, d, float64(round%3))
		x := drawn(g, 1, d, 0)[0]
		c, err := leastSquares(rows, x)
		require.NoError(t, err)
		best := size(subtract(x, combine(rows, c)))
		for range 50 {
			other := make([]float64, n)
			for i := range other {
				other[i] = max(0, c[i]+0.1*g.NormFloat64())
			}
			require.LessOrEqual(t, best, size(subtract(x, combine(rows, other)))+1e-9, "round %d", round)
		}
		for _, v := range c {
			require.GreaterOrEqual(t, v, 0.0)
		}
	}
}

func TestAPursuitFindsWhatAStateIsMadeOf(t *testing.T) {
	t.Parallel()
	g := rand.New(rand.NewPCG(3, 4))
	rows := drawn(g, 3, 20, 0)
	want := []float64{2, 0.5, 1.25}
	x := make([]float32, 20)
	for k, v := range combine(rows, want) {
		x[k] = float32(v)
	}
	p := newPursuit(x)
	for id := range rows {
		require.NoError(t, p.add(id, rows[id], false))
	}
	require.InDeltaSlice(t, want, p.coordinates, 1e-5)
	require.Less(t, size(p.residual), 1e-5*p.length)
	inside, err := within(append(rows, rows[0]), p.x)
	require.NoError(t, err)
	require.InDeltaSlice(t, p.x, inside, 1e-6) // the state is in float32
	outside, err := within(nil, p.x)
	require.NoError(t, err)
	require.Zero(t, size(outside))
}

func TestAStepAlongTheGradientMakesNoFitWorse(t *testing.T) {
	t.Parallel()
	g := rand.New(rand.NewPCG(5, 6))
	for round := range 100 {
		rows, x := drawn(g, 5, 9, 1), drawn(g, 1, 9, 0)[0]
		c := make([]float64, 5)
		for range 6 {
			before := size(subtract(x, combine(rows, c)))
			c = step(rows, x, c)
			require.LessOrEqual(t, size(subtract(x, combine(rows, c))), before*(1+1e-12), fmt.Sprint(round))
		}
	}
}
