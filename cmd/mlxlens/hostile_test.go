package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
)

// TestMutatedFilesAreRefusedOrRead runs the program on files with some bytes changed, each in a
// process of its own with bounded memory and time, and counts what comes of it. A file ends in a
// clear error or in an answer; in no crash and no hang. A mutation of the structure, one after
// which no reader can say what the file means (it is cut off, a length or a type lies, a key
// stands twice, a checksum is wrong), may end in an answer only when that is the answer of the
// whole file, for what was changed is not read; another answer is a silent acceptance. A
// mutation of the content, a weight or a word, may change the answer.
//
// MLXLENS_HOSTILE is the number of runs a kind, MLXLENS_HOSTILE_SEED what chooses them (`make
// hostile`); with MLXLENS_HOSTILE_SAID every run prints what it said.
func TestMutatedFilesAreRefusedOrRead(t *testing.T) {
	runs, seed := 24, uint64(1)
	if testing.Short() {
		runs = 5
	}
	var err error
	if n := os.Getenv("MLXLENS_HOSTILE"); n != "" {
		runs, err = strconv.Atoi(n)
		require.NoError(t, err)
	}
	if n := os.Getenv("MLXLENS_HOSTILE_SEED"); n != "" {
		seed, err = strconv.ParseUint(n, 10, 64)
		require.NoError(t, err)
	}
	program := newHostileProgram(t)
	t.Logf("%d runs a kind, seed %d", runs, seed)
	for i, k := range hostileKinds(t) {
		t.Run(k.name, func(t *testing.T) {
			want, outcome := program.run(t, k, k.data)
			require.Equal(t, answered, outcome, "the whole file: %s", want)
			counts := k.attack(t, program, want, runs, rand.New(rand.NewPCG(seed, uint64(i))))
			t.Logf("%-12s %s", k.name, counts)
		})
	}
}

// outcome is what comes of a run.
type outcome string

const (
	refused  outcome = "clear error"
	answered outcome = "answer of the whole file"
	other    outcome = "another answer"
	silent   outcome = "silent acceptance"
	crashed  outcome = "crash"
	hung     outcome = "hang"
)

var outcomes = []outcome{refused, answered, other, silent, crashed, hung}

// tally counts the runs of each way to mutate, by what came of them.
type tally map[string]map[outcome]int

// String has a line a way.
func (c tally) String() string {
	var b strings.Builder
	for _, way := range slices.Sorted(func(yield func(string) bool) {
		for way := range c {
			if !yield(way) {
				return
			}
		}
	}) {
		fmt.Fprintf(&b, "\n    %-22s", way)
		for _, o := range outcomes {
			if n := c[way][o]; n > 0 {
				fmt.Fprintf(&b, " %s: %d", o, n)
			}
		}
	}
	return b.String()
}

// hostileKind is one kind of file, and the command that reads it.
type hostileKind struct {
	name string
	dir  string   // the folder, whole but for the file
	file string   // its name there
	args []string // of the program; DIR stands for the folder
	data []byte   // the whole file
	ways []way
}

// way changes a whole file; structure says whether its structure is changed.
type way struct {
	name   string
	change func(r *rand.Rand, data []byte) (changed []byte, structure bool)
}

// attack runs the program on mutated files.
func (k *hostileKind) attack(t *testing.T, p *hostileProgram, want string, runs int, r *rand.Rand) tally {
	t.Helper()
	counts := tally{}
	var mu sync.Mutex
	var group sync.WaitGroup
	slots := make(chan struct{}, 2)
	for i := range runs {
		w := k.ways[i%len(k.ways)]
		data, structure := w.change(r, bytes.Clone(k.data))
		if bytes.Equal(data, k.data) {
			continue
		}
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			said, got := p.run(t, k, data)
			if os.Getenv("MLXLENS_HOSTILE_SAID") != "" {
				t.Logf("%s: %s: %s", w.name, got, tailOf(said))
			}
			switch {
			case got == answered && (w.name == aKeyTwice || said != want && structure):
				got = silent
			case got == answered && said != want:
				got = other
			}
			mu.Lock()
			defer mu.Unlock()
			if counts[w.name] == nil {
				counts[w.name] = map[outcome]int{}
			}
			counts[w.name][got]++
			if got == silent || got == crashed || got == hung {
				t.Errorf("%s, run %d, %s: %s\n%s\nthe file is kept as %s", k.name, i, w.name, got, tailOf(said), keep(t, k, data))
			}
		})
	}
	group.Wait()
	return counts
}

