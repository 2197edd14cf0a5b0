package mlx_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
)

// nothingElse leaves Load no other place than those of the test.
func nothingElse(t *testing.T) []string {
	t.Helper()
	home := t.TempDir()
	return []string{mlx.EnvLibrary + "=", "HOME=" + home, "XDG_DATA_HOME=" + home, "XDG_CACHE_HOME=" + home, "HOMEBREW_PREFIX=", "LD_LIBRARY_PATH="}
}

// planted compiles a library that tells when its code runs.
func planted(t *testing.T, at string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(at), 0o755))
	lib := cLibrary(t, `#include <stdio.h>
__attribute__((constructor)) static void here(void) { puts("PLANTED"); fflush(stdout); }`)
	require.NoError(t, os.Rename(lib, at))
}

// A folder that looks like a checkout, such as one from a download, is no place because somebody
// works in it.
func TestTheWorkingDirectoryIsNoPlace(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "go.mod"), []byte("module github.com/mlxlens/mlxlens\n"), 0o644))
	for _, at := range []string{"third_party/mlx-c/lib/libmlxc.so", "below/libmlxc.so", "below/lib/libmlxc.so", "below/libopenblas.so.0", "below/mlxlens/lib/libmlxc.so"} {
		planted(t, filepath.Join(root, at))
	}
	for name, env := range map[string][]string{
		"as it is":                    nil,
		"an empty loader path":        {"LD_LIBRARY_PATH=:/nowhere"},
		"a relative loader path":      {"LD_LIBRARY_PATH=."},
		"the loader's other divider":  {"LD_LIBRARY_PATH=/nowhere;."},
		"relative folders of a user":  {"XDG_DATA_HOME=.", "HOMEBREW_PREFIX=.", "XDG_CACHE_HOME=."},
		"a home that is no full path": {"HOME=.", "XDG_DATA_HOME="},
	} {
		cmd := exec.Command(os.Args[0])
		cmd.Dir = filepath.Join(root, "below")
		cmd.Env = append(append(append(os.Environ(), childEnv+"=1"), nothingElse(t)...), env...)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s: %s", name, out)
		require.NotContains(t, string(out), "PLANTED", name)
		require.Contains(t, string(out), "no usable mlx-c", name)
		require.NotContains(t, string(out), root, name)
	}
}

func TestAFolderOfTheLoaderThatOthersMayWriteIsNoPlace(t *testing.T) {
	if runtime.GOOS == "darwin" {
		t.Skip("the system's loader is not asked there")
	}
	folder := filepath.Join(t.TempDir(), "lib")
	planted(t, filepath.Join(folder, "libmlxc.so"))
	planted(t, filepath.Join(folder, "libopenblas.so.0"))
	env := append(nothingElse(t), "LD_LIBRARY_PATH="+folder)
	require.Contains(t, loadWith(t, env...), "PLANTED", "opened where only the user writes")
	require.NoError(t, os.Chmod(folder, 0o777))
	out := loadWith(t, env...)
	require.NotContains(t, out, "PLANTED")
	require.Contains(t, out, `in $LD_LIBRARY_PATH, and every user may write `+folder+" ")
	require.NotContains(t, loadWith(t, append(env, "LD_LIBRARY_PATH=/nowhere;"+folder)...), "PLANTED", "the loader's other divider")
}

func TestAFolderThatOthersMayWriteIsNoPlace(t *testing.T) {
	data := t.TempDir()
	folder := filepath.Join(data, "mlxlens", "lib")
	planted(t, filepath.Join(folder, "libmlxc.so"))
	env := append(nothingElse(t), "XDG_DATA_HOME="+data)
	for _, open := range []struct {
		path string
		mode os.FileMode
		why  string
	}{
		{folder, 0o777, "every user may write " + folder + " "},
		{filepath.Dir(folder), 0o757, "every user may write " + filepath.Dir(folder) + " "},
		{filepath.Join(folder, "libmlxc.so"), 0o646, "every user may write "},
	} {
		require.NoError(t, os.Chmod(open.path, open.mode))
		out := loadWith(t, env...)
		require.Contains(t, out, open.why)
		require.NotContains(t, out, "PLANTED")
		require.NoError(t, os.Chmod(open.path, 0o755))
	}
	require.Contains(t, loadWith(t, env...), "PLANTED", "opened where only the user writes")
	require.NoError(t, os.Chmod(folder, 0o777))
	require.Contains(t, loadWith(t, append(env, mlx.EnvLibrary+"="+folder)...), "PLANTED", "opened where the user named it")
}

// The loader maps a file without asking for its size, and the first page that is not there ends
// the process.
func TestALibraryThatWasCutOffIsNotOpened(t *testing.T) {
	lib, err := mlx.LoadedLibrary()
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(filepath.Dir(lib.Path), "lib*"))
	require.NoError(t, err)
	for _, name := range []string{"libmlxc.so", "libmlx.so", "libgfortran"} {
		dir, cut := t.TempDir(), false
		for _, file := range files {
			at := filepath.Join(dir, filepath.Base(file))
			if !strings.HasPrefix(filepath.Base(file), name) {
				require.NoError(t, os.Symlink(file, at))
				continue
			}
			cut = true
			whole, err := os.ReadFile(file)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(at, whole[:len(whole)-len(whole)/3], 0o755))
		}
		if !cut {
			t.Logf("there is no %s", name)
			continue
		}
		out := loadWith(t, mlx.EnvLibrary+"="+dir)
		require.Contains(t, out, "truncated", name)
		require.Contains(t, out, "is ErrLibrary: true", name)
	}
}

// A copy that was not finished may have its full length, and zero where nothing has come.
func TestALibraryThatEndsInZerosIsNotOpened(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("a Mac's library may end in zeros: room for a signature")
	}
	lib, err := mlx.LoadedLibrary()
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(filepath.Dir(lib.Path), "lib*"))
	require.NoError(t, err)
	if !slices.Contains(files, filepath.Join(filepath.Dir(lib.Path), "libmlx.so")) {
		t.Skip("this library's libmlx lies in a folder of its own, as CUDA's does")
	}
	whole, err := os.ReadFile(filepath.Join(filepath.Dir(lib.Path), "libmlx.so"))
	require.NoError(t, err)
	for _, zeros := range []int{100, 4096, 100_000, 1_000_000} {
		dir := t.TempDir()
		for _, file := range files {
			require.NoError(t, os.Symlink(file, filepath.Join(dir, filepath.Base(file))))
		}
		at := filepath.Join(dir, "libmlx.so")
		require.NoError(t, os.Remove(at))
		damaged := slices.Clone(whole)
		clear(damaged[len(damaged)-zeros:])
		require.NoError(t, os.WriteFile(at, damaged, 0o755))
		out := loadWith(t, mlx.EnvLibrary+"="+dir)
		require.Contains(t, out, "libmlx.so, which it needs: it is ", zeros)
		require.Contains(t, out, "damaged", zeros)
		require.NotContains(t, out, "it is a folder", zeros)
	}
}

func TestEveryPlaceOfTheSearchIsListed(t *testing.T) {
	require.NoError(t, mlx.Load())
	lib, err := mlx.LoadedLibrary()
	require.NoError(t, err)
	require.NotEmpty(t, lib.Searched)
	require.Equal(t, 1, strings.Count(strings.Join(lib.Searched, "\n"), "): taken"), "%v", lib.Searched)
	require.NotEmpty(t, lib.Proven)
}
