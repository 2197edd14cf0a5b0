package dynamic

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
)

// mostThread is more than any library has of a thread's own: each thread gets so much.
const mostThread = 1 << 30

// largestPage is that of arm64. What is made read-only ends with a page.
const largestPage = 1 << 16

// headers looks over the program headers whose memory is read before any relocation.
func (t *tables) headers() error {
	for i, p := range t.file.Progs {
		what := fmt.Sprintf("segment %d (%v)", i, p.Type)
		switch p.Type {
		case elf.PT_NOTE, elf.PT_GNU_PROPERTY:
			if err := t.notes(what, p); err != nil {
				return err
			}
		case elf.PT_TLS:
			if p.Filesz > p.Memsz || p.Memsz > mostThread || p.Align > mostThread || bits.OnesCount64(p.Align) > 1 {
				return fmt.Errorf("%s has %d bytes of which %d are in the file, in steps of %d", what, p.Memsz, p.Filesz, p.Align)
			}
			if t.tls = p; p.Filesz == 0 {
				continue
			}
			fallthrough
		case elf.PT_DYNAMIC, elf.PT_PHDR, elf.PT_GNU_EH_FRAME:
			s := t.filled(p.Vaddr, p.Filesz)
			if s == nil {
				return outside(what, p.Vaddr, p.Filesz)
			}
			if s.offset+(p.Vaddr-s.start) != p.Off {
				return fmt.Errorf("%s is at byte %d, and what is mapped at its address comes from another", what, p.Off)
			}
		case elf.PT_GNU_RELRO:
			s := t.within(p.Vaddr, 0)
			if s == nil || s.flags&elf.PF_W == 0 || p.Memsz > s.end-p.Vaddr+largestPage {
				return outside(what, p.Vaddr, p.Memsz)
			}
		}
	}
	return nil
}

// notes goes through notes as the loader does that looks for one of its own in them.
func (t *tables) notes(what string, p *elf.Prog) error {
	data, err := t.read(what, p.Vaddr, p.Filesz)
	if err != nil {
		return err
	}
	align := max(p.Align, 4)
	if align != 4 && align != 8 {
		return nil // passed by
	}
	up := func(n uint64) uint64 { return (n + align - 1) &^ (align - 1) }
	for left := uint64(len(data)); left >= 12; {
		note := data[uint64(len(data))-left:]
		name, text := uint64(binary.LittleEndian.Uint32(note)), uint64(binary.LittleEndian.Uint32(note[4:]))
		size := up(up(12+name) + text)
		if up(12+name)+text > left {
			return fmt.Errorf("%s has a note that goes on behind its end", what)
		}
		left -= min(left, size)
	}
	return nil
}

// pairs looks whether those tags are there that the loader reads without a question where it has another.
func (t *tables) pairs() error {
	for tag, want := range map[elf.DynTag]uint64{elf.DT_SYMENT: symbolSize, elf.DT_RELAENT: relaSize, dtRelrEnt: 8, elf.DT_PLTREL: uint64(elf.DT_RELA)} {
		if got, has := t.info[tag]; has && got != want {
			return fmt.Errorf("its %v is %d, where the loader takes %d for granted", tag, got, want)
		}
	}
	if _, has := t.info[elf.DT_REL]; has {
		return errors.New("it has relocations of a kind that this processor has not (DT_REL)")
	}
	for _, all := range [][]elf.DynTag{
		{elf.DT_RELA, elf.DT_RELASZ, elf.DT_RELAENT}, {elf.DT_JMPREL, elf.DT_PLTRELSZ, elf.DT_PLTREL}, {dtRelr, dtRelrSize, dtRelrEnt},
		{elf.DT_INIT_ARRAY, elf.DT_INIT_ARRAYSZ}, {elf.DT_FINI_ARRAY, elf.DT_FINI_ARRAYSZ}, {elf.DT_VERNEED, elf.DT_VERNEEDNUM}, {elf.DT_VERDEF, elf.DT_VERDEFNUM},
	} {
		n := 0
		for _, tag := range all {
			if _, has := t.info[tag]; has {
				n++
			}
		}
		if n > 0 && n < len(all) {
			return fmt.Errorf("of %v, which belong together, its dynamic section lacks some", all)
		}
	}
	for _, tag := range []elf.DynTag{elf.DT_STRTAB, elf.DT_STRSZ, elf.DT_SYMTAB} {
		if _, has := t.info[tag]; !has {
			return fmt.Errorf("its dynamic section has no %v", tag)
		}
	}
	return nil
}

