package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// screen runs a command on a terminal of its own of a size; at what is written there in turn, keys
// are typed. It returns all that the terminal got, and the exit code.
func screen(t *testing.T, cmd *exec.Cmd, width, height uint16, typed ...[2]string) (string, int) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	defer master.Close()
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: height, Col: width}))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, cmd.Start())
	slave.Close()
	stuck := time.AfterFunc(time.Minute, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer stuck.Stop()
	var got bytes.Buffer
	part := make([]byte, 4096)
	for {
		n, err := master.Read(part)
		got.Write(part[:n])
		for len(typed) > 0 && strings.Contains(got.String(), typed[0][0]) {
			_, err := io.WriteString(master, typed[0][1])
			require.NoError(t, err)
			typed = typed[1:]
		}
		if err != nil { // EIO: nobody has the terminal any more
			break
		}
	}
	_ = cmd.Wait() // the code says it
	require.Empty(t, typed, got.String())
	return strings.ReplaceAll(got.String(), "\r\n", "\n"), cmd.ProcessState.ExitCode()
}

// script is a program of the shell.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "script")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700))
	return path
}

var traced = []string{"trace", "--ids", "30,7,500,3,9,40,41,42,43,44,45", "-q"}

func TestTextThatIsLongerThanTheTerminalGoesThroughAPager(t *testing.T) {
	pager := script(t, "echo paged with $LESS; cat; echo end")
	env := []string{"TERM=xterm", "LESS=", "PAGER=" + pager}
	text, code := screen(t, command(t, t.TempDir(), env, traced...), 80, 6)
	require.Zero(t, code)
	require.Contains(t, text, "paged with")
	require.Contains(t, text, "\x1b[", "colours reach it")
	require.Contains(t, text, "positions before are left out")
	require.Contains(t, text, "end\n")

	for name, args := range map[string][]string{"a tall terminal": traced, "--no-pager": append([]string{"--no-pager"}, traced...), "json": append(traced[:len(traced):len(traced)], "--json")} {
		height := uint16(6)
		if name == "a tall terminal" {
			height = 60
		}
		text, code = screen(t, command(t, t.TempDir(), env, args...), 80, height)
		require.Zero(t, code, name)
		require.NotContains(t, text, "paged", name)
	}
	for _, none := range []string{"MLXLENS_PAGER=", "MLXLENS_PAGER=cat"} {
		text, code = screen(t, command(t, t.TempDir(), append(env, none), traced...), 80, 6)
		require.Zero(t, code)
		require.NotContains(t, text, "paged")
	}
	text, code = screen(t, command(t, t.TempDir(), append(env, "MLXLENS_PAGER=/nobody/has/this"), traced...), 80, 6)
	require.Zero(t, code)
	require.Contains(t, text, "likeliest token", "a pager that is not there loses nothing")
}

func TestCtrlCAtAPagerIsThePagers(t *testing.T) {
	pager := script(t, "trap 'echo kept' INT; echo ready; read line; echo \"read $line\"; read line; echo \"read $line\"")
	text, code := screen(t, command(t, t.TempDir(), []string{"TERM=xterm", "MLXLENS_PAGER=" + pager + " <>/dev/tty"}, traced...), 80, 6,
		[2]string{"ready", "\x03"}, [2]string{"kept", "one\n"}, [2]string{"read", "two\n"})
	require.Zero(t, code, text)
	require.NotContains(t, text, "interrupted")
}

func TestPagerThatIsLeftEarlyIsNoFailure(t *testing.T) {
	text, code := screen(t, command(t, t.TempDir(), []string{"TERM=xterm", "MLXLENS_PAGER=head -n 1"}, traced...), 80, 6)
	require.Zero(t, code)
	require.Equal(t, 1, strings.Count(text, "\n"))
}

func TestOneTerminalShowsWhatFits(t *testing.T) {
	for _, width := range []uint16{40, 80, 120} {
		text, code := screen(t, command(t, t.TempDir(), []string{"TERM=xterm", "NO_COLOR=1"}, append([]string{"--no-pager"}, traced...)...), width, 24)
		require.Zero(t, code)
		require.NotContains(t, text, "\x1b")
		for line := range strings.Lines(text) {
			require.LessOrEqual(t, len([]rune(strings.TrimSuffix(line, "\n"))), int(width), line)
		}
	}
}

func TestDescriptionOfAModelIsOneScreen(t *testing.T) {
	text, code := screen(t, command(t, t.TempDir(), []string{"TERM=xterm"}, "info"), 80, 24)
	require.Zero(t, code)
	require.Less(t, strings.Count(text, "\n"), 24)
	for line := range strings.Lines(text) {
		if !strings.Contains(line, "/") { // a path is as long as it is
			require.LessOrEqual(t, len([]rune(strings.TrimSuffix(line, "\n"))), 80, line)
		}
	}
}

func TestColourIsThereWhereItIsAskedFor(t *testing.T) {
	for _, c := range []struct {
		env, args []string
		colour    bool
	}{
		{nil, nil, false},
		{[]string{"CLICOLOR_FORCE=1"}, nil, true},
		{[]string{"CLICOLOR_FORCE=0"}, nil, false},
		{[]string{"CLICOLOR_FORCE=1", "NO_COLOR=1"}, nil, false},
		{[]string{"NO_COLOR=1"}, []string{"--color=always"}, true},
		{[]string{"CLICOLOR_FORCE=1"}, []string{"--color=never"}, false},
		{[]string{"CLICOLOR_FORCE=1"}, []string{"--no-color"}, false},
	} {
		out, err := command(t, t.TempDir(), c.env, append(traced[:len(traced):len(traced)], c.args...)...).Output()
		require.NoError(t, err)
		require.Equal(t, c.colour, bytes.Contains(out, []byte("\x1b[")), "%v %v", c.env, c.args)
	}
}
