package states_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/internal/emulated"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/states"
)

// prompt is so many ids that a recorded model has.
func prompt(n int) []int {
	ids := make([]int, n)
	for i := range ids {
		ids[i] = 1 + 7*i%29
	}
	return ids
}

// everyPlace are all places of a model.
func everyPlace(t *testing.T, m model.Model) []model.Place {
	t.Helper()
	var all []model.Place
	for _, site := range m.Paths().Sites() {
		at := string(site)
		if site.PerLayer() {
			at = "layers.*." + at
		}
		places, err := m.Paths().Places(at)
		require.NoError(t, err)
		all = append(all, places...)
	}
	return all
}

// All that a dense model, a mixture and hybrids compute is captured on two and three ranks as in one process, to the
// last bit, and every rank has the whole of it: of every site, with edits in the layers of either, of a few positions,
// in parts, and of several prompts together.
func TestACaptureOnRanksIsThatOfOneProcess(t *testing.T) {
	for _, name := range emulated.Fewer([]string{"llama", "qwen3-moe-some-layers", "qwen3-5", "granite4-h"}, 2) {
		a := modeltest.Recorded(t, name)
		whole := modeltest.Build(t, a, auto.Options{Context: 700})
		last := whole.Shape().Layers - 1
		all := everyPlace(t, whole)
		edits := []edit.Edit{
			{Place: model.Place{Site: model.ResidPost}, Op: edit.Scale, Factor: 1.5, Positions: []int{1}},
			{Place: model.Place{Site: model.MLPOut, Layer: last}, Op: edit.Zero},
		}
		long := []model.Place{{Site: model.ResidPost}, {Site: model.MLPOut, Layer: last}}
		for what, run := range map[string]func(m model.Model) (any, error){
			"every site": func(m model.Model) (any, error) {
				return states.Capture(t.Context(), m, edit.Input{IDs: prompt(6), Edits: edits}, all)
			},
			"some positions": func(m model.Model) (any, error) {
				return states.Capture(t.Context(), m, edit.Input{IDs: prompt(9), Positions: []int{0, 5}}, all)
			},
			"parts": func(m model.Model) (any, error) {
				return states.Capture(t.Context(), m, edit.Input{IDs: prompt(600), Positions: []int{3, 599}}, long)
			},
			"several": func(m model.Model) (any, error) {
				var sets []*states.Set
				for set, err := range states.CaptureAll(t.Context(), m, []edit.Input{{IDs: prompt(5)}, {IDs: prompt(8), Edits: edits}, {IDs: prompt(3)}}, all) {
					if err != nil {
						return nil, err
					}
					sets = append(sets, set)
				}
				return sets, nil
			},
			"a mean": func(m model.Model) (any, error) {
				return states.Mean(t.Context(), m, []edit.Input{{IDs: prompt(5)}, {IDs: prompt(8)}}, model.Place{Site: model.MLPOut, Layer: last})
			},
			"a measure": func(m model.Model) (any, error) {
				steer := edit.Edit{Place: model.Place{Site: model.ResidPost, Layer: last - 1}, Op: edit.Steer, Factor: 0.5, Value: edit.Value{Shape: []int{m.Shape().DModel}, Data: make([]float32, m.Shape().DModel)}}
				steer.Value.Data[3] = 1
				return states.Measure(t.Context(), m, edit.Input{IDs: prompt(7), Edits: []edit.Edit{steer}})
			},
		} {
			want, err := run(whole)
			require.NoError(t, err, "%s: %s", name, what)
			for n := 2; n <= min(3, whole.Shape().Layers); n++ {
				modeltest.Divided(t, a, n, auto.Options{Context: 700}, func(m model.Model) error {
					got, err := run(m)
					if err != nil {
						return fmt.Errorf("%s: %s on %d: %w", name, what, n, err)
					}
					require.Equal(t, want, got, "%s: %s on %d ranks", name, what, n)
					return nil
				})
			}
		}
	}
}

// What one rank finds to be no numbers is an error of all, none of which waits, and the next capture finds them together.
func TestACaptureThatFailsOnOneRankFailsOnAll(t *testing.T) {
	a := modeltest.Recorded(t, "llama")
	first := []model.Place{{Site: model.MLPOut}}
	edits := []edit.Edit{{Place: model.Place{Site: model.MLPPost}, Op: edit.Scale, Factor: 3e38}}
	modeltest.Divided(t, a, 2, auto.Options{Context: 700}, func(m model.Model) error {
		_, err := states.Capture(t.Context(), m, edit.Input{IDs: prompt(600), Edits: edits}, first)
		require.ErrorContains(t, err, "layers.0.mlp_out")
		require.ErrorContains(t, err, "NaN or an infinity")
		_, err = states.Capture(t.Context(), m, edit.Input{IDs: prompt(5)}, first)
		return err
	})
}
