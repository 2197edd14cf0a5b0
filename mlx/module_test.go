package mlx_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
)

// elsewhereMain is a program of another module.
const elsewhereMain = `package main

import (
	"fmt"

	"github.com/mlxlens/mlxlens/mlx"
)

func main() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	x := mlx.FromSlice(s, []float32{1, 2, 3})
	square := func(a []*mlx.Array) []*mlx.Array { return []*mlx.Array{mlx.Sum(mlx.Square(a[0]))} }
	fmt.Println(mlx.Data[float32](mlx.Grad(square)(x)[0]))
}
`

func TestAnotherModuleUsesThePackageWithoutCgo(t *testing.T) {
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	lib, err := mlx.LoadedLibrary()
	require.NoError(t, err)
	dir := t.TempDir()
	own, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	// the requirements of this module, so that nothing need be fetched
	text := strings.Replace(string(own), "module github.com/mlxlens/mlxlens", "module example.com/elsewhere", 1) +
		"\nrequire github.com/mlxlens/mlxlens v0.0.0\n\nreplace github.com/mlxlens/mlxlens => " + root + "\n"
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	for name, content := range map[string]string{"go.mod": text, "go.sum": string(sums), "main.go": elsewhereMain} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	cmd := exec.Command("go", "run", "-mod=mod", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOPROXY=off", mlx.EnvLibrary+"="+lib.Path)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, "[2 4 6] <nil>\n", string(out))
}
