package lens

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/model"
)

// RunInRoom is Run in passes and chunks of so many positions.
func RunInRoom(t *testing.T, m model.Model, ids []int, o Options, pass, chunk int) *Grid {
	t.Helper()
	p, err := planRows(m, &o)
	require.NoError(t, err)
	p.most = room{pass, chunk}
	prompt := Prompt{IDs: ids}
	prompt.Positions, err = p.positions(m, prompt)
	require.NoError(t, err)
	grids, err := p.run(context.Background(), m, []Prompt{prompt}, &o)
	require.NoError(t, err)
	return grids[0]
}

// Edited returns a tap that edits a prompt of so many tokens before another tap sees it.
func Edited(edits []Edit, tokens int, then *model.Tap) (*model.Tap, error) {
	g, err := newEditing(edits, 0, tokens)
	if err != nil {
		return nil, err
	}
	return g.tap(then), nil
}

// DifferenceOf compares two distributions by their logits.
func DifferenceOf(a, b []float32) Difference {
	s := &stream{run: &run{o: &Options{}}}
	return (&comparing{sides: [2]*stream{s, s}, top: 1}).difference(a, b)
}

// AtDepth is atDepth.
var AtDepth = atDepth
