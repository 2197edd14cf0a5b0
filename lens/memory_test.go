package lens_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
)

func TestBoundOnMemoryChangesTheWorkAndNotTheNumbers(t *testing.T) {
	m := tiny(t)
	o := lens.Options{Top: 4, Targets: []int{7}, Embed: true, Track: 3, Check: true}
	whole := trace(t, m, sixty, o)
	o.MaxMemory = int64(mlx.ActiveMemory()) + 3_000_000
	equalGrids(t, whole, trace(t, m, sixty, o))
}

func TestBoundThatCannotHoldIsAnError(t *testing.T) {
	m := tiny(t)
	_, err := lens.Run(context.Background(), m, edit.Input{IDs: sixty}, lens.Options{MaxMemory: 1000})
	require.ErrorContains(t, err, "read fewer positions or rows, or allow more")
}
