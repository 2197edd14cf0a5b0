package main

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
)

// bridgePython is $MLXLENS_PYTHON, where that has TransformerLens.
func bridgePython(t *testing.T) string {
	t.Helper()
	python := os.Getenv("MLXLENS_PYTHON")
	if python == "" || testing.Short() || exec.Command(python, "-c", `import importlib.metadata as m; assert m.version("transformer-lens") >= "4.3"`).Run() != nil {
		t.Skip("$MLXLENS_PYTHON names no interpreter with TransformerLens 4.3 or later, or -short is given")
	}
	return python
}

func TestTheBridgeComputesWhatTransformerLensDoes(t *testing.T) {
	t.Parallel()
	python := bridgePython(t)
	lib, err := mlx.LoadedLibrary()
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), python, "-W", "ignore", "tests/test_bridge.py")
	cmd.Dir = "../../python"
	cmd.Env = append(os.Environ(), envChild+"=1", mlx.EnvLibrary+"="+lib.Path, "MLXLENS_PROGRAM="+self, "PYTHONPATH=src", "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Regexp(t, `Ran 1\d tests in`, string(out))
}
