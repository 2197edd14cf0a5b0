package lens_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

// written is a grid as JSON, without times.
func written(t *testing.T, g *lens.Grid) string {
	t.Helper()
	g.Timing = lens.Timing{}
	text, err := json.Marshal(g)
	require.NoError(t, err)
	return string(text)
}

// onRanks opens a recorded model on so many ranks, and calls do on each.
func onRanks(t *testing.T, a *golden.Architecture, n int, do func(m model.Model) error) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, a.Write(dir))
	modeltest.OnRanks(t, n, func(r *model.Ranks) error {
		opened, err := auto.Open(dir, auto.Options{Ranks: r, NoTokenizer: true})
		if err != nil {
			return err
		}
		defer opened.Close()
		return do(opened.Model)
	})
}

// A dense model, a mixture and a hybrid have the same grid on two and three ranks as in one process, to the
// rounding of products of fewer rows; every rank has the whole of it.
func TestTheGridOfRanksIsThatOfOneProcess(t *testing.T) {
	for _, name := range []string{"llama", "qwen3-moe-some-layers", "qwen3-5", "granite4-h"} {
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
		} {
			g, err := lens.Run(t.Context(), m, in, o)
			require.NoError(t, err)
			want := written(t, g)
			for _, n := range []int{2, 3} {
				if n > m.Shape().Layers {
					continue
				}
				onRanks(t, a, n, func(m model.Model) error {
					g, err := lens.Run(t.Context(), m, in, o)
					if err == nil {
						modeltest.SameJSON(t, want, written(t, g), "%s on %d ranks, %s", name, n, what)
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
	onRanks(t, a, 2, func(m model.Model) error {
		for _, o := range []lens.Options{{MaxMemory: 1 << 30}, {Translator: lens.Embedding(m)}} {
			_, err := lens.Run(t.Context(), m, in, o)
			require.ErrorContains(t, err, "does not run on ranks")
		}
		_, err := lens.Compare(t.Context(), lens.Side{Model: m, Input: in}, lens.Side{Model: m, Input: in}, lens.CompareOptions{})
		require.ErrorContains(t, err, "does not run on ranks")
		s := mlx.NewScope(m.Device())
		defer s.Close()
		require.ErrorContains(t, model.Reach(m, model.Tokens(s, in.IDs), nil, nil, nil).Err(), "does not run on ranks")
		return nil
	})
}
