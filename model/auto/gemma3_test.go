package auto_test

import (
	"encoding/json"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// gemma3Golden is what tools/golden/gemma3.py records with transformers.
type gemma3Golden struct {
	Texts [][2]json.RawMessage `json:"texts"` // text, ids
	Runs  []struct {
		IDs       []int32        `json:"ids"`
		Positions []int          `json:"positions"`
		Top       [][][2]float64 `json:"top"`   // [position] of id and logit, the greatest first
		Norms     [][]float64    `json:"norms"` // [layer][position]
	} `json:"runs"`
	Greedy struct {
		IDs    []int32 `json:"ids"`
		NewIDs []int   `json:"new_ids"`
	} `json:"greedy"`
}

func readGemma3Golden(t *testing.T) (g gemma3Golden) {
	t.Helper()
	require.NoError(t, golden.Read("../../testdata/golden/gemma3-270m.json.gz", &g))
	return g
}

func TestGemma3FromGGUFIsTransformers(t *testing.T) {
	if testing.Short() {
		t.Skip("a real model takes seconds, and minutes under the race detector")
	}
	o := modeltest.Gemma3(t)
	g := readGemma3Golden(t)
	for _, pair := range g.Texts {
		var text string
		var want []int
		require.NoError(t, json.Unmarshal(pair[0], &text))
		require.NoError(t, json.Unmarshal(pair[1], &want))
		ids, err := o.Tokenizer.Encode(text, true)
		require.NoError(t, err)
		require.Equal(t, want, ids, "%q", text)
	}
	for _, run := range g.Runs {
		logits, norms := readAt(t, o.Model, run.IDs, run.Positions)
		for i, at := range run.Positions {
			for _, c := range run.Top[i] {
				require.InDelta(t, c[1], logits[i][int(c[0])], 5e-3, "position %d, id %v", at, c[0])
			}
			best := slices.Max(logits[i])
			require.InDelta(t, run.Top[i][0][1], best, 5e-3, "position %d", at)
			for l := range norms {
				require.InEpsilon(t, run.Norms[l][i], norms[l][i], 1e-4, "layer %d, position %d", l, at)
			}
		}
	}
}

// readAt returns the logits, and each layer's norms, at some positions.
func readAt(t *testing.T, m model.Model, ids []int32, positions []int) (logits [][]float32, norms [][]float64) {
	t.Helper()
	s := mlx.NewScope(m.Device())
	defer s.Close()
	var places []model.Place
	for l := range m.Shape().Layers {
		places = append(places, model.Place{Site: model.ResidPost, Layer: l})
	}
	tap, kept := model.Keep(s, places)
	h := m.Stream(mlx.FromSlice(s, ids, 1, len(ids)), nil, tap, m.Shape().Layers)
	at := make([]int32, len(positions))
	for i, p := range positions {
		at[i] = int32(p)
	}
	chosen := mlx.FromSlice(s, at, len(at))
	flat, err := mlx.Data[float32](model.ToLogits(m, mlx.Take(h, chosen, 1)))
	require.NoError(t, err)
	logits = slices.Collect(slices.Chunk(flat, m.Shape().DVocab))
	for _, x := range kept {
		data, err := mlx.Data[float32](mlx.AsType(mlx.Take(x, chosen, 1), mlx.Float32))
		require.NoError(t, err)
		var row []float64
		for state := range slices.Chunk(data, m.Shape().DModel) {
			total := 0.0
			for _, v := range state {
				total += float64(v) * float64(v)
			}
			row = append(row, math.Sqrt(total))
		}
		norms = append(norms, row)
	}
	return logits, norms
}
