package checkpoint

import (
	"fmt"
	"math"
)

// mxfp4Block is a block of MXFP4 as ggml has it: the scale's exponent, then the codes of weights
// i and i+16 in the low and the high half of byte i.
const mxfp4Block = 1 + groupSize/2

// e2m1 are the numbers of four bits: sign, two bits of exponent, one of mantissa (OCP
// Microscaling Formats 1.0, section 5.3.3).
var e2m1 = [16]float32{0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6}

// e8m0 returns 2^(e−127).
func e8m0(e byte) float32 {
	if e == 0 {
		return math.Float32frombits(1 << 22) // 2^−127, which has no exponent of its own
	}
	return math.Float32frombits(uint32(e) << 23)
}

func widenMXFP4(dst []float32, src []byte) {
	for ; len(src) >= mxfp4Block && len(dst) >= groupSize; src, dst = src[mxfp4Block:], dst[groupSize:] {
		scale := e8m0(src[0])
		for i, b := range src[1:mxfp4Block] {
			dst[i], dst[i+groupSize/2] = scale*e2m1[b&15], scale*e2m1[b>>4]
		}
	}
}

// findMXFP4NaN returns the first weight of the first block whose scale is NaN, −1 if none is.
func findMXFP4NaN(data []byte) int {
	for block := 0; block < len(data); block += mxfp4Block {
		if data[block] == 0xff {
			return block / mxfp4Block * groupSize
		}
	}
	return -1
}

// Codes repacks rows [fromRow, toRow) of an MXFP4 tensor as MLX's mode mxfp4 has it:
//
//	weight [rows, RowLen/2] bytes  the first weight of each byte in its lower half
//	scales [rows, RowLen/32]       E8M0
//
// The slices must have exactly these lengths. It starts no goroutines.
func (t *Tensor) Codes(fromRow, toRow int, weight, scales []byte) error {
	const op = "codes"
	if t.Type != MXFP4 {
		return t.failed(op, fmt.Errorf("type %s has no such form (have: MXFP4)", t.Type))
	}
	if err := t.check(op, fromRow, toRow); err != nil {
		return err
	}
	rows := toRow - fromRow
	if err := t.fits(op, "bytes of weight", len(weight), rows*t.rowLen/2); err != nil {
		return err
	}
	if err := t.fits(op, "scales", len(scales), rows*t.rowLen/groupSize); err != nil {
		return err
	}
	return t.each(op, fromRow, toRow, func(at int, src []byte) {
		w, s := weight[at*t.rowLen/2:], scales[at*t.rowLen/groupSize:]
		for ; len(src) >= mxfp4Block; src, w, s = src[mxfp4Block:], w[groupSize/2:], s[1:] {
			s[0] = src[0]
			codes := src[1:mxfp4Block]
			for i := range groupSize / 4 {
				w[i] = codes[2*i]&15 | codes[2*i+1]<<4
				w[i+groupSize/4] = codes[2*i]>>4 | codes[2*i+1]&0xf0
			}
		}
	})
}
