package mlx

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCgroupsLimitMemory(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	list := filepath.Join(root, "list")
	write("list", "0::/a/b/c\n")
	require.EqualValues(t, math.MaxInt64, cgroups(list, root))
	write("a/b/c/memory.max", "max\n")
	write("a/b/memory.max", "3000000\n")
	write("a/memory.max", "9000000\n")
	require.EqualValues(t, 3000000, cgroups(list, root), "the least of those around it")
	write("list", "12:cpu,cpuacct:/a\n9:memory:/docker/1\n")
	write("memory/docker/1/memory.limit_in_bytes", "2000000\n")
	require.EqualValues(t, 2000000, cgroups(list, root))
	require.EqualValues(t, math.MaxInt64, cgroups(filepath.Join(root, "none"), root))
}

func TestLinesOfProcAreRead(t *testing.T) {
	require.EqualValues(t, 16316412<<10, kilobytes([]byte("MemTotal:       16316412 kB\nMemFree: 1 kB\n"), "MemTotal:"))
	require.Zero(t, kilobytes([]byte("MemFree: 1 kB\n"), "MemTotal:"))
}
