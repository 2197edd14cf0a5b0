package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A shell that appends to the file which is read, with >> or <>: nothing is written to it.
func TestStdoutThatIsAFileWhichIsReadIsRefused(t *testing.T) {
	dir := t.TempDir()
	const prompt = "{\"ids\": [1, 5]}\n"
	path := filepath.Join(dir, "in.jsonl")
	for _, c := range []struct {
		stdin bool
		args  []string
		says  string
	}{
		{false, []string{"trace", "--file", "in.jsonl"}, "stdout is the file of the prompts"},
		{false, []string{"trace", "--file", "in.jsonl", "-o", "-", "--format", "jsonl"}, `output "-" is the file of the prompts`},
		{true, []string{"trace", "--file", "-"}, "stdout is stdin"},
		{false, []string{"trace", "--messages", "in.jsonl"}, "stdout is "},
	} {
		require.NoError(t, os.WriteFile(path, []byte(prompt), 0o600))
		out, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
		require.NoError(t, err)
		cmd := command(t, dir, nil, c.args...)
		var errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = out, &errs
		if c.stdin {
			cmd.Stdin = out
		}
		require.Error(t, cmd.Run())
		require.NoError(t, out.Close())
		require.Contains(t, errs.String(), c.says)
		require.Contains(t, errs.String(), "what is read would be lost")
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, prompt, string(got))
	}
}
