// Package dynamic looks over the tables of an ELF library by which the system's loader finds its names, versions and relocations. glibc
// follows them without a bound (dl-load.c, dl-lookup.c, dl-version.c, do-rel.h): what leads out of a damaged library ends the process.
//
// All symbols and relocations are gone through, but for what mostRelative leaves out: 0.4 ms for libmlx (20 MB, 10,000 relocations), 0.6 for
// Debian's OpenBLAS (14,000).
// Left unchecked is what can be anything: code and data, which of its symbols a relocation is of, which address of code or data a symbol, or
// a pointer, has, and the tables of exceptions, which are read when one is thrown. What is checked beyond the loader's own needs, that
// sections agree with segments and no word is relocated twice, holds for all of 6,400 libraries, of GNU ld, gold, lld and mold, as they
// are, stripped, or changed by patchelf.
package dynamic

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Library is what a library asks of the loader.
type Library struct {
	Needed         []string // DT_NEEDED
	RPath, RunPath []string // folders, as they are written
	Foreign        []string // libraries that versions of symbols are of, and that are not needed
}

// segment is a PT_LOAD: addresses from start to filled are in the file at offset, those to end are zero.
type segment struct {
	start, filled, end, offset uint64
	flags                      elf.ProgFlag
}

// tables are those of a library.
type tables struct {
	Library
	file     *elf.File
	r        io.ReaderAt
	segments []segment
	tls      *elf.Prog
	own      *elf.Prog             // PT_DYNAMIC
	info     map[elf.DynTag]uint64 // the last of each tag, as the loader keeps it
	needed   []uint64              // offsets of names
	strings  []byte

	symbols []byte // as many as the table may have, whole
	count   uint32 // of symbols, known or else 0
	highest uint32 // of the symbols that relocations are of
}

// Check returns what a library asks for, and as an error what of it would lead the loader astray: text that goes on "it is damaged: ".
func Check(file *elf.File, r io.ReaderAt) (*Library, error) {
	t := &tables{file: file, r: r, info: map[elf.DynTag]uint64{}}
	if file.Class != elf.ELFCLASS64 || file.ByteOrder != binary.ByteOrder(binary.LittleEndian) {
		return nil, errors.New("it is not of 64 bits, the least first")
	}
	for _, check := range []func() error{t.loads, t.headers, t.dynamic, t.pairs, t.names, t.sections, t.startup, t.hash, t.relocations, t.checkSymbols, t.versions} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	return &t.Library, nil
}

// mostAddress is above what a process of x86-64 or arm64 has.
const mostAddress = 1 << 48

// loads takes the segments that are mapped. The loader takes their order for granted, and room for all from the last one's end.
func (t *tables) loads() error {
	for i, p := range t.file.Progs {
		if p.Type != elf.PT_LOAD || p.Memsz == 0 && p.Filesz == 0 {
			continue
		}
		s := segment{p.Vaddr, p.Vaddr + p.Filesz, p.Vaddr + p.Memsz, p.Off, p.Flags}
		switch n := len(t.segments); {
		case p.Filesz > p.Memsz || p.Memsz >= mostAddress || p.Vaddr >= mostAddress:
			return fmt.Errorf("segment %d has %d bytes in the file, and %d at address %#x", i, p.Filesz, p.Memsz, p.Vaddr)
		case n > 0 && s.start < t.segments[n-1].end:
			return fmt.Errorf("segment %d begins at address %#x, before the one in front of it ends", i, p.Vaddr)
		}
		t.segments = append(t.segments, s)
	}
	if len(t.segments) == 0 {
		return errors.New("no segment of it is to be mapped")
	}
	return nil
}

// within returns the segment that has so many bytes from an address on, nil where none has all.
func (t *tables) within(address, bytes uint64) *segment {
	for i := range t.segments {
		if s := &t.segments[i]; address >= s.start && address <= s.end && bytes <= s.end-address {
			return s
		}
	}
	return nil
}

// filled is within of what comes from the file.
func (t *tables) filled(address, bytes uint64) *segment {
	if s := t.within(address, bytes); s != nil && address <= s.filled && bytes <= s.filled-address {
		return s
	}
	return nil
}

// executable reports whether an address is one of code, and not of the file's header, which linkers for arm64 map with it.
func (t *tables) executable(address uint64) bool {
	const header = 64
	s := t.filled(address, 1)
	return s != nil && s.flags&elf.PF_X != 0 && s.offset+(address-s.start) >= header
}

func outside(what string, address, bytes uint64) error {
	return fmt.Errorf("%s lies outside of what is mapped: %d bytes at address %#x", what, bytes, address)
}

// read returns so many bytes at an address.
func (t *tables) read(what string, address, bytes uint64) ([]byte, error) {
	s := t.filled(address, bytes)
	if s == nil || s.flags&elf.PF_R == 0 {
		return nil, outside(what, address, bytes)
	}
	data := make([]byte, bytes)
	if _, err := t.r.ReadAt(data, int64(s.offset+(address-s.start))); err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", what, err)
	}
	return data, nil
}

// dynamic takes the dynamic section, which tells where all else is.
func (t *tables) dynamic() error {
	at := slices.IndexFunc(t.file.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_DYNAMIC })
	if at < 0 {
		return errors.New("it has no dynamic section")
	}
	p := t.file.Progs[at]
	t.own = p
	section, err := t.read("its dynamic section", p.Vaddr, p.Filesz)
	if err != nil {
		return err
	}
	if s := t.filled(p.Vaddr, p.Filesz); p.Flags&elf.PF_W != 0 && s.flags&elf.PF_W == 0 {
		return errors.New("its dynamic section, which the loader writes to, is not mapped to be written")
	}
	for ; len(section) >= 16; section = section[16:] {
		tag, value := elf.DynTag(binary.LittleEndian.Uint64(section)), binary.LittleEndian.Uint64(section[8:])
		switch tag {
		case elf.DT_NULL:
			return nil
		case elf.DT_NEEDED:
			t.needed = append(t.needed, value)
		}
		t.info[tag] = value
	}
	return errors.New("its dynamic section has no end")
}

// names takes the names that the loader compares and looks for.
func (t *tables) names() (err error) {
	if t.strings, err = t.read("the table of its names (DT_STRTAB)", t.info[elf.DT_STRTAB], t.info[elf.DT_STRSZ]); err != nil {
		return err
	}
	for _, offset := range t.needed {
		name, ok := t.text(offset)
		if !ok || name == "" {
			return errors.New("the names of the libraries that it needs are not in it")
		}
		t.Needed = append(t.Needed, name)
	}
	for _, tag := range []elf.DynTag{elf.DT_SONAME, elf.DT_RPATH, elf.DT_RUNPATH, elf.DT_AUXILIARY, elf.DT_FILTER} {
		offset, has := t.info[tag]
		if !has {
			continue
		}
		name, ok := t.text(offset)
		if !ok {
			return fmt.Errorf("its %v is not among its names", tag)
		}
		switch tag {
		case elf.DT_RPATH:
			t.RPath = strings.Split(name, ":")
		case elf.DT_RUNPATH:
			t.RunPath = strings.Split(name, ":")
		}
	}
	return nil
}

// text is the name at an offset of the table of names.
func (t *tables) text(offset uint64) (string, bool) {
	if offset >= uint64(len(t.strings)) {
		return "", false
	}
	name, _, ends := bytes.Cut(t.strings[offset:], []byte{0})
	return string(name), ends
}
