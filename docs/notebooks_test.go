package docs

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheNotebooksPageGivesWhatStandsThere(t *testing.T) {
	python := os.Getenv("MLXLENS_PYTHON")
	if python == "" || exec.Command(python, "-c", "import importlib.metadata as m; m.version('transformer-lens')").Run() != nil {
		t.Skip("$MLXLENS_PYTHON names no interpreter with TransformerLens")
	}
	s := newShell(t)
	cmd := exec.Command(python, "-W", "ignore", "-m", "doctest", "docs/notebooks.md")
	cmd.Dir = s.root
	cmd.Env = append(s.env, "PYTHONPATH=python/src", "PYTHONDONTWRITEBYTECODE=1", "HF_HUB_OFFLINE=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	page, err := os.ReadFile("notebooks.md")
	require.NoError(t, err)
	require.Contains(t, string(page), "\n>>> ", "doctest finds no example")
}
