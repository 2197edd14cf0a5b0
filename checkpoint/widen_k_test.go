package checkpoint

import (
	"compress/gzip"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
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

func sameBit(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }

// sameBits compares with the signs of zeros, which == does not see.
func sameBits(t testing.TB, want, got []float32, what ...any) {
	t.Helper()
	require.Equal(t, len(want), len(got), what...)
	for i := range want {
		if !sameBit(want[i], got[i]) {
			require.Failf(t, "bits differ", "%v weight %d: %x, want %x", what, i, got[i], want[i])
		}
	}
}

func TestQuantizedBlocksAreGGUFsToTheLastBit(t *testing.T) {
	t.Parallel()
	seen := map[Type]bool{}
	for _, c := range recordedBlocks(t) {
		t.Run(c.Type, func(t *testing.T) {
			w, want := recordedTensor(t, c)
			require.Equal(t, c.Type, w.Type.String())
			require.Equal(t, c.Shape, w.Shape)
			seen[w.Type] = true
			sameBits(t, want, float32s(t, w))
		})
	}
	for typ := Q4_0; typ <= MXFP4; typ++ {
		assert.True(t, seen[typ], "%s has no case", typ)
	}
}

func TestRowsReordersEveryQuantizedType(t *testing.T) {
	t.Parallel()
	order := []int{2, 3, 0, 3}
	for _, c := range recordedBlocks(t) {
		t.Run(c.Type, func(t *testing.T) {
			w, want := recordedTensor(t, c)
			v, n, size := w.Rows(order), w.RowLen(), w.RowBytes()
			got, raw, stored := float32s(t, v), make([]byte, 4*size), w.Bytes()
			require.NoError(t, v.Read(raw, 0, 4))
			for r, from := range order {
				sameBits(t, want[n*from:n*(from+1)], got[n*r:n*(r+1)], "row", r)
				require.Equal(t, stored[size*from:size*(from+1)], raw[size*r:size*(r+1)])
			}
			part := make([]float32, 2*n)
			require.NoError(t, v.Float32(part, 1, 3))
			sameBits(t, got[n:3*n], part, "rows 1 and 2")
		})
	}
}

// affine32 is what Affine32 makes of rows of a tensor.
type affine32 struct {
	weight         []uint32
	scales, biases []float32
}

func affine32Of(t testing.TB, w *Tensor, from, to int) affine32 {
	t.Helper()
	n := (to - from) * w.RowLen()
	a := affine32{make([]uint32, n*w.Type.AffineBits()/32), make([]float32, n/32), make([]float32, n/32)}
	for i := range a.weight {
		a.weight[i] = 0xdeadbeef // what a buffer held before
	}
	require.NoError(t, w.Affine32(from, to, a.weight, a.scales, a.biases))
	return a
}

// scale·q + bias of the affine form is the dequantized weight, to the last bit. q is read
// from the words as MLX reads it: one stream of bits, the lowest first.
func TestAffine32AndFloat32Agree(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, c := range recordedBlocks(t) {
		w, want := recordedTensor(t, c)
		if !w.Type.WideScales() {
			continue
		}
		seen++
		t.Run(c.Type, func(t *testing.T) {
			bits, a := w.Type.AffineBits(), affine32Of(t, w, 0, 4)
			got := make([]float32, len(want))
			for i := range got {
				at := i * bits
				q := uint64(a.weight[at/32]) >> (at % 32)
				if at%32+bits > 32 {
					q |= uint64(a.weight[at/32+1]) << (32 - at%32)
				}
				got[i] = a.scales[i/32]*float32(q&(1<<bits-1)) + a.biases[i/32]
			}
			sameBits(t, want, got)

			words, groups := w.RowLen()*bits/32, w.RowLen()/32
			v := affine32Of(t, w.Rows([]int{3, 1}), 0, 2)
			for r, from := range []int{3, 1} {
				require.Equal(t, a.weight[words*from:words*(from+1)], v.weight[words*r:words*(r+1)])
				sameBits(t, a.scales[groups*from:groups*(from+1)], v.scales[groups*r:groups*(r+1)])
				sameBits(t, a.biases[groups*from:groups*(from+1)], v.biases[groups*r:groups*(r+1)])
			}
		})
	}
	require.Equal(t, 2, seen, "Q4_K and Q5_K")
}

func TestAffine32ChecksWhatItIsGiven(t *testing.T) {
	t.Parallel()
	w := tensorOf(Q5_K, []int{2, 256}, make([]byte, 2*176))
	words, eight := make([]uint32, 40), make([]float32, 8)
	assert.NoError(t, w.Affine32(1, 2, words, eight, eight))
	const at = `checkpoint: m: affine32 of tensor "w": `
	assert.EqualError(t, w.Affine32(0, 3, nil, nil, nil), at+"rows 0 to 3 are out of range: it has 2 rows")
	assert.EqualError(t, w.Affine32(0, 1, words[1:], eight, eight), at+"the destination has 39 words of weight, the rows asked for take 40")
	assert.EqualError(t, w.Affine32(0, 1, words, eight[1:], eight), at+"the destination has 7 scales, the rows asked for take 8")
	assert.EqualError(t, w.Affine32(0, 1, words, eight, nil), at+"the destination has 0 biases, the rows asked for take 8")
	assert.EqualError(t, w.Rows([]int{2}).Affine32(0, 1, words, eight, eight), at+"row 2 at index 0 of an order is out of range: the tensor has 2 rows")
	for typ := F32; typ <= MXFP4; typ++ {
		elements, size := typ.Block()
		w := tensorOf(typ, []int{1, elements}, make([]byte, size))
		if !typ.WideScales() {
			assert.EqualError(t, w.Affine32(0, 1, nil, nil, nil), at+"type "+typ.String()+" has no affine form with float32 scales (have: Q4_K, Q5_K)")
		}
		if typ.AffineBits() == 0 || typ.WideScales() {
			assert.EqualError(t, w.Affine(0, 1, nil, nil, nil), `checkpoint: m: affine of tensor "w": type `+typ.String()+" has no affine form with float16 scales (have: Q4_0, Q4_1, Q8_0)")
		}
	}
}

// A processor with a fused multiply-add gives the same bits where scale·q does not round.
// These are all significands of a float16, and the widest scales and weights of Q4_K and
// Q5_K (6 and 5 bits), and of Q6_K (8 and 6 bits, signed).
func TestProductsWithinBlocksAreExact(t *testing.T) {
	t.Parallel()
	exact := func(h uint16, scale, q int) bool {
		return float64(float16(h)*float32(scale)*float32(q)) == float64(float16(h))*float64(scale*q)
	}
	for h := range uint16(0x800) { // subnormal, then one binade; the others are these times 2ⁿ
		for scale := range 64 {
			for q := range 32 {
				require.True(t, exact(h, scale, q), "%#x·%d·%d", h, scale, q)
			}
		}
		for scale := -128; scale < 128; scale++ {
			for _, q := range []int{-32, -31, -29, 27, 31} {
				require.True(t, exact(h, scale, q), "%#x·%d·%d", h, scale, q)
			}
		}
	}
}

// One block of Q4_K by hand: d = 1, dmin = 0.5; sub-block 0 has scale 3 and minimum 2,
// sub-block 5 scale 33 = 1 + 2·16 and minimum 18 = 2 + 1·16.
func TestQ4_KByHand(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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

// Every quantized type is checked against its block's size before it is believed.
func TestQuantizedTensorsMustFillBlocksAndTheFile(t *testing.T) {
	t.Parallel()
	checked := 0
	for number, typ := range ggmlTypes {
		if !typ.Quantized() {
			continue
		}
		checked++
		elements, size := typ.Block()
		open := func(rowLen, data int) error {
			spec := ggufSpec{tensors: []ggufTensor{{name: "w", dims: []uint64{uint64(rowLen), 2}, typ: number}}, data: data}
			c, err := Open(filepath.Join(write(t, map[string]string{"m.gguf": string(spec.bytes())}), "m.gguf"))
			if err == nil {
				require.NoError(t, c.Close())
			}
			return err
		}
		require.NoError(t, open(2*elements, 4*size))
		assert.ErrorContains(t, open(elements/2, size), fmt.Sprintf( // the two rows together fill a block
			`tensor "w" has type %s and shape [2 %d]: the last dimension is not a multiple of the block of %d weights`, typ, elements/2, elements))
		assert.ErrorContains(t, open(0x7fffff00, 4*size), "is truncated: the file has")
		assert.ErrorContains(t, open(2*elements, 4*size-1), "is truncated: the file has")
	}
	assert.Equal(t, int(MXFP4-Q4_0)+1, checked)
}

func TestSizesOfQuantizedTensorsDoNotOverflow(t *testing.T) {
	t.Parallel()
	for _, typ := range []Type{Q8_0, Q2_K, Q6_K} {
		_, err := storedSize(typ, []int{maxDim, maxDim, 1 << 10})
		assert.ErrorContains(t, err, "overflows", "%s", typ)
	}
}

func TestTheTypesThatAnErrorOffersAreThoseThatAreRead(t *testing.T) {
	t.Parallel()
	offered := strings.Split(ggufHave, ", ")
	for _, typ := range ggmlTypes {
		if typ.Quantized() {
			assert.Contains(t, offered, typ.String())
		}
	}
	for _, name := range ggmlTypeNames {
		assert.NotContains(t, offered, name)
	}
}

func BenchmarkAffine32(b *testing.B) {
	const rows, rowLen = 64, 4096
	for _, typ := range []Type{Q4_K, Q5_K} {
		b.Run(typ.String(), func(b *testing.B) {
			elements, size := typ.Block()
			w := tensorOf(typ, []int{rows, rowLen}, pattern(rows*rowLen/elements*size))
			weight := make([]uint32, rows*rowLen*typ.AffineBits()/32)
			scales, biases := make([]float32, rows*rowLen/32), make([]float32, rows*rowLen/32)
			b.ReportAllocs()
			for b.Loop() {
				if err := w.Affine32(0, rows, weight, scales, biases); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(rows*rowLen), "ns/weight")
		})
	}
}

// MB/s are of float32 written, on one core, in the cache.
func BenchmarkWidenK(b *testing.B) {
	for _, typ := range []Type{Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS, MXFP4} {
		b.Run(typ.String(), func(b *testing.B) {
			elements, bytes := typ.Block()
			const n = 1 << 18
			src, dst := pattern(n/elements*bytes), make([]float32, n)
			b.SetBytes(4 * n)
			b.ReportAllocs()
			for b.Loop() {
				widenTo[typ](dst, src)
			}
		})
	}
}
