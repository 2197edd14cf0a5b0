package experiment_test

import (
	"context"
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/model"
)

// hidden is the logit difference of a run in one pass, whose pattern is set to what masking leaves.
func hidden(t testing.TB, m model.Model, in edit.Input, layer, query, key, head int, q experiment.Question) float64 {
	t.Helper()
	n := len(in.IDs)
	at := model.Place{Site: model.Pattern, Layer: layer}
	v := captured(t, m, in, at)
	for h := range v.Shape[0] {
		if head >= 0 && h != head {
			continue
		}
		row := v.Data[(h*n+query)*n : (h*n+query+1)*n]
		left := 1 - row[key]
		row[key] = 0
		for i := range row {
			row[i] /= left
		}
	}
	in.Edits = []edit.Edit{{Place: at, Op: edit.Set, Value: v}}
	x := logits(t, m, in, n-1)
	return float64(x[q.Target]) - float64(x[q.Versus])
}

// A key that is hidden is a pattern whose other keys share its weight, a sink's among them.
func TestAKnockoutIsTheRunWithTheWeightShared(t *testing.T) {
	t.Parallel()
	q := experiment.Question{Metric: experiment.LogitDiff, Target: 5, Versus: 9}
	for _, name := range []string{"llama", "gpt2", "gemma2-sliding", "gpt-oss", "qwen3-5-moe", "gemma4-both"} {
		m := modeltest.Architecture(t, name, nil)
		in := edit.Input{IDs: ids(9, m.Shape().DVocab, 3)}
		k, err := experiment.Knockout(context.Background(), m, in, experiment.KnockoutOptions{Question: q, Queries: []int{-2}})
		require.NoError(t, err, name)
		byHead, err := experiment.Knockout(context.Background(), m, in, experiment.KnockoutOptions{Question: q, Queries: []int{-2}, Keys: []int{3}, Columns: experiment.ByHead})
		require.NoError(t, err, name)
		require.Equal(t, []int{0, 1, 2, 3, 4, 5, 6}, k.Keys)
		x := logits(t, m, in, 8)
		require.InDelta(t, float64(x[5])-float64(x[9]), float64(k.Baseline), 2e-4)
		for row, layer := range k.Rows {
			if m.Check(model.Place{Site: model.Pattern, Layer: layer}) != nil {
				require.True(t, math.IsNaN(float64(k.Values[row][3])))
				continue
			}
			require.InDelta(t, hidden(t, m, in, layer, 7, 3, -1, q), float64(k.Values[row][3]), 3e-4, "%s %d", name, layer)
			require.InDelta(t, float64(k.Values[row][3]-k.Baseline), float64(k.Effects[row][3]), 1e-12)
			require.InDelta(t, hidden(t, m, in, layer, 7, 3, 1, q), float64(byHead.Values[row][1]), 3e-4, "%s %d, head 1", name, layer)
		}
	}
}

// Of several queries each loses what is before it, and none itself.
func TestKeysThatAreNotNamedAreThoseBeforeEachQuery(t *testing.T) {
	t.Parallel()
	q := experiment.Question{Metric: experiment.LogitDiff, Target: 5, Versus: 9}
	m := modeltest.Architecture(t, "llama", nil)
	in := edit.Input{IDs: ids(10, m.Shape().DVocab, 3)}
	o := experiment.KnockoutOptions{Question: q, Queries: []int{0, 5, 9}, Layers: []int{1}}
	at := model.Place{Site: model.AttnScores, Layer: 1}
	mask := func(heads []int, pairs map[int][]int) float64 {
		with := in
		for query, keys := range pairs {
			with.Edits = append(with.Edits, edit.Edit{Place: at, Op: edit.Mask, Positions: []int{query}, Keys: keys, Heads: heads})
		}
		x := logits(t, m, with, 9)
		return float64(x[5]) - float64(x[9])
	}
	before := func(n int) []int { return []int{0, 1, 2, 3, 4, 5, 6, 7, 8}[:n] }
	for columns, want := range map[experiment.Columns]func(column int) float64{
		experiment.Together: func(int) float64 { return mask(nil, map[int][]int{5: before(5), 9: before(9)}) },
		experiment.ByHead:   func(head int) float64 { return mask([]int{head}, map[int][]int{5: before(5), 9: before(9)}) },
		experiment.ByPosition: func(key int) float64 {
			if key < 5 {
				return mask(nil, map[int][]int{5: {key}, 9: {key}})
			}
			return mask(nil, map[int][]int{9: {key}})
		},
	} {
		o.Columns = columns
		k, err := experiment.Knockout(context.Background(), m, in, o)
		require.NoError(t, err)
		for column, x := range k.Values[0] {
			require.InDelta(t, want(column), float64(x), 3e-4, "%s %d", columns, column)
		}
	}
}

