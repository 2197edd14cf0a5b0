package lens_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/internal/emulated"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
)

// Both rotations go by the length of the whole prompt, past 32 tokens: the packing must not
// change a number, and the recorded models have the right ones for single prompts.
func TestRotationsThatDependOnTheLengthGoByThePromptsOwn(t *testing.T) {
	ctx := context.Background()
	for _, name := range emulated.Fewer([]string{"llama-rope-dynamic", "llama-rope-longrope", "phi3-longrope-partial"}, 2) {
		t.Run(name, func(t *testing.T) {
			m := modeltest.Architecture(t, name, nil)
			var inputs []edit.Input
			for _, n := range []int{60, 45, 44, 33, 32, 31, 24, 7, 60} { // batches of each kind of length, and of both
				var ids []int
				for i := range n {
					ids = append(ids, (i*i+7*n+3)%96)
				}
				inputs = append(inputs, edit.Input{IDs: ids})
			}
			o := lens.Options{Top: 3}
			var alone []*lens.Grid
			for _, in := range inputs {
				g, err := lens.Run(ctx, m, in, o)
				require.NoError(t, err)
				alone = append(alone, g)
			}
			i := 0
			for g, err := range lens.RunAll(ctx, m, inputs, o) {
				require.NoError(t, err)
				equalGrids(t, alone[i], g)
				i++
			}
			require.Len(t, inputs, i)

			bounded := o
			bounded.MaxMemory = int64(mlx.ActiveMemory()) + 700_000 // 16 positions a pass
			g, err := lens.Run(ctx, m, inputs[0], bounded)
			require.NoError(t, err)
			equalGrids(t, alone[0], g)

			first := inputs[0]
			first.Positions = []int{0, 5}
			if g, err = lens.Run(ctx, m, first, bounded); err != nil {
				t.Fatal(err)
			}
			require.InDelta(t, alone[0].Cells[0][5].Top[0].Logit, g.Cells[0][1].Top[0].Logit, 1e-4, "what is read does not matter")
		})
	}
}

// Four rows of the head are equal, of a vocabulary that no kernel divides: whichever product
// computes their logits, the lowest id is the answer.
func TestOfEqualRowsTheLowestIDIsTheAnswer(t *testing.T) {
	m := modeltest.Tied(t)
	for n := 1; n <= 9; n++ {
		ids := modeltest.Sixty[:n]
		for _, top := range []int{1, 2, 5} {
			for _, onDevice := range []bool{false, true} {
				g := trace(t, m, ids, lens.Options{Top: top, OnDevice: &onDevice})
				for p := range ids {
					cell := g.Cells[len(g.Cells)-1][p]
					require.Equal(t, 3, cell.Top[0].ID, fmt.Sprint(n, top, p))
					require.Equal(t, 3, cell.Answer.ID)
					require.Equal(t, 1, cell.Answer.Rank)
				}
			}
		}
	}
}
