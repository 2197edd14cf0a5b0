package cli

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"

	provenance "github.com/mlxlens/mlxlens/internal/origin"
	"github.com/mlxlens/mlxlens/mlx"
)

// fastBLAS tells of an OpenBLAS that is damaged, or not there.
func (d *diagnosis) fastBLAS(lib mlx.Library) {
	for _, damaged := range lib.DamagedBLAS {
		d.add("this OpenBLAS is passed by: "+damaged, mend(damaged, provenance.Packages()))
	}
	if runtime.GOOS != "linux" || lib.BLAS != "" || len(lib.Devices) > 1 {
		return
	}
	const slow = ": matrix products run 50 times slower than they could"
	if os.Getenv(mlx.EnvBLAS) == "none" {
		d.add("no OpenBLAS is opened"+slow, "$"+mlx.EnvBLAS+" is none: unset it")
		return
	}
	do := "install it (Debian, Ubuntu: sudo apt-get install -y libopenblas0-pthread)"
	if provenance.Packages() != "" {
		do = "`pip install --force-reinstall scipy-openblas32`"
	}
	d.add("no OpenBLAS that can be used was found (--verbose says where it was looked for)"+slow, do+", or name one in $"+mlx.EnvBLAS)
}

// mend says what helps against a damaged OpenBLAS, in words that begin with its file, where site is the folder of Python packages that
// mlxlens is in, or "".
func mend(damaged, site string) string {
	if site != "" && strings.HasPrefix(damaged, site+string(filepath.Separator)) {
		return "`pip install --force-reinstall mlxlens scipy-openblas32`"
	}
	return "install its package again, remove the file, or take its folder out of $LD_LIBRARY_PATH"
}
