package mlx

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAFileThatHasChangedIsLookedAtAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lib.so")
	require.NoError(t, os.WriteFile(path, nil, 0o644))
	require.Equal(t, "it is too short to be a library", inspect(path))
	require.NoError(t, os.WriteFile(path, []byte("a text"), 0o644))
	require.Equal(t, "it is not a shared library", inspect(path))
	require.Equal(t, "it is not a shared library", inspect(path))
	require.NoError(t, os.Remove(path))
	require.Contains(t, inspect(path), "no such file")
}

func TestWhatTheProcessHasMappedIsNotLookedForAgain(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the loader of Linux")
	}
	lib, err := LoadedLibrary()
	require.NoError(t, err)
	names := held()
	require.True(t, names[filepath.Base(lib.Path)])
	require.True(t, names["libc.so.6"])
	require.False(t, names["libof_no_system.so"])
}

func TestOriginIsTheFolderOfALibrarysName(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(folder, "real"), 0o755))
	link := filepath.Join(folder, "link.so")
	require.NoError(t, os.Symlink("real/lib.so", link))
	w := &wanting{path: link}
	require.Equal(t, []string{folder, filepath.Join(folder, "a"), filepath.Dir(folder), "/b"}, w.resolve([]string{"$ORIGIN", "${ORIGIN}/a", "$ORIGIN/..", "/b", "$ORIGIN/$LIB"}))
}

// Where section headers are, they end a file, and zeros there are those of a copy that was not finished; a library that was stripped of
// them may end in zeros of its own.
func TestZerosAtTheEndAreALibrarysOwnWhereNoHeadersFollow(t *testing.T) {
	cc, err := exec.LookPath("cc")
	if runtime.GOOS != "linux" || err != nil {
		t.Skip("no C compiler for a library of Linux")
	}
	path := filepath.Join(t.TempDir(), "lib.so")
	cmd := exec.Command(cc, "-shared", "-fPIC", "-x", "c", "-o", path, "-")
	cmd.Stdin = strings.NewReader("char own[1 << 15] __attribute__((section(\".data\"))) = {1};")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Empty(t, inspect(path))
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	file, err := elf.NewFile(bytes.NewReader(data))
	require.NoError(t, err)
	end := uint64(0)
	for _, p := range file.Progs {
		end = max(end, p.Off+p.Filesz)
	}
	clear(data[40:48]) // e_shoff
	clear(data[58:64]) // e_shentsize, e_shnum, e_shstrndx
	require.NoError(t, os.WriteFile(path, data[:end], 0o755))
	require.Empty(t, inspect(path))
}