// A window of all layers hides a token whole: nothing of it reaches a query that only it would tell
// it from another prompt.
func TestAllThatIsHiddenInAllLayersIsAsIfItWereAnother(t *testing.T) {
	t.Parallel()
	m := modeltest.Architecture(t, "llama", nil)
	o := experiment.KnockoutOptions{Question: experiment.Question{Metric: experiment.Logit, Target: 5}, Keys: []int{1}, Columns: experiment.Together, Window: 3, Layers: []int{1}}
	var values []float64
	for _, id := range []int{7, 70} {
		in := edit.Input{IDs: []int{3, id, 4, 9, 8}}
		o.Queries = []int{2, 3, 4}
		k, err := experiment.Knockout(context.Background(), m, in, o)
		require.NoError(t, err)
		values = append(values, float64(k.Values[0][0]))
		require.NotZero(t, k.Effects[0][0])
	}
	require.InDelta(t, values[0], values[1], 1e-4)
}

func TestKnockoutsThatHideNothingAreRefused(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	q := experiment.Question{Metric: experiment.KL}
	for says, o := range map[string]experiment.KnockoutOptions{
		"and not seen anyway":         {Question: q, Queries: []int{1}, Keys: []int{2}},
		"behind the one that is read": {Question: q, Queries: []int{2}},
		"there is no key before":      {Question: q, Queries: []int{0}},
		"a window of 4 layers":        {Question: q, Window: 4},
		`columns "row"`:               {Question: q, Columns: "row"},
		"key 7 does not exist":        {Question: q, Keys: []int{7}},
		`metric "" is unknown`:        {},
	} {
		_, err := experiment.Knockout(context.Background(), m, edit.Input{IDs: []int{1, 2, 3}, Positions: []int{1}}, o)
		require.ErrorContains(t, err, says)
	}
}

func TestTheProgressOfKnockoutsEndsAtTheirEnd(t *testing.T) {
	t.Parallel()
	m := modeltest.Architecture(t, "llama", nil)
	last := 0.0
	_, err := experiment.Knockout(context.Background(), m, edit.Input{IDs: ids(12, m.Shape().DVocab, 3)}, experiment.KnockoutOptions{
		Question: experiment.Question{Metric: experiment.KL},
		Progress: func(done float64) {
			require.GreaterOrEqual(t, done, last)
			last = done
		},
	})
	require.NoError(t, err)
	require.InDelta(t, 1, last, 1e-12)
}

// knockouts are results of every form, of a model whose layers have not all attention.
func knockouts(t testing.TB) map[experiment.Columns]*experiment.Knockouts {
	t.Helper()
	m := modeltest.Architecture(t, "qwen3-next", nil)
	all := map[experiment.Columns]*experiment.Knockouts{}
	for columns, q := range map[experiment.Columns]experiment.Question{
		experiment.ByPosition: {Metric: experiment.KL},
		experiment.ByHead:     {Metric: experiment.LogitDiff, Target: 3, Versus: 4},
		experiment.Together:   {Metric: experiment.Prob, Target: 3},
	} {
		o := experiment.KnockoutOptions{Question: q, Columns: columns, Label: func(id int) string { return string(rune('a' + id)) }}
		k, err := experiment.Knockout(context.Background(), m, edit.Input{IDs: []int{1, 2, 3, 4}}, o)
		require.NoError(t, err)
		all[columns] = k
	}
	return all
}

func TestJSONOfKnockoutsFollowsThePublishedSchema(t *testing.T) {
	t.Parallel()
	schema := published(t, "knockout-1")
	for columns, k := range knockouts(t) {
		doc := document(t, k)
		require.NoError(t, schema.Validate(doc), columns)
		doc.(map[string]any)["effects"] = []any{}
		require.Error(t, schema.Validate(doc), columns)
	}
}

func TestFiguresAndArraysOfKnockoutsHaveTheEffects(t *testing.T) {
	t.Parallel()
	for columns, k := range knockouts(t) {
		f := k.Figure()
		require.Len(t, f.Grids, 1)
		grid := f.Grids[0]
		require.Equal(t, map[experiment.Columns]int{experiment.ByPosition: 3, experiment.ByHead: k.Heads, experiment.Together: 1}[columns], len(grid.Columns))
		arrays := k.Arrays()
		effect := arrays[len(arrays)-1]
		require.Equal(t, "effect", effect.Name)
		require.Equal(t, []int{len(k.Rows), len(grid.Columns)}, effect.Shape)
		for row := range k.Rows {
			for column := range grid.Columns {
				want, at := k.Effects[row][column], 4*(row*len(grid.Columns)+column)
				got := math.Float32frombits(binary.LittleEndian.Uint32(effect.Bytes[at:]))
				require.Equal(t, math.Float32bits(float32(want)), math.Float32bits(got))
				require.Equal(t, math.IsNaN(float64(want)), math.IsNaN(grid.Values[row][column]))
			}
		}
		require.Contains(t, f.Notes, "hidden: keys 0:3 from queries 3")
	}
}

func TestTheStrongestHeadIsThatOfTheGreatestEffectOfEitherSign(t *testing.T) {
	t.Parallel()
	nan := lens.Number(math.NaN())
	k := experiment.Knockouts{Columns: experiment.ByHead, Rows: []int{2, 5}, Effects: [][]lens.Number{{1, nan, -3}, {nan, 2, -0.5}}}
	require.Equal(t, []experiment.Head{{Layer: 2, Head: 2}, {Layer: 5, Head: 1}, {Layer: 2, Head: 0}, {Layer: 5, Head: 2}}, k.Strongest())
}
