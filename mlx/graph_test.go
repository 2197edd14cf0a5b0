package mlx_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/require"
)

func TestGraphsAreWritten(t *testing.T) {
	s := scope(t)
	x := mlx.FromSlice(s, []float32{1, 2})
	y := mlx.Exp(mlx.Square(x))
	var dot, lines bytes.Buffer
	require.NoError(t, mlx.ExportToDOT(&dot, map[string]*mlx.Array{"weights": x, "result": y}, y))
	for _, want := range []string{"digraph", "Square", "Exp", "weights", "result"} {
		require.Contains(t, dot.String(), want)
	}
	require.NoError(t, mlx.PrintGraph(&lines, nil, y))
	require.Less(t, strings.Index(lines.String(), "Square"), strings.Index(lines.String(), "Exp"))
	require.Error(t, mlx.ExportToDOT(&dot, map[string]*mlx.Array{"100%s%n": x}, y))
	require.Error(t, mlx.ExportToDOT(&dot, nil))
}
