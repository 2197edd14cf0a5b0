package origin

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAProgramInAPythonPackageIsAWheels(t *testing.T) {
	site := t.TempDir()
	bin := filepath.Join(site, "mlxlens", "bin")
	require.NoError(t, os.MkdirAll(bin, 0o755))
	require.Empty(t, packages(filepath.Join(bin, "mlxlens")), "as in PREFIX/mlxlens/bin, or a checkout")
	require.NoError(t, os.WriteFile(filepath.Join(site, "mlxlens", "__init__.py"), nil, 0o644))
	require.Equal(t, site, packages(filepath.Join(bin, "mlxlens")))
	require.Empty(t, packages(filepath.Join(site, "mlxlens", "mlxlens")))
	require.Empty(t, packages(""))
	require.Empty(t, Packages(), "go test is none")
}
