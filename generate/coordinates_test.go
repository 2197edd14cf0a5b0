package generate_test

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/generate"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/states"
)

// The tiny model has 4-bit weights. What a token with a cache is chosen by is the last row of a run of
// the whole sequence with the same edits.
func TestEditsInLensCoordinatesAreLiveWhileTextGoesOn(t *testing.T) {
	t.Parallel()
	m, ctx := modeltest.Tiny(t), context.Background()
	at := model.Place{Site: model.ResidPost, Layer: 1}
	pair, err := lens.Directions(m, nil, at, []int{7, 300})
	require.NoError(t, err)
	one, err := lens.Directions(m, nil, at, []int{300})
	require.NoError(t, err)
	prompt := []int{402, 324, 282, 5, 9}
	for _, e := range []edit.Edit{
		{Place: at, Op: edit.Steer, Factor: 3, Value: one},
		{Place: at, Op: edit.Swap, Factor: 2, Value: pair},
		{Place: at, Op: edit.ProjectOut, Value: pair},
		{Place: at, Op: edit.SwapClamped, Factor: 1, Value: pair},
		{Place: at, Op: edit.Swap, Factor: 1, Value: pair, Positions: []int{0, 4}},
	} {
		in := edit.Input{IDs: prompt, Edits: []edit.Edit{e}}
		in.Edits, err = states.Measure(ctx, m, in)
		require.NoError(t, err)
		g := generator(t, m, generate.Options{})
		require.NoError(t, g.Prompt(ctx, in))
		for range 6 {
			token, err := g.Next(ctx)
			require.NoError(t, err)
			ids := g.IDs()
			whole := edit.Input{IDs: ids[:len(ids)-1], Positions: []int{-1}, Edits: in.Edits}
			grid, err := lens.Run(ctx, m, whole, lens.Options{Layers: []int{-1}})
			require.NoError(t, err)
			best := grid.Cells[0][0].Top[0]
			require.Equal(t, best.ID, token.ID, "%s", e.Op)
			require.InDelta(t, best.Prob, math.Exp(token.LogProb), 1e-5, "%s", e.Op)
		}
		plain, err := lens.Run(ctx, m, edit.Input{IDs: g.IDs()[:len(prompt)+5], Positions: []int{-1}}, lens.Options{Layers: []int{-1}})
		require.NoError(t, err)
		edited, err := lens.Run(ctx, m, edit.Input{IDs: g.IDs()[:len(prompt)+5], Positions: []int{-1}, Edits: in.Edits}, lens.Options{Layers: []int{-1}})
		require.NoError(t, err)
		require.NotEqual(t, plain.Cells[0][0].Top[0], edited.Cells[0][0].Top[0], "%s", e.Op)
	}
}
