package mlx

import (
	"os"
	"path/filepath"
	"runtime"
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
