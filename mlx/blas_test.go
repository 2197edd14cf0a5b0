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

// As OpenBLAS does: it chooses as it is opened, by its variable, or as an old one that does not know the processor.
const oldBLAS = `
#include <stdlib.h>
static const char *core;
__attribute__((constructor)) static void choose(void) { core = getenv("OPENBLAS_CORETYPE") ? getenv("OPENBLAS_CORETYPE") : "Prescott"; }
const char *openblas_get_corename(void) { return core; }
`

func TestAnOldOpenBLASIsToldOfKernelsThatTheProcessorHas(t *testing.T) {
	cc, err := exec.LookPath("cc")
	if runtime.GOOS != "linux" || err != nil || core() == "" {
		t.Skip("no C compiler for a library that stands for OpenBLAS, on Linux with AVX2")
	}
	if os.Getenv(EnvBLASCore) != "" {
		t.Skip("the user has named a core, which stands")
	}
	path := filepath.Join(t.TempDir(), "libold.so")
	cmd := exec.Command(cc, "-shared", "-fPIC", "-x", "c", "-o", path, "-")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = in.Write([]byte(oldBLAS))
	require.NoError(t, err)
	require.NoError(t, in.Close())
	require.NoError(t, cmd.Wait())

	took, err := openKernels(path)
	require.NoError(t, err)
	require.Equal(t, core(), took)
	require.NotContains(t, dated, took)
}

func TestABLASThatDoesNotSayIsTakenAsItIs(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("on Linux")
	}
	took, err := openKernels("libm.so.6")
	require.NoError(t, err)
	require.Empty(t, took)
	_, err = openKernels("/nowhere/libblas.so")
	require.Error(t, err)
}

// The symbols of a BLAS that was opened again are those that libmlx binds to.
func TestTheBLASHasNoKernelsOlderThanTheProcessor(t *testing.T) {
	lib, err := LoadedLibrary()
	require.NoError(t, err)
	if lib.Kernels == "" || core() == "" || os.Getenv(EnvBLASCore) != "" {
		t.Skip("the BLAS does not say, or was told")
	}
	require.NotContains(t, dated, lib.Kernels)
}

func TestOneBLASThreadLastsUntilAllHaveReleasedIt(t *testing.T) {
	require.NoError(t, Load())
	usual := capi.BLASThreads()
	if usual == 0 {
		t.Skip("the BLAS is not OpenBLAS")
	}
	first, second := OneBLASThread(), OneBLASThread()
	require.Equal(t, 1, capi.BLASThreads())
	first()
	first() // once more does nothing
	require.Equal(t, 1, capi.BLASThreads())
	second()
	require.Equal(t, usual, capi.BLASThreads())
}
