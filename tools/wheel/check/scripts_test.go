package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// run runs one of the wheel's scripts, and returns what it prints and its exit code.
func run(t *testing.T, env []string, script string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.Command(filepath.Join("..", script), args...)
	cmd.Env = append(append(os.Environ(), "MLX_C_CXX=", "VERSION="), env...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(out), exit.ExitCode()
	}
	require.NoError(t, err)
	return string(out), 0
}

// What follows 1.2.3 sorts between it and 1.2.4 (PEP 440): pip takes no older release over it.
func TestAWheelsVersionIsOnePipCompares(t *testing.T) {
	for given, want := range map[string]string{
		"v1.2.3": "1.2.3", "1.2.3": "1.2.3", "v0.3": "0.3", "v1": "1", "v0.1.0rc1": "0.1.0rc1", "1.2.3.post4": "1.2.3.post4",
		"v1.2.3-dirty": "1.2.3+dirty", "v1.2.3-4-gabcdef0": "1.2.3.post4+gabcdef0", "v1.2.3-4-gabcdef0-dirty": "1.2.3.post4+gabcdef0.dirty",
		"361fe4f": "0.0.dev0+g361fe4f", "1234567": "0.0.dev0+g1234567", "abcdef0-dirty": "0.0.dev0+gabcdef0.dirty",
	} {
		out, code := run(t, nil, "version.sh", given)
		require.Zero(t, code, out)
		require.Equal(t, want+"\n", out, given)
	}
	for _, given := range []string{"", "latest", "v1.2.0-rc1", "1.2.x", "1.02"} {
		out, code := run(t, nil, "version.sh", given)
		require.Equal(t, 1, code, given)
		require.Contains(t, out, "wheel: '"+given+"' is no version")
	}
}

// Both are known before minutes of downloads and compilation.
func TestAWheelThatCannotBeIsRefusedAtOnce(t *testing.T) {
	other := "Linux-aarch64"
	if runtime.GOARCH == "arm64" {
		other = "Linux-x86_64"
	}
	out, code := run(t, nil, "build.sh", other)
	require.Equal(t, 1, code)
	require.Equal(t, "wheel: a wheel for "+other+" is not compiled by this machine's compiler: name a C++ compiler for it in $MLX_C_CXX\n", out)
	out, code = run(t, []string{"VERSION=v1.2.0-rc1", "MLX_C_CXX=cc"}, "build.sh", other)
	require.Equal(t, 1, code)
	require.Contains(t, out, "wheel: 'v1.2.0-rc1' is no version")
}

func TestAWheelOfThisMachineIsTried(t *testing.T) {
	dist := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dist, "mlxlens-1.2.3-py3-none-macosx_14_0_riscv64.whl"), nil, 0o644))
	out, code := run(t, nil, "try.sh", dist, "model.gguf")
	require.Equal(t, 1, code)
	require.Equal(t, "wheel-try: "+dist+" has no wheel for this machine: make wheel\n", out)
}

func TestTheBridgeWithoutItsPackagesNamesThem(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	cmd := exec.Command(python, "-c", "import sys; sys.modules['torch'] = None; import mlxlens_bridge")
	cmd.Env = append(os.Environ(), "PYTHONPATH=../../../python/src", "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "mlxlens_bridge needs PyTorch and TransformerLens 4.3 or later, and torch is not there: pip install \"mlxlens[transformer-lens]\"\n")
}
