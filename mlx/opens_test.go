package mlx

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// MLX's wheel for macOS 26 has a libmlx that cannot be opened but by libmlxc's load commands; the
// recipe's test (third_party) has libraries like these.
func TestAMacsLibmlxIsLeftToLibmlxc(t *testing.T) {
	require.False(t, opensMLX("darwin"))
	require.True(t, opensMLX("linux"))
}
