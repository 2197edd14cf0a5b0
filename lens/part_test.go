package lens_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens"
)

func TestPartsAreTheColumnsOfTheGridInTheirOrder(t *testing.T) {
	var ids []int
	for range 10 {
		ids = append(ids, sixty...) // more than are read at once
	}
	var parts []*lens.Grid
	o := lens.Options{Top: 2, Embed: true, Mid: true, Attn: true, MLP: true, Targets: []int{7}, Part: func(g *lens.Grid) { parts = append(parts, g) }}
	whole, err := lens.Run(context.Background(), tiny(t), edit.Input{IDs: ids}, o)
	require.NoError(t, err)
	require.Greater(t, len(parts), 1)
	joined := *parts[0]
	for _, part := range parts[1:] {
		joined.Extend(part)
	}
	require.Len(t, parts[0].Cells[0], len(parts[0].Positions), "a part stays as it was")
	joined.Timing = whole.Timing
	require.Equal(t, whole, &joined)
}

func TestPartsOfSomePositionsAreOfThese(t *testing.T) {
	var at []int
	g, err := lens.Run(context.Background(), modeltest.Tiny(t), edit.Input{IDs: modeltest.Sixty, Positions: []int{3, 9, -1}},
		lens.Options{Part: func(g *lens.Grid) { at = append(at, g.Positions...) }})
	require.NoError(t, err)
	require.Equal(t, []int{3, 9, 59}, at)
	require.Equal(t, g.Positions, at)
}
