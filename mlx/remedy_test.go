package mlx_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/emulated"
	"github.com/mlxlens/mlxlens/mlx"
)

// installed puts this test's program where a wheel's stands, and returns the folder of packages with it.
func installed(t *testing.T) (site, program string) {
	if emulated.Processor() {
		t.Skip("a copy of the emulator's wrapper starts the program of its first place")
	}
	t.Helper()
	site, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	program = filepath.Join(site, "mlxlens", "bin", "mlxlens")
	require.NoError(t, os.MkdirAll(filepath.Dir(program), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(site, "mlxlens", "__init__.py"), nil, 0o644))
	from, err := os.Open(os.Args[0])
	require.NoError(t, err)
	defer from.Close()
	to, err := os.OpenFile(program, os.O_CREATE|os.O_WRONLY, 0o755)
	require.NoError(t, err)
	_, err = io.Copy(to, from)
	require.NoError(t, err)
	require.NoError(t, to.Close())
	return site, program
}

func TestAWheelsUserIsToldOfPipAlone(t *testing.T) {
	name := "mlx-cpu"
	if runtime.GOOS == "darwin" {
		name = "mlx-metal"
	}
	site, program := installed(t)
	const proven = "0.32.2"
	for _, c := range []struct{ version, want string }{
		{"", "mlxlens needs " + name + " " + proven + ", which is not in " + site + ": `pip install " + name + "==" + proven + "`, or install mlxlens in an environment of its own (`uv tool install mlxlens`"},
		{"0.32.4", "mlxlens needs " + name + " " + proven + ", and 0.32.4 is in " + site + ": `pip install " + name + "==" + proven + "`, or "},
		{proven, "what the packages mlxlens and " + name + " have put into " + site + " is not whole: `pip install --force-reinstall mlxlens " + name + "==" + proven + "`, or "},
	} {
		info := filepath.Join(site, strings.ReplaceAll(name, "-", "_")+"-"+c.version+".dist-info")
		if c.version != "" {
			require.NoError(t, os.Mkdir(info, 0o755))
		}
		for _, env := range []struct{ variable, want string }{{mlx.EnvLibrary + "=", c.want}, {mlx.EnvLibrary + "=/nowhere", "or unset it: "}} {
			cmd := exec.Command(program)
			cmd.Dir = t.TempDir()
			cmd.Env = append(append(append(os.Environ(), childEnv+"=1"), nothingElse(t)...), env.variable)
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
			require.Contains(t, string(out), env.want)
			require.Contains(t, string(out), "`pip install ")
			for _, not := range []string{"make mlx-c", "go run", "brew"} {
				require.NotContains(t, string(out), not)
			}
		}
		require.NoError(t, os.RemoveAll(info))
	}
}

// The wheel's metadata ask for the release that the remedy names.
func TestTheWheelNeedsTheProvenMLX(t *testing.T) {
	lib, err := mlx.LoadedLibrary()
	require.NoError(t, err)
	hook, err := os.ReadFile("../python/platform_hook.py")
	require.NoError(t, err)
	require.Equal(t, lib.Proven, regexp.MustCompile(`(?m)^MLX = "(.*)"$`).FindStringSubmatch(string(hook))[1])
}
