package checkpoint

import (
	"compress/gzip"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type quantizedCase struct {
	Type     string
	GGMLType uint32 `json:"ggml_type"`
	Shape    []int
	Data     string
	Float32  string
}

// recordedBlocks is what tools/golden/kquants.py recorded with the gguf package.
func recordedBlocks(t testing.TB) []quantizedCase {
	t.Helper()
	f, err := os.Open("testdata/kquants.json.gz")
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	var file struct{ Cases []quantizedCase }
	require.NoError(t, json.NewDecoder(z).Decode(&file))
	require.NotEmpty(t, file.Cases)
	return file.Cases
}

// recordedTensor is a GGUF file of the case's blocks, opened.
func recordedTensor(t testing.TB, c quantizedCase) (tensor *Tensor, want []float32) {
	t.Helper()
	data, err := hex.DecodeString(c.Data)
	require.NoError(t, err)
	spec := ggufSpec{tensors: []ggufTensor{{name: "w", dims: []uint64{uint64(c.Shape[1]), uint64(c.Shape[0])}, typ: c.GGMLType}}}
	dir := write(t, map[string]string{"m.gguf": string(append(spec.bytes(), data...))})
	raw, err := hex.DecodeString(c.Float32)
	require.NoError(t, err)
	for ; len(raw) > 0; raw = raw[4:] {
		want = append(want, math.Float32frombits(binary.LittleEndian.Uint32(raw)))
	}
	return opened(t, filepath.Join(dir, "m.gguf")).Tensor("w"), want
}

func TestQuantizedBlocksAreGGUFsToTheLastBit(t *testing.T) {
	seen := map[Type]bool{}
	for _, c := range recordedBlocks(t) {
		t.Run(c.Type, func(t *testing.T) {
			w, want := recordedTensor(t, c)
			require.Equal(t, c.Type, w.Type.String())
			seen[w.Type] = true
			got := make([]float32, len(want))
			require.NoError(t, w.Float32(got, 0, 2))
			require.Equal(t, want, got)
			second := make([]float32, len(want)/2)
			require.NoError(t, w.Rows([]int{1}).Float32(second, 0, 1))
			require.Equal(t, want[len(want)/2:], second, "a row by itself")
		})
	}
	for typ := Q4_0; typ <= IQ4_XS; typ++ {
		assert.True(t, seen[typ], "%s has no case", typ)
	}
}

func TestWideAffineFormsAreTheSameWeights(t *testing.T) {
	for _, c := range recordedBlocks(t) {
		w, want := recordedTensor(t, c)
		if !w.Type.WideScales() {
			continue
		}
		t.Run(c.Type, func(t *testing.T) {
			bits := w.Type.AffineBits()
			weight := make([]uint32, len(want)*bits/32)
			scales, biases := make([]float32, len(want)/32), make([]float32, len(want)/32)
			require.NoError(t, w.Affine32(0, 2, weight, scales, biases))
			for i, x := range want {
				at := i * bits
				q := uint64(weight[at/32]) >> (at % 32)
				if at%32+bits > 32 {
					q |= uint64(weight[at/32+1]) << (32 - at%32)
				}
				q &= 1<<bits - 1
				require.Equal(t, x, float32(scales[i/32]*float32(q))+biases[i/32], "weight %d", i)
			}
			require.ErrorContains(t, w.Affine32(0, 2, weight[1:], scales, biases), "words of weight")
			require.ErrorContains(t, w.Affine(0, 2, weight, nil, nil), "has no affine form with float16 scales")
		})
	}
	w, _ := recordedTensor(t, recordedBlocks(t)[0])
	require.ErrorContains(t, w.Affine32(0, 2, nil, nil, nil), "has no affine form with float32 scales (have: Q4_K, Q5_K)")
}

// One block of Q4_K by hand: d = 1, dmin = 0.5; sub-block 0 has scale 3 and minimum 2,
// sub-block 5 scale 33 = 1 + 2·16 and minimum 18 = 2 + 1·16.
func TestQ4_KByHand(t *testing.T) {
	b := make([]byte, 144)
	binary.LittleEndian.PutUint16(b[0:], 0x3c00)
	binary.LittleEndian.PutUint16(b[2:], 0x3800)
	b[4+0], b[4+4] = 3, 2
	b[4+1], b[4+5] = 2<<6, 1<<6
	b[4+9] = 1 | 2<<4
	b[16+0] = 7            // weight 0 of sub-blocks 0 (7) and 1 (0)
	b[16+2*32+31] = 9 << 4 // weight 31 of sub-block 5
	w := make([]float32, 256)
	widenQ4_K(w, b)
	assert.Equal(t, float32(3*7-0.5*2), w[0])
	assert.Equal(t, float32(-0.5*2), w[1])
	assert.Equal(t, float32(33*9-0.5*18), w[5*32+31])
	assert.Equal(t, float32(-0.5*18), w[5*32+30])
}

// One block of Q6_K by hand: weight 100 is in the first half, part 3: the high nibble of
// byte 36 of the low bits, bits 6 and 7 of byte 4 of the high ones, scale 6.
func TestQ6_KByHand(t *testing.T) {
	b := make([]byte, 210)
	binary.LittleEndian.PutUint16(b[208:], 0x3c00)
	b[192+6] = 0xfe // −2
	b[36] = 5 << 4
	b[128+4] = 3 << 6
	w := make([]float32, 256)
	widenQ6_K(w, b)
	assert.Equal(t, float32(-2*(5+3*16-32)), w[100])
	assert.Equal(t, float32(-2*-32), w[101])
}

func TestQuantizedRowsAreWholeBlocks(t *testing.T) {
	spec := ggufSpec{tensors: []ggufTensor{{name: "odd.weight", dims: []uint64{128, 2}, typ: 12}}, data: 288}
	_, err := Open(filepath.Join(write(t, map[string]string{"m.gguf": string(spec.bytes())}), "m.gguf"))
	require.ErrorContains(t, err, "odd.weight")
	require.ErrorContains(t, err, "256")
}

func BenchmarkWidenK(b *testing.B) {
	for _, typ := range []Type{Q5_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS} {
		b.Run(typ.String(), func(b *testing.B) {
			elements, bytes := typ.Block()
			const n = 1 << 20
			src, dst := pattern(n/elements*bytes), make([]float32, n)
			b.SetBytes(4 * n)
			for range b.N {
				widenTo[typ](dst, src)
			}
		})
	}
}
