package cli

import (
	"os"
	"runtime"

	provenance "github.com/mlxlens/mlxlens/internal/origin"
	"github.com/mlxlens/mlxlens/mlx"
)

// fastBLAS tells of an OpenBLAS that is damaged, or not there.
func (d *diagnosis) fastBLAS(lib mlx.Library) {
	for _, damaged := range lib.DamagedBLAS {
		d.add("this OpenBLAS is passed by: "+damaged, "install its package again, remove the file, or take its folder out of $LD_LIBRARY_PATH")
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
