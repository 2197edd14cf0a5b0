package cli

import (
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
}
