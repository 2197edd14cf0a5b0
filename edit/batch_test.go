package edit_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/internal/emulated"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// rowOf returns a row of what passes a place in a batch.
func rowOf(x []float32, shape []int, row, positions int) []float32 {
	size := len(x) / shape[0]
	return x[row*size : row*size+size/shape[1]*positions]
}

// Rows with one operation and other numbers are each what they are alone.
func TestRowsKeepTheirOwnNumbers(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"llama-sliding", "gpt2", "gpt-neox"} {
		m := modeltest.Architecture(t, name, nil)
		d := m.Shape().DModel
		direction := func(at int) edit.Value {
			x := make([]float32, d)
			x[at] = 1
			return edit.Vector(x)
		}
		mlp := model.Place{Site: model.MLPOut, Layer: 1}
		for what, edits := range map[string][2][]edit.Edit{
			"factors":    {{{Op: edit.Scale, Factor: 2}}, {{Op: edit.Scale, Factor: 3}}},
			"bounds":     {{{Op: edit.Clamp, Low: -0.1, High: 0.1}}, {{Op: edit.Clamp, Low: -0.2, High: 0.3}}},
			"directions": {{{Op: edit.ProjectOut, Value: direction(1)}}, {{Op: edit.ProjectOut, Value: direction(2)}}},
			"noise":      {{{Op: edit.Noise, Factor: 1, Seed: 1}}, {{Op: edit.Noise, Factor: 2, Seed: 1}}},
			"rounds":     {{{Op: edit.Zero, Positions: []int{4}}, {Op: edit.Scale, Factor: 2}}, {{Op: edit.Scale, Factor: 2}, {Op: edit.Zero}}},
		} {
			inputs := []edit.Input{{IDs: []int{1, 2, 3, 4, 5, 6, 7}}, {IDs: []int{9, 8, 7, 6, 5}}}
			for i := range inputs {
				for _, e := range edits[i] {
					e.Place = mlp
					inputs[i].Edits = append(inputs[i].Edits, e)
				}
			}
			together, shape := passing(t, m, mlp, inputs...)
			for i, in := range inputs {
				alone, _ := passing(t, m, mlp, in)
				require.InDeltaSlice(t, alone, rowOf(together, shape, i, len(in.IDs)), 1e-4, "%s: %s of row %d", name, what, i)
			}
		}
	}
}

// What is masked stays so whatever an edit does to scores and patterns: no query sees a later
// token, or padding.
func TestEditsOfScoresSeeNeitherTheFutureNorPadding(t *testing.T) {
	t.Parallel()
	for _, name := range emulated.Fewer([]string{"llama", "llama-sliding", "gemma2-sliding", "gpt2", "gpt-neox", "granite", "cohere2", "glm4"}, 3) {
		m := modeltest.Architecture(t, name, nil)
		last := model.Place{Site: model.ResidPost, Layer: m.Shape().Layers - 1}
		ids := make([]int, 30)
		for i := range ids {
			ids[i] = (11*i + 3) % m.Shape().DVocab
		}
		for _, site := range []model.Site{model.AttnScores, model.Pattern} {
			for _, e := range []edit.Edit{
				{Op: edit.Zero}, {Op: edit.Scale, Factor: 0}, {Op: edit.Clamp, Low: -1, High: 1}, {Op: edit.Clamp, Low: 0.1, High: 0.5},
				{Op: edit.Noise, Factor: 1, Seed: 3}, {Op: edit.Noise, Factor: 1, Positions: []int{3, 17}, Heads: []int{1}},
			} {
				e.Place = model.Place{Site: site, Layer: 1}
				say := fmt.Sprint(name, " ", e.String(), " ", e.Factor, e.Low)
				short := edit.Input{IDs: ids[:20], Edits: []edit.Edit{e}}
				alone, shape := passing(t, m, last, short)
				together, both := passing(t, m, last, edit.Input{IDs: ids}, short)
				require.InDeltaSlice(t, alone, rowOf(together, both, 1, 20), 2e-4, "in a batch: %s", say)
				whole, _ := passing(t, m, last, edit.Input{IDs: ids, Edits: []edit.Edit{e}})
				require.InDeltaSlice(t, alone, whole[:20*shape[2]], 2e-4, "before later tokens: %s", say)
				require.InDeltaSlice(t, alone, inParts(t, m, last, short, 7), 2e-4, "in parts: %s", say)
			}
		}
	}
}

// inParts is passing for a single input that goes through in parts of n, with a cache.
func inParts(t *testing.T, m model.Model, at model.Place, in edit.Input, n int) []float32 {
	t.Helper()
	b, err := edit.NewBatch(m, in)
	require.NoError(t, err)
	cache := model.NewCache(m)
	defer cache.Close()
	var all []float32
	for from := 0; from < len(in.IDs); from += n {
		to := min(from+n, len(in.IDs))
		s := mlx.NewScope(m.Device())
		tap, kept := model.Keep(s, []model.Place{at})
		model.Reach(m, b.Tokens(s, from, to), cache, b.Tap(from, to).Then(tap), []model.Place{at})
		x, err := mlx.Data[float32](kept[0])
		require.NoError(t, err)
		require.NoError(t, cache.Eval())
		s.Close()
		all = append(all, x...)
	}
	return all
}

