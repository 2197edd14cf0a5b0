package lens

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/model"
)

// RunInRoom is Run in passes and chunks of so many positions.
func RunInRoom(t *testing.T, m model.Model, ids []int, o Options, pass, chunk int) *Grid {
	t.Helper()
	p, err := newPlan(m, &o)
	require.NoError(t, err)
	p.most = room{pass, chunk}
	grids, err := p.run(context.Background(), m, []edit.Input{{IDs: ids}}, &o)
	require.NoError(t, err)
	return grids[0]
}

// DifferenceOf compares two distributions by their logits.
func DifferenceOf(a, b []float32) Difference {
	s := &stream{run: &run{o: &Options{}}}
	return (&comparing{sides: [2]*stream{s, s}, top: 1}).difference(a, b)
}

// AtDepth is atDepth.
var AtDepth = atDepth

// OnDevice makes a reference reduce logits as on a GPU.
func (r *Reference) OnDevice() *Reference {
	r.onDevice = true
	return r
}
