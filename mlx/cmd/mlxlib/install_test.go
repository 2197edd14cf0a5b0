package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
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

const makes = "say building\nmkdir \"$here/lib\"\necho 1 >\"$here/lib/libmlxc.so\"\n" + lists
const lists = "echo \"  2 ./libmlxc.so\" >\"$here/lib/.files\"; echo \"mlx-c 1, MLX 1, ${MLX_C_BACKEND:-cpu}, all, recipe 1\" >\"$here/lib/.stamp\"\n"

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
	require.NoError(t, i.run(t.Context()))
	require.Contains(t, log.String(), "goes to "+i.folder)
	only(t, i)
	i.dry = false
	require.NoError(t, i.run(t.Context()))
	require.Contains(t, log.String(), "mlx-c: building\n")
	require.Contains(t, log.String(), "ready: "+i.folder+" has a library\n")
	only(t, i, "lib")

	log.Reset()
	require.NoError(t, i.run(t.Context()))
	require.Equal(t, "mlxlib: "+i.folder+" has it already\n", log.String())

	// another recipe makes another library, in the place of the first
	i.recipe = recipe(makes + "echo 2 >\"$here/lib/libmlxc.so\"\n")
	log.Reset()
	require.NoError(t, i.run(t.Context()))
	text, err := os.ReadFile(filepath.Join(i.folder, "libmlxc.so"))
	require.NoError(t, err)
	require.Equal(t, "2\n", string(text))
	require.Contains(t, log.String(), "has one, and another recipe made it\n")
	only(t, i, "lib")
}

// A user who is told to get the library again does.
func TestALibraryThatIsDamagedIsMadeAnew(t *testing.T) {
	i, log := install(t, makes)
	library := filepath.Join(i.folder, "libmlxc.so")
	for why, damage := range map[string]func() error{
		"libmlxc.so is gone":                     func() error { return os.Remove(library) },
		"libmlxc.so has 1 bytes, where it had 2": func() error { return os.Truncate(library, 1) },
		"the list of its files is gone":          func() error { return os.Remove(filepath.Join(i.folder, listName)) },
		"the list of its files is damaged":       func() error { return os.WriteFile(filepath.Join(i.folder, listName), []byte("2 /etc/passwd\n"), 0o644) },
	} {
		require.NoError(t, i.run(t.Context()))
		require.NoError(t, damage())
		log.Reset()
		require.NoError(t, i.run(t.Context()))
		require.Contains(t, log.String(), why)
		require.Contains(t, log.String(), "ready: ")
		log.Reset()
		require.NoError(t, i.run(t.Context()))
		require.Contains(t, log.String(), "has it already")
	}
}

func TestAnotherBackendIsMadeWhereItIsAskedFor(t *testing.T) {
	i, log := install(t, makes)
	require.NoError(t, i.run(t.Context()))
	t.Setenv(backendEnv, "cuda")
	require.NoError(t, i.run(t.Context()))
	require.Contains(t, log.String(), "it is for cpu, where $MLX_C_BACKEND asks for cuda\n")
	require.Equal(t, "cuda", i.backend())

	t.Setenv(backendEnv, "") // what is made for GPUs stays so, by a later recipe too
	i.recipe = recipe(makes + "# later\n")
	require.NoError(t, i.run(t.Context()))
	require.Equal(t, "cuda", i.backend())
}

func TestARunThatIsInterruptedLeavesNothing(t *testing.T) {
	i, log := install(t, makes)
	require.NoError(t, i.run(t.Context()))
	log.Reset()
	child := filepath.Join(t.TempDir(), "child")
	i.recipe = recipe("sleep 60 &\necho $! >'" + child + "'\nmv '" + child + "' '" + child + ".pid'\nwait\n")
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		for {
			if _, err := os.Stat(child + ".pid"); err == nil {
				stop()
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	require.EqualError(t, i.run(ctx), "interrupted: nothing is changed")
	only(t, i, "lib")
	text, err := os.ReadFile(child + ".pid")
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	require.Eventually(t, func() bool { // ended, or a zombie that nobody has waited for yet
		state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil && syscall.Kill(pid, 0) != nil || strings.Contains(string(state), ") Z ")
	}, time.Minute, time.Millisecond)
}

func TestAFailedRunLeavesWhatIsThere(t *testing.T) {
	i, log := install(t, makes)
	require.NoError(t, i.run(t.Context()))
	i.recipe = recipe("mkdir \"$here/lib\"\necho why >\"$RECIPE_LOG\"\necho bad >\"$here/lib/libmlxc.so\"\nsay \"missing: cargo; all is in $RECIPE_LOG\"\nexit 1\n")
	require.EqualError(t, i.run(t.Context()), "the recipe failed (exit status 1)")
	require.Contains(t, log.String(), "missing: cargo; all is in "+filepath.Join(filepath.Dir(i.folder), "mlxlib.log")+"\n")
	only(t, i, "lib", "mlxlib.log")

	i.recipe = recipe(makes)
	i.check = func(string) (string, error) { return "", errors.New("no symbol") }
	require.NoError(t, os.Remove(filepath.Join(i.folder, stampName)))
	require.ErrorContains(t, i.run(t.Context()), "no symbol")
	text, err := os.ReadFile(filepath.Join(i.folder, "libmlxc.so"))
	require.NoError(t, err)
	require.Equal(t, "1\n", string(text))
}

func TestARecipeMayFindThatNothingIsToBeMade(t *testing.T) {
	i, log := install(t, "say Homebrew has it\n")
	require.NoError(t, i.run(t.Context()))
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
	require.NoError(t, i.run(t.Context()))
	only(t, i, workPrefix+"2", "lib")

	require.NoError(t, os.Chtimes(young, before, before)) // where the library is there already, too
	require.NoError(t, i.run(t.Context()))
	only(t, i, "lib")
}

func TestWithoutBashTheErrorSaysSo(t *testing.T) {
	i, _ := install(t, makes)
	t.Setenv("PATH", t.TempDir())
	require.ErrorContains(t, i.run(t.Context()), "there is no bash")
}
