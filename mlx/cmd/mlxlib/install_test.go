package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
)

// recipe is a third_party whose script is the given one, behind the line that finds its folder.
func recipe(script string) fstest.MapFS {
	return fstest.MapFS{
		"steps.sh":       {Data: []byte("say() { echo \"mlx-c: $*\" >&2; }\n")},
		"mlx-c/build.sh": {Data: []byte("set -eu\nhere=$(cd \"$(dirname \"$0\")\" && pwd)\n. \"$here/../steps.sh\"\n" + script)},
	}
}

const makes = "say building\nmkdir \"$here/lib\"\necho 1 >\"$here/lib/libmlxc.so\"\n"

func install(t *testing.T, script string) (*installation, *bytes.Buffer) {
	t.Helper()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("no bash, which the recipe is written for")
	}
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CACHE_HOME", filepath.Join(home, "cache"))
	folder, err := mlx.LibraryFolder()
	require.NoError(t, err)
	require.Contains(t, folder, home)
	log := &bytes.Buffer{}
	works := func(folder string) (string, error) {
		_, err := os.Stat(filepath.Join(folder, "libmlxc.so"))
		return "a library", err
	}
	return &installation{recipe: recipe(script), folder: folder, check: works, log: log}, log
}

// only requires that the folder above the library's has nothing else.
func only(t *testing.T, i *installation, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(i.folder))
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	require.NoError(t, err)
	var found []string
	for _, e := range entries {
		found = append(found, e.Name())
	}
	require.Equal(t, names, found)
}

func TestTheLibraryIsMadeOnce(t *testing.T) {
	i, log := install(t, makes)
	i.dry = true
	require.NoError(t, i.run())
	require.Contains(t, log.String(), "goes to "+i.folder)
	only(t, i)
	i.dry = false
	require.NoError(t, i.run())
	require.Contains(t, log.String(), "mlx-c: building\n")
	require.Contains(t, log.String(), "ready: "+i.folder+" has a library\n")
	only(t, i, "lib")

	log.Reset()
	require.NoError(t, i.run())
	require.Equal(t, "mlxlib: "+i.folder+" has it already\n", log.String())

	// another recipe makes another library, in the place of the first
	i.recipe = recipe(makes + "echo 2 >\"$here/lib/libmlxc.so\"\n")
	require.NoError(t, i.run())
	text, err := os.ReadFile(filepath.Join(i.folder, "libmlxc.so"))
	require.NoError(t, err)
	require.Equal(t, "2\n", string(text))
	only(t, i, "lib")
}

func TestAFailedRunLeavesWhatIsThere(t *testing.T) {
	i, log := install(t, makes)
	require.NoError(t, i.run())
	i.recipe = recipe("mkdir \"$here/build\" \"$here/lib\"\necho why >\"$here/build/log.txt\"\necho bad >\"$here/lib/libmlxc.so\"\nsay 'missing: cargo'\nexit 1\n")
	err := i.run()
	require.ErrorContains(t, err, "the recipe failed (exit status 1); the log is kept as "+filepath.Join(filepath.Dir(i.folder), "mlxlib.log"))
	require.Contains(t, log.String(), "missing: cargo")
	only(t, i, "lib", "mlxlib.log")

	i.recipe = recipe(makes)
	i.check = func(string) (string, error) { return "", errors.New("no symbol") }
	require.NoError(t, os.Remove(filepath.Join(i.folder, stampName)))
	require.ErrorContains(t, i.run(), "no symbol")
	text, err := os.ReadFile(filepath.Join(i.folder, "libmlxc.so"))
	require.NoError(t, err)
	require.Equal(t, "1\n", string(text))
}

func TestARecipeMayFindThatNothingIsToBeMade(t *testing.T) {
	i, log := install(t, "say Homebrew has it\n")
	require.NoError(t, i.run())
	require.Contains(t, log.String(), "nothing was made")
	only(t, i)
}

func TestWhatKilledRunsLeftIsRemovedAfterADay(t *testing.T) {
	i, _ := install(t, makes)
	old, young := filepath.Join(filepath.Dir(i.folder), workPrefix+"1"), filepath.Join(filepath.Dir(i.folder), workPrefix+"2")
	require.NoError(t, os.MkdirAll(old, 0o755))
	require.NoError(t, os.MkdirAll(young, 0o755))
	before := time.Now().Add(-25 * time.Hour)
	require.NoError(t, os.Chtimes(old, before, before))
	require.NoError(t, i.run())
	only(t, i, workPrefix+"2", "lib")
}

func TestWithoutBashTheErrorSaysSo(t *testing.T) {
	i, _ := install(t, makes)
	t.Setenv("PATH", t.TempDir())
	require.ErrorContains(t, i.run(), "there is no bash")
}
