package release

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnInstalledLibraryIsReplacedBesideWhatHasItOpen(t *testing.T) {
	dir := checkout(t, map[string]string{"LICENSE": "licence", "NOTICES.md": "notices", "bin/mlxlens": "program", "third_party/mlx-c/lib/libmlx.so": "old", "third_party/mlx-c/lib/include/mlx.h": ""})
	prefix := filepath.Join(t.TempDir(), "a prefix")
	installed := filepath.Join(prefix, "lib/mlxlens/libmlx.so")
	out, code := run(t, dir, "tools/release/install.sh", prefix)
	require.Zero(t, code, out)
	require.NoDirExists(t, filepath.Join(prefix, "lib/mlxlens/include"))
	running, err := os.Open(installed)
	require.NoError(t, err)
	defer running.Close()

	require.NoError(t, os.WriteFile(filepath.Join(dir, "third_party/mlx-c/lib/libmlx.so"), []byte("new"), 0o644))
	out, code = run(t, dir, "tools/release/install.sh", prefix)
	require.Zero(t, code, out)
	opened, err := io.ReadAll(running)
	require.NoError(t, err)
	require.Equal(t, "old", string(opened))
	text, err := os.ReadFile(installed)
	require.NoError(t, err)
	require.Equal(t, "new", string(text))
	require.FileExists(t, filepath.Join(prefix, "lib/mlxlens/NOTICES.md"))
}

// Homebrew has the library then.
func TestWhatHasNoLibraryIsInstalledWithoutOne(t *testing.T) {
	dir := checkout(t, map[string]string{"LICENSE": "licence", "NOTICES.md": "notices", "bin/mlxlens": "program"})
	prefix := t.TempDir()
	out, code := run(t, dir, "tools/release/install.sh", prefix)
	require.Zero(t, code, out)
	require.FileExists(t, filepath.Join(prefix, "bin/mlxlens"))
	require.FileExists(t, filepath.Join(prefix, "lib/mlxlens/LICENSE"))
}

func TestAFormulaWithoutATagSaysItsVersion(t *testing.T) {
	dir := checkout(t, map[string]string{"dist/mlxlens-c4843c2-source.tar.gz": "source"})
	out, code := run(t, dir, "tools/release/formula.sh", "c4843c2")
	require.Zero(t, code, out)
	text, err := os.ReadFile(filepath.Join(dir, "dist/mlxlens.rb"))
	require.NoError(t, err)
	require.Contains(t, string(text), "source.tar.gz\"\n  version \"0.0.0-gc4843c2\"\n  sha256 ")
}

// Make takes the blanks before a comment into a value, and MLX_C_BACKEND "cpu " is none.
func TestWhatMakeExportsEndsWithItsLine(t *testing.T) {
	text, err := os.ReadFile("../../Makefile")
	require.NoError(t, err)
	require.Contains(t, string(text), "\ndist: export MLX_C_BACKEND = $(if $(filter Darwin,$(shell uname -s)),metal,cpu)\n")
	require.NotRegexp(t, `(?m)^[a-z-]+: export .*(#| $)`, string(text))
}
