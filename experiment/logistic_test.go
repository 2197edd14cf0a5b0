package experiment

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLogisticRegressionIsScikitLearns(t *testing.T) {
	t.Parallel()
	var golden struct {
		Cases []struct {
			Classes  int         `json:"classes"`
			L2       float64     `json:"l2"`
			X        [][]float32 `json:"x"`
			Of       []int       `json:"of"`
			Weights  [][]float64 `json:"weights"`
			Bias     []float64   `json:"bias"`
			Accuracy float64     `json:"accuracy"`
		} `json:"cases"`
	}
	data, err := os.ReadFile("../testdata/golden/logistic.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &golden))
	require.Len(t, golden.Cases, 4)
	for _, c := range golden.Cases {
		got, err := fitLogistic(c.X, c.Of, c.Classes, c.L2)
		require.NoError(t, err)
		require.Len(t, got.weights, len(c.Weights))
		require.InDeltaSlice(t, c.Bias, got.bias, 1e-4)
		for i, w := range c.Weights {
			for j := range w {
				require.InDelta(t, w[j], float64(got.weights[i][j]), 1e-5)
			}
		}
		require.Equal(t, c.Accuracy, float64(got.accuracy(c.X, c.Of)))
	}
}

// The loss's slope is what differences of the loss say.
func TestSlopeOfTheLossIsItsDerivative(t *testing.T) {
	t.Parallel()
	x := [][]float32{{1, 2}, {-1, 0.5}, {0.3, -2}, {2, 2}}
	for outputs, of := range map[int][]int{1: {0, 1, 1, 0}, 3: {0, 1, 2, 1}} {
		z, _, _, err := standardise(x)
		require.NoError(t, err)
		f := &softmax{z: z, of: of, outputs: outputs, l2: 0.7}
		w := make([]float64, outputs*3)
		for i := range w {
			w[i] = math.Sin(float64(i + 1))
		}
		slope := make([]float64, len(w))
		f.loss(w, slope)
		for i := range w {
			const h = 1e-6
			at := w[i]
			w[i] = at + h
			above := f.loss(w, nil)
			w[i] = at - h
			require.InDelta(t, (above-f.loss(w, nil))/(2*h), slope[i], 1e-8)
			w[i] = at
		}
	}
}

func TestNumbersThatAreTheSameEverywhereHaveNoWeight(t *testing.T) {
	t.Parallel()
	got, err := fitLogistic([][]float32{{3, 1}, {3, 2}, {3, 3}, {3, 4}}, []int{0, 0, 1, 1}, 2, 1)
	require.NoError(t, err)
	require.Zero(t, got.weights[0][0])
	require.Positive(t, got.weights[0][1])
	_, err = fitLogistic([][]float32{{1}, {float32(math.NaN())}}, []int{0, 1}, 2, 1)
	require.ErrorContains(t, err, "number 0 of the states is not finite")
}

// rows are random ones, of which the first directions are longer.
func rows(n, d int, seed uint64) [][]float32 {
	g := rand.New(rand.NewPCG(seed, 0))
	out := make([][]float32, n)
	for i := range out {
		out[i] = make([]float32, d)
		for j := range out[i] {
			out[i][j] = float32(g.NormFloat64() / float64(1+j))
		}
	}
	return out
}

func sketched(t *testing.T, of [][]float32) *sketch {
	t.Helper()
	s := &sketch{}
	for _, row := range of {
		require.NoError(t, s.add(append([]float32(nil), row...)))
	}
	return s
}

// Of two rows the first principal direction and the square along it have a closed form.
func TestPrincipalDirectionOfTwoRows(t *testing.T) {
	t.Parallel()
	a, b := []float32{3, 0, 1}, []float32{1, 2, 0}
	v, square, err := sketched(t, [][]float32{a, b}).first()
	require.NoError(t, err)
	aa, bb, ab := inner(a, a), inner(b, b), inner(a, b)
	require.InDelta(t, (aa+bb)/2+math.Sqrt((aa-bb)*(aa-bb)/4+ab*ab), square, 1e-5)
	require.InDelta(t, 1, inner(v, v), 1e-6)
	require.InDelta(t, square, inner(a, v)*inner(a, v)+inner(b, v)*inner(b, v), 1e-5)
}

// However many rows there are, a sketch holds 128, and is off by no more than it says.
func TestASketchIsOffByNoMoreThanItSays(t *testing.T) {
	t.Parallel()
	of := rows(1000, 90, 7)
	s := sketched(t, of)
	require.LessOrEqual(t, len(s.rows), 2*sketchRows)
	require.Positive(t, s.lost)
	for _, v := range rows(20, 90, 8) {
		norm := inner(v, v)
		all, kept := 0.0, 0.0
		for _, row := range of {
			all += inner(row, v) * inner(row, v) / norm
		}
		for _, row := range s.rows {
			kept += inner(row, v) * inner(row, v) / norm
		}
		require.GreaterOrEqual(t, all, kept-1e-3)
		require.LessOrEqual(t, all, kept+s.lost+1e-3)
	}
	v, square, err := s.first()
	require.NoError(t, err)
	require.InDelta(t, 1, inner(v, v), 1e-5)
	along := 0.0
	for _, row := range of {
		along += inner(row, v) * inner(row, v)
	}
	require.InDelta(t, square, along, s.lost+1e-3)
	exact := sketched(t, of[:2*sketchRows])
	require.Zero(t, exact.lost)
	v, square, err = (&sketch{rows: [][]float32{{0, 0}}}).first()
	require.NoError(t, err)
	require.Nil(t, v)
	require.Zero(t, square)
}
