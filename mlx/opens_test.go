package mlx

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// MLX's wheel for macOS 26 has a libmlx that cannot be opened but by libmlxc's load commands; the
// recipe's test (third_party) has libraries like these.
func TestAMacsLibmlxIsLeftToLibmlxc(t *testing.T) {
	require.False(t, opensMLX("darwin"))
	require.True(t, opensMLX("linux"))
}

func TestALibraryOfCUDAThatIsMissingIsNamedWithWhatToDo(t *testing.T) {
	cc, err := exec.LookPath("cc")
	if runtime.GOOS != "linux" || err != nil {
		t.Skip("no C compiler for a library that needs one of CUDA's, on Linux")
	}
	for name, advice := range map[string]string{"libcuda.so.1": "it comes with NVIDIA's driver", "libcublasLt.so.13": "MLX_C_BACKEND=cuda make mlx-c"} {
		dir := t.TempDir()
		source, needed, whole := filepath.Join(dir, "a.c"), filepath.Join(dir, name), filepath.Join(dir, "libmlxc.so")
		require.NoError(t, os.WriteFile(source, nil, 0o644))
		for _, args := range [][]string{{"-Wl,-soname," + name, "-o", needed, source}, {"-Wl,--no-as-needed", "-o", whole, source, needed}} {
			out, err := exec.Command(cc, append([]string{"-shared", "-fPIC"}, args...)...).CombinedOutput()
			require.NoError(t, err, "%s", out)
		}
		require.NoError(t, os.Remove(needed))
		if err := capi.OpenGlobal(name); err == nil {
			continue // this machine has it
		}
		reason := place{path: whole, named: true}.open()
		require.Contains(t, reason, name)
		require.Contains(t, reason, advice)
	}
}
