package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
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

	"github.com/mlxlens/mlxlens/hub"
	"github.com/mlxlens/mlxlens/internal/hubtest"
	"github.com/mlxlens/mlxlens/mlx"
)

// envChild makes the test's program the command line itself.
const envChild = "MLXLENS_TEST_CHILD"

// envKills is how many kills of each kind; a few without it.
const envKills = "MLXLENS_KILLS"

func kills(t *testing.T) int {
	t.Helper()
	text := os.Getenv(envKills)
	if text == "" {
		return 4
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, envKills)
	return n
}

// command is a command line that runs in a folder.
func command(t *testing.T, dir string, env []string, args ...string) *exec.Cmd {
	t.Helper()
	lib, err := mlx.LoadedLibrary()
	require.NoError(t, err)
	tiny, err := filepath.Abs("../../testdata/models/tiny-llama-b-4bit-mixed")
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), envChild+"=1", mlx.EnvLibrary+"="+lib.Path, "MLXLENS_MODEL="+tiny, "HOME="+dir)
	cmd.Env = append(cmd.Env, "CUDA_CACHE_PATH="+os.TempDir()) // else its driver makes .nv below HOME
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

// run runs a command to its end.
func run(t *testing.T, cmd *exec.Cmd, code int) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if code == 0 {
		require.NoError(t, err, string(out))
	}
	require.Equal(t, code, cmd.ProcessState.ExitCode(), string(out))
}

// A killer kills commands at random moments. What it waits at most grows while it comes too
// early, and falls when it comes too late, so that all stages of a command are met.
type killer struct {
	t      *testing.T
	most   time.Duration
	killed int
}

func (k *killer) kill(cmd *exec.Cmd) {
	k.t.Helper()
	require.NoError(k.t, cmd.Start())
	time.Sleep(rand.N(k.most))
	require.NoError(k.t, cmd.Process.Kill())
	err := cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signaled() {
		k.killed++
		k.most += k.most / 10
		return
	}
	k.most -= k.most / 3
}

func newKiller(t *testing.T) *killer { return &killer{t: t, most: 200 * time.Millisecond} }

// prompts writes a file of prompts of three windows, some of which fail.
func prompts(t *testing.T, path string) {
	t.Helper()
	var b strings.Builder
	for i := range 150 {
		switch {
		case i%40 == 7:
			b.WriteString("{\"ids\": [1, 9999]}\n")
		default:
			fmt.Fprintf(&b, "{\"ids\": [%d, %d, 7%s]}\n", i, 2*i, strings.Repeat(", 9", i%5))
		}
	}
	require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o644))
}

func TestAKilledBatchGoesOnAndEndsAsOneThatWasNot(t *testing.T) {
	dir := t.TempDir()
	prompts(t, filepath.Join(dir, "in.jsonl"))
	batch := func(out string) *exec.Cmd {
		return command(t, dir, nil, "trace", "--file", "in.jsonl", "--last", "-o", out)
	}
	run(t, batch("whole.jsonl"), 1)
	whole, err := os.ReadFile(filepath.Join(dir, "whole.jsonl"))
	require.NoError(t, err)
	out := filepath.Join(dir, "out.jsonl")
	k, ended, had := newKiller(t), 0, 0
	for k.killed < kills(t) {
		k.kill(batch("out.jsonl"))
		got, err := os.ReadFile(out)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		require.NoError(t, err)
		require.True(t, bytes.HasPrefix(whole, got), "what is there is the beginning of the whole")
		lines := bytes.Count(got, []byte("\n"))
		require.GreaterOrEqual(t, lines, had, "no answer is lost")
		if had = lines; len(got) == len(whole) {
			require.NoError(t, os.Remove(out))
			ended, had = ended+1, 0
		}
	}
	run(t, batch("out.jsonl"), 1)
	got, err := os.ReadFile(out)
	require.NoError(t, err)
	require.Equal(t, string(whole), string(got))
	require.Equal(t, []string{"in.jsonl", "out.jsonl", "whole.jsonl"}, visible(t, dir))
	t.Logf("%d kills, %d files ended among them, all lines equal", k.killed, ended)
}

