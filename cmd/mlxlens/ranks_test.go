package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
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
	var held []net.Listener // until each has a port of its own, and no longer: the ranks take them
	for range lines {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		held = append(held, l)
		hosts = append(hosts, []string{l.Addr().String()})
	}
	for _, l := range held {
		require.NoError(t, l.Close())
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
		for _, time := range []string{"timing", "patch_s", "rome_s"} {
			delete(one, time)
		}
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
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	lines := [][]string{
		{"trace", "The capital of France is", "--json", "-q", "--target", " Paris", "--track", "3", "--embed", "--check"},
		{"generate", "The capital of France is", "--json", "-q", "-n", "4", "--lens", "--layers", "0,10,29"},
		{"trace", "The capital of France is", "--json", "-q", "--continue", "2", "--last", "--edit", "layers.20.mlp_out=scale:0.5", "--edit", "layers.3.z@-1=zero", "--max-memory", "4GiB"},
		{"trace", "--file", file("prompts.txt", "The capital of France is\nOne two\n\nOne two three four five six seven eight nine ten\n"), "-q", "--last", "--layers", "3,16,-1", "-k", "2"},
		{"patch", "The capital of France is", "The capital of Italy is", "--json", "-q", "--layers", "14:16", "--sites", "resid_pre,z", "--noising", "--positions", "-1,3", "--edit", "layers.20.mlp_out=mean"},
		{"patch", "The capital of France is", "The capital of Italy is", "--json", "-q", "--layers", "14", "--to", "layers.20.q#3", "--metric", "kl"},
		{"patch", "--rome", "The capital of France is", "--json", "-q", "--layers", "15", "--subject", "France", "--samples", "2"},
		{"patch", "--file", file("pairs.jsonl", `{"clean": "The capital of France is", "corrupted": "The capital of Italy is"}`+"\n"+`{"clean": "One two three", "corrupted": "One two five", "target": " six"}`+"\n"), "-q", "--layers", "15"},
	}
	if testing.Short() {
		lines = lines[:2]
	}
	for _, line := range lines {
		want, err := command(t, t.TempDir(), []string{"MLXLENS_MODEL=" + model}, line...).Output()
		require.NoError(t, err)
		for _, n := range sizes {
			if n > 2 && (line[0] != "trace" || line[1] == "--file") { // MLX's ranks wait by looking again and again: three are slow on two cores
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
	dir := t.TempDir()
	lines := [][]string{
		{"trace", "--ids", strings.Join(ids, ","), "-q", "--layers", "0:30:3"},
		{"capture", "--ids", strings.Join(ids, ","), "-q", "-o", filepath.Join(dir, "states.npz"), "--keep", "layers.*.resid_post,layers.*.mlp_pre"},
		{"patch", "The capital of France is", "The capital of Italy is", "-q"},
	}
	failed := 0
	for i := range max(len(lines), kills(t)/2) {
		n := 2 + i%2
		ranks := startRanks(t, model, alike(n, append(lines[i%len(lines)], "--rank-wait", "20s")...)...)
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

// A rank that lives and says nothing is waited for as long as was asked, whatever it was about to send.
func TestAStoppedRankEndsTheOthers(t *testing.T) {
	model := smollm2(t)
	if testing.Short() {
		t.Skip("long")
	}
	for victim := range 2 {
		ranks := startRanks(t, model, alike(2, "generate", "The capital of France is", "-n", "8000", "--ignore-eos", "-q", "--rank-wait", "3s")...)
		time.Sleep(2*time.Second + rand.N(2*time.Second))
		require.NoError(t, ranks[victim].Process.Signal(syscall.SIGSTOP))
		other := ranks[1-victim]
		require.Error(t, other.Wait())
		require.Equal(t, 1, other.ProcessState.ExitCode(), other.err.String())
		require.Contains(t, other.err.String(), "within 3s")
		require.NoError(t, ranks[victim].Process.Kill())
	}
}

// serveOnRanks starts a server of two ranks, and returns where it answers.
func serveOnRanks(t *testing.T) (ranks []*rankProcess, api string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	at := l.Addr().String()
	require.NoError(t, l.Close())
	ranks = startRanks(t, smollm2(t), alike(2, "serve", "-q", "--listen", at, "--rank-wait", "1m")...)
	api = "http://" + at + "/api/v1/"
	require.Eventually(t, func() bool {
		r, err := http.Get(api + "openapi.json")
		if err != nil {
			return false
		}
		return r.Body.Close() == nil
	}, time.Minute, 100*time.Millisecond)
	return ranks, api
}

// asked is what a server answers; 0 where it ends before.
func asked(ctx context.Context, t *testing.T, url, request string) (status int, body []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(request))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil
	}
	defer got.Body.Close()
	if body, err = io.ReadAll(got.Body); err != nil {
		return 0, nil
	}
	return got.StatusCode, body
}

// A server on ranks answers as the command line of one process, also after a client that went away in the middle; what
// does not run on ranks is refused by name, a signal to the first rank ends both, and so does the end of the other.
func TestAServerOnRanksAnswersAsOneProcess(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	ranks, api := serveOnRanks(t)
	soon, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	status, _ := asked(soon, t, api+"generate", `{"prompt":"One two three","max_tokens":4000,"ignore_eos":true}`)
	require.Zero(t, status)
	for _, c := range []struct {
		name, request string
		line          []string
	}{
		{"trace", `{"prompt":"The capital of France is","last":true,"layers":"3,16,-1","track":2}`, []string{"The capital of France is", "--last", "--layers", "3,16,-1", "--track", "2"}},
		{"generate", `{"prompt":"The capital of France is","max_tokens":3,"lens":true,"layers":"10,-1"}`, []string{"The capital of France is", "-n", "3", "--lens", "--layers", "10,-1"}},
		{"patch", `{"clean":"The capital of France is","corrupted":"The capital of Italy is","layers":"15","metric":"prob"}`, []string{"The capital of France is", "The capital of Italy is", "--layers", "15", "--metric", "prob"}},
	} {
		want, err := command(t, t.TempDir(), []string{"MLXLENS_MODEL=" + smollm2(t)}, append([]string{c.name, "--json", "-q"}, c.line...)...).Output()
		require.NoError(t, err)
		status, got := asked(t.Context(), t, api+c.name, c.request)
		require.Equal(t, http.StatusOK, status, string(got))
		all := [2][]map[string]any{answers(t, want), answers(t, got)}
		for _, one := range all {
			delete(one[0], "made") // which has the command line
		}
		require.Equal(t, all[0], all[1], c.name)
	}
	status, got := asked(t.Context(), t, api+"attribute", `{"prompt":"One two"}`)
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, string(got), "attribute does not run on ranks")

	require.NoError(t, ranks[0].Process.Signal(syscall.SIGTERM))
	for _, r := range ranks {
		require.NoError(t, r.Wait(), r.err.String())
	}
}

// A rank that is killed while its server waits, or computes, ends the server.
func TestAKilledRankEndsTheServer(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	for victim, busy := range []bool{false, true} {
		ranks, api := serveOnRanks(t)
		done := make(chan struct{})
		go func() {
			defer close(done)
			if busy {
				_, _ = asked(t.Context(), t, api+"generate", `{"prompt":"One two three","max_tokens":4000,"ignore_eos":true}`)
			}
		}()
		time.Sleep(rand.N(2 * time.Second))
		require.NoError(t, ranks[victim].Process.Kill())
		require.Error(t, ranks[victim].Wait())
		other := ranks[1-victim]
		require.Error(t, other.Wait())
		require.Equal(t, 1, other.ProcessState.ExitCode(), other.err.String())
		require.Contains(t, other.err.String(), fmt.Sprintf("mlxlens: rank %d: ", 1-victim))
		<-done
	}
}
