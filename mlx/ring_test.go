package mlx_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
)

// ringHosts writes a host file of so many ranks on loopback.
func ringHosts(t *testing.T, ranks int) string {
	t.Helper()
	if !mlx.Ring.Available() {
		t.Skip("the library has no ring")
	}
	var hosts [][]string
	for range ranks {
		l, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free
		require.NoError(t, err)
		defer l.Close()
		hosts = append(hosts, []string{l.Addr().String()})
	}
	raw, err := json.Marshal(hosts)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "hosts.json")
	require.NoError(t, os.WriteFile(file, raw, 0o600))
	return file
}

// ringRank is a process of a ring, and what it said.
type ringRank struct {
	*exec.Cmd
	out, err said
}

// said is text that is read while it is written.
type said struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// startRank starts a program as a rank, which is killed after a minute.
func startRank(t *testing.T, hosts string, rank int, env []string, program ...string) *ringRank {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(stop)
	r := &ringRank{Cmd: exec.CommandContext(ctx, program[0], program[1:]...)}
	r.Env = append(append(os.Environ(), "MLX_HOSTFILE="+hosts, fmt.Sprint("MLX_RANK=", rank)), env...)
	r.Stdout, r.Stderr = &r.out, &r.err
	require.NoError(t, r.Start())
	return r
}

func startGo(t *testing.T, hosts string, rank int, task string) *ringRank {
	t.Helper()
	return startRank(t, hosts, rank, []string{ringEnv + "=" + task}, os.Args[0])
}

// said are the lines of a rank that has ended.
func (r *ringRank) lines(t *testing.T) map[string]ringLine {
	t.Helper()
	all := map[string]ringLine{}
	for line := range strings.Lines(r.out.String()) {
		var l ringLine
		require.NoError(t, json.Unmarshal([]byte(line), &l), "%s", r.out.String())
		all[l.Op] = l
	}
	return all
}

func TestRanksOfARingComputeTogether(t *testing.T) {
	sizes := []int{2, 3, 4}
	if testing.Short() {
		sizes = sizes[:1]
	}
	for _, n := range sizes {
		hosts := ringHosts(t, n)
		var ranks []*ringRank
		for rank := range n {
			ranks = append(ranks, startGo(t, hosts, rank, "all"))
		}
		checkRing(t, ranks)
	}
}

// checkRing waits for the ranks, and checks what they say.
func checkRing(t *testing.T, ranks []*ringRank) {
	t.Helper()
	for rank, r := range ranks {
		require.NoError(t, r.Wait(), "rank %d of %d: %s%s", rank, len(ranks), r.out.String(), r.err.String())
		checkRank(t, r.lines(t), rank, len(ranks))
	}
}

// pythonRank does what ringAll does.
const pythonRank = `
import json
import mlx.core as mx
g = mx.distributed.init(strict=True, backend="ring")
n, r = g.size(), g.rank() + 1
def tell(op, y):
    print(json.dumps({"Op": op, "Data": y.astype(mx.float32).reshape(-1).tolist()}))
x = mx.array([1.0, 10.0]) * r
for op in ["all_sum", "all_max", "all_min", "all_gather"]:
    tell(op, getattr(mx.distributed, op)(x))
for d in ["int32", "float16", "bfloat16"]:
    tell("all_sum " + d, mx.distributed.all_sum(x.astype(getattr(mx, d))))
if r == 1:
    tell("send", mx.distributed.send(x, r % n))
    tell("recv", mx.distributed.recv(x.shape, x.dtype, n - 1))
else:
    y = mx.distributed.recv_like(x, r - 2) + x
    tell("recv", y)
    tell("send", mx.distributed.send(y, r % n))
y = mx.distributed.all_sum(mx.full((3 << 20,), float(r)))
tell("least of a large all_sum", y.min())
tell("greatest of a large all_sum", y.max())`

func TestRanksInGoAndPythonComputeTogether(t *testing.T) {
	python := os.Getenv("MLXLENS_PYTHON")
	if python == "" || exec.Command(python, "-c", "import mlx.core").Run() != nil {
		t.Skip("$MLXLENS_PYTHON names no interpreter that has mlx")
	}
	for _, snake := range [][]bool{{false, true}, {true, false}, {false, true, false, true}} { // whose ranks are Python's
		hosts := ringHosts(t, len(snake))
		var ranks []*ringRank
		for rank, is := range snake {
			if is {
				ranks = append(ranks, startRank(t, hosts, rank, nil, python, "-c", pythonRank))
			} else {
				ranks = append(ranks, startGo(t, hosts, rank, "all"))
			}
		}
		checkRing(t, ranks)
	}
}

