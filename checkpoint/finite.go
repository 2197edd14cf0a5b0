package checkpoint

import (
	"encoding/binary"
	"math"
)

// exponents has, for the plain floating-point types, the bits of the exponents in a word of
// eight bytes, and the lowest bit of each: an exponent of ones is NaN or an infinity, and
// adding the lowest bit carries it into the sign's place, where none other comes.
var exponents = map[Type]struct{ bits, lowest, signs uint64 }{
	F64:  {0x7ff0 << 48, 0x0010 << 48, 1 << 63},
	F32:  {0x7f800000_7f800000, 0x00800000_00800000, 0x80000000_80000000},
	BF16: {0x7f80_7f80_7f80_7f80, 0x0080_0080_0080_0080, 0x8000_8000_8000_8000},
	F16:  {0x7c00_7c00_7c00_7c00, 0x0400_0400_0400_0400, 0x8000_8000_8000_8000},
}

// factors has, for the quantized types, where in a block the float16 numbers stand by which
// its weights are multiplied or moved.
var factors = map[Type][]int{
	Q4_0: {0}, Q4_1: {0, 2}, Q8_0: {0}, Q5_0: {0}, Q5_1: {0, 2}, IQ4_NL: {0}, IQ4_XS: {0},
	Q2_K: {80, 82}, Q3_K: {108}, Q4_K: {0, 2}, Q5_K: {0, 2}, Q6_K: {208},
}

// NotFinite returns the first element, in the order of the file, that is NaN or an infinity, -1
// when there is none: of a quantized type the first of the block that holds it. Types of
// integers have none.
func (t *Tensor) NotFinite() (int, error) {
	return t.find("a search for NaN", func(data []byte) int {
		if t.Type == MXFP4 {
			return findMXFP4NaN(data)
		}
		if at, ok := factors[t.Type]; ok {
			elements, size := t.Type.Block()
			for block := 0; block < len(data); block += size {
				for _, from := range at {
					if binary.LittleEndian.Uint16(data[block+from:])&0x7c00 == 0x7c00 {
						return block / size * elements
					}
				}
			}
			return -1
		}
		e, ok := exponents[t.Type]
		if !ok {
			return -1
		}
		_, width := t.Type.Block()
		from := 0
		for ; from+8 <= len(data); from += 8 {
			if (binary.LittleEndian.Uint64(data[from:])&e.bits+e.lowest)&e.signs != 0 {
				break
			}
		}
		for ; from < len(data); from += width {
			if notFinite(t.Type, data[from:]) {
				return from / width
			}
		}
		return -1
	})
}

// notFinite reports whether the number that b begins with is NaN or an infinity.
func notFinite(typ Type, b []byte) bool {
	switch typ {
	case F64:
		x := math.Float64frombits(binary.LittleEndian.Uint64(b))
		return math.IsNaN(x) || math.IsInf(x, 0)
	case F32:
		return binary.LittleEndian.Uint32(b)&0x7f800000 == 0x7f800000
	case BF16:
		return binary.LittleEndian.Uint16(b)&0x7f80 == 0x7f80
	}
	return binary.LittleEndian.Uint16(b)&0x7c00 == 0x7c00
}

// FindByte returns where the first byte b stands with b & mask = value, -1 when there is none.
// In the formats of eight bits some values are NaN.
func (t *Tensor) FindByte(mask, value byte) (int, error) {
	return t.find("a search for NaN", func(data []byte) int {
		for i, b := range data {
			if b&mask == value {
				return i
			}
		}
		return -1
	})
}

// find runs a search over the stored bytes.
func (t *Tensor) find(op string, search func(data []byte) int) (int, error) {
	t.file.mu.RLock()
	defer t.file.mu.RUnlock()
	data := t.data()
	if data == nil {
		return -1, t.failed(op, errClosed)
	}
	at := -1
	if err := readMapped(func() { at = search(data) }); err != nil {
		return -1, t.failed(op, err)
	}
	return at, nil
}
