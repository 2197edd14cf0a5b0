package main

import (
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// versionOf builds the program and returns what it says its version is.
func versionOf(t *testing.T, flags ...string) (version, bin string) {
	t.Helper()
	bin = filepath.Join(t.TempDir(), "mlxlens")
	out, err := exec.Command("go", append(append([]string{"build", "-o", bin}, flags...), ".")...).CombinedOutput()
	require.NoError(t, err, string(out))
	out, err = exec.Command(bin, "--version").Output()
	require.NoError(t, err)
	words := strings.Fields(string(out))
	require.Len(t, words, 4, "mlxlens, its version, Go's, the platform")
	return words[1], bin
}

func TestEveryBuildKnowsItsVersion(t *testing.T) {
	if testing.Short() {
		t.Skip("links the program three times; the short test of package cli has the same cases as data")
	}
	t.Parallel()

	const variable = "github.com/mlxlens/mlxlens/cmd/mlxlens/internal/cli.version"
	makefile, err := os.ReadFile("../../Makefile")
	require.NoError(t, err)
	require.Contains(t, string(makefile), "-X "+variable+"=$(VERSION)")
	said, _ := versionOf(t, "-buildvcs=false", "-ldflags", "-X "+variable+"=v9.8.7-6-gabc")
	require.Equal(t, "v9.8.7-6-gabc", said, "make build")

	said, _ = versionOf(t, "-buildvcs=false")
	require.Equal(t, "(devel)", said, "go build that may not ask git")

	head, err := exec.Command("git", "rev-parse", "HEAD").Output()
	if err != nil {
		t.Logf("git does not answer here, so go build is not asked to ask it: %v", err)
		return
	}
	said, bin := versionOf(t, "-buildvcs=auto")
	info, err := buildinfo.ReadFile(bin)
	require.NoError(t, err)
	stamped := false
	for _, s := range info.Settings {
		stamped = stamped || s.Key == "vcs.revision"
	}
	if !stamped { // a linked worktree, of which Go does not see that it is one
		require.Equal(t, "(devel)", said)
		return
	}
	if !strings.HasPrefix(said, "v") { // HEAD has no tag
		require.Equal(t, string(head[:12]), strings.TrimSuffix(said, "-dirty"), "plain go build")
	}
}
