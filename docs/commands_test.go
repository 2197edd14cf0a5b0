package docs

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// The folder has the pages that the program makes of its commands, and no other.
func TestCommandsHaveThePagesThatTheProgramMakes(t *testing.T) {
	const folder = "commands"
	made := t.TempDir()
	cmd := exec.Command("go", "run", "../cmd/mlxlens/internal/pages", "markdown", made)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	if *update {
		require.NoError(t, os.RemoveAll(folder))
		require.NoError(t, os.CopyFS(folder, os.DirFS(made)))
	}
	want, got := texts(t, made), texts(t, folder)
	require.Greater(t, len(want), 15)
	require.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)), "go test ./docs -run Commands -update")
	for name, text := range want {
		if text != got[name] {
			t.Errorf("docs/commands/%s is not what the program says: go test ./docs -run Commands -update", name)
		}
	}
}

// texts are the files of a folder by their names.
func texts(t *testing.T, folder string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	require.NoError(t, err)
	all := map[string]string{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		all[filepath.Base(f)] = string(text)
	}
	return all
}
