//go:build !windows

package mlx_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// asNobody has a command, which finds all of its files in the test's folder, run as a user whom permissions hold back, as root they do not.
func asNobody(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if os.Geteuid() == 0 {
		require.NoError(t, os.Chmod(filepath.Dir(t.TempDir()), 0o755))
		const nobody = 65534
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
}

func TestPackagesThatCannotBeReadAreNotSaidToBeDamaged(t *testing.T) {
	site, program := installed(t)
	lib := filepath.Join(site, "mlxlens", "bin", "libmlxc.so")
	require.NoError(t, os.WriteFile(lib, nil, 0))
	require.NoError(t, os.Mkdir(filepath.Join(site, "mlx_cpu-0.32.2.dist-info"), 0o755))
	cmd := exec.Command(program)
	asNobody(t, cmd)
	out := searches(t, cmd)
	require.Contains(t, out, lib+" (beside the program): it cannot be read: permission denied\n")
	require.Contains(t, out, lib+", of the packages mlxlens and mlx-")
	require.Contains(t, out, "cannot be read: permission denied: let its owner run `chmod -R a+rX "+site+"`, or install mlxlens in an environment of its own")
	require.NotContains(t, out, "not whole")
	require.NotContains(t, out, "pip install")
}
