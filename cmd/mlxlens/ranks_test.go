package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
)

// rankProcess is a rank on loopback, and what it says.
type rankProcess struct {
	*exec.Cmd
	out, err bytes.Buffer
}

// startRanks starts a command line for each rank of a ring, which is killed after two minutes.
func startRanks(t *testing.T, model string, lines ...[]string) []*rankProcess {
	t.Helper()
	if !mlx.Ring.Available() {
		t.Skip("the library has no ring")
	}
	var hosts [][]string
	for range lines {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close()
		hosts = append(hosts, []string{l.Addr().String()})
	}
	dir := t.TempDir()
	raw, err := json.Marshal(hosts)
	require.NoError(t, err)
	file := filepath.Join(dir, "hosts.json")
	require.NoError(t, os.WriteFile(file, raw, 0o600))
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(stop)
	var all []*rankProcess
	for rank, line := range lines {
		c := command(t, dir, []string{"MLX_HOSTFILE=" + file, "MLX_RANK=" + strconv.Itoa(rank), "MLXLENS_MODEL=" + model}, line...)
		r := &rankProcess{Cmd: exec.CommandContext(ctx, c.Path, line...)}
		r.Dir, r.Env, r.Stdout, r.Stderr = c.Dir, c.Env, &r.out, &r.err
		require.NoError(t, r.Start())
		all = append(all, r)
	}
	return all
}

// alike is the same command line for so many ranks.
func alike(n int, line ...string) [][]string {
	var all [][]string
	for range n {
		all = append(all, line)
	}
	return all
}

func smollm2(t *testing.T) string {
	t.Helper()
	models, err := filepath.Glob("../../models/smollm2/*.gguf")
	require.NoError(t, err)
	if len(models) == 0 {
		t.Skip("SmolLM2 is not there: make model")
	}
	path, err := filepath.Abs(models[0])
	require.NoError(t, err)
	return path
}

// answers are JSON objects one after the other, without times.
func answers(t *testing.T, text []byte) []map[string]any {
	t.Helper()
	var all []map[string]any
	for d := json.NewDecoder(bytes.NewReader(text)); d.More(); {
		var one map[string]any
		require.NoError(t, d.Decode(&one))
		delete(one, "timing")
		all = append(all, one)
	}
	require.NotEmpty(t, all)
	return all
}

// The numbers are those of one process to the last digit, and the first rank alone speaks.
func TestRanksPrintWhatOneProcessPrints(t *testing.T) {
	model := smollm2(t)
	sizes := []int{2, 3}
	if testing.Short() {
		sizes = sizes[:1]
	}
	for _, line := range [][]string{
		{"trace", "The capital of France is", "--json", "-q", "--target", " Paris", "--track", "3", "--embed", "--check"},
		{"generate", "The capital of France is", "--json", "-q", "-n", "4", "--lens", "--layers", "0,10,29"},
		{"trace", "The capital of France is", "--json", "-q", "--continue", "2", "--last", "--edit", "layers.20.mlp_out=scale:0.5", "--edit", "layers.3.z@-1=zero"},
	} {
		want, err := command(t, t.TempDir(), []string{"MLXLENS_MODEL=" + model}, line...).Output()
		require.NoError(t, err)
		for _, n := range sizes {
			if n > 2 && line[0] != "trace" { // MLX's ranks wait by looking again and again: three are slow on two cores
				continue
			}
			for rank, r := range startRanks(t, model, alike(n, line...)...) {
				require.NoError(t, r.Wait(), r.err.String())
				if rank == 0 {
					require.Equal(t, answers(t, want), answers(t, r.out.Bytes()), "%v on %d ranks", line, n)
				} else {
					require.Empty(t, r.out.String()+r.err.String())
				}
			}
		}
	}
}

// What differs between ranks is an error of all, with what it is.
func TestRanksThatDifferAreToldSo(t *testing.T) {
	tiny, err := filepath.Abs("../../testdata/models/tiny-llama-b-4bit-mixed")
	require.NoError(t, err)
	for want, lines := range map[string][][]string{
		"rank 1 was started as":     {{"trace", "--ids", "1,2,3"}, {"trace", "--ids", "1,2,4"}},
		"no such file or directory": alike(2, "trace", "--ids", "1,2,3", "-m", "./no/such"),
		"given 4 layers together":   alike(2, "trace", "--ids", "1,2,3", "--layers-per-rank", "2,2"),
		"layers for 3 ranks":        alike(2, "trace", "--ids", "1,2,3", "--layers-per-rank", "1,1,1"),
	} {
		for rank, r := range startRanks(t, tiny, lines...) {
			require.Error(t, r.Wait())
			require.Equal(t, 1, r.ProcessState.ExitCode(), r.err.String())
			require.Contains(t, r.err.String(), fmt.Sprintf("mlxlens: rank %d: ", rank))
			require.Contains(t, r.err.String(), want)
		}
	}
}

// Ranks that are killed, in whatever phase, are errors of the others, none of which waits for ever.
func TestAKilledRankEndsTheOthers(t *testing.T) {
	model := smollm2(t)
	if testing.Short() {
		t.Skip("long")
	}
	ids := make([]string, 700)
	for i := range ids {
		ids[i] = strconv.Itoa(1000 + 37*i)
	}
	failed := 0
	for i := range kills(t) / 2 {
		n := 2 + i%2
		ranks := startRanks(t, model, alike(n, "trace", "--ids", strings.Join(ids, ","), "-q", "--layers", "0:30:3", "--rank-wait", "20s")...)
		time.Sleep(rand.N(4 * time.Second))
		victim := rand.N(n)
		require.NoError(t, ranks[victim].Process.Kill())
		for rank, r := range ranks {
			err := r.Wait()
			if rank == victim || err == nil { // it had done its part
				continue
			}
			failed++
			require.Equal(t, 1, r.ProcessState.ExitCode(), "rank %d of %d, of which %d was killed: %s", rank, n, victim, r.err.String())
			require.Contains(t, r.err.String(), fmt.Sprintf("mlxlens: rank %d: ", rank))
		}
	}
	require.Positive(t, failed)
}