// visible lists a folder, hidden files too.
func visible(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestAKilledPictureIsTheOldOneOrTheNew(t *testing.T) {
	dir := t.TempDir()
	picture := func(out, layers string) *exec.Cmd {
		return command(t, dir, nil, "trace", "--ids", "30,7,500,9,9", "--layers", layers, "-o", out)
	}
	var want [2][]byte
	layers := [2]string{"0,1", "0,2"}
	for i, l := range layers {
		run(t, picture("want.png", l), 0)
		var err error
		want[i], err = os.ReadFile(filepath.Join(dir, "want.png"))
		require.NoError(t, err)
	}
	k, changed := newKiller(t), 0
	now := want[0]
	require.NoError(t, os.WriteFile(filepath.Join(dir, "out.png"), now, 0o644))
	for i := 0; k.killed < kills(t); i++ {
		k.kill(picture("out.png", layers[i%2]))
		got, err := os.ReadFile(filepath.Join(dir, "out.png"))
		require.NoError(t, err)
		if !bytes.Equal(got, now) {
			require.True(t, bytes.Equal(got, want[i%2]), "half a picture")
			now, changed = got, changed+1
		}
	}
	run(t, picture("out.png", layers[0]), 0)
	got, err := os.ReadFile(filepath.Join(dir, "out.png"))
	require.NoError(t, err)
	require.True(t, bytes.Equal(got, want[0]))
	require.Equal(t, []string{"out.png", "want.png"}, visible(t, dir), "what killed runs left is gone")
	t.Logf("%d kills, the picture changed %d times, always whole", k.killed, changed)
}

// slowHub serves a model of 3 MB in small pieces.
func slowHub(t *testing.T) (*hubtest.Server, map[string][]byte) {
	t.Helper()
	weights := make([]byte, 3<<20)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range weights {
		weights[i] = byte(r.Uint32())
	}
	files := map[string][]byte{"config.json": []byte("{}"), "model.safetensors": weights, "tokenizer.json": []byte("{}")}
	s := hubtest.New(map[string]*hubtest.Repo{"someone/tiny": {Commit: strings.Repeat("1", 40), Files: files}})
	t.Cleanup(s.Close)
	s.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/model.safetensors") || r.Method != http.MethodGet {
			return false
		}
		from := 0
		if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from); err == nil {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(weights)-1, len(weights)))
			w.WriteHeader(http.StatusPartialContent)
		}
		for ; from < len(weights); from += 64 << 10 {
			if _, err := w.Write(weights[from:min(from+64<<10, len(weights))]); err != nil {
				break
			}
			_ = http.NewResponseController(w).Flush()
			time.Sleep(2 * time.Millisecond)
		}
		return true
	})
	return s, files
}

func TestAKilledPullGoesOnAndNeverShowsAHalfModel(t *testing.T) {
	s, files := slowHub(t)
	dir := t.TempDir()
	pull := func(cache string) *exec.Cmd {
		return command(t, dir, []string{"HF_ENDPOINT=" + s.URL, "HF_HUB_CACHE=" + filepath.Join(dir, cache)}, "pull", "-q", "someone/tiny")
	}
	k, ended, kept := newKiller(t), 0, int64(0)
	cache := filepath.Join(dir, "cache")
	for k.killed < kills(t) {
		k.kill(pull("cache"))
		has := weightsIn(t, cache)
		require.GreaterOrEqual(t, has, kept, "what has come is kept")
		kept = has
		if found(t, cache, files) && ended*8 < k.killed { // begin again, for pulls to be killed at all their stages
			require.NoError(t, os.RemoveAll(cache))
			ended, kept = ended+1, 0
		}
	}
	run(t, pull("cache"), 0)
	require.True(t, found(t, cache, files))
	require.NoError(t, filepath.WalkDir(cache, func(path string, _ fs.DirEntry, err error) error {
		require.NotRegexp(t, `\.(tmp|incomplete|pulling)$`, path)
		return err
	}))
	t.Logf("%d kills, %d pulls ended among them, no half model was seen, no byte lost", k.killed, ended)
}

// weightsIn is how much of the weights a cache has.
func weightsIn(t *testing.T, cache string) (n int64) {
	t.Helper()
	blobs, _ := filepath.Glob(filepath.Join(cache, "models--*", "blobs", strings.Repeat("?", 64)+"*"))
	for _, path := range blobs {
		info, err := os.Stat(path)
		require.NoError(t, err)
		n += info.Size()
	}
	return n
}

// found reports whether the cache shows the model, which must be whole then.
func found(t *testing.T, cache string, files map[string][]byte) bool {
	t.Helper()
	c, err := hub.New(hub.Options{Cache: cache, Offline: true})
	require.NoError(t, err)
	snapshot, err := c.Find(hub.Ref{Owner: "someone", Name: "tiny"})
	if err != nil {
		require.ErrorIs(t, err, hub.ErrNotCached)
		return false
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(snapshot.Path, name))
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got), name)
	}
	return true
}

func TestASignalEndsWithItsNumber(t *testing.T) {
	for signal, code := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		dir := t.TempDir()
		cmd := command(t, dir, nil, "trace", "--file", "-")
		in, err := cmd.StdinPipe()
		require.NoError(t, err)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		require.NoError(t, cmd.Start())
		_, err = in.Write(bytes.Repeat([]byte("\n"), 1<<20)) // more than a pipe holds: it reads now
		require.NoError(t, err)
		require.NoError(t, cmd.Process.Signal(signal))
		_ = cmd.Wait() // the code says how it ended
		require.Equal(t, code, cmd.ProcessState.ExitCode())
		require.Regexp(t, "^mlxlens: (interrupted|terminated)\n$", errs.String())
	}
}
