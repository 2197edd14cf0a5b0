package mlx

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatTheSystemRefusesIsNoFaultOfTheLibrary(t *testing.T) {
	for _, text := range []string{
		"thread constructor failed: Resource temporarily unavailable",
		"std::bad_alloc",
		"[malloc] Unable to allocate 4096 bytes.",
	} {
		require.True(t, starved(text), text)
	}
	require.False(t, starved("[quantized_matmul] The last dimension does not match"))
}

func TestAnotherReleaseOfMLXIsNamed(t *testing.T) {
	l := Library{MLX: "0.40.0", Proven: provenMLX}
	require.Equal(t, " (MLX 0.40.0; this package was proven with "+provenMLX+")", l.unproven())
	l.MLX = provenMLX
	require.Empty(t, l.unproven())
}

func TestNoMessageHasAPlaceInTheLibrarysSource(t *testing.T) {
	require.Equal(t, "bad axis", reasonOf(" bad axis at /home/ci/mlx-c/mlx/c/ops.cpp:123\n"))
	require.Equal(t, "MLX gave no reason", reasonOf(""))
}