// checkRank holds what a rank says against what the ranks' numbers add up to.
func checkRank(t *testing.T, said map[string]ringLine, rank, n int) {
	t.Helper()
	sum := func(ranks int) float32 { return float32(ranks * (ranks + 1) / 2) }
	pair := func(x float32) []float32 { return []float32{x, 10 * x} }
	want := map[string][]float32{
		"all_sum": pair(sum(n)), "all_sum int32": pair(sum(n)), "all_sum float16": pair(sum(n)), "all_sum bfloat16": pair(sum(n)),
		"all_max": pair(float32(n)), "all_min": pair(1), "recv": pair(sum(rank + 1)), "send": pair(sum(rank + 1)),
		"least of a large all_sum": {sum(n)}, "greatest of a large all_sum": {sum(n)},
	}
	if rank == 0 {
		want["recv"] = pair(sum(n)) // what has gone round
	}
	for r := range n {
		want["all_gather"] = append(want["all_gather"], pair(float32(r+1))...)
	}
	require.Len(t, said, len(want))
	for op, x := range want {
		require.Empty(t, said[op].Error, "%s on rank %d of %d", op, rank, n)
		require.Equal(t, x, said[op].Data, "%s on rank %d of %d", op, rank, n)
	}
}

// A rank that is killed is an error of those that compute with it, and soon.
func TestARankThatDiesIsAnErrorOfTheOthers(t *testing.T) {
	hosts := ringHosts(t, 2)
	left, stays := startGo(t, hosts, 1, "left"), startGo(t, hosts, 0, "stays")
	require.Eventually(t, func() bool { return strings.Contains(left.out.String(), `"Data":[2]`) }, time.Minute, 5*time.Millisecond)
	require.NoError(t, left.Process.Kill())
	require.NoError(t, stays.Wait(), stays.err.String())
	said := stays.lines(t)
	require.Equal(t, []float32{2}, said["all_sum"].Data)
	require.Contains(t, said["after"].Error, "connection to a peer was lost")
}

// A few numbers that do not come are waited for no longer than the context allows, as many are.
func TestASilentRankIsWaitedForNoLongerThanTheContext(t *testing.T) {
	hosts := ringHosts(t, 2)
	silent, waits := startGo(t, hosts, 1, "silent"), startGo(t, hosts, 0, "silent")
	require.NoError(t, waits.Wait(), waits.err.String())
	require.Contains(t, waits.lines(t)["recv"].Error, "deadline exceeded")
	require.NoError(t, silent.Process.Kill(), "it is still there")
}

// Arrays whose sizes differ between ranks are an error on all of them, at the end of the context at the latest.
func TestSizesThatDifferAreNoHang(t *testing.T) {
	hosts := ringHosts(t, 2)
	ranks := []*ringRank{startGo(t, hosts, 0, "differ"), startGo(t, hosts, 1, "differ")}
	for _, r := range ranks {
		require.NoError(t, r.Wait(), r.err.String())
	}
	// one rank may have all that it asked for; not both
	said := ranks[0].lines(t)["all_sum"].Error + ranks[1].lines(t)["all_sum"].Error
	require.NotEmpty(t, said)
}

func TestARingHasNoSumScatter(t *testing.T) {
	hosts := ringHosts(t, 2)
	for _, r := range []*ringRank{startGo(t, hosts, 0, "scatter"), startGo(t, hosts, 1, "scatter")} {
		require.NoError(t, r.Wait(), r.err.String())
		require.NotEmpty(t, r.lines(t)["sum_scatter"].Error)
		t.Log(r.lines(t)["sum_scatter"].Error)
	}
}

func TestARingReachesItsNeighboursOnly(t *testing.T) {
	hosts := ringHosts(t, 4)
	var ranks []*ringRank
	for rank := range 4 {
		ranks = append(ranks, startGo(t, hosts, rank, "far"))
	}
	for _, r := range ranks {
		require.NoError(t, r.Wait(), r.err.String())
		require.Contains(t, r.lines(t)["send"].Error, "Send only supported to direct neighbors")
	}
}

// A rank whose left neighbour does not come ends with its context, whether it first waits or
// connects. The right one is there, else MLX tries for half a minute to reach it.
func TestARankDoesNotWaitForEver(t *testing.T) {
	for rank := range 2 {
		hosts := ringHosts(t, 2)
		var of [][]string
		text, err := os.ReadFile(hosts)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &of))
		right, err := net.Listen("tcp", of[1-rank][0])
		require.NoError(t, err)
		r := startGo(t, hosts, rank, "alone")
		require.Error(t, r.Wait(), "exit code 1")
		require.NoError(t, right.Close())
		require.Equal(t, 1, r.ProcessState.ExitCode(), "not killed: %s%s", r.out.String(), r.err.String())
		require.Contains(t, r.lines(t)["init"].Error, "have not come")
		require.Contains(t, r.lines(t)["init"].Error, context.DeadlineExceeded.Error())
		require.Contains(t, r.lines(t)["again"].Error, "start the process anew")
	}
}
