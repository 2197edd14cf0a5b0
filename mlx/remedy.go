package mlx

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

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

// packaged says, where the program came with mlxlens' wheel into site, what its environment lacks, and the command that gets it. There
// only what manages the environment helps: the wheel brings libmlxc, and leaves MLX to a package of the one version that libmlxc was
// compiled against.
func packaged(site string) (lacks, command string) {
	name := pythonPackage()
	want := name + "==" + provenMLX
	environment := origin.EnvironmentOf(site)
	found := "" // its version
	prefix := strings.ReplaceAll(name, "-", "_") + "-"
	if infos, _ := filepath.Glob(filepath.Join(site, prefix+"*.dist-info")); len(infos) > 0 { // the pattern is right
		found = strings.TrimSuffix(strings.TrimPrefix(filepath.Base(infos[0]), prefix), ".dist-info")
	}
	switch found {
	case "":
		return fmt.Sprintf("mlxlens needs %s %s, which is not in %s", name, provenMLX, site), environment.Install(want)
	case provenMLX: // something of it is not as it was, or of the wheel itself
		return fmt.Sprintf("what the packages mlxlens and %s have put into %s is not whole", name, site), environment.Reinstall("mlxlens " + want)
	}
	return fmt.Sprintf("mlxlens needs %s %s, and %s is in %s", name, provenMLX, found, site), environment.Install(want)
}

// instead names an environment of its own beside what else helps, where mlxlens has none yet.
func instead(do string, environment origin.Environment) string {
	if environment.Own() {
		return do
	}
	return do + ", or " + ownEnvironment
}

// unreadable is the first of the files and folders of a wheel's packages that the user may not read, as where root installed them with a
// umask of 077; "" when there is none.
func unreadable(site string) string {
	for _, pattern := range []string{".", "mlxlens/bin", "mlxlens/bin/*", "mlx", "mlx/lib", "mlx/lib/lib*", "mlx_cpu.libs", "mlx_cpu.libs/*"} {
		files, _ := filepath.Glob(filepath.Join(site, pattern)) // the pattern is right, or a folder's name odd
		for _, file := range files {
			f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
			if errors.Is(err, fs.ErrPermission) {
				return file
			}
			_ = f.Close()
		}
	}
	return ""
}

// LibraryRemedy says what is to be done where no library is usable. Where there is more to tell than that, lacks is what is wrong: with
// the environment of a program that came with mlxlens' wheel, or with a library for NVIDIA's GPUs whose driver is not there.
func LibraryRemedy() (lacks, do string) {
	loaded.mu.Lock()
	defer loaded.mu.Unlock()
	return libraryRemedy()
}

// libraryRemedy is LibraryRemedy for who holds the lock of what was loaded.
func libraryRemedy() (lacks, do string) {
	if site := origin.Packages(); site != "" {
		environment := origin.EnvironmentOf(site)
		if file := unreadable(site); file != "" {
			lacks = fmt.Sprintf("%s, of the packages mlxlens and %s, cannot be read: permission denied", file, pythonPackage())
			return lacks, instead("let its owner run `chmod -R a+rX "+origin.ShellWord(site)+"`", environment)
		}
		lacks, command := packaged(site)
		return lacks, instead("`"+command+"`", environment)
	}
	if path := loaded.driverless; path != "" {
		return path + " computes on NVIDIA's GPUs, whose driver is not there (" + driverLibrary + ")", "install the driver, or get a library for the CPU: " + forCPU(path)
	}
	return "", "run `" + LibraryCommand + "`, or `make mlx-c` in a checkout of mlxlens"
}

// driverLibrary comes with NVIDIA's driver alone.
const driverLibrary = "libcuda.so.1"

// forCPU is how a library for the CPU takes the place of one for GPUs, or, of one that no recipe made, how one is got at all.
func forCPU(path string) string {
	const asked = "MLX_C_BACKEND=cpu "
	folder := filepath.Dir(path)
	root, checkout := strings.CutSuffix(folder, filepath.FromSlash("/third_party/mlx-c/lib"))
	switch own, _ := LibraryFolder(); {
	case folder == own:
		return "`" + asked + LibraryCommand + "`"
	case checkout && exists(filepath.Join(folder, ".stamp")):
		return "`" + asked + "make mlx-c` in " + root
	}
	return "`" + asked + LibraryCommand + "`, or `" + asked + "make mlx-c` in a checkout of mlxlens"
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
	lacks, do := libraryRemedy()
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

// lacking is what the loader says, with what is to be told of a library of CUDA that it did not find.
func lacking(said string) string {
	name, _, missing := strings.Cut(said, ": cannot open shared object file")
	if part := strings.HasPrefix(name, "libcu") || strings.HasPrefix(name, "libnv") || strings.HasPrefix(name, "libnccl"); !missing || !part {
		return said
	}
	switch site := origin.Packages(); {
	case site != "":
		said += "; MLX for NVIDIA's GPUs (mlx-cuda) has taken the place of the one that mlxlens' package needs: " + withoutCUDA(site)
	case name == driverLibrary:
		said += "; it comes with NVIDIA's driver, which this library needs"
	default:
		said += "; it is a part of CUDA 13: `MLX_C_BACKEND=cuda make mlx-c` in a checkout fetches what is missing"
	}
	return said
}

// withoutCUDA says how a wheel's environment gets rid of MLX for NVIDIA's GPUs.
func withoutCUDA(site string) string {
	packages := "mlx-cuda"
	if infos, _ := filepath.Glob(filepath.Join(site, "mlx_cuda*.dist-info")); len(infos) > 0 { // one for each version of CUDA
		name, _, _ := strings.Cut(filepath.Base(infos[0]), "-")
		packages = strings.ReplaceAll(name, "_", "-")
	}
	environment := origin.EnvironmentOf(site)
	do := "`" + provenCommand() + "`"
	if first := environment.Uninstall(packages); first != "" {
		do = "`" + first + "`, then " + do
	}
	return instead(do, environment)
}
