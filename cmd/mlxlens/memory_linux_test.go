package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
)

// builtWithSmolLM2 builds the program, and names the model and the library for it.
func builtWithSmolLM2(t *testing.T) (bin, model, library string) {
	t.Helper()
	models, _ := filepath.Glob("../../models/smollm2/*.gguf")
	if len(models) == 0 || testing.Short() {
		t.Skip("SmolLM2 is not there: make model")
	}
	lib, err := mlx.LoadedLibrary()
	require.NoError(t, err)
	bin = filepath.Join(t.TempDir(), "mlxlens")
	out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	return bin, models[0], lib.Path
}

// The process itself, as the system counts it: program, libraries, weights, activations,
// results and output. Without a bound it takes 810 MB.
func TestMaxMemoryHolds(t *testing.T) {
	bin, model, library := builtWithSmolLM2(t)
	ids := make([]string, 600)
	for i := range ids {
		ids[i] = strconv.Itoa(1000 + 37*i)
	}
	const bound = 740
	cmd := exec.Command(bin, "trace", "--ids", strings.Join(ids, ","), "-m", model, "--quiet", "--json", "--layers", "0:30:6", "--max-memory", strconv.Itoa(bound)+"MiB")
	cmd.Env = append(os.Environ(), mlx.EnvLibrary+"="+library)
	json, err := cmd.Output()
	require.NoError(t, err)
	require.Greater(t, len(json), 1<<20)
	most := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss >> 10 // KB
	t.Logf("%d MB", most)
	require.LessOrEqual(t, most, int64(bound))
}

// What does not fit is refused before it is read, or read in a form that fits: the process never
// takes more than the bound on the way.
func TestMaxMemoryHoldsWhileTheModelIsOpened(t *testing.T) {
	bin, model, library := builtWithSmolLM2(t)
	for _, c := range []struct {
		bound int64 // MiB
		fits  bool
	}{{100, false}, {250, true}, {660, true}} {
		cmd := exec.Command(bin, "trace", "hi", "-m", model, "--quiet", "--json", "--layers", "0,29", "--max-memory", strconv.FormatInt(c.bound, 10)+"MiB")
		cmd.Env = append(os.Environ(), mlx.EnvLibrary+"="+library)
		said, err := cmd.CombinedOutput()
		most := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss >> 10
		t.Logf("%d MiB: %d MB", c.bound, most)
		require.LessOrEqual(t, most, c.bound)
		if c.fits {
			require.NoError(t, err, string(said))
			continue
		}
		require.ErrorContains(t, err, "exit status 1")
		require.Contains(t, string(said), "too little memory: the weights take ")
	}
}

// Each rank takes what its layers' weights take and at most 15 % more, with the head, beside what a rank of a tiny model
// takes: the program, its libraries, MLX's ring. Nothing of other layers is there, at no time.
func TestARankTakesItsShareOfMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	model := smollm2(t)
	tiny, err := filepath.Abs("../../testdata/models/tiny-llama-b-4bit-mixed")
	require.NoError(t, err)
	most := func(model string, line ...string) (all []int64) {
		for _, r := range startRanks(t, model, alike(2, line...)...) {
			require.NoError(t, r.Wait(), r.err.String())
			all = append(all, r.ProcessState.SysUsage().(*syscall.Rusage).Maxrss<<10) // KB
		}
		return all
	}
	program := slices.Max(most(tiny, "trace", "--ids", "3,4,5", "-q"))
	out, err := command(t, t.TempDir(), []string{"MLXLENS_MODEL=" + model}, "info", "--ranks", "2", "-q", "--json").Output()
	require.NoError(t, err)
	var info struct {
		Shares []struct {
			Bytes    int64 `json:"bytes"`
			OfLayers int64 `json:"bytes_of_layers"`
		} `json:"shares"`
	}
	require.NoError(t, json.Unmarshal(out, &info))
	const tokenizer = 16 << 20 // the tiny model has none
	for rank, took := range most(model, "trace", "The capital of France is", "-q") {
		share := info.Shares[rank]
		t.Logf("rank %d: %d MB, of which %d MB a tiny model's rank takes; weights %d MB", rank, took>>20, program>>20, share.Bytes>>20)
		require.LessOrEqual(t, took, program+tokenizer+share.Bytes+share.OfLayers*15/100)
	}
}
