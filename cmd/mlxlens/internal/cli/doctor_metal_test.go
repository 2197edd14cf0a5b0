package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGPUsFromGeneration17OnHaveMatrixUnits(t *testing.T) {
	for name, want := range map[string]bool{
		"applegpu_g17s": true, "applegpu_g18p": true, "applegpu_g17d": true, "applegpu_g17p": false, "applegpu_g16s": false, "applegpu_g13g": false, "sm_90a": false, "": false,
	} {
		require.Equal(t, want, hasMatrixUnits(name), name)
	}
}

func TestATextIsFoundAcrossParts(t *testing.T) {
	for _, before := range []int{0, 1<<20 - 3, 1<<20 - 4, 1 << 20, 3<<20 - 2} {
		found, err := contains(strings.NewReader(strings.Repeat("x", before)+matrixKernels+"y"), matrixKernels)
		require.NoError(t, err)
		require.True(t, found, before)
	}
	found, err := contains(strings.NewReader(strings.Repeat("_na", 1<<20)), matrixKernels)
	require.NoError(t, err)
	require.False(t, found)
}

func TestDoctorTellsOfKernelsThatLeaveMatrixUnitsIdle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mlx.metallib")
	for text, problems := range map[string]int{"steel_gemm_fused_nt": 1, "steel_gemm_fused_nax_nt": 0} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		var d diagnosis
		d.lacksMatrixKernels("applegpu_g17s", path)
		require.Len(t, d.Problems, problems)
	}
}
