package checkpoint

import (
	"encoding/binary"
	"fmt"
)

// AffineBits returns how many bits a weight has in MLX's affine quantization with groups
// of 32, if the type can be kept packed in it without loss: 4 for Q4_0 and Q4_1, 8 for
// Q8_0 (see Affine), 4 for Q4_K and 5 for Q5_K (see Affine32, as WideScales says).
// It returns 0 for types that Float32 must unpack: plain ones; Q2_K, Q3_K and Q6_K,
// whose groups of 16 weights are smaller than MLX's smallest; IQ4_NL and IQ4_XS, whose
// steps are not even; MXFP4, which has a mode of its own (see Codes); and Q5_0 and Q5_1, which have a 5-bit form that is not made here.
func (t Type) AffineBits() int {
	switch t {
	case Q4_0, Q4_1, Q4_K:
		return 4
	case Q5_K:
		return 5
	case Q8_0:
		return 8
	}
	return 0
}

// WideScales says whether the type's affine scales and biases take float32, so that
// Affine32 makes them: those of Q4_K and Q5_K are products of a float16 and a 6-bit
// number, and rounding them to float16 would change the weights.
func (t Type) WideScales() bool { return t == Q4_K || t == Q5_K }

// Affine32 repacks rows [fromRow, toRow) of a Q4_K or Q5_K tensor as MLX's affine
// quantization in groups of 32 weights: w = scale·q + bias, with q unsigned. Each
// sub-block of the file, w = d·sc·q − dmin·m, becomes one group.
//
//	weight [rows, RowLen·bits/32]  q, the first weight in the lowest bits; 5 bits may straddle words
//	scales [rows, RowLen/32]       float32 d·sc: exact, 11 bits times 6
//	biases [rows, RowLen/32]       float32 −dmin·m: exact too
//
// scale·q is exact as well (22 bits at most), so that scale·q + bias in float32, fused or
// not, is what Float32 gives, to the last bit. bits is AffineBits. The slices must have
// exactly these lengths. It starts no goroutines.
func (t *Tensor) Affine32(fromRow, toRow int, weight []uint32, scales, biases []float32) error {
	const op = "affine32"
	if !t.Type.WideScales() {
		return t.failed(op, fmt.Errorf("type %s has no affine form with float32 scales (have: Q4_K, Q5_K)", t.Type))
	}
	words, groups, err := t.affine(op, fromRow, toRow, len(weight), len(scales), len(biases))
	if err != nil {
		return err
	}
	pack := packQ4_K
	if t.Type == Q5_K {
		pack = packQ5_K
	}
	return t.each(op, fromRow, toRow, func(at int, src []byte) {
		pack(weight[at*words:], scales[at*groups:], biases[at*groups:], src)
	})
}

// affine checks what Affine and Affine32 are given, and returns a row's words and
// groups.
func (t *Tensor) affine(op string, fromRow, toRow, weight, scales, biases int) (words, groups int, err error) {
	if err := t.check(op, fromRow, toRow); err != nil {
		return 0, 0, err
	}
	rows := toRow - fromRow
	words, groups = t.rowLen*t.Type.AffineBits()/32, t.rowLen/groupSize
	if err := t.fits(op, "words of weight", weight, rows*words); err != nil {
		return 0, 0, err
	}
	if err := t.fits(op, "scales", scales, rows*groups); err != nil {
		return 0, 0, err
	}
	return words, groups, t.fits(op, "biases", biases, rows*groups)
}

// Affine repacks rows [fromRow, toRow) of a Q4_0, Q4_1 or Q8_0 tensor as MLX's affine
// quantization in groups of 32 weights: w = scale·q + bias, with q unsigned.
//
//	weight [rows, RowLen·bits/32]  q, the first weight of a word in its lowest bits
//	scales [rows, RowLen/32]       float16
//	biases [rows, RowLen/32]       float16: Q4_0 −8·scale, Q8_0 −128·scale (q = int8+128)
//
// bits is AffineBits. The slices must have exactly these lengths. It fails when −8 or
// −128 times a finite scale overflows a float16. It starts no goroutines.
func (t *Tensor) Affine(fromRow, toRow int, weight []uint32, scales, biases []uint16) error {
	const op = "affine"
	if t.Type.AffineBits() == 0 || t.Type.WideScales() {
		return t.failed(op, fmt.Errorf("type %s has no affine form with float16 scales (have: Q4_0, Q4_1, Q8_0)", t.Type))
	}
	words, groups, err := t.affine(op, fromRow, toRow, len(weight), len(scales), len(biases))
	if err != nil {
		return err
	}
	pack := map[Type]func([]uint32, []uint16, []uint16, []byte) bool{Q4_0: packQ4_0, Q4_1: packQ4_1, Q8_0: packQ8_0}[t.Type]
	inRange := true
	err = t.each(op, fromRow, toRow, func(at int, src []byte) {
		ok := pack(weight[at*words:], scales[at*groups:], biases[at*groups:], src)
		inRange = inRange && ok
	})
	if err == nil && !inRange {
		err = t.failed(op, fmt.Errorf("a scale is so large that its bias overflows a float16; read it as float32 instead"))
	}
	return err
}

func packQ4_0(weight []uint32, scales, biases []uint16, src []byte) bool {
	ok := true
	for i := 0; len(src) >= 18; i, src = i+1, src[18:] {
		scale := binary.LittleEndian.Uint16(src)
		bias, fits := negatePower(scale, 3)
		ok = ok && fits
		scales[i], biases[i] = scale, bias
		packNibbles((*[4]uint32)(weight[4*i:]), (*[16]byte)(src[2:]))
	}
	return ok
}

