package dynamic

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"slices"
)

// versions goes through the versions that symbols have: those of other libraries (DT_VERNEED), its own (DT_VERDEF), and which each
// symbol is of (DT_VERSYM).
func (t *tables) versions() error {
	known := make(map[uint16]bool)
	if err := t.wanted(known); err != nil {
		return err
	}
	if err := t.defined(known); err != nil {
		return err
	}
	at, has := t.info[elf.DT_VERSYM]
	if !has {
		return nil
	}
	of, err := t.read("the table of its symbols' versions (DT_VERSYM)", at, 2*uint64(t.count))
	if err != nil {
		return err
	}
	for i := range t.count {
		version := binary.LittleEndian.Uint16(of[2*i:]) &^ hidden
		if version > 1 && !known[version] || len(known) == 0 { // 0 and 1 are symbols without one
			return fmt.Errorf("its symbol %d is of version %d, which it has not", i, version)
		}
	}
	return nil
}

// hidden marks a version that is not the default one.
const hidden = 0x8000

// wanted goes through DT_VERNEED: of each library vn_version, vn_cnt (16 bits), vn_file, vn_aux, vn_next; of each of its versions
// vna_hash (32 bits), vna_flags, vna_other (16), vna_name, vna_next.
func (t *tables) wanted(known map[uint16]bool) error {
	const what = "the table of the versions that it needs (DT_VERNEED)"
	at, has := t.info[elf.DT_VERNEED]
	for n := uint64(0); has; n++ {
		need, err := t.read(what, at, 16)
		if err != nil {
			return err
		}
		file, ok := t.text(uint64(binary.LittleEndian.Uint32(need[4:])))
		if version := binary.LittleEndian.Uint16(need); !ok || file == "" || version != 1 || n >= t.info[elf.DT_VERNEEDNUM] {
			return fmt.Errorf("%s leads to what is none", what)
		}
		if !slices.Contains(t.Needed, file) {
			t.Foreign = append(t.Foreign, file)
		}
		count := binary.LittleEndian.Uint16(need[2:])
		for from := at + uint64(binary.LittleEndian.Uint32(need[8:])); ; count-- {
			version, err := t.read(what, from, 16)
			if err != nil {
				return err
			}
			next := binary.LittleEndian.Uint32(version[12:])
			if !t.named(binary.LittleEndian.Uint32(version[8:]), binary.LittleEndian.Uint32(version)) || (count == 1) != (next == 0) {
				return fmt.Errorf("%s has a version of %s that is none", what, file)
			}
			known[binary.LittleEndian.Uint16(version[6:])&^hidden] = true
			if next == 0 {
				break
			}
			from += uint64(next)
		}
		next := binary.LittleEndian.Uint32(need[12:])
		if next == 0 {
			if n+1 != t.info[elf.DT_VERNEEDNUM] {
				return fmt.Errorf("%s ends too early", what)
			}
			return nil
		}
		at += uint64(next)
	}
	return nil
}

// defined goes through DT_VERDEF: vd_version, vd_flags, vd_ndx, vd_cnt (16 bits), vd_hash, vd_aux, vd_next; the first of a version's
// names is vda_name, vda_next.
func (t *tables) defined(known map[uint16]bool) error {
	const what = "the table of its own versions (DT_VERDEF)"
	at, has := t.info[elf.DT_VERDEF]
	for n := uint64(0); has; n++ {
		version, err := t.read(what, at, 20)
		if err != nil {
			return err
		}
		name, err := t.read(what, at+uint64(binary.LittleEndian.Uint32(version[12:])), 8)
		if err != nil {
			return err
		}
		if binary.LittleEndian.Uint16(version) != 1 || !t.named(binary.LittleEndian.Uint32(name), binary.LittleEndian.Uint32(version[8:])) {
			return fmt.Errorf("%s has a version that is none", what)
		}
		known[binary.LittleEndian.Uint16(version[4:])&^hidden] = true
		next := binary.LittleEndian.Uint32(version[16:])
		if last := n+1 == t.info[elf.DT_VERDEFNUM]; last != (next == 0) {
			return fmt.Errorf("%s has another number of versions than its dynamic section tells", what)
		}
		if next == 0 {
			return nil
		}
		at += uint64(next)
	}
	return nil
}

// named reports whether the name at an offset has a hash, by the ELF specification's function.
func (t *tables) named(offset, hash uint32) bool {
	name, ok := t.text(uint64(offset))
	h := uint32(0)
	for _, c := range []byte(name) {
		h = h<<4 + uint32(c)
		h ^= h >> 24 & 0xf0
		h &= 0x0fffffff
	}
	return ok && h == hash
}
