package mlx

import (
	"bytes"
	"debug/elf"
	"debug/macho"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	"github.com/mlxlens/mlxlens/internal/regular"
)

// inspect looks at a library file without running any of its code, since a
// loader's own message ("invalid ELF header") helps nobody, and what was cut off ends the
// process when it is mapped. It returns why the file cannot be a library for this machine, ""
// when it may be one.
func inspect(path string) string {
	f, size, err := regular.Open(path)
	if err != nil {
		return "it " + err.Error()
	}
	defer f.Close()
	var magic [4]byte
	if _, err := io.ReadFull(f, magic[:]); err != nil {
		return "it is too short to be a library"
	}
	switch {
	case string(magic[:]) == elf.ELFMAG:
		return inspectELF(f, size)
	case magic == [4]byte{0xcf, 0xfa, 0xed, 0xfe} || magic == [4]byte{0xca, 0xfe, 0xba, 0xbe}:
		return inspectMachO(f, size)
	}
	return "it is not a shared library"
}

// otherMachine begins what inspect says of a file that is right, and not for this machine.
const otherMachine = "it is built for "

func ofAnotherMachine(reason string) bool { return strings.HasPrefix(reason, otherMachine) }

func wrongMachine(got string) string {
	return fmt.Sprintf(otherMachine+"%s, and this program runs on %s/%s", got, runtime.GOOS, runtime.GOARCH)
}

// cutOff says that a part of a file lies beyond its end, "" if none does.
func cutOff(what string, offset, length uint64, size int64) string {
	if end := offset + length; end >= offset && end <= uint64(size) {
		return ""
	}
	return fmt.Sprintf("it is truncated or damaged: it has %d bytes, and %s begins at byte %d and has %d; get it again", size, what, offset, length)
}

func inspectELF(r io.ReaderAt, size int64) string {
	file, err := elf.NewFile(r)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Sprintf("it is a damaged ELF file, or a truncated one: it has %d bytes, and its headers lie beyond; get it again", size)
	}
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
	for i, p := range file.Progs {
		if why := cutOff(fmt.Sprintf("segment %d", i), p.Off, p.Filesz, size); why != "" {
			return why
		}
	}
	for _, s := range file.Sections {
		if s.Type == elf.SHT_NOBITS {
			continue
		}
		if why := cutOff("section "+s.Name, s.Offset, s.FileSize, size); why != "" {
			return why
		}
	}
	names, err := file.ImportedLibraries()
	if err != nil || slices.Contains(names, "") {
		return "it is damaged: the names of the libraries that it needs are not in it; get it again"
	}
	if n := zerosAtEnd(r, size); n >= mostZeros {
		return fmt.Sprintf("it is damaged: its last %d bytes are zero, as of a copy that was not finished; get it again", n)
	}
	return ""
}

// mostZeros is a page. What linkers and patchelf write ends with some 16 bytes of zero at most.
const mostZeros = 4096

// zerosAtEnd counts the zero bytes before a file's end, up to a mebibyte.
func zerosAtEnd(r io.ReaderAt, size int64) int {
	tail := make([]byte, min(size, 1<<20))
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return 0
	}
	return len(tail) - len(bytes.TrimRight(tail, "\x00"))
}

func inspectMachO(r io.ReaderAt, size int64) string {
	cpus := map[string]macho.Cpu{"amd64": macho.CpuAmd64, "arm64": macho.CpuArm64}
	if fat, err := macho.NewFatFile(r); err == nil {
		for _, arch := range fat.Arches {
			if runtime.GOOS != "darwin" || arch.Cpu != cpus[runtime.GOARCH] {
				continue
			}
			if why := cutOff("its part for this machine", uint64(arch.Offset), uint64(arch.Size), size); why != "" {
				return why
			}
			return segmentsWithin(arch.File, int64(arch.Size))
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
	return segmentsWithin(file, size)
}

// segmentsWithin says which segment of a Mach-O file lies beyond its end, "" if none does.
func segmentsWithin(file *macho.File, size int64) string {
	for _, load := range file.Loads {
		if s, ok := load.(*macho.Segment); ok {
			if why := cutOff("segment "+s.Name, s.Offset, s.Filesz, size); why != "" {
				return why
			}
		}
	}
	return ""
}

// needs returns the libraries that a library file asks the loader for, none where it cannot be
// read.
func needs(path string) []string {
	f, _, err := regular.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	var names []string
	if file, err := elf.NewFile(f); err == nil {
		names, _ = file.ImportedLibraries()
	} else if file, err := macho.NewFile(f); err == nil {
		names, _ = file.ImportedLibraries()
	}
	return names
}
