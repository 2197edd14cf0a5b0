package lens_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/model"
)

// A block whose attention and MLP read the same stream has no state between them: whoever
// asks for it is told so before a pass.
func TestTheMiddleOfAParallelBlockIsRefusedBeforeAPass(t *testing.T) {
	t.Parallel()
	const says = "this architecture has no resid_mid: attention and MLP read the same stream, and there is no state between them"
	m := &counting{Model: modeltest.Architecture(t, "gpt-neox", nil)}
	ctx, in := context.Background(), edit.Input{IDs: []int{1, 2, 3}}
	_, err := lens.Run(ctx, m, in, lens.Options{Mid: true})
	require.ErrorContains(t, err, "lens: a row of resid_mid: model: "+says)
	for _, err := range lens.RunAll(ctx, m, []edit.Input{in}, lens.Options{Mid: true}) {
		require.ErrorContains(t, err, says)
	}
	_, err = lens.NewReader(m, lens.Options{Mid: true})
	require.ErrorContains(t, err, says)
	_, err = lens.Compare(ctx, lens.Side{Model: m, Input: in}, lens.Side{Model: m, Input: in}, lens.CompareOptions{Mid: true})
	require.ErrorContains(t, err, says)
	_, err = edit.Parse("layers.0.resid_mid=zero", m, 3, nothing{})
	require.ErrorContains(t, err, says)
	in.Edits = []edit.Edit{{Place: model.Place{Site: model.ResidMid}, Op: edit.Zero}}
	_, err = lens.Run(ctx, m, in, lens.Options{})
	require.ErrorContains(t, err, `edit "layers.0.resid_mid=zero": model: `+says)
	require.Zero(t, m.streams)

	sequential := modeltest.Architecture(t, "gpt-neox-sequential", nil)
	trace(t, sequential, []int{1, 2, 3}, lens.Options{Mid: true})
}
