package mlx

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/mlxlens/mlxlens/internal/origin"
)

// LibraryCommand gets a library and puts it into LibraryFolder. It needs Go, and no checkout.
const LibraryCommand = "go run github.com/mlxlens/mlxlens/mlx/cmd/mlxlib@latest"

// ownEnvironment keeps other packages' wishes for MLX away from mlxlens'.
const ownEnvironment = "install mlxlens in an environment of its own (`uv tool install mlxlens` or `pipx install mlxlens`)"

// pythonPackage is the package of Python that brings MLX to mlxlens' wheel.
func pythonPackage() string {
	if runtime.GOOS == "darwin" {
		return "mlx-metal"
	}
	return "mlx-cpu"
}

// packaged says, where the program came with mlxlens' wheel into site, what its environment lacks, and what gets it. There only pip
// helps: the wheel brings libmlxc, and leaves MLX to a package of the one version that libmlxc was compiled against.
func packaged(site string) (lacks, command string) {
	name := pythonPackage()
	want := name + "==" + provenMLX
	found := "" // its version
	prefix := strings.ReplaceAll(name, "-", "_") + "-"
	if infos, _ := filepath.Glob(filepath.Join(site, prefix+"*.dist-info")); len(infos) > 0 { // the pattern is right
		found = strings.TrimSuffix(strings.TrimPrefix(filepath.Base(infos[0]), prefix), ".dist-info")
	}
	switch found {
	case "":
		return fmt.Sprintf("mlxlens needs %s %s, which is not in %s", name, provenMLX, site), "pip install " + want
	case provenMLX: // something of it is not as it was, or of the wheel itself
		return fmt.Sprintf("what the packages mlxlens and %s have put into %s is not whole", name, site), "pip install --force-reinstall mlxlens " + want
	}
	return fmt.Sprintf("mlxlens needs %s %s, and %s is in %s", name, provenMLX, found, site), "pip install " + want
}

// LibraryRemedy says what is to be done where no library is usable, and of a program that came with mlxlens' wheel what is wrong with
// its environment, else lacks is "".
func LibraryRemedy() (lacks, do string) {
	if site := origin.Packages(); site != "" {
		lacks, command := packaged(site)
		return lacks, "`" + command + "`, or " + ownEnvironment
	}
	return "", "run `" + LibraryCommand + "`, or `make mlx-c` in a checkout of mlxlens"
}

// provenCommand gets the library that this package was proven with, whatever else is there.
func provenCommand() string {
	if site := origin.Packages(); site != "" {
		_, command := packaged(site)
		return command
	}
	return LibraryCommand + " -own"
}

// remedy is LibraryRemedy for an error, with what else helps.
func remedy() string {
	get := "get one with `" + LibraryCommand + "` (in a checkout of mlxlens with `make mlx-c`)"
	lacks, do := LibraryRemedy()
	if lacks != "" {
		get = do
	}
	switch {
	case os.Getenv(EnvLibrary) != "":
		return "set $" + EnvLibrary + " to a folder that has one, or unset it: no other place is looked at while it is set; where there is none, " + get
	case lacks != "":
		return lacks + ": " + get
	}
	get += ", or set $" + EnvLibrary + " to a folder that has it"
	if runtime.GOOS == "darwin" {
		return "install it with `brew install mlx-c`, or " + get
	}
	return get
}

// lacking is what the loader says, with what to do about a library of CUDA that it did not find.
func lacking(said string) string {
	name, _, missing := strings.Cut(said, ": cannot open shared object file")
	driver := name == "libcuda.so.1"
	if part := strings.HasPrefix(name, "libcu") || strings.HasPrefix(name, "libnv") || strings.HasPrefix(name, "libnccl"); !missing || !part {
		return said
	}
	switch {
	case origin.Packages() != "":
		said += "; MLX for NVIDIA's GPUs (mlx-cuda) has taken the place of the one that mlxlens' package needs: `pip uninstall` it, then `" + provenCommand() + "`, or " + ownEnvironment
	case driver:
		said += "; it comes with NVIDIA's driver, which this library needs: install that, or make the library for the CPU (in a checkout with `MLX_C_BACKEND=cpu make mlx-c`)"
	default:
		said += "; it is a part of CUDA 13: `MLX_C_BACKEND=cuda make mlx-c` in a checkout fetches what is missing"
	}
	return said
}
