package edit_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/model"
)

// masked is the pattern [head][query][key] of some heads when keys of some queries are hidden:
// the rest of a row is what it was, divided by what is left of the row and the sink.
func masked(pattern []float32, shape []int, queries, keys, heads []int) []float64 {
	n := shape[3]
	in := func(of []int, x int) bool {
		for _, y := range of {
			if x == y {
				return true
			}
		}
		return false
	}
	out := make([]float64, len(pattern))
	for row := range len(pattern) / n {
		x := at(row, shape[:3])
		hidden := 0.0
		hides := in(heads, x[1]) && in(queries, x[2])
		for k, p := range pattern[row*n : (row+1)*n] {
			if hides && in(keys, k) {
				hidden += float64(p)
			}
		}
		for k, p := range pattern[row*n : (row+1)*n] {
			switch {
			case !hides || !in(keys, k):
				out[row*n+k] = float64(p) / (1 - hidden)
			default:
				out[row*n+k] = 0
			}
		}
	}
	return out
}

// A sink is a key too, so that what is hidden goes to it in its part: the whole of a row and its
// sink is 1 before and after.
func TestAMaskedKeysWeightGoesToTheOthers(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"llama", "gpt2", "gpt-neox", "gemma2-sliding", "gpt-oss", "qwen3-5-moe"} {
		m := modeltest.Architecture(t, name, nil)
		ids := make([]int, 11)
		for i := range ids {
			ids[i] = (13*i + 5) % m.Shape().DVocab
		}
		place := model.Place{Site: model.Pattern, Layer: -1}
		for layer := range m.Shape().Layers {
			if m.Check(model.Place{Site: model.Pattern, Layer: layer}) == nil {
				place.Layer = layer
			}
		}
		before, shape := passing(t, m, place, edit.Input{IDs: ids})
		text := fmt.Sprintf("layers.%d.attn_scores@6,-1/1:4,7#1=mask", place.Layer)
		e := parse(t, m, text, len(ids))
		in := edit.Input{IDs: ids, Edits: []edit.Edit{e}}
		after, _ := passing(t, m, place, in)
		require.InDeltaSlice(t, masked(before, shape, []int{6, 10}, []int{1, 2, 3, 7}, []int{1}), after, 2e-5, name)
		last := model.Place{Site: model.ResidPost, Layer: m.Shape().Layers - 1}
		whole, _ := passing(t, m, last, in)
		require.InDeltaSlice(t, whole, inParts(t, m, last, in, 4), 2e-4, "%s in parts", name)
	}
}

func TestAPositionThatIsLeftWithoutAKeyAttendsToNothing(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"llama", "llama-sliding", "gpt2"} {
		m := modeltest.Architecture(t, name, nil)
		ids := []int{1, 2, 3, 4, 5, 6}
		place := model.Place{Site: model.Pattern, Layer: 1}
		in := edit.Input{IDs: ids, Edits: []edit.Edit{parse(t, m, "layers.1.attn_scores@0,2/0:3=mask", len(ids))}}
		pattern, shape := passing(t, m, place, in)
		for i, p := range pattern {
			x := at(i, shape)
			if x[2] == 0 || x[2] == 2 || x[3] > x[2] {
				require.Zero(t, p, "%s: %v", name, x)
			}
		}
	}
}

// A mask that comes first is made before an edit of the pattern, whichever was given first.
func TestAnEditOfThePatternIsAfterAMask(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	ids := []int{1, 2, 3, 4}
	set := edit.Edit{Place: model.Place{Site: model.Pattern, Layer: 1}, Positions: []int{3}, Keys: []int{1}, Op: edit.Clamp, Low: 0.25, High: 0.25}
	mask := parse(t, m, "layers.1.attn_scores@3/1=mask", len(ids))
	pattern, shape := passing(t, m, set.Place, edit.Input{IDs: ids, Edits: []edit.Edit{set, mask}})
	for i, p := range pattern {
		if x := at(i, shape); x[2] == 3 && x[3] == 1 {
			require.Equal(t, float32(0.25), p)
		}
	}
}

func TestAMaskIsReachedByWhatReadsScoresAlone(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	mask := parse(t, m, "layers.1.attn_scores@3/1=mask", 4)
	b, err := edit.NewBatch(m, edit.Input{IDs: []int{1, 2, 3, 4}, Edits: []edit.Edit{mask}})
	require.NoError(t, err)
	require.NoError(t, b.Reach(m, []model.Place{mask.Place}))
	require.ErrorContains(t, b.Reach(m, []model.Place{{Site: model.Q, Layer: 1}}), "it would change nothing")
}
