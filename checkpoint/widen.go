package checkpoint

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync"
)

// Float32 widens or dequantizes rows [fromRow, toRow) into dst, which has
// (toRow-fromRow)·RowLen elements. F32, F16, BF16 and the 8- and 16-bit integers are
// exact; a quantized weight is what ggml makes of it in float32, to the last bit.
// Other types fail: their values do not all fit a float32. It starts no goroutines:
// split the rows to use several.
func (t *Tensor) Float32(dst []float32, fromRow, toRow int) error {
	if err := t.check("float32", fromRow, toRow); err != nil {
		return err
	}
	if err := t.fits("float32", "elements", len(dst), (toRow-fromRow)*t.rowLen); err != nil {
		return err
	}
	widen := widenTo[t.Type]
	if widen == nil {
		return t.failed("float32", fmt.Errorf("not every %s is a float32 (have: F32, F16, BF16, I8, U8, I16, U16, and the quantized types)", t.Type))
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
	Q4_0: widenQ4_0, Q4_1: widenQ4_1, Q8_0: widenQ8_0, Q5_0: widenQ5_0, Q5_1: widenQ5_1,
	Q2_K: widenQ2_K, Q3_K: widenQ3_K, Q4_K: widenQ4_K, Q5_K: widenQ5_K, Q6_K: widenQ6_K,
	IQ4_NL: widenIQ4_NL, IQ4_XS: widenIQ4_XS, MXFP4: widenMXFP4,
}

// The loops over blocks take them through array pointers, so that the compiler
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
	table := float16Table()
	for i := range dst {
		dst[i] = table[binary.LittleEndian.Uint16(src[2*i:2*i+2:2*i+2])]
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

// In a block of nibbles, weights 0–15 are the low ones and 16–31 the high ones.

func widenQ4_0(dst []float32, src []byte) {
	for ; len(src) >= 18 && len(dst) >= groupSize; src, dst = src[18:], dst[groupSize:] {
		d := float16(binary.LittleEndian.Uint16(src))
		w, q := (*[groupSize]float32)(dst), (*[groupSize / 2]byte)(src[2:])
		for j, b := range q {
			w[j] = d * float32(int(b&15)-8)
			w[j+groupSize/2] = d * float32(int(b>>4)-8)
		}
	}
}

// widenQ4_1 rounds once: a product of 11 and 4 bits is exact in float32, so that a
// fused multiply-add, which some processors use here, gives the same.
func widenQ4_1(dst []float32, src []byte) {
	for ; len(src) >= 20 && len(dst) >= groupSize; src, dst = src[20:], dst[groupSize:] {
		d := float16(binary.LittleEndian.Uint16(src))
		m := float16(binary.LittleEndian.Uint16(src[2:]))
		w, q := (*[groupSize]float32)(dst), (*[groupSize / 2]byte)(src[4:])
		for j, b := range q {
			w[j] = d*float32(b&15) + m
			w[j+groupSize/2] = d*float32(b>>4) + m
		}
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
		return math.Float32frombits(sign | math.Float32bits(float32(fraction)*0x1p-24))
	case 0x1f: // infinity and NaN
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}

// float16Table is float16 of every argument: 256 kB made in 0.1 ms, which widens
// three times as many numbers in a second as the arithmetic does.
var float16Table = sync.OnceValue(func() *[1 << 16]float32 {
	table := new([1 << 16]float32)
	for h := range table {
		table[h] = float16(uint16(h))
	}
	return table
})
