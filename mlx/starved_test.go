//go:build !windows

package mlx

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

func TestWhatTheSystemRefusesIsNoFaultOfTheLibrary(t *testing.T) {
	for _, text := range []string{
		"thread constructor failed: Resource temporarily unavailable",
		"std::bad_alloc",
		"[malloc] Unable to allocate 4096 bytes.",
		"libmlx.so: failed to map segment from shared object",
		"libmlxc.so: cannot open shared object file: Cannot allocate memory",
	} {
		require.True(t, starved(text), text)
	}
	require.False(t, starved("[quantized_matmul] The last dimension does not match"))
	require.False(t, starved("libmlx.so: failed to map segment from shared object: Operation not permitted"), "of a disk mounted noexec")
}

// OpenBLAS raises SIGINT where it gets no thread: nobody has pressed Ctrl-C.
func TestTooFewThreadsAreSaidBeforeTheLibraryIsOpened(t *testing.T) {
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		t.Skip("it takes root to become a user without processes, and root has no such limit")
	}
	if os.Getenv("MLX_TEST_CHILD") == t.Name() {
		tasks, err := os.ReadDir("/proc/self/task")
		require.NoError(t, err)
		few := uint64(len(tasks)) + 2 // Go's runtime may want them
		require.NoError(t, syscall.Setrlimit(rlimitProcesses, &syscall.Rlimit{Cur: few, Max: few}))
		err = enoughThreads()
		require.ErrorContains(t, err, "MLX and its BLAS start ")
		require.ErrorContains(t, err, "(`ulimit -u`): raise the limit")
		require.NotContains(t, Load().Error(), "get one with", "another library would get no threads either")
		require.ErrorIs(t, Load(), ErrSystem)
		return
	}
	setpriv, err := exec.LookPath("setpriv")
	if err != nil {
		t.Skip("no setpriv")
	}
	program := "/tmp/" + t.Name() // a user without rights cannot read the folder of the test
	text, err := os.ReadFile(os.Args[0])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(program, text, 0o755))
	defer os.Remove(program)
	cmd := exec.CommandContext(t.Context(), setpriv, "--reuid=64123", "--regid=64123", "--clear-groups", program, "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "MLX_TEST_CHILD="+t.Name(), "OPENBLAS_NUM_THREADS=", "GOMAXPROCS=2")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func TestThreadsThatTheSystemGivesAreCounted(t *testing.T) {
	require.Equal(t, 5, capi.Threads(5))
	require.Zero(t, capi.Threads(0))
}

func TestTheThreadsOfTheBLASAreThoseOfItsVariables(t *testing.T) {
	t.Setenv("OPENBLAS_NUM_THREADS", "1")
	require.Equal(t, 1, blasThreads())
	t.Setenv("OPENBLAS_NUM_THREADS", "no number")
	t.Setenv("OMP_NUM_THREADS", "100000")
	require.LessOrEqual(t, blasThreads(), runtime.NumCPU())
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
