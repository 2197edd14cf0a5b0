package checkpoint

import (
	"encoding/binary"
	"fmt"
)

// AffineBits returns how many bits a weight has in what Affine makes: 4 for Q4_0 and
// Q4_1, 8 for Q8_0, and 0 for types that Affine does not take.
func (t *Tensor) AffineBits() int {
	switch t.Type {
	case Q4_0, Q4_1:
		return 4
	case Q8_0:
		return 8
	}
	return 0
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
	bits := t.AffineBits()
	if bits == 0 {
		return t.failed(op, fmt.Errorf("type %s has no affine form (have: Q4_0, Q4_1, Q8_0)", t.Type))
	}
	if err := t.check(op, fromRow, toRow); err != nil {
		return err
	}
	rows := toRow - fromRow
	words, groups := t.rowLen*bits/32, t.rowLen/groupSize
	if err := t.fits(op, "words of weight", len(weight), rows*words); err != nil {
		return err
	}
	if err := t.fits(op, "scales", len(scales), rows*groups); err != nil {
		return err
	}
	if err := t.fits(op, "biases", len(biases), rows*groups); err != nil {
		return err
	}
	pack := map[Type]func([]uint32, []uint16, []uint16, []byte) bool{Q4_0: packQ4_0, Q4_1: packQ4_1, Q8_0: packQ8_0}[t.Type]
	inRange := true
	err := t.each(op, fromRow, toRow, func(at int, src []byte) {
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
