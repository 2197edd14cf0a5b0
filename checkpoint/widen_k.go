package checkpoint

import "encoding/binary"

// superBlock is the number of weights in a block of the K types (QK_K in ggml), which
// share float16 factors of the scales of its sub-blocks.
const superBlock = 256

// As in widenQ4_1, every product is exact: a float16 has 11 bits, and the scales and
// weights of no type more than 12 together, of the 24 in a float32. Only the
// subtraction of a minimum, or the sum with one, rounds, so that neither the order of
// the factors nor a fused multiply-add makes a difference.

// widenQ5_0 adds a fifth bit to each nibble, weight j's in bit j of a word: w = d·(q−16).
func widenQ5_0(dst []float32, src []byte) {
	for ; len(src) >= 22 && len(dst) >= groupSize; src, dst = src[22:], dst[groupSize:] {
		d, high := float16(binary.LittleEndian.Uint16(src)), binary.LittleEndian.Uint32(src[2:])
		w, q := (*[groupSize]float32)(dst), (*[groupSize / 2]byte)(src[6:])
		for j, b := range q {
			w[j] = d * float32(int(uint32(b&15)|high>>j&1<<4)-16)
			w[j+groupSize/2] = d * float32(int(uint32(b>>4)|high>>(j+groupSize/2)&1<<4)-16)
		}
	}
}

// widenQ5_1: w = d·q + m.
func widenQ5_1(dst []float32, src []byte) {
	for ; len(src) >= 24 && len(dst) >= groupSize; src, dst = src[24:], dst[groupSize:] {
		d, m := float16(binary.LittleEndian.Uint16(src)), float16(binary.LittleEndian.Uint16(src[2:]))
		high := binary.LittleEndian.Uint32(src[4:])
		w, q := (*[groupSize]float32)(dst), (*[groupSize / 2]byte)(src[8:])
		for j, b := range q {
			w[j] = d*float32(uint32(b&15)|high>>j&1<<4) + m
			w[j+groupSize/2] = d*float32(uint32(b>>4)|high>>(j+groupSize/2)&1<<4) + m
		}
	}
}

// widenQ2_K: 16 bytes of 4-bit scales and minima of 16 weights each, 64 of 2-bit
// weights, float16 d and dmin: w = d·scale·q − dmin·min. Byte l of each half of 32 has
// the weights l, l+32, l+64 and l+96 of that half.
func widenQ2_K(dst []float32, src []byte) {
	for ; len(src) >= 84 && len(dst) >= superBlock; src, dst = src[84:], dst[superBlock:] {
		b, w := (*[84]byte)(src), (*[superBlock]float32)(dst)
		d, dmin := float16(binary.LittleEndian.Uint16(b[80:])), float16(binary.LittleEndian.Uint16(b[82:]))
		for group := range superBlock / 16 {
			scale, least := d*float32(b[group]&15), dmin*float32(b[group]>>4)
			var table [4]float32
			for q := range table {
				table[q] = scale*float32(q) - least
			}
			half, part, from := group/8, group/2%4, group%2*16
			q := (*[16]byte)(b[16+half*32+from:])
			out := (*[16]float32)(w[group*16:])
			for l, x := range q {
				out[l] = table[x>>(2*part)&3]
			}
		}
	}
}

// widenQ3_K: 32 bytes with the third bit of eight weights each, 64 of two bits as in
// Q2_K, 12 with the 6-bit scales of 16 weights each, float16 d: w = d·(scale−32)·(q−4).
func widenQ3_K(dst []float32, src []byte) {
	for ; len(src) >= 110 && len(dst) >= superBlock; src, dst = src[110:], dst[superBlock:] {
		b, w := (*[110]byte)(src), (*[superBlock]float32)(dst)
		d := float16(binary.LittleEndian.Uint16(b[108:]))
		for group := range superBlock / 16 {
			low := b[96+group%8] >> (group / 8 * 4) & 15
			high := b[96+8+group%4] >> (group / 4 * 2) & 3
			scale := d * float32(int(low|high<<4)-32)
			half, part, from := group/8, group/2%4, group%2*16
			q, mask := (*[16]byte)(b[32+half*32+from:]), (*[16]byte)(b[from:])
			out := (*[16]float32)(w[group*16:])
			for l, x := range q {
				out[l] = scale * float32(int(x>>(2*part)&3|mask[l]>>(group/2)&1<<2)-4)
			}
		}
	}
}

// scaleMin returns the 6-bit scale and minimum of sub-block j of Q4_K and Q5_K, from
// 12 bytes: of the first four in bytes 0–7, of the others 4 bits in bytes 8–11 and 2 at
// the top of bytes 0–7.
func scaleMin(s *[12]byte, j int) (scale, least byte) {
	if j < 4 {
		return s[j] & 63, s[4+j] & 63
	}
	return s[4+j]&15 | s[j-4]>>6<<4, s[4+j]>>4 | s[j]>>6<<4
}

