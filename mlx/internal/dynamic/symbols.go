package dynamic

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

const symbolSize, relaSize = elf.Sym64Size, 24

// hash goes through the table by which symbols are found, and counts them by it: nothing else says how many there are.
func (t *tables) hash() error {
	var err error
	if at, has := t.info[elf.DT_GNU_HASH]; has {
		err = t.gnuHash(at)
	} else if at, has := t.info[elf.DT_HASH]; has {
		err = t.oldHash(at)
	}
	if err != nil {
		return err
	}
	at := t.info[elf.DT_SYMTAB]
	room := uint64(t.count) * symbolSize
	if room == 0 { // none that others see: as many as there is room for
		if s := t.filled(at, symbolSize); s != nil {
			room = s.filled - at
		}
		if names := t.info[elf.DT_STRTAB]; names > at {
			room = min(room, names-at)
		}
		room -= room % symbolSize
	}
	t.symbols, err = t.read("the table of its symbols (DT_SYMTAB)", at, room)
	return err
}

// gnuHash goes through a table of the GNU form: nbuckets, the first symbol in it, words of the Bloom filter, a shift; then the filter's
// words of 64 bits, the buckets, and of each symbol a word that is odd at the end of a bucket's.
func (t *tables) gnuHash(at uint64) error {
	const what = "the table of its symbols' hashes (DT_GNU_HASH)"
	head, err := t.read(what, at, 16)
	if err != nil {
		return err
	}
	n, first, words := binary.LittleEndian.Uint32(head), binary.LittleEndian.Uint32(head[4:]), binary.LittleEndian.Uint32(head[8:])
	if words == 0 || words&(words-1) != 0 {
		return fmt.Errorf("%s has a filter of %d words", what, words)
	}
	at += 16 + 8*uint64(words)
	buckets, err := t.read(what, at, 4*uint64(n))
	if err != nil {
		return err
	}
	at += 4 * uint64(n)
	last := uint32(0)
	for ; len(buckets) > 0; buckets = buckets[4:] {
		bucket := binary.LittleEndian.Uint32(buckets)
		if bucket != 0 && bucket < first {
			return fmt.Errorf("%s has a bucket for symbol %d, and begins with symbol %d", what, bucket, first)
		}
		last = max(last, bucket)
	}
	if last == 0 {
		return nil
	}
	at += 4 * uint64(last-first)
	for { // to the end of the last bucket
		word, err := t.read(what, at, 4)
		if err != nil {
			return err
		}
		last, at = last+1, at+4
		if word[0]&1 != 0 {
			t.count = last
			return nil
		}
	}
}

// oldHash goes through a table of the older form: nbuckets, nchain, and indices of symbols in both.
func (t *tables) oldHash(at uint64) error {
	const what = "the table of its symbols' hashes (DT_HASH)"
	head, err := t.read(what, at, 8)
	if err != nil {
		return err
	}
	buckets, chains := uint64(binary.LittleEndian.Uint32(head)), uint64(binary.LittleEndian.Uint32(head[4:]))
	table, err := t.read(what, at+8, 4*(buckets+chains))
	if err != nil {
		return err
	}
	word := func(i uint64) uint64 { return uint64(binary.LittleEndian.Uint32(table[4*i:])) }
	steps := uint64(0) // each symbol is in one chain
	for i := range buckets {
		for s := word(i); s != 0; s = word(buckets + s) {
			if steps++; s >= chains || steps > chains {
				return fmt.Errorf("%s has a chain that leads out of it, or round", what)
			}
		}
	}
	t.count = uint32(chains)
	return nil
}

// checkSymbols looks over the symbols that others may bind to, and those that relocations are of.
func (t *tables) checkSymbols() error {
	n := t.count
	if n == 0 {
		n = min(t.highest+1, uint32(len(t.symbols)/symbolSize))
	} else if t.highest >= n {
		return fmt.Errorf("a relocation is of its symbol %d, and it has %d", t.highest, n)
	}
	if uint64(n)*symbolSize > uint64(len(t.symbols)) {
		return errors.New("a relocation is of a symbol that it has not")
	}
	t.count = n
	for i := uint32(1); i < n; i++ { // the first is none
		if err := t.checkSymbol(i); err != nil {
			return err
		}
	}
	return nil
}

// checkSymbol looks over a symbol: st_name (32 bits), st_info, st_other (8), st_shndx (16), st_value, st_size (64).
func (t *tables) checkSymbol(i uint32) error {
	s := t.symbols[i*symbolSize:]
	name, kind, bind := binary.LittleEndian.Uint32(s), elf.ST_TYPE(s[4]), elf.ST_BIND(s[4])
	section, value := elf.SectionIndex(binary.LittleEndian.Uint16(s[6:])), binary.LittleEndian.Uint64(s[8:])
	ok := uint64(name) < uint64(len(t.strings))
	if !ok || name == 0 && kind != elf.STT_SECTION {
		return fmt.Errorf("the name of its symbol %d is not among its names", i)
	}
	switch {
	case section == elf.SHN_UNDEF: // another library's
		ok = value == 0 && bind != elf.STB_LOCAL
	case section == elf.SHN_ABS, section == elf.SHN_COMMON:
	case kind == elf.STT_TLS:
		ok = t.tls != nil && (bind == elf.STB_LOCAL || value <= t.tls.Memsz) // gold writes a section's address, as a local symbol
	case kind == elf.STT_GNU_IFUNC: // the loader calls it
		ok = t.executable(value)
	case bind == elf.STB_LOCAL && kind != elf.STT_SECTION && value == 0:
		ok = false
	default: // _end and the like stand behind a segment
		ok = slices.ContainsFunc(t.segments, func(s segment) bool { return value >= s.start && value < s.end+largestPage })
	}
	if !ok {
		text, _ := t.text(uint64(name))
		return fmt.Errorf("its symbol %d (%q, %v) is at address %#x, where it cannot be", i, text, kind, value)
	}
	return nil
}