func TestPositionsThatAreEmbeddedAreEditedRowByRow(t *testing.T) {
	t.Parallel()
	m := modeltest.Architecture(t, "gpt2", nil)
	place := model.Place{Site: model.PosEmbed}
	zero := edit.Edit{Place: place, Positions: []int{1}, Op: edit.Zero}
	first := model.Place{Site: model.ResidPre}
	inputs := []edit.Input{{IDs: []int{1, 2, 3}}, {IDs: []int{1, 2, 3}, Edits: []edit.Edit{zero}}}
	both, shape := passing(t, m, first, inputs...)
	for i, in := range inputs {
		alone, _ := passing(t, m, first, in)
		require.Equal(t, alone, rowOf(both, shape, i, 3))
	}
}

func TestEditsThatChangeNothingOfWhatIsReadAreRefused(t *testing.T) {
	t.Parallel()
	gemma4 := modeltest.Architecture(t, "gemma4-both", nil)
	llama, neox, gptj := modeltest.Tiny(t), modeltest.Architecture(t, "gpt-neox", nil), modeltest.Architecture(t, "gptj", nil)
	at := func(site model.Site, layer int) model.Place { return model.Place{Site: site, Layer: layer} }
	for _, c := range []struct {
		m         model.Model
		edit      model.Place
		positions []int
		read      model.Place
		refused   bool
	}{
		{llama, at(model.Q, 1), nil, at(model.K, 1), true},
		{llama, at(model.RotK, 1), nil, at(model.RotQ, 1), true},
		{llama, at(model.Q, 1), nil, at(model.RotQ, 1), false},
		{llama, at(model.Q, 1), nil, at(model.Z, 1), false},
		{llama, at(model.MLPPre, 1), nil, at(model.MLPPreLinear, 1), true},
		{llama, at(model.MLPPre, 1), nil, at(model.MLPPost, 1), false},
		{llama, at(model.MLPOut, 1), nil, at(model.MLPPost, 1), true},
		{llama, at(model.MLPOut, 1), nil, at(model.Embed, 0), true},
		{llama, at(model.AttnOut, 1), nil, at(model.MLPOut, 1), false},
		{neox, at(model.AttnOut, 1), nil, at(model.MLPOut, 1), true},
		{neox, at(model.AttnOut, 1), nil, at(model.MLPOut, 2), false},
		{neox, at(model.AttnNorm, 1), nil, at(model.AttnOut, 1), false},
		{neox, at(model.AttnNorm, 1), nil, at(model.MLPPre, 1), true},
		{gemma4, at(model.MLPOut, 0), nil, at(model.PerLayerEmbed, 1), true},
		{gemma4, at(model.Embed, 0), nil, at(model.PerLayerEmbed, 1), false},
		{gemma4, at(model.PerLayerEmbed, 1), nil, at(model.PerLayerOut, 1), false},
		{gemma4, at(model.MLPPre, 1), nil, at(model.SharedOut, 1), false},
		{gemma4, at(model.ExpertOut, 1), nil, at(model.SharedOut, 1), true},
		{gemma4, at(model.ExpertOut, 1), nil, at(model.MLPRaw, 1), false},
		{gemma4, at(model.RotK, 1), nil, at(model.AttnScores, 2), false},
		{gptj, at(model.AttnNorm, 1), nil, at(model.MLPPre, 1), false}, // its one norm
		{gptj, at(model.V, 1), nil, at(model.MLPPre, 1), true},
		{llama, at(model.MLPOut, 0), []int{3}, at(model.ResidPost, 2), true},
		{llama, at(model.MLPOut, 0), []int{2, 3}, at(model.ResidPost, 2), false},
	} {
		in := edit.Input{IDs: []int{1, 2, 3, 4}, Positions: []int{0, 2}, Edits: []edit.Edit{{Place: c.edit, Positions: c.positions, Op: edit.Zero}}}
		b, err := edit.NewBatch(c.m, in)
		require.NoError(t, err)
		err = b.Reach(c.m, []model.Place{c.read})
		rest, wrong := edit.Reaching(c.m, in, []model.Place{c.read})
		require.NoError(t, wrong)
		require.Equal(t, c.refused, len(rest.Edits) == 0)
		if c.refused {
			require.ErrorContains(t, err, "it would change nothing", "%s read at %s", c.edit, c.read)
		} else {
			require.NoError(t, err, "%s read at %s", c.edit, c.read)
		}
	}
	_, err := edit.NewBatch(llama)
	require.Error(t, err)
	_, err = edit.NewBatch(nil, edit.Input{IDs: []int{1}})
	require.Error(t, err)
}
