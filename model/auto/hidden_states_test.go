package auto_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

// hiddenStates is a file of schema mlxlens-golden/hidden-states/1.
type hiddenStates struct {
	Positions []int `json:"positions"`
	Cases     []struct {
		Name   string        `json:"name"`
		IDs    []int32       `json:"ids"`
		States [][][]float64 `json:"states"` // [state][position][d_model]
	} `json:"cases"`
}

func readHiddenStates(t *testing.T) (file hiddenStates) {
	t.Helper()
	require.NoError(t, golden.Read(modeltest.Path(t, "testdata/golden/hidden-states.json.gz"), &file))
	return file
}

// placesOfStates are where transformers' hidden_states stand: the embedding; resid_post of each layer
// at its number plus 1; and what the final norm makes of the last one's.
func placesOfStates(layers int) []model.Place {
	all := []model.Place{{Site: model.ResidPre, Layer: 0}}
	for layer := range layers - 1 {
		all = append(all, model.Place{Site: model.ResidPost, Layer: layer})
	}
	return append(all, model.Place{Site: model.FinalNormOut})
}

// differsFrom says at which state a model first departs from transformers', "" if nowhere.
func differsFrom(t *testing.T, m model.Model, ids []int32, at []int, states [][][]float64) string {
	t.Helper()
	s := mlx.NewScope(m.Device())
	defer s.Close()
	of := placesOfStates(m.Shape().Layers)
	require.Len(t, states, len(of))
	tap, kept := model.Keep(s, of)
	require.NoError(t, model.Forward(m, mlx.FromSlice(s, ids, 1, len(ids)), nil, tap).Err())
	d := m.Shape().DModel
	for i, place := range of {
		got, err := mlx.Data[float32](mlx.AsType(kept[i], mlx.Float32))
		require.NoError(t, err)
		largest := 0.0
		for _, row := range states[i] {
			for _, x := range row {
				largest = max(largest, math.Abs(x))
			}
		}
		for p, row := range states[i] {
			require.Len(t, row, d)
			for j, want := range row {
				if off := math.Abs(float64(got[at[p]*d+j])-want) / largest; !(off <= relative) {
					return fmt.Sprintf("hidden_states[%d], %s: position %d dimension %d is %.2g of the largest off", i, place, at[p], j, off)
				}
			}
		}
	}
	return ""
}

func TestResidPostIsTransformersHiddenStateOfTheNextNumber(t *testing.T) {
	t.Parallel()
	file := readHiddenStates(t)
	require.GreaterOrEqual(t, len(file.Cases), 17)
	for _, c := range file.Cases {
		m := openArchitecture(t, architecture(t, c.Name), auto.Options{})
		require.Empty(t, differsFrom(t, m, c.IDs, file.Positions, c.States), c.Name)
	}
}

// A state off by one number, or one that is a part in a thousand off, is noticed.
func TestAnotherHiddenStateIsNoticed(t *testing.T) {
	t.Parallel()
	file := readHiddenStates(t)
	c := file.Cases[0]
	m := openArchitecture(t, architecture(t, c.Name), auto.Options{})
	moved := append([][][]float64{c.States[1], c.States[0]}, c.States[2:]...)
	require.Contains(t, differsFrom(t, m, c.IDs, file.Positions, moved), "hidden_states[0]")
	for i, row := range c.States[1][2] {
		c.States[1][2][i] = row * 1.001
	}
	require.Contains(t, differsFrom(t, m, c.IDs, file.Positions, c.States), "hidden_states[1], layers.0.resid_post: position 59")
}
