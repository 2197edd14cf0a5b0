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
	do := "install it (Debian, Ubuntu: `" + aptInstall("libopenblas0-pthread", os.Geteuid() == 0) + "`)"
	if site := provenance.Packages(); site != "" {
		do = "`" + provenance.EnvironmentOf(site).Reinstall("scipy-openblas32") + "`"
	}
	d.add("no OpenBLAS that can be used was found (--verbose says where it was looked for)"+slow, do+", or name one in $"+mlx.EnvBLAS)
}

// aptInstall is the command that installs a package on Debian and Ubuntu, as the recipes have it (third_party/steps.sh): an image of a
// container has neither lists of packages nor sudo.
func aptInstall(name string, root bool) string {
	sudo := "sudo "
	if root {
		sudo = ""
	}
	return sudo + "apt-get update && " + sudo + "apt-get install -y " + name
}

// mend says what helps against a damaged OpenBLAS, in words that begin with its file, where site is the folder of Python packages that
// mlxlens is in, or "".
func mend(damaged, site string) string {
	packaged := site != "" && strings.HasPrefix(damaged, site+string(filepath.Separator))
	unreadable := strings.HasSuffix(damaged, "cannot be read: permission denied")
	switch {
	case packaged && unreadable:
		return "let its owner run `chmod -R a+rX " + provenance.ShellWord(site) + "`"
	case unreadable:
		return "let its owner make it readable, or take its folder out of $LD_LIBRARY_PATH"
	case packaged:
		return "`" + provenance.EnvironmentOf(site).Reinstall("mlxlens scipy-openblas32") + "`"
	}
	return "install its package again, remove the file, or take its folder out of $LD_LIBRARY_PATH"
}