// keep writes a file that did harm where it stays.
func keep(t *testing.T, k *hostileKind, data []byte) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "mlxlens-hostile-")
	require.NoError(t, err)
	path := filepath.Join(dir, filepath.Base(k.file))
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

func tailOf(text string) string { return text[max(0, len(text)-600):] }

// hostileProgram is the program with limits on each run.
type hostileProgram struct {
	path string
	env  []string
}

// The limits of a run: a slow machine is no hang, and the address space of a process that works
// is a few GB, of which it uses little.
const (
	mostSeconds = 90
	mostKB      = 12 << 20
)

func newHostileProgram(t *testing.T) *hostileProgram {
	t.Helper()
	lib, err := mlx.LoadedLibrary()
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "mlxlens") // by this name the test binary is the program
	require.NoError(t, os.Symlink(self, path))
	return &hostileProgram{path, append(os.Environ(), mlx.EnvLibrary+"="+lib.Path, "HF_ENDPOINT=http://127.0.0.1:1", "GOMAXPROCS=2")}
}

// run writes data where k has the file, in a folder of its own, and runs the command: what it
// printed, on stdout where it gave an answer.
func (p *hostileProgram) run(t *testing.T, k *hostileKind, data []byte) (string, outcome) {
	dir, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		return err.Error(), crashed
	}
	defer os.RemoveAll(dir)
	if err := os.CopyFS(dir, os.DirFS(k.dir)); err != nil {
		return err.Error(), crashed
	}
	if err := os.WriteFile(filepath.Join(dir, k.file), data, 0o600); err != nil {
		return err.Error(), crashed
	}
	ctx, cancel := context.WithTimeout(context.Background(), mostSeconds*time.Second)
	defer cancel()
	limit := fmt.Sprintf("ulimit -v %d;", mostKB)
	if mlx.GPU.Available() {
		limit = "" // a GPU's driver maps more than that
	}
	args := []string{"-c", limit + ` exec "$0" "$@"`, p.path}
	for _, a := range k.args {
		args = append(args, strings.ReplaceAll(a, "DIR", dir))
	}
	cmd := exec.CommandContext(ctx, "sh", args...)
	cmd.Env = p.env
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return errs.String(), hung
	case err == nil:
		return plainAnswer(out.String(), dir), answered
	case errors.As(err, &exit) && (exit.ExitCode() == 1 || exit.ExitCode() == 2) && clearError(errs.String()):
		return errs.String(), refused
	}
	return fmt.Sprintf("%v\n%s", err, errs.String()), crashed
}

// clearError reports whether what was said is a sentence of the program, and nothing of Go's.
func clearError(said string) bool {
	return strings.Contains(said, "mlxlens: ") && !strings.Contains(said, "goroutine ") && !strings.Contains(said, "panic:") && !strings.Contains(said, "runtime error")
}

var timing = regexp.MustCompile(`"timing":\{[^}]*\}|"features_s":[0-9.e-]+`)

// plainAnswer is an answer without the folder and the times.
func plainAnswer(out, dir string) string {
	return timing.ReplaceAllString(strings.ReplaceAll(out, dir, "DIR"), "")
}

func TestWaysToMutateJSONKeepItsText(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	text := []byte(`{"a": 1, "b": {"c": [true, "x", {}], "d": -2.5e3}, "e": "y"}`)
	for _, w := range jsonWays {
		for range 50 {
			got, _ := w.change(r, bytes.Clone(text))
			var v any
			if err := json.Unmarshal(got, &v); err != nil {
				require.True(t, strings.Contains(err.Error(), "max depth") || strings.Contains(err.Error(), "cannot unmarshal number"), "%s: %v", w.name, err)
			}
		}
	}
}
