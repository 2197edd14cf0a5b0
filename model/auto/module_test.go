package auto_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/model/load"
)

// drawnAnew gives a recorded model other weights.
func drawnAnew(a *golden.Architecture) {
	for i := range a.Tensors {
		if t := &a.Tensors[i]; strings.HasPrefix(t.Type, "float") || strings.HasPrefix(t.Type, "bfloat") {
			t.Center *= 0.9
			t.Amplitude *= 0.7
		}
	}
}

func logitsOf(t *testing.T, m model.Model, ids []int) []float32 {
	t.Helper()
	scope := mlx.NewScope(m.Device())
	defer scope.Close()
	logits, err := mlx.Data[float32](mlx.AsType(model.Forward(m, model.Tokens(scope, ids), nil, nil), mlx.Float32))
	require.NoError(t, err)
	return slices.Clone(logits)
}

// Two models whose modules are all exchanged are each other, in every bit: no weight is read
// elsewhere.
func TestModelsWhoseModulesAreExchangedAreEachOther(t *testing.T) {
	for _, name := range modeltest.Sample(t) {
		t.Run(name, func(t *testing.T) {
			recorded := modeltest.Recorded(t, name)
			ids := make([]int, 0, len(recorded.Runs[0].IDs))
			for _, id := range recorded.Runs[0].IDs {
				ids = append(ids, int(id))
			}
			a, b := modeltest.Architecture(t, name, nil), modeltest.Architecture(t, name, drawnAnew)
			before := [2][]float32{logitsOf(t, a, ids), logitsOf(t, b, ids)}
			require.NotEqual(t, before[0], before[1])
			exchange(t, a, b)
			require.Equal(t, before[0], logitsOf(t, b, ids))
			require.Equal(t, before[1], logitsOf(t, a, ids))
			exchange(t, a, b)
			require.Equal(t, before[0], logitsOf(t, a, ids))
		})
	}
}

func exchange(t *testing.T, a, b model.Model) {
	t.Helper()
	of := a.Parameters()
	require.Len(t, b.Parameters(), len(of))
	roles := map[string]bool{}
	for i, m := range of {
		require.False(t, roles[m.Role], "two modules have the role %s", m.Role)
		roles[m.Role] = true
		require.NoError(t, m.Exchange(b.Parameters()[i]))
	}
}

func TestAModuleIsExchangedForOneOfAnotherPacking(t *testing.T) {
	packed := modeltest.Open(t, modeltest.TinyLlama, auto.Options{Weights: load.Packed})
	dense := modeltest.Open(t, modeltest.TinyLlama, auto.Options{Weights: load.Dense})
	ids := modeltest.Sixty
	before := [2][]float32{logitsOf(t, packed.Model, ids), logitsOf(t, dense.Model, ids)}
	exchange(t, packed.Model, dense.Model)
	require.Equal(t, before[0], logitsOf(t, dense.Model, ids))
	require.Equal(t, before[1], logitsOf(t, packed.Model, ids))
	require.Equal(t, dense.Info.Weights, load.Dense)
}

func TestModulesOfDifferentPartsAreNotExchanged(t *testing.T) {
	of := modeltest.Tiny(t).Parameters()
	require.ErrorContains(t, of[0].Exchange(of[1]), "are not the same part")
}

// The rows of a packed weight are those that its dense form has.
func TestAModulesRowsAreItsWeightUnpacked(t *testing.T) {
	packed := modeltest.Open(t, modeltest.TinyLlama, auto.Options{Weights: load.Packed}).Model.Parameters()
	dense := modeltest.Open(t, modeltest.TinyLlama, auto.Options{Weights: load.Dense}).Model.Parameters()
	scope := mlx.NewScope(mlx.CPU)
	defer scope.Close()
	for i, m := range packed {
		rows := m.Shape[0]
		p, err := mlx.Data[float32](m.Rows(scope, rows/3, rows))
		require.NoError(t, err)
		d, err := mlx.Data[float32](dense[i].Rows(scope, rows/3, rows))
		require.NoError(t, err)
		require.InDeltaSlice(t, d, p, 1e-6, m.Role) // of weights below 1
		require.Equal(t, len(p), m.Parameters()-rows/3*(m.Parameters()/rows))
	}
}
