package checkpoint

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Float32 widens or dequantizes rows [fromRow, toRow) into dst, which has
// (toRow-fromRow)·RowLen elements. F32, F16, BF16 and the 8- and 16-bit integers are
// exact; a quantized weight is scale·q + bias of its block in float32 (Q4_0: bias =
// −8·scale, Q8_0: none), rounded once, as ggml does it. Other types fail: their values
// do not all fit a float32. It starts no goroutines: split the rows to use several.
func (t *Tensor) Float32(dst []float32, fromRow, toRow int) error {
	if err := t.check("float32", fromRow, toRow); err != nil {
		return err
	}
	if err := t.fits("float32", "elements", len(dst), (toRow-fromRow)*t.rowLen); err != nil {
		return err
	}
	widen := widenTo[t.Type]
	if widen == nil {
		return t.failed("float32", fmt.Errorf("not every %s is a float32 (have: F32, F16, BF16, I8, U8, I16, U16, Q4_0, Q4_1, Q8_0)", t.Type))
	}
	return t.each("float32", fromRow, toRow, func(at int, src []byte) {
		widen(dst[at*t.rowLen:], src)
	})
}

// widenTo holds what decodes whole blocks of each type: as many of dst's elements
// as src holds.
var widenTo = [...]func(dst []float32, src []byte){
	F32: widenF32, F16: widenF16, BF16: widenBF16,
	I8: widenI8, U8: widenU8, I16: widenI16, U16: widenU16,
	Q4_0: widenQ4_0, Q4_1: widenQ4_1, Q8_0: widenQ8_0,
}

// The loops below take their inputs through array pointers, so that the compiler
// sees every index in range and emits no checks.

func widenF32(dst []float32, src []byte) {
	dst = dst[:len(src)/4]
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i : 4*i+4 : 4*i+4]))
	}
}

func widenBF16(dst []float32, src []byte) {
	dst = dst[:len(src)/2]
	for i := range dst {
		dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(src[2*i:2*i+2:2*i+2])) << 16)
	}
}

func widenF16(dst []float32, src []byte) {
	dst = dst[:len(src)/2]
	for i := range dst {
		dst[i] = float16(binary.LittleEndian.Uint16(src[2*i : 2*i+2 : 2*i+2]))
	}
}

func widenI8(dst []float32, src []byte) {
	for i, b := range src {
		dst[i] = float32(int8(b))
	}
}

func widenU8(dst []float32, src []byte) {
	for i, b := range src {
		dst[i] = float32(b)
	}
}

func widenI16(dst []float32, src []byte) {
	dst = dst[:len(src)/2]
	for i := range dst {
		dst[i] = float32(int16(binary.LittleEndian.Uint16(src[2*i:])))
	}
}

func widenU16(dst []float32, src []byte) {
	dst = dst[:len(src)/2]
	for i := range dst {
		dst[i] = float32(binary.LittleEndian.Uint16(src[2*i:]))
	}
}

func widenQ4_0(dst []float32, src []byte) {
	for ; len(src) >= 18 && len(dst) >= groupSize; src, dst = src[18:], dst[groupSize:] {
		d := float16(binary.LittleEndian.Uint16(src))
		widenNibbles((*[groupSize]float32)(dst), (*[16]byte)(src[2:]), d, -8*d)
	}
}

func widenQ4_1(dst []float32, src []byte) {
	for ; len(src) >= 20 && len(dst) >= groupSize; src, dst = src[20:], dst[groupSize:] {
		d := float16(binary.LittleEndian.Uint16(src))
		m := float16(binary.LittleEndian.Uint16(src[2:]))
		widenNibbles((*[groupSize]float32)(dst), (*[16]byte)(src[4:]), d, m)
	}
}

// widenNibbles decodes one block: weights 0–15 are the low nibbles, 16–31 the high.
// The product of an 11-bit significand and 4 bits is exact, so a fused
// multiply-add, which some processors use here, rounds the same.
func widenNibbles(dst *[groupSize]float32, src *[16]byte, scale, bias float32) {
	for j, b := range src {
		dst[j] = scale*float32(b&15) + bias
		dst[j+16] = scale*float32(b>>4) + bias
	}
}

func widenQ8_0(dst []float32, src []byte) {
	for ; len(src) >= 34 && len(dst) >= groupSize; src, dst = src[34:], dst[groupSize:] {
		scale := float16(binary.LittleEndian.Uint16(src))
		w, q := (*[groupSize]float32)(dst), (*[groupSize]byte)(src[2:])
		for j, b := range q {
			w[j] = scale * float32(int8(b))
		}
	}
}

// float16 widens an IEEE half-precision number exactly.
func float16(h uint16) float32 {
	sign, exponent, fraction := uint32(h&0x8000)<<16, uint32(h>>10)&0x1f, uint32(h&0x3ff)
	switch exponent {
	case 0: // zero and subnormals: fraction·2⁻²⁴
		f := float32(fraction) * 0x1p-24
		return math.Float32frombits(math.Float32bits(f) | sign)
	case 0x1f: // infinity and NaN
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}
