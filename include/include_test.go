// Package include checks the contract: mlxc.h against the official headers, with a
// C compiler.
package include

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// official is where third_party/mlx-c/build.sh leaves the headers of the library
// that it built.
const official = "../third_party/mlx-c/lib/include"

// compile reports what a C compiler says about our header and the official ones in
// one file: two declarations of a function that differ are an error.
func compile(t *testing.T, ours string) (string, error) {
	t.Helper()
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler (cc)")
	}
	if _, err := os.Stat(official); errors.Is(err, os.ErrNotExist) {
		t.Skip("the library was not built here, so that its headers are not known")
	}
	headers, err := filepath.Glob(filepath.Join(official, "mlx/c/*.h"))
	require.NoError(t, err)
	require.NotEmpty(t, headers)
	var b strings.Builder
	for _, h := range headers {
		b.WriteString("#include \"mlx/c/" + filepath.Base(h) + "\"\n")
	}
	b.WriteString("#define MLXC_WITH_OFFICIAL_HEADERS\n#include \"" + ours + "\"\n")
	unit := filepath.Join(t.TempDir(), "both.c")
	require.NoError(t, os.WriteFile(unit, []byte(b.String()), 0o644))
	out, err := exec.Command(cc, "-std=c11", "-fsyntax-only", "-Wall", "-Werror", "-I"+official, unit).CombinedOutput()
	return string(out), err
}

func TestContractAgreesWithTheOfficialHeaders(t *testing.T) {
	ours, err := filepath.Abs("mlxc.h")
	require.NoError(t, err)
	out, err := compile(t, ours)
	require.NoError(t, err, out)
}

func TestDifferingContractIsACompilerError(t *testing.T) {
	text, err := os.ReadFile("mlxc.h")
	require.NoError(t, err)
	for _, change := range [][2]string{
		{"int mlx_add(mlx_array* res, const mlx_array a,", "int mlx_add(mlx_array* res, int a,"},
		{"MLX_FLOAT32 == 10", "MLX_FLOAT32 == 11"},
		{"sizeof(mlx_io_vtable) == 9 *", "sizeof(mlx_io_vtable) == 8 *"},
	} {
		require.Contains(t, string(text), change[0])
		changed := filepath.Join(t.TempDir(), "mlxc.h")
		require.NoError(t, os.WriteFile(changed, []byte(strings.Replace(string(text), change[0], change[1], 1)), 0o644))
		out, err := compile(t, changed)
		require.Error(t, err, "changed to %s", change[1])
		require.Contains(t, out, "error")
	}
}
