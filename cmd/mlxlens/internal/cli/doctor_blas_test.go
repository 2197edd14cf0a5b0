package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestADamagedOpenBLASOfAWheelIsMendedByPip(t *testing.T) {
	const site = "/venv/site-packages"
	require.Equal(t, "`pip install --force-reinstall mlxlens scipy-openblas32`", mend(site+"/mlxlens/bin/libopenblas.so.0: it is damaged", site))
	for _, damaged := range []string{"/usr/lib/libopenblas.so.0: it is damaged", site + "-other/libopenblas.so.0: it is damaged"} {
		require.Contains(t, mend(damaged, site), "install its package again")
	}
	require.Contains(t, mend(site+"/libopenblas.so.0: it is damaged", ""), "install its package again")
	const unreadable = "/mlxlens/bin/libopenblas.so.0: it cannot be read: permission denied"
	require.Equal(t, "let its owner run `chmod -R a+rX "+site+"`", mend(site+unreadable, site))
	require.Contains(t, mend("/usr/lib"+unreadable, site), "let its owner make it readable")
}

func TestADamagedOpenBLASOfAToolIsMendedByTheTool(t *testing.T) {
	root := filepath.Join(t.TempDir(), "mlxlens")
	site := filepath.Join(root, "lib", "python3.12", "site-packages")
	require.NoError(t, os.MkdirAll(site, 0o755))
	for _, file := range []string{"pyvenv.cfg", "uv-receipt.toml"} {
		require.NoError(t, os.WriteFile(filepath.Join(root, file), nil, 0o644))
	}
	require.Equal(t, "`uv tool install --reinstall mlxlens`", mend(site+"/mlxlens/bin/libopenblas.so.0: it is damaged", site))
}

func TestAnInstallationOfAPackageNeedsSudoUnlessRootRunsIt(t *testing.T) {
	require.Equal(t, "sudo apt-get update && sudo apt-get install -y p", aptInstall("p", false))
	require.Equal(t, "apt-get update && apt-get install -y p", aptInstall("p", true))
	steps, err := os.ReadFile("../../../../third_party/steps.sh")
	require.NoError(t, err)
	require.Contains(t, string(steps), "sudo apt-get update && sudo apt-get install -y ", "the recipes' words")
}