// widenQ4_K: float16 d and dmin, scaleMin's 12 bytes, 128 of nibbles: w = d·scale·q −
// dmin·min in sub-blocks of 32. The low nibbles of 32 bytes are one sub-block, the high
// ones the next.
func widenQ4_K(dst []float32, src []byte) {
	for ; len(src) >= 144 && len(dst) >= superBlock; src, dst = src[144:], dst[superBlock:] {
		b, w := (*[144]byte)(src), (*[superBlock]float32)(dst)
		d, dmin := float16(binary.LittleEndian.Uint16(b[:])), float16(binary.LittleEndian.Uint16(b[2:]))
		for pair := range superBlock / 64 {
			q := (*[32]byte)(b[16+pair*32:])
			low, high := nibbleTable((*[12]byte)(b[4:]), 2*pair, d, dmin), nibbleTable((*[12]byte)(b[4:]), 2*pair+1, d, dmin)
			a, c := (*[32]float32)(w[pair*64:]), (*[32]float32)(w[pair*64+32:])
			for l, x := range q {
				a[l], c[l] = low[x&15], high[x>>4]
			}
		}
	}
}

// nibbleTable returns what each nibble stands for in a sub-block.
func nibbleTable(s *[12]byte, j int, d, dmin float32) (table [16]float32) {
	sc, m := scaleMin(s, j)
	scale, least := d*float32(sc), dmin*float32(m)
	for q := range table {
		table[q] = scale*float32(q) - least
	}
	return table
}

// widenQ5_K: as Q4_K, with 32 bytes of fifth bits before the nibbles: bit j of byte l is
// that of weight l of sub-block j.
func widenQ5_K(dst []float32, src []byte) {
	for ; len(src) >= 176 && len(dst) >= superBlock; src, dst = src[176:], dst[superBlock:] {
		b, w := (*[176]byte)(src), (*[superBlock]float32)(dst)
		d, dmin := float16(binary.LittleEndian.Uint16(b[:])), float16(binary.LittleEndian.Uint16(b[2:]))
		fifth := (*[32]byte)(b[16:])
		for j := range superBlock / 32 {
			sc, m := scaleMin((*[12]byte)(b[4:]), j)
			scale, least := d*float32(sc), dmin*float32(m)
			q, shift := (*[32]byte)(b[48+j/2*32:]), j%2*4
			out := (*[32]float32)(w[j*32:])
			for l, x := range q {
				out[l] = scale*float32(x>>shift&15|fifth[l]>>j&1<<4) - least
			}
		}
	}
}

// widenQ6_K: 128 bytes of nibbles, 64 with two more bits a weight, 16 int8 scales of 16
// weights each, float16 d: w = d·scale·(q−32). Of each half of the block, byte l of 64
// has the low bits of weights l and l+64, byte l of 32 the high bits of l, l+32, l+64
// and l+96.
func widenQ6_K(dst []float32, src []byte) {
	for ; len(src) >= 210 && len(dst) >= superBlock; src, dst = src[210:], dst[superBlock:] {
		b, w := (*[210]byte)(src), (*[superBlock]float32)(dst)
		d := float16(binary.LittleEndian.Uint16(b[208:]))
		for group := range superBlock / 16 {
			scale := d * float32(int8(b[192+group]))
			half, part, from := group/8, group/2%4, group%2*16
			low := (*[16]byte)(b[half*64+part%2*32+from:])
			high := (*[16]byte)(b[128+half*32+from:])
			out := (*[16]float32)(w[group*16:])
			for l, x := range low {
				out[l] = scale * float32(int(x>>(part/2*4)&15|high[l]>>(2*part)&3<<4)-32)
			}
		}
	}
}

// nonLinear are the values of a nibble in IQ4_NL and IQ4_XS (kvalues_iq4nl in ggml).
var nonLinear = [16]float32{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

// widenIQ4_NL: float16 d, 16 bytes of nibbles: w = d·nonLinear[q].
func widenIQ4_NL(dst []float32, src []byte) {
	for ; len(src) >= 18 && len(dst) >= groupSize; src, dst = src[18:], dst[groupSize:] {
		widenNonLinear((*[groupSize]float32)(dst), (*[groupSize / 2]byte)(src[2:]), float16(binary.LittleEndian.Uint16(src)))
	}
}

// widenIQ4_XS: float16 d, the upper 2 bits of eight 6-bit scales in 2 bytes and the lower
// 4 in 4, 128 bytes of nibbles: w = d·(scale−32)·nonLinear[q] in sub-blocks of 32.
func widenIQ4_XS(dst []float32, src []byte) {
	for ; len(src) >= 136 && len(dst) >= superBlock; src, dst = src[136:], dst[superBlock:] {
		b, w := (*[136]byte)(src), (*[superBlock]float32)(dst)
		d, high := float16(binary.LittleEndian.Uint16(b[:])), binary.LittleEndian.Uint16(b[2:])
		for j := range superBlock / 32 {
			scale := int(b[4+j/2]>>(j%2*4)&15) | int(high>>(2*j)&3<<4)
			widenNonLinear((*[groupSize]float32)(w[j*32:]), (*[groupSize / 2]byte)(b[8+j*16:]), d*float32(scale-32))
		}
	}
}

func widenNonLinear(w *[groupSize]float32, q *[groupSize / 2]byte, d float32) {
	var table [16]float32
	for i, x := range nonLinear {
		table[i] = d * x
	}
	for j, b := range q {
		w[j], w[j+groupSize/2] = table[b&15], table[b>>4]
	}
}
