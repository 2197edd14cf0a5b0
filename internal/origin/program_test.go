//go:build !windows

package origin

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWithoutTheSystemsWordTheNameTellsWhereTheProgramIs(t *testing.T) {
	system := func() (string, error) { return "", errors.New("readlink /proc/self/exe: no such file or directory") }
	folder, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	file, link := filepath.Join(folder, "lib", "program"), filepath.Join(folder, "bin", "link")
	require.NoError(t, os.Mkdir(filepath.Dir(file), 0o755))
	require.NoError(t, os.Mkdir(filepath.Dir(link), 0o755))
	require.NoError(t, os.WriteFile(file, []byte("#!/bin/sh\n"), 0o755))
	require.NoError(t, os.Symlink(file, link))
	t.Chdir(folder)
	t.Setenv("PATH", "/nowhere:"+filepath.Dir(link))
	for _, name := range []string{file, link, "lib/program", "./bin/link", "link"} {
		require.Equal(t, located{path: file}, locate(system, name), name)
	}
	for name, why := range map[string]string{"": "not found", "program": "not found", filepath.Join(folder, "none"): "no such file", folder: "is a directory"} {
		got := locate(system, name)
		require.Empty(t, got.path, name)
		require.ErrorContains(t, got.err, "the system does not say which file the program is (readlink /proc/self/exe: no such file or directory), nor does ", name)
		require.ErrorContains(t, got.err, why, name)
	}
	t.Setenv("PATH", "bin")
	require.ErrorContains(t, locate(system, "link").err, "current directory", "a folder of $PATH below the working directory")
	require.NoError(t, os.Chmod(file, 0o644))
	require.ErrorContains(t, locate(system, file).err, "permission denied")

	got := locate(os.Executable, "link")
	require.Equal(t, Program(), got.path)
	require.True(t, got.told)
	require.NoError(t, ProgramError())
}
