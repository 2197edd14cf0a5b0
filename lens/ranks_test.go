package lens_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/internal/emulated"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

// written is a grid as JSON has it, without times.
func written(t *testing.T, g *lens.Grid) (all any) {
	t.Helper()
	g.Timing = lens.Timing{}
	text, err := json.Marshal(g)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &all))
	return all
}

// sameNumbers compares two of them: whole numbers are the same, and others to the last digits of float32, of a GPU to one less.
func sameNumbers(t *testing.T, want, got any, at string) {
	t.Helper()
	switch want := want.(type) {
	case map[string]any:
		require.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got.(map[string]any))), at)
		for key := range want {
			sameNumbers(t, want[key], got.(map[string]any)[key], at+"."+key)
		}
	case []any:
		require.Len(t, got, len(want), at)
		for i := range want {
			sameNumbers(t, want[i], got.([]any)[i], fmt.Sprintf("%s[%d]", at, i))
		}
	case float64:
		bound := 2e-6
		if mlx.DefaultDevice() == mlx.GPU {
			bound = 1e-5
		}
		require.InDelta(t, want, got, bound*max(1, math.Abs(want)), at)
		if want == math.Trunc(want) && math.Abs(want) < 1e6 && got != want {
			require.Failf(t, "another whole number", "%s: %v, want %v", at, got, want)
		}
	default:
		require.Equal(t, want, got, at)
	}
}

// A dense model, a mixture and a hybrid have the same grid on two and three ranks as in one process; every rank has the
// whole of it. The states are the same to the last bit (package states holds that), and so are the scores where a
// BLAS computes a row alike among fewer others; its AVX-512 kernels do not.
func TestTheGridOfRanksIsThatOfOneProcess(t *testing.T) {
	for _, name := range emulated.Fewer([]string{"llama", "qwen3-moe-some-layers", "qwen3-5", "granite4-h"}, 2) {
		a := modeltest.Recorded(t, name)
		m := modeltest.Build(t, a, auto.Options{})
		var in edit.Input
		for _, id := range a.Runs[2].IDs {
			in.IDs = append(in.IDs, int(id))
		}
		in.Edits = []edit.Edit{{Place: model.Place{Site: model.MLPOut, Layer: m.Shape().Layers - 1}, Op: edit.Scale, Factor: 0.5}}
		onDevice := true
		for what, o := range map[string]lens.Options{
			"all":             {Top: 3, Embed: true, MLP: true, Attn: true, Targets: []int{3, 7}, Contrasts: [][2]int{{1, 2}}, Track: 4, Check: true},
			"the first layer": {Top: 2, Layers: []int{0}},
			"top alone":       {Top: 3, TopOnly: true},
			"by MLX":          {Top: 3, Targets: []int{5}, Track: 2, OnDevice: &onDevice},
			"bounded":         {Top: 2, MaxMemory: 64 << 30},
			"experts":         {Top: 2, Experts: true},
		} {
			if o.Experts && m.Shape().Experts == 0 {
				continue
			}
			g, err := lens.Run(t.Context(), m, in, o)
			require.NoError(t, err)
			want := written(t, g)
			for _, n := range []int{2, 3} {
				if n > m.Shape().Layers {
					continue
				}
				modeltest.Divided(t, a, n, auto.Options{}, func(m model.Model) error {
					g, err := lens.Run(t.Context(), m, in, o)
					if err == nil {
						sameNumbers(t, want, written(t, g), fmt.Sprintf("%s on %d ranks, %s: grid", name, n, what))
					}
					return err
				})
			}
		}
	}
}

// What a rank cannot do alone is refused on every one.
func TestRanksRefuseWhatTheyCannotDoTogether(t *testing.T) {
	a := modeltest.Recorded(t, "llama")
	in := edit.Input{IDs: []int{1, 2, 3}}
	modeltest.Divided(t, a, 2, auto.Options{}, func(m model.Model) error {
		_, err := lens.Run(t.Context(), m, in, lens.Options{Translator: lens.Embedding(m)})
		require.ErrorContains(t, err, "does not run on ranks")
		_, err = lens.Compare(t.Context(), lens.Side{Model: m, Input: in}, lens.Side{Model: m, Input: in}, lens.CompareOptions{})
		require.ErrorContains(t, err, "does not run on ranks")
		s := mlx.NewScope(m.Device())
		defer s.Close()
		_, err = lens.States(s, m, [][]int{in.IDs}, []model.Place{{Site: model.ResidPost}})
		require.ErrorContains(t, err, "does not run on ranks")
		_, _, err = model.Gradient(m, model.Tokens(s, in.IDs), nil, model.Objective{}, nil)
		require.ErrorContains(t, err, "does not run on ranks")
		return nil
	})
}