// sections holds the segments, and where the dynamic section finds its tables, against the sections, which say the same once more. The
// loader does not read those, and a library that was stripped of them is right too.
func (t *tables) sections() error {
	for _, s := range t.file.Sections {
		if s.Flags&elf.SHF_ALLOC == 0 || s.Size == 0 || s.Flags&elf.SHF_TLS != 0 && s.Type == elf.SHT_NOBITS {
			continue
		}
		if err := t.mapped(s); err != nil {
			return err
		}
		ok := true
		if tags := sectionTags[s.Type]; tags != nil {
			at, has := t.info[tags[0]]
			ok = has && at == s.Addr && (len(tags) == 1 || t.info[tags[1]] == s.Size)
		}
		if s.Type == elf.SHT_RELA {
			ok = t.inTable(s, elf.DT_RELA, elf.DT_RELASZ) || t.inTable(s, elf.DT_JMPREL, elf.DT_PLTRELSZ)
		}
		if !ok {
			return fmt.Errorf("its dynamic section does not lead to section %s", s.Name)
		}
	}
	return nil
}

// mapped holds a section against the segment that it is in.
func (t *tables) mapped(s *elf.Section) error {
	in := t.within(s.Addr, s.Size)
	if in == nil || s.Type != elf.SHT_NOBITS && (t.filled(s.Addr, s.Size) == nil || in.offset+(s.Addr-in.start) != s.Offset) {
		return outside("section "+s.Name, s.Addr, s.Size)
	}
	if s.Flags&elf.SHF_WRITE != 0 && in.flags&elf.PF_W == 0 || s.Flags&elf.SHF_EXECINSTR != 0 && in.flags&elf.PF_X == 0 || s.Flags&elf.SHF_EXECINSTR == 0 && in.flags&elf.PF_R == 0 {
		return fmt.Errorf("section %s, which is %v, is mapped as %v", s.Name, s.Flags, in.flags)
	}
	has := func(kind elf.ProgType, at func(p *elf.Prog) bool) bool {
		return slices.ContainsFunc(t.file.Progs, func(p *elf.Prog) bool { return p.Type == kind && at(p) })
	}
	const page = 4096
	switch s.Name {
	case ".eh_frame_hdr": // no exception is caught without
		if !has(elf.PT_GNU_EH_FRAME, func(p *elf.Prog) bool { return p.Vaddr == s.Addr }) {
			return fmt.Errorf("no segment (PT_GNU_EH_FRAME) leads to section %s", s.Name)
		}
	case ".data", ".bss":
		if has(elf.PT_GNU_RELRO, func(p *elf.Prog) bool { return s.Addr >= p.Vaddr && s.Addr < (p.Vaddr+p.Memsz)&^(page-1) }) {
			return fmt.Errorf("section %s is made read-only (PT_GNU_RELRO)", s.Name)
		}
	}
	return nil
}

// inTable reports whether a section is a part of a table of the dynamic section's.
func (t *tables) inTable(s *elf.Section, address, size elf.DynTag) bool {
	at, bytes := t.info[address], t.info[size]
	return s.Addr >= at && s.Size <= bytes && s.Addr-at <= bytes-s.Size
}

// sectionTags say where a section is, and how long, in the dynamic section.
var sectionTags = map[elf.SectionType][]elf.DynTag{
	elf.SHT_DYNSYM: {elf.DT_SYMTAB}, elf.SHT_GNU_HASH: {elf.DT_GNU_HASH}, elf.SHT_HASH: {elf.DT_HASH},
	elf.SHT_INIT_ARRAY: {elf.DT_INIT_ARRAY, elf.DT_INIT_ARRAYSZ}, elf.SHT_FINI_ARRAY: {elf.DT_FINI_ARRAY, elf.DT_FINI_ARRAYSZ},
	elf.SHT_GNU_VERSYM: {elf.DT_VERSYM}, elf.SHT_GNU_VERNEED: {elf.DT_VERNEED}, elf.SHT_GNU_VERDEF: {elf.DT_VERDEF},
}

// arrays are those of functions that the loader calls.
var arrays = [2][2]elf.DynTag{{elf.DT_INIT_ARRAY, elf.DT_INIT_ARRAYSZ}, {elf.DT_FINI_ARRAY, elf.DT_FINI_ARRAYSZ}}

// startup looks whether what the loader calls is code. The functions of arrays are looked at with the relocations that write them.
func (t *tables) startup() error {
	for _, tag := range []elf.DynTag{elf.DT_INIT, elf.DT_FINI} {
		if address, has := t.info[tag]; has && !t.executable(address) {
			return fmt.Errorf("its %v, which is called, is at address %#x, where no code is", tag, address)
		}
	}
	for _, tags := range arrays {
		address, size := t.info[tags[0]], t.info[tags[1]]
		if size > 0 && (size%8 != 0 || address%8 != 0 || t.filled(address, size) == nil) {
			return outside("the array of functions that are called ("+tags[0].String()+")", address, size)
		}
	}
	if address, has := t.info[elf.DT_PLTGOT]; has {
		if s := t.within(address, 8); s == nil || s.flags&elf.PF_W == 0 {
			return outside("its table of addresses (DT_PLTGOT)", address, 8)
		}
	}
	return nil
}
