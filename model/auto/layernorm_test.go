package auto_test

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

// What passes a layer norm is, number by number, on one line: gain·(x − mean)/deviation + bias.
func TestLayerNormsOfPhisHeads(t *testing.T) {
	t.Parallel()
	a := architecture(t, "phi-qk-layernorm-tied")
	m := openArchitecture(t, a, auto.Options{})
	at, _ := sites(t, m, a.Runs[2].IDs, nil, func(model.Site) bool { return true })
	for l := range m.Shape().Layers {
		for _, s := range [][2]model.Site{{model.Q, model.QNormed}, {model.K, model.KNormed}} {
			requireLines(t, at[model.Place{Site: s[0], Layer: l}], at[model.Place{Site: s[1], Layer: l}], m.Shape().DHead)
		}
	}
}

// requireLines requires that y is a layer norm of x, in groups of so many numbers, each with a gain
// and a bias that are the same in all groups.
func requireLines(t *testing.T, x, y []float32, group int) {
	t.Helper()
	require.NotEmpty(t, y)
	require.Equal(t, len(x), len(y))
	points := make([][][2]float64, group)
	for from := 0; from < len(x); from += group {
		mean, square := 0.0, 0.0
		for _, v := range x[from : from+group] {
			mean += float64(v) / float64(group)
			square += float64(v) * float64(v) / float64(group)
		}
		for i := range group {
			normed := (float64(x[from+i]) - mean) / math.Sqrt(square-mean*mean+1e-5)
			points[i] = append(points[i], [2]float64{normed, float64(y[from+i])})
		}
	}
	for _, of := range points {
		slices.SortFunc(of, func(a, b [2]float64) int { return cmp.Compare(a[0], b[0]) })
		first, last := of[0], of[len(of)-1]
		gain := (last[1] - first[1]) / (last[0] - first[0])
		for _, p := range of {
			require.InDelta(t, first[1]+gain*(p[0]-first[0]), p[1], 1e-4)
		}
	}
}
