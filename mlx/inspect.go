package mlx

import (
	"debug/elf"
	"debug/macho"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
)

// inspect looks at a library file without running any of its code, since a
// loader's own message ("invalid ELF header") helps nobody. It returns why the
// file cannot be an mlx-c for this machine, "" when it may be one.
func inspect(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	var magic [4]byte
	if _, err := io.ReadFull(f, magic[:]); err != nil {
		return "it is too short to be a library"
	}
	switch {
	case string(magic[:]) == elf.ELFMAG:
		return inspectELF(f)
	case magic == [4]byte{0xcf, 0xfa, 0xed, 0xfe} || magic == [4]byte{0xca, 0xfe, 0xba, 0xbe}:
		return inspectMachO(f)
	}
	return "it is not a shared library"
}

func wrongMachine(got string) string {
	return fmt.Sprintf("it is built for %s, and this program runs on %s/%s", got, runtime.GOOS, runtime.GOARCH)
}

func inspectELF(r io.ReaderAt) string {
	file, err := elf.NewFile(r)
	if err != nil {
		return "it is a damaged ELF file: " + err.Error()
	}
	machines := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}
	if runtime.GOOS != "linux" || file.Machine != machines[runtime.GOARCH] {
		return wrongMachine("linux/" + file.Machine.String())
	}
	if file.Type != elf.ET_DYN {
		return "it is an ELF file, but not a shared library"
	}
	return ""
}

func inspectMachO(r io.ReaderAt) string {
	cpus := map[string]macho.Cpu{"amd64": macho.CpuAmd64, "arm64": macho.CpuArm64}
	if fat, err := macho.NewFatFile(r); err == nil {
		for _, arch := range fat.Arches {
			if runtime.GOOS == "darwin" && arch.Cpu == cpus[runtime.GOARCH] {
				return ""
			}
		}
		return wrongMachine("other kinds of Mac")
	} else if !errors.Is(err, macho.ErrNotFat) {
		return "it is a damaged Mach-O file: " + err.Error()
	}
	file, err := macho.NewFile(r)
	if err != nil {
		return "it is a damaged Mach-O file: " + err.Error()
	}
	if runtime.GOOS != "darwin" || file.Cpu != cpus[runtime.GOARCH] {
		return wrongMachine("darwin/" + file.Cpu.String())
	}
	return ""
}
