package dynamic

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
)

// Tags of packed relocations, which package elf lacks.
const dtRelrSize, dtRelr, dtRelrEnt elf.DynTag = 35, 36, 37

// form is what a kind of relocation does. The loader refuses by itself those that are not listed.
type form struct {
	bytes            uint64 // that it writes
	relative, called bool   // the addend is an address, and of code that the loader calls
	symbol           bool   // it writes a symbol's address as it is
	thread           bool   // it is of what a thread has of its own
}

// forms are those of R_X86_64 and R_AARCH64 that libraries have, by their numbers.
var forms = map[elf.Machine][]form{
	elf.EM_X86_64: {
		elf.R_X86_64_64: {bytes: 8}, elf.R_X86_64_GLOB_DAT: {bytes: 8, symbol: true}, elf.R_X86_64_JMP_SLOT: {bytes: 8, symbol: true},
		elf.R_X86_64_RELATIVE: {bytes: 8, relative: true}, elf.R_X86_64_IRELATIVE: {bytes: 8, relative: true, called: true},
		elf.R_X86_64_DTPMOD64: {bytes: 8, thread: true}, elf.R_X86_64_DTPOFF64: {bytes: 8, thread: true}, elf.R_X86_64_TPOFF64: {bytes: 8, thread: true},
		elf.R_X86_64_TLSDESC: {bytes: 16, thread: true}, elf.R_X86_64_32: {bytes: 4}, elf.R_X86_64_PC32: {bytes: 4}, elf.R_X86_64_PC64: {bytes: 8},
		elf.R_X86_64_SIZE32: {bytes: 4}, elf.R_X86_64_SIZE64: {bytes: 8},
	},
	elf.EM_AARCH64: {
		elf.R_AARCH64_ABS64: {bytes: 8}, elf.R_AARCH64_GLOB_DAT: {bytes: 8, symbol: true}, elf.R_AARCH64_JUMP_SLOT: {bytes: 8, symbol: true},
		elf.R_AARCH64_RELATIVE: {bytes: 8, relative: true}, elf.R_AARCH64_IRELATIVE: {bytes: 8, relative: true, called: true},
		elf.R_AARCH64_TLS_DTPMOD64: {bytes: 8, thread: true}, elf.R_AARCH64_TLS_DTPREL64: {bytes: 8, thread: true}, elf.R_AARCH64_TLS_TPREL64: {bytes: 8, thread: true},
		elf.R_AARCH64_TLSDESC: {bytes: 16, thread: true},
	},
}

// slots remembers which words of a library a relocation writes. None is written twice.
type slots struct {
	t       *tables
	forms   []form
	calls   [2][2]uint64          // the arrays of functions that are called, from and to
	written map[*segment][]uint64 // a bit for each word of 8 bytes
	data    map[*segment][]byte   // what it has in the file, where that was read
	text    bool                  // code is written to as well
}