func packQ4_1(weight []uint32, scales, biases []uint16, src []byte) bool {
	for i := 0; len(src) >= 20; i, src = i+1, src[20:] {
		scales[i] = binary.LittleEndian.Uint16(src)
		biases[i] = binary.LittleEndian.Uint16(src[2:])
		packNibbles((*[4]uint32)(weight[4*i:]), (*[16]byte)(src[4:]))
	}
	return true
}

func packQ8_0(weight []uint32, scales, biases []uint16, src []byte) bool {
	ok := true
	for i := 0; len(src) >= 34; i, src = i+1, src[34:] {
		scale := binary.LittleEndian.Uint16(src)
		bias, fits := negatePower(scale, 7)
		ok = ok && fits
		scales[i], biases[i] = scale, bias
		w, q := (*[8]uint32)(weight[8*i:]), (*[groupSize]byte)(src[2:])
		for j := range w {
			// int8 + 128 as uint8 is the top bit turned over.
			w[j] = binary.LittleEndian.Uint32(q[4*j:4*j+4]) ^ 0x80808080
		}
	}
	return ok
}

// packNibbles turns a block's 16 bytes, weights 0–15 in the low nibbles and 16–31
// in the high, into four words of 8 consecutive weights.
func packNibbles(dst *[4]uint32, src *[16]byte) {
	a, b := binary.LittleEndian.Uint64(src[:8]), binary.LittleEndian.Uint64(src[8:])
	dst[0], dst[1] = gatherNibbles(a), gatherNibbles(b)
	dst[2], dst[3] = gatherNibbles(a>>4), gatherNibbles(b>>4)
}

// gatherNibbles moves the low nibbles of 8 bytes together.
func gatherNibbles(x uint64) uint32 {
	x &= 0x0f0f0f0f0f0f0f0f
	x = (x | x>>4) & 0x00ff00ff00ff00ff
	x = (x | x>>8) & 0x0000ffff0000ffff
	return uint32(x | x>>16)
}

// negatePower returns −2ⁿ times a float16, in its bits, exactly, and whether that is
// still finite where the number was.
func negatePower(h uint16, n uint) (uint16, bool) {
	sign, exponent, fraction := ^h&0x8000, uint(h>>10)&0x1f, h&0x3ff
	switch {
	case exponent == 0x1f:
		return h ^ 0x8000, true
	case exponent == 0:
		// A subnormal: double it until it is normal or n is used up.
		for ; n > 0 && exponent == 0; n-- {
			fraction <<= 1
			if fraction&0x400 != 0 {
				fraction, exponent = fraction&0x3ff, 1
			}
		}
		if exponent == 0 {
			return sign | fraction, true
		}
	}
	exponent += n
	if exponent >= 0x1f {
		return sign | 0x7c00, false
	}
	return sign | uint16(exponent)<<10 | fraction, true
}

// packQ4_K writes each sub-block as an affine group.
func packQ4_K(weight []uint32, scales, biases []float32, src []byte) {
	for i := 0; len(src) >= 144; i, src = i+1, src[144:] {
		b := (*[144]byte)(src)
		d, dmin := float16(binary.LittleEndian.Uint16(b[:])), float16(binary.LittleEndian.Uint16(b[2:]))
		for j := range 8 {
			sc, m := scaleMin((*[12]byte)(b[4:]), j)
			scales[8*i+j], biases[8*i+j] = d*float32(sc), -dmin*float32(m)
			q := (*[32]byte)(b[16+j/2*32:])
			for word := range 4 {
				x := binary.LittleEndian.Uint64(q[word*8:]) >> (j % 2 * 4)
				weight[(8*i+j)*4+word] = gatherNibbles(x)
			}
		}
	}
}

// packQ5_K is packQ4_K with 5 bits a weight, the first in the lowest bits of the stream.
func packQ5_K(weight []uint32, scales, biases []float32, src []byte) {
	for i := 0; len(src) >= 176; i, src = i+1, src[176:] {
		b := (*[176]byte)(src)
		d, dmin := float16(binary.LittleEndian.Uint16(b[:])), float16(binary.LittleEndian.Uint16(b[2:]))
		for j := range 8 {
			sc, m := scaleMin((*[12]byte)(b[4:]), j)
			scales[8*i+j], biases[8*i+j] = d*float32(sc), -dmin*float32(m)
			q, fifth := (*[32]byte)(b[48+j/2*32:]), (*[32]byte)(b[16:])
			var s [4]uint64 // 40 bits each
			for i := range s {
				low := binary.LittleEndian.Uint64(q[8*i:8*i+8]) >> (j % 2 * 4) & 0x0f0f0f0f0f0f0f0f
				high := binary.LittleEndian.Uint64(fifth[8*i:8*i+8]) >> j & 0x0101010101010101
				s[i] = gatherFives(low | high<<4)
			}
			*(*[5]uint32)(weight[5*(8*i+j):]) = [5]uint32{
				uint32(s[0]), uint32(s[0]>>32 | s[1]<<8), uint32(s[1]>>24 | s[2]<<16), uint32(s[2]>>16 | s[3]<<24), uint32(s[3] >> 8),
			}
		}
	}
}

// gatherFives moves the low 5 bits of 8 bytes, whose other bits are zero, together.
func gatherFives(x uint64) uint64 {
	x = x&0x001f001f001f001f | x>>3&0x03e003e003e003e0
	x = x&0x000003ff000003ff | x>>6&0x000ffc00000ffc00
	return x&0x00000000000fffff | x>>12&0x000000fffff00000
}
