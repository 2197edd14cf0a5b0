package mlx_test

import (
	"os"
	"os/exec"
	"runtime"
	"testing"

	"github.com/mlxlens/mlxlens/internal/emulated"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/require"
)

// What the system does not give is refused under any limit that is set.
func TestMoreThanTheSystemGivesIsRefused(t *testing.T) {
	if !inChild(t) {
		return
	}
	_, err := mlx.SetMemoryLimit(1 << 62)
	require.NoError(t, err)
	require.ErrorIs(t, mlx.Eval(mlx.Ones(nil, mlx.Float32, 1<<20, 1<<20)), mlx.ErrMemory)
	_, err = mlx.SetMemoryLimit(0)
	require.NoError(t, err)
	require.ErrorIs(t, mlx.Eval(mlx.Ones(nil, mlx.Float32, 1000)), mlx.ErrMemory)
	require.ErrorIs(t, mlx.Eval(mlx.Ones(nil, mlx.Float32, 1<<30, 1<<30)), mlx.ErrMemory)
}

// A limit on the address space ends a program that takes more and more with an error.
func TestTheAddressSpaceIsALimitOfMemory(t *testing.T) {
	if runtime.GOOS != "linux" || raceDetector {
		t.Skip("elsewhere such a limit limits nothing, and the race detector's own memory does not fit")
	}
	if mlx.GPU.Available() {
		t.Skip("CUDA's driver takes more address space than that for itself")
	}
	if os.Getenv(childOf) != t.Name() {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", `ulimit -v 6000000 && exec "$0" "$@"`, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), childOf+"="+t.Name())
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out[:min(len(out), 1<<13)])
		return
	}
	require.NoError(t, mlx.Load())
	require.Less(t, mlx.MemoryLimit(), 6000000<<10)
	var xs []*mlx.Array
	var err error
	for range 1000 {
		x := mlx.Ones(nil, mlx.Float32, 1<<22) // 16 MB
		if err = mlx.Eval(x); err != nil {
			break
		}
		xs = append(xs, x)
	}
	require.ErrorIs(t, err, mlx.ErrMemory)
	require.Greater(t, len(xs), 50)
}

// With an address space that is too small for OpenBLAS the program works without, or says what it
// lacks: OpenBLAS would ask for its buffers again for ever.
func TestALittleAddressSpaceEndsInAnAnswer(t *testing.T) {
	if runtime.GOOS != "linux" || raceDetector {
		t.Skip("elsewhere such a limit limits nothing, and the race detector's own memory does not fit")
	}
	if emulated.Processor() {
		t.Skip("the emulator's own memory is in the limit: where it finds none, Go's first thread cannot start")
	}
	for _, kilobytes := range []string{"1800000", "2000000", "2200000", "2600000"} {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", `ulimit -v `+kilobytes+` && exec "$0"`, os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"=1", "OPENBLAS_NUM_THREADS=2")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s: %s", kilobytes, out[:min(len(out), 1<<13)])
		require.Regexp(t, `(?m)^<nil>$|too little memory|cannot be opened|cannot allocate`, string(out), kilobytes)
	}
}
