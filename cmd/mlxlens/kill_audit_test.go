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

// auditIn is a folder with a corpus, and the command that audits packed weights over it.
func auditIn(t *testing.T) (dir string, audit func(out string) *exec.Cmd) {
	t.Helper()
	dir = t.TempDir()
	var b strings.Builder
	for i := range 60 {
		fmt.Fprintf(&b, "{\"ids\": [%d, %d, 7, 11, %d%s]}\n", i, 2*i, 3*i, strings.Repeat(", 9, 400", i%5))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "in.jsonl"), []byte(b.String()), 0o644))
	tiny, err := filepath.Abs("../../testdata/models/tiny-llama-b-4bit-mixed")
	require.NoError(t, err)
	return dir, func(out string) *exec.Cmd {
		return command(t, dir, nil, "audit", "--against", tiny, "--weights-against", "packed", "--file", "in.jsonl", "--blame", "30", "-o", out)
	}
}

// Killed or interrupted, an audit goes on behind the last sequence that it kept, and ends with the
// bytes of one that was not.
func TestAKilledAuditGoesOnAndEndsAsOneThatWasNot(t *testing.T) {
	dir, audit := auditIn(t)
	out, state := filepath.Join(dir, "out.json"), filepath.Join(dir, "out.json.state")
	run(t, audit("out.json"), 0)
	whole, err := os.ReadFile(out)
	require.NoError(t, err)
	require.NoFileExists(t, state)
	require.NoError(t, os.Remove(out))

	k := newKiller(t)
	for k.killed < kills(t) {
		k.kill(audit("out.json"))
		_ = os.Remove(out) // one that came to its end
	}
	interrupt(t, audit("out.json"), state)
	run(t, audit("out.json"), 0)
	got, err := os.ReadFile(out)
	require.NoError(t, err)
	require.Equal(t, string(whole), string(got))
	require.Equal(t, []string{"in.jsonl", "out.json"}, visible(t, dir))
}

// interrupt ends a command as Ctrl-C does, once it has kept something.
func interrupt(t *testing.T, cmd *exec.Cmd, state string) {
	t.Helper()
	var said strings.Builder
	cmd.Stderr = &said
	_ = os.Remove(state)
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool { info, err := os.Stat(state); return err == nil && info.Size() > 0 }, time.Minute, time.Millisecond)
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	require.Error(t, cmd.Wait())
	require.Equal(t, 130, cmd.ProcessState.ExitCode(), said.String())
	require.Contains(t, said.String(), "kept in out.json.state: if this stops, the same command goes on")
}

func TestAStateOfAnotherAuditIsRefusedWithWhatDiffers(t *testing.T) {
	dir, audit := auditIn(t)
	interrupt(t, audit("out.json"), filepath.Join(dir, "out.json.state"))
	other := audit("out.json")
	other.Args = append(other.Args, "--prompts", "20")
	out, err := other.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "it was made with other options: --file (was ")
	require.Contains(t, string(out), "remove it to begin anew, or give another --output")

	path := filepath.Join(dir, "out.json.state")
	kept, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(kept), `"Done":`, `"Done":1`, 1)), 0o644))
	out, err = audit("out.json").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "it has been changed")
}