// relocations looks over what the loader writes before any code runs: where, and as far as can be told, what.
func (t *tables) relocations() error {
	const textrel = 4 // DF_TEXTREL
	_, text := t.info[elf.DT_TEXTREL]
	w := &slots{t: t, forms: forms[t.file.Machine], written: map[*segment][]uint64{}, data: map[*segment][]byte{}, text: text || t.info[elf.DT_FLAGS]&textrel != 0}
	for i, tags := range arrays {
		w.calls[i] = [2]uint64{t.info[tags[0]], t.info[tags[0]] + t.info[tags[1]]}
	}
	for address := t.own.Vaddr; address < t.own.Vaddr+t.own.Filesz; address += 8 {
		w.write(address, 8) // the loader's
	}
	at, size, jumps, jumpsSize := t.info[elf.DT_RELA], t.info[elf.DT_RELASZ], t.info[elf.DT_JMPREL], t.info[elf.DT_PLTRELSZ]
	if size > jumpsSize && jumps+jumpsSize == at+size { // they are counted with the others
		size -= jumpsSize
	}
	relative := t.info[elf.DT_RELACOUNT]
	if size%relaSize != 0 || relative > size/relaSize || jumpsSize%relaSize != 0 {
		return fmt.Errorf("DT_RELA has %d bytes, %d relocations of them relative, and DT_JMPREL %d bytes: no whole number", size, relative, jumpsSize)
	}
	some := min(relative, mostRelative)
	for _, part := range []struct {
		what                       string
		at, first, count, relative uint64
	}{{"DT_RELA", at, 0, some, some}, {"DT_RELA", at, relative, size/relaSize - relative, 0}, {"DT_JMPREL", jumps, 0, jumpsSize / relaSize, 0}} {
		if part.count == 0 {
			continue
		}
		table, err := t.read("the table of its relocations ("+part.what+")", part.at+part.first*relaSize, part.count*relaSize)
		if err != nil {
			return err
		}
		if err := w.all(part.what, table, part.first, part.relative); err != nil {
			return err
		}
	}
	if err := w.packed(); err != nil {
		return err
	}
	if some < relative {
		return nil
	}
	for i, call := range w.calls {
		for slot := call[0]; slot < call[1]; slot += 8 {
			if !w.has(slot) {
				return fmt.Errorf("no relocation is of the function at address %#x of its %v, which is called", slot, arrays[i][0])
			}
		}
	}
	return nil
}

// mostRelative is how many of the relocations that are relative are looked at. MLX's libraries have fewer (6,224; 19,079 for CUDA). NVIDIA's
// have up to 340,000, which would take 10 ms at each start and library.
const mostRelative = 1 << 15

// all looks over a table: r_offset, r_info with the kind and the symbol, r_addend. So many of those that come first are taken for
// relative by the loader, which does not look at their kind.
func (w *slots) all(what string, table []byte, first, relative uint64) error {
	for i := uint64(0); i < uint64(len(table))/relaSize; i++ {
		entry := table[i*relaSize:]
		offset, info, addend := binary.LittleEndian.Uint64(entry), binary.LittleEndian.Uint64(entry[8:]), binary.LittleEndian.Uint64(entry[16:])
		var f form
		if uint32(info) < uint32(len(w.forms)) {
			f = w.forms[uint32(info)]
		}
		if info == 0 && what == "DT_RELA" && i >= relative { // R_X86_64_NONE: ld leaves it of absolute pointers in .eh_frame
			continue
		}
		if f.bytes == 0 {
			return fmt.Errorf("relocation %d of %s is of a kind (%d) that it cannot be", first+i, what, uint32(info))
		}
		symbol := uint32(info >> 32)
		if wrong := w.one(f, offset, symbol, addend); wrong != "" || i < relative && !f.relative {
			return fmt.Errorf("relocation %d of %s, at address %#x, is damaged%s", first+i, what, offset, wrong)
		}
	}
	return nil
}

// one looks over a relocation, and says what is wrong with it.
func (w *slots) one(f form, offset uint64, symbol uint32, addend uint64) string {
	t := w.t
	if wrong := w.write(offset, f.bytes); wrong != "" {
		return wrong
	}
	if uint64(symbol)*symbolSize+symbolSize > uint64(len(t.symbols)) && symbol > 0 {
		return fmt.Sprintf(": it is of symbol %d, and there are %d", symbol, len(t.symbols)/symbolSize)
	}
	t.highest = max(t.highest, symbol)
	switch {
	case (f.symbol || f.thread) && offset%8 != 0:
		return ": it is between words"
	case f.symbol && symbol == 0:
		return ": it is of no symbol"
	case f.thread && !t.threadHas(symbol):
		return ": it is of what a thread has of its own, and there is none"
	case f.relative && (f.called || w.called(offset)) && !t.executable(addend):
		return fmt.Sprintf(": what is called is at address %#x, where no code is", addend)
	case f.relative && (symbol != 0 || !t.near(addend)):
		return fmt.Sprintf(": it leads out of the library, to address %#x", addend)
	}
	return ""
}

