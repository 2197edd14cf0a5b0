package mlx

import (
	"bytes"
	"debug/elf"
	"debug/macho"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/mlxlens/mlxlens/internal/regular"
	"github.com/mlxlens/mlxlens/mlx/internal/dynamic"
)

// inspect looks at a library file without running any of its code, since a
// loader's own message ("invalid ELF header") helps nobody, and what was cut off, or leads out of the file, ends the
// process when it is mapped. It returns why the file cannot be a library for this machine, ""
// when it may be one.
func inspect(path string) string { return look(path).reason }

// sight is what was seen of a file.
type sight struct {
	reason string           // against it
	asks   *dynamic.Library // what it asks of the loader, nil where that cannot be told
	tables bool             // whether the reason is in its tables
}

// sights are those of files that were looked at: several libraries need the same ones.
var sights sync.Map // of sighted

// sighted is a file as it was.
type sighted struct {
	path    string
	size    int64
	changed time.Time
}

// look looks at a file, once as long as it stays what it is.
func look(path string) sight {
	f, size, err := regular.Open(path)
	if system := syscall.Errno(0); errors.As(err, &system) {
		return sight{reason: "it cannot be read: " + system.Error()}
	} else if err != nil {
		return sight{reason: "it " + err.Error()}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return sight{reason: "it cannot be read: " + err.Error()}
	}
	as := sighted{path, size, info.ModTime()}
	if known, ok := sights.Load(as); ok {
		return known.(sight)
	}
	var magic [4]byte
	s := sight{reason: "it is not a shared library"}
	if _, err := f.ReadAt(magic[:], 0); err != nil {
		s.reason = "it is too short to be a library"
	} else if string(magic[:]) == elf.ELFMAG {
		s = inspectELF(f, size)
	} else if magic == [4]byte{0xcf, 0xfa, 0xed, 0xfe} || magic == [4]byte{0xca, 0xfe, 0xba, 0xbe} {
		s.reason = inspectMachO(f, size)
	}
	sights.Store(as, s)
	return s
}

// otherMachine begins what inspect says of a file that is right, and not for this machine.
const otherMachine = "it is built for "

// getAgain ends what inspect says of a damaged file.
const getAgain = "; get it again"

func ofAnotherMachine(reason string) bool { return strings.HasPrefix(reason, otherMachine) }

func wrongMachine(got string) string {
	return fmt.Sprintf(otherMachine+"%s, and this program runs on %s/%s", got, runtime.GOOS, runtime.GOARCH)
}

// cutOff says that a part of a file lies beyond its end, "" if none does.
func cutOff(what string, offset, length uint64, size int64) string {
	if end := offset + length; end >= offset && end <= uint64(size) {
		return ""
	}
	return fmt.Sprintf("it is truncated or damaged: it has %d bytes, and %s begins at byte %d and has %d"+getAgain, size, what, offset, length)
}

func inspectELF(r io.ReaderAt, size int64) sight {
	file, err := elf.NewFile(r)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return sight{reason: fmt.Sprintf("it is a damaged ELF file, or a truncated one: it has %d bytes, and its headers lie beyond"+getAgain, size)}
	}
	if err != nil {
		return sight{reason: "it is a damaged ELF file: " + err.Error()}
	}
	machines := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}
	if runtime.GOOS != "linux" || file.Machine != machines[runtime.GOARCH] {
		return sight{reason: wrongMachine("linux/" + file.Machine.String())}
	}
	if file.Type != elf.ET_DYN {
		return sight{reason: "it is an ELF file, but not a shared library"}
	}
	if why := partsWithin(file, size); why != "" {
		return sight{reason: why}
	}
	if n := zerosAtEnd(r, size); n >= mostZeros && len(file.Sections) > 0 { // whose headers stand at the end
		return sight{reason: fmt.Sprintf("it is damaged: its last %d bytes are zero, as of a copy that was not finished"+getAgain, n)}
	}
	asks, err := dynamic.Check(file, r)
	if err != nil {
		return sight{reason: "it is damaged: " + err.Error() + getAgain, tables: true}
	}
	return sight{asks: asks}
}

// partsWithin says which part of an ELF file lies beyond its end, "" if none does.
func partsWithin(file *elf.File, size int64) string {
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
	return ""
}

// mostZeros is a page. What linkers and patchelf write ends with some 16 bytes of zero at most.
const mostZeros = 4096

// zerosAtEnd counts the zero bytes before a file's end, up to a mebibyte.
func zerosAtEnd(r io.ReaderAt, size int64) (zeros int) {
	for _, most := range []int64{mostZeros, 1 << 20} { // of most files a page has to be read
		tail := make([]byte, min(size, most))
		if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
			return 0
		}
		if zeros = len(tail) - len(bytes.TrimRight(tail, "\x00")); zeros < len(tail) {
			break
		}
	}
	return zeros
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
	if asks := look(path).asks; asks != nil {
		return asks.Needed
	}
	f, _, err := regular.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	file, err := macho.NewFile(f)
	if err != nil {
		return nil
	}
	names, _ := file.ImportedLibraries()
	return names
}
