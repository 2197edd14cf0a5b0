package lens_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/states"
)

// patches are a prompt on Italy, each with the stream behind one layer of SmolLM2 set at the
// last position to that of a prompt on France.
func patches(t testing.TB, o *auto.Opened) []edit.Input {
	t.Helper()
	ids := func(text string) []int {
		ids, err := o.Tokenizer.Encode(text, true)
		require.NoError(t, err)
		return ids
	}
	clean, corrupted := ids("The capital of France is"), ids("The capital of Italy is")
	places, err := o.Model.Paths().Places("layers.*.resid_post")
	require.NoError(t, err)
	set, err := states.Capture(context.Background(), o.Model, edit.Input{IDs: clean, Positions: []int{-1}}, places)
	require.NoError(t, err)
	var inputs []edit.Input
	for _, at := range places {
		value, err := set.Value(at)
		require.NoError(t, err)
		inputs = append(inputs, edit.Input{IDs: corrupted, Positions: []int{-1}, Edits: []edit.Edit{{Place: at, Op: edit.Set, Value: value}}})
	}
	return inputs
}

func TestThirtyPatchesInOnePassAreThirtyRuns(t *testing.T) {
	t.Parallel()
	o := modeltest.SmolLM2(t)
	inputs := patches(t, o)
	require.Len(t, inputs, 30)
	passes := &counting{Model: o.Model}
	paris, rome := 7042, 0
	for id := range o.Model.Shape().DVocab {
		if piece, _ := o.Tokenizer.Piece(id); piece == " Rome" {
			rome = id
		}
	}
	options := lens.Options{Layers: []int{-1}, Targets: []int{paris, rome}}
	i := -1
	for together, err := range lens.RunAll(context.Background(), passes, inputs, options) {
		require.NoError(t, err)
		i++
		if i == 29 { // all of the last layer is the other prompt's answer
			require.Equal(t, paris, together.Final.Token.ID)
		}
		if testing.Short() && i%15 != 14 {
			continue // a run alone takes a fifth of a second
		}
		alone := traceIn(t, o.Model, inputs[i], options)
		for k, want := range alone.Cells[0][0].Targets {
			require.InDelta(t, want.Logit, together.Cells[0][0].Targets[k].Logit, 1e-4, "patch of layer %d", i)
			require.InDelta(t, want.Prob, together.Cells[0][0].Targets[k].Prob, 1e-4, "patch of layer %d", i)
		}
	}
	require.Equal(t, 29, i)
	require.Equal(t, 1, passes.streams)
}

// counting counts the passes through a model.
type counting struct {
	model.Model
	streams int
}

func (c *counting) Stream(tokens *mlx.Array, cache *model.Cache, tap *model.Tap, blocks int) *mlx.Array {
	c.streams++
	return c.Model.Stream(tokens, cache, tap, blocks)
}

// Thirty patches of a prompt of five tokens: together, and one at a time.
func BenchmarkPatches(b *testing.B) {
	o := modeltest.SmolLM2(b)
	inputs := patches(b, o)
	options := lens.Options{Layers: []int{-1}, TopOnly: true}
	b.Run("together", func(b *testing.B) {
		for b.Loop() {
			for _, err := range lens.RunAll(context.Background(), o.Model, inputs, options) {
				require.NoError(b, err)
			}
		}
	})
	b.Run("one at a time", func(b *testing.B) {
		for b.Loop() {
			for _, in := range inputs {
				_, err := lens.Run(context.Background(), o.Model, in, options)
				require.NoError(b, err)
			}
		}
	})
}