// threadHas reports whether there is what a thread has of its own, of which a symbol is, or whether it is another library's. How far it
// reaches is left to the linker: gold writes the address of a section there.
func (t *tables) threadHas(symbol uint32) bool {
	return t.tls != nil || symbol > 0 && binary.LittleEndian.Uint16(t.symbols[uint64(symbol)*symbolSize+6:]) == 0 // st_shndx
}

// called reports whether an address is in the arrays of functions that the loader calls.
func (w *slots) called(address uint64) bool {
	for _, call := range w.calls {
		if address >= call[0] && address < call[1] {
			return true
		}
	}
	return false
}

// near reports whether an address is in the library, or so near that a pointer of its may begin there.
func (t *tables) near(address uint64) bool {
	const around = 1 << 30
	return address+around < t.segments[len(t.segments)-1].end+2*around
}

// write remembers that a relocation writes so many bytes, and says why it must not.
func (w *slots) write(address, bytes uint64) string {
	s := w.t.filled(address, bytes)
	if s == nil || s.flags&elf.PF_W == 0 && !w.text {
		return ": nothing is written there"
	}
	if bytes < 8 || address%8 != 0 {
		return "" // of a part of a word, beside others
	}
	if w.written[s] == nil {
		w.written[s] = make([]uint64, (s.filled/8-s.start/8)/64+1)
	}
	for i := address/8 - s.start/8; bytes > 0; i, bytes = i+1, bytes-8 {
		if w.written[s][i/64]&(1<<(i%64)) != 0 {
			return ": another is of the same address"
		}
		w.written[s][i/64] |= 1 << (i % 64)
	}
	return ""
}

// has reports whether a relocation is of an address.
func (w *slots) has(address uint64) bool {
	s := w.t.filled(address, 8)
	if s == nil || w.written[s] == nil {
		return false
	}
	i := address/8 - s.start/8
	return w.written[s][i/64]&(1<<(i%64)) != 0
}

// unmoved looks at an address that the loader moves where it is in the file.
func (w *slots) unmoved(address uint64) string {
	if wrong := w.write(address, 8); wrong != "" {
		return wrong
	}
	if address%8 != 0 {
		return ": it is between words"
	}
	s := w.t.filled(address, 8)
	if w.data[s] == nil {
		data, err := w.t.read("what is relocated", s.start, s.filled-s.start)
		if err != nil {
			return ": " + err.Error()
		}
		w.data[s] = data
	}
	switch to := binary.LittleEndian.Uint64(w.data[s][address-s.start:]); {
	case w.called(address) && !w.t.executable(to):
		return fmt.Sprintf(": what is called is at address %#x, where no code is", to)
	case to == 0 || !w.t.near(to):
		return fmt.Sprintf(": it leads out of the library, to address %#x", to)
	}
	return ""
}

// packed looks over DT_RELR: an even word is an address, and an odd one has a bit for each of the 63 words behind the last.
func (w *slots) packed() error {
	at, has := w.t.info[dtRelr]
	if !has {
		return nil
	}
	const what = "the table of its packed relocations (DT_RELR)"
	table, err := w.t.read(what, at, w.t.info[dtRelrSize])
	if err != nil {
		return err
	}
	next := uint64(0)
	one := func(address uint64) {
		if wrong := w.unmoved(address); wrong != "" && err == nil {
			err = fmt.Errorf("%s has address %#x%s", what, address, wrong)
		}
	}
	for ; len(table) >= 8 && err == nil; table = table[8:] {
		word := binary.LittleEndian.Uint64(table)
		if word&1 == 0 {
			one(word)
			next = word + 8
			continue
		}
		for i := range uint64(63) {
			if word>>(i+1)&1 != 0 {
				one(next + 8*i)
			}
		}
		next += 63 * 8
	}
	return err
}
