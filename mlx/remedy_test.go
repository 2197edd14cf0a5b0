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
	return installedInto(t, ".")
}

// installedInto is installed, with a folder of packages in a place of its own.
func installedInto(t *testing.T, folder string) (site, program string) {
	t.Helper()
	base, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	site = filepath.Join(base, folder)
	program = filepath.Join(site, "mlxlens", "bin", "mlxlens")
	copyProgram(t, program)
	require.NoError(t, os.WriteFile(filepath.Join(site, "mlxlens", "__init__.py"), nil, 0o644))
	return site, program
}

// copyProgram puts this test's program somewhere else.
func copyProgram(t *testing.T, path string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	from, err := os.Open(os.Args[0])
	require.NoError(t, err)
	defer from.Close()
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	require.NoError(t, err)
	_, err = io.Copy(to, from)
	require.NoError(t, err)
	require.NoError(t, to.Close())
}

// searches runs a copy of this test's program where no library is but its own, and returns what comes of it.
func searches(t *testing.T, cmd *exec.Cmd, env ...string) string {
	t.Helper()
	cmd.Dir = t.TempDir()
	cmd.Env = append(append(append(os.Environ(), childEnv+"=1", mlx.EnvBLAS+"=none"), nothingElse(t)...), env...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
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
			out := searches(t, exec.Command(program), env.variable)
			require.Contains(t, out, env.want)
			require.Contains(t, out, "`pip install ")
			for _, not := range []string{"make mlx-c", "go run", "brew"} {
				require.NotContains(t, out, not)
			}
		}
		require.NoError(t, os.RemoveAll(info))
	}
}

func TestAToolsEnvironmentIsMendedByTheTool(t *testing.T) {
	for name, c := range map[string]struct{ folder, file, do string }{
		"uv":   {"tools/mlxlens", "uv-receipt.toml", "`uv tool install --reinstall mlxlens`"},
		"pipx": {"venvs/mlxlens", "pipx_metadata.json", "`pipx reinstall mlxlens`"},
	} {
		site, program := installedInto(t, filepath.Join(c.folder, "lib", "python3.12", "site-packages"))
		root := filepath.Dir(filepath.Dir(filepath.Dir(site)))
		for _, file := range []string{c.file, "pyvenv.cfg"} {
			require.NoError(t, os.WriteFile(filepath.Join(root, file), nil, 0o644))
		}
		out := searches(t, exec.Command(program))
		require.Contains(t, out, "which is not in "+site+": "+c.do+". Tried:", name)
		require.NotContains(t, out, "pip install", name)
	}
}

func TestWithoutProcAWheelsUserIsStillToldOfPip(t *testing.T) {
	if exec.Command("unshare", "-m", "mount", "-t", "tmpfs", "none", "/proc").Run() != nil {
		t.Skip("only root of a Linux that lets it can take /proc away")
	}
	site, program := installed(t)
	named := func(name string) string {
		return searches(t, exec.Command("unshare", "-m", "bash", "-c", `mount -t tmpfs none /proc && exec -a "$0" "$1"`, name, program))
	}
	out := named(program)
	require.Contains(t, out, "mlxlens needs mlx-cpu 0.32.2, which is not in "+site+": `pip install mlx-cpu==0.32.2`")
	require.Contains(t, out, filepath.Join(site, "mlxlens/bin/libmlxc.so")+" (beside the program): there is no such file")
	out = named("no-such-name")
	require.Contains(t, out, "beside the program: its own folder cannot be told: the system does not say which file the program is (readlink /proc/self/exe: no such file or directory), "+
		`nor does "no-such-name", by which it was started (executable file not found in $PATH)`)
	require.Contains(t, out, mlx.LibraryCommand)
}

// lackingOne compiles a library that needs another, which is not there.
func lackingOne(t *testing.T, name, at string) {
	t.Helper()
	needed := filepath.Join(t.TempDir(), name)
	compile(t, needed, "int f(void) { return 3; }", "-Wl,-soname,"+name)
	compile(t, at, "int f(void); int mlx_array_new(void) { return f(); }", needed)
}

func TestALibraryForGPUsWithoutTheirDriverIsReplacedWhereItLies(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there is no CUDA on a Mac")
	}
	base, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	root := filepath.Join(base, "checkout")
	program, inCheckout := filepath.Join(root, "bin", "mlxlens"), filepath.Join(root, "third_party", "mlx-c", "lib", "libmlxc.so")
	copyProgram(t, program)
	require.NoError(t, os.WriteFile(filepath.Join(root, "go.mod"), []byte("module github.com/mlxlens/mlxlens\n"), 0o644))
	cache, data := filepath.Join(base, "cache"), filepath.Join(base, "data")
	byMlxlib, byHand := filepath.Join(cache, "mlxlens", "lib", "libmlxc.so"), filepath.Join(data, "mlxlens", "lib", "libmlxc.so")
	const asked = "`MLX_C_BACKEND=cpu "
	for at, c := range map[string]struct{ env, do string }{
		inCheckout: {"X=", asked + "make mlx-c` in " + root + ". Tried:"},
		byMlxlib:   {"XDG_CACHE_HOME=" + cache, asked + mlx.LibraryCommand + "`. Tried:"},
		byHand:     {"XDG_DATA_HOME=" + data, asked + mlx.LibraryCommand + "`, or " + asked + "make mlx-c` in a checkout of mlxlens. Tried:"},
	} {
		lackingOne(t, "libcuda.so.1", at)
		require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(at), ".stamp"), []byte("mlx-c 0.7.0, MLX 0.32.2, cuda, Linux-x86_64, recipe 1\n"), 0o644))
		out := searches(t, exec.Command(program), c.env)
		if strings.Contains(out, "it is not mlx-c") || strings.Contains(out, "older than") {
			t.Skip("this machine has NVIDIA's driver")
		}
		require.Contains(t, out, at+" computes on NVIDIA's GPUs, whose driver is not there (libcuda.so.1): install the driver, or get a library for the CPU: "+c.do)
		require.Contains(t, searches(t, exec.Command(program), c.env, mlx.EnvLibrary+"="+at), "where there is none, install the driver, or get a library for the CPU: "+strings.TrimSuffix(c.do, ". Tried:"))
		require.NoError(t, os.Remove(at))
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
