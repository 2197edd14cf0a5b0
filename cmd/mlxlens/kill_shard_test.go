package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKilledShardsGoOnAndMergeToWhatOneRunWrites(t *testing.T) {
	dir := t.TempDir()
	prompts(t, filepath.Join(dir, "in.jsonl"))
	trace := func(out string, more ...string) []string {
		return append([]string{"trace", "--file", "in.jsonl", "--last", "--together", "16", "-o", out}, more...)
	}
	run(t, command(t, dir, nil, trace("whole.jsonl")...), 1)
	outs := []string{"1.jsonl", "2.jsonl", "3.jsonl"}
	part := func(i int) []string { return trace(outs[i], "--shard", fmt.Sprintf("%d/3", i+1)) }
	merge := func(to string) []string {
		return append([]string{"merge", "-o", to}, outs...)
	}
	k := newKiller(t)
	for i := 0; k.killed < kills(t); i++ {
		k.kill(command(t, dir, nil, part(i%3)...))
	}
	// the first part has answers to its first window alone, and the beginning of the next
	run(t, command(t, dir, nil, part(0)...), 1)
	first := filepath.Join(dir, outs[0])
	text, err := os.ReadFile(first)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(first, text[:len(text)/2], 0o600))
	for i := range outs[1:] {
		run(t, command(t, dir, nil, part(i+1)...), 1)
	}
	run(t, command(t, dir, nil, merge("all.jsonl")...), 1)
	require.NoFileExists(t, filepath.Join(dir, "all.jsonl"), "a part is not whole")
	run(t, command(t, dir, nil, part(0)...), 1)
	run(t, command(t, dir, nil, merge("all.jsonl")...), 1)
	want, err := os.ReadFile(filepath.Join(dir, "whole.jsonl"))
	require.NoError(t, err)
	got, err := os.ReadFile(filepath.Join(dir, "all.jsonl"))
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
	require.Equal(t, []string{"1.jsonl", "2.jsonl", "3.jsonl", "all.jsonl", "in.jsonl", "whole.jsonl"}, visible(t, dir))
	// a merge that is killed leaves the old file or the new one
	for range kills(t) {
		k.kill(command(t, dir, nil, merge("all.jsonl")...))
		got, err := os.ReadFile(filepath.Join(dir, "all.jsonl"))
		require.NoError(t, err)
		require.Equal(t, string(want), string(got))
	}
}
