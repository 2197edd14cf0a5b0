package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
