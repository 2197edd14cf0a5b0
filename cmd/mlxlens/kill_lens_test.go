package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fits are the commands that fit a lens, and where each keeps what is done.
var fits = map[string]struct {
	args  []string
	state string
}{
	"jacobian": {[]string{"--jacobian", "--skip-first", "2", "--layers", "1", "--prompts", "20", "--dim-batch", "32", "-o", "lens.pt"}, "lens.pt.fit.pt"},
	"tuned":    {[]string{"--tuned", "--rank", "2", "--steps", "60", "--batch", "4", "-o", "lens.safetensors"}, "lens.safetensors.training"},
}

// fitIn is a folder with a corpus, and a command that fits a lens to it.
func fitIn(t *testing.T, args []string) (dir string, fit func() *exec.Cmd) {
	t.Helper()
	dir = t.TempDir()
	var b strings.Builder
	for i := range 40 {
		fmt.Fprintf(&b, "{\"ids\": [%d, %d, 7, 11, %d, 9, 400, 3, 250%s]}\n", i, 2*i, 3*i, strings.Repeat(", 9, 33", i%5))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "in.jsonl"), []byte(b.String()), 0o644))
	return dir, func() *exec.Cmd {
		return command(t, dir, nil, append([]string{"lens", "fit", "--file", "in.jsonl"}, args...)...)
	}
}

// Killed or interrupted, a fit goes on behind what it kept, and ends with the bytes of one that was not.
func TestAKilledFitGoesOnAndEndsAsOneThatWasNot(t *testing.T) {
	for name, of := range fits {
		t.Run(name, func(t *testing.T) {
			dir, fit := fitIn(t, of.args)
			out, state := filepath.Join(dir, of.args[len(of.args)-1]), filepath.Join(dir, of.state)
			run(t, fit(), 0)
			whole, err := os.ReadFile(out)
			require.NoError(t, err)
			require.NoFileExists(t, state)
			require.NoError(t, os.Remove(out))

			interruptFit(t, fit(), state)
			k := newKiller(t)
			for k.killed < kills(t) {
				k.kill(fit())
				_ = os.Remove(out) // one that came to its end
			}
			resumed := interruptFit(t, fit(), state)
			if resumed == "" { // the last kill found a fit that had come to its end
				resumed = interruptFit(t, fit(), state)
			}
			require.Contains(t, resumed, "goes on behind")
			run(t, fit(), 0)
			got, err := os.ReadFile(out)
			require.NoError(t, err)
			require.Equal(t, whole, got)
			require.Equal(t, []string{"in.jsonl", filepath.Base(out)}, visible(t, dir))
		})
	}
}

// What a fit keeps is a lens of the same model as the finished one, and a part that merges with others and not with itself.
func TestACheckpointOfAFitIsAPartOfItsCorpus(t *testing.T) {
	dir, fit := fitIn(t, []string{"--jacobian", "--skip-first", "2", "--prompts", "20", "--dim-batch", "32", "--f32", "-o", "a.pt"})
	state := filepath.Join(dir, "a.pt.fit.pt")
	interruptFit(t, fit(), state)
	early, err := os.ReadFile(state)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "early.pt"), early, 0o600))
	other := command(t, dir, nil, "lens", "fit", "--jacobian", "--file", "in.jsonl", "--skip-first", "2", "--skip", "20", "--prompts", "3", "--dim-batch", "32", "--f32", "-o", "b.pt")
	run(t, other, 0)
	run(t, command(t, dir, nil, "lens", "merge", "a.pt.fit.pt", "b.pt", "-o", "m.pt"), 0)
	for with, says := range map[string]string{"early.pt": "which would count twice", "m.pt": "which would count twice"} {
		out, err := command(t, dir, nil, "lens", "merge", "a.pt.fit.pt", with, "-o", "no.pt").CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(out), says)
	}
	of := regexp.MustCompile(`"unembedding_sha256":"[0-9a-f]{64}"`)
	var hashes []string
	for _, lens := range []string{"a.pt.fit.pt", "b.pt"} {
		out, err := command(t, dir, nil, "lens", "info", lens, "--json").Output()
		require.NoError(t, err)
		hashes = append(hashes, of.FindString(string(out)))
	}
	require.NotEmpty(t, hashes[0], "a lens of another model is refused by it")
	require.Equal(t, hashes[1], hashes[0])
}

// interruptFit ends a fit as Ctrl-C does, once it has kept something, and returns what it said; "" where
// there was nothing to go on with.
func interruptFit(t *testing.T, cmd *exec.Cmd, state string) string {
	t.Helper()
	var said strings.Builder
	cmd.Stderr = &said
	before, _ := os.Stat(state)
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool {
		info, err := os.Stat(state)
		return err == nil && info.Size() > 0 && (before == nil || !os.SameFile(before, info))
	}, time.Minute, time.Millisecond, "%s", &said)
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	require.Error(t, cmd.Wait())
	require.Equal(t, 130, cmd.ProcessState.ExitCode(), said.String())
	if before == nil {
		return ""
	}
	return said.String()
}
