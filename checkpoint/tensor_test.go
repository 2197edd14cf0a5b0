package checkpoint

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// recorded is testdata/ggml.json; testdata/README.md says where it is from.
type recorded struct {
	Blocks []struct {
		Type    string
		Stored  string
		Float32 string
		Affine  struct{ Weight, Scales, Biases string }
	}
	SmolLM2 struct {
		File          string
		FileSHA256    string `json:"file_sha256"`
		Float32SHA256 string `json:"float32_sha256"`
		WeightSHA256  string `json:"weight_sha256"`
		ScalesSHA256  string `json:"scales_sha256"`
		BiasesSHA256  string `json:"biases_sha256"`
	}
}

func readRecorded(t testing.TB) recorded {
	t.Helper()
	text, err := os.ReadFile("testdata/ggml.json")
	require.NoError(t, err)
	var r recorded
	require.NoError(t, json.Unmarshal(text, &r))
	return r
}

// tensorOf is a tensor over bytes in memory.
func tensorOf(typ Type, shape []int, stored []byte) *Tensor {
	return newTensor(&mapping{path: "m", data: stored}, headerTensor{name: "w", typ: typ, shape: shape, end: len(stored)})
}

func float32s(t testing.TB, w *Tensor) []float32 {
	t.Helper()
	dst := make([]float32, w.NumElements())
	require.NoError(t, w.Float32(dst, 0, w.NumRows()))
	return dst
}

type affine struct {
	weight         []uint32
	scales, biases []uint16
}

func affineOf(t testing.TB, w *Tensor, from, to int) affine {
	t.Helper()
	n := (to - from) * w.RowLen()
	a := affine{make([]uint32, n*w.Type.AffineBits()/32), make([]uint16, n/32), make([]uint16, n/32)}
	require.NoError(t, w.Affine(from, to, a.weight, a.scales, a.biases))
	return a
}

func TestBlocksAreWhatGGMLAndMLXMakeOfThem(t *testing.T) {
	t.Parallel()
	for _, c := range readRecorded(t).Blocks {
		t.Run(c.Type, func(t *testing.T) {
			stored, err := hex.DecodeString(c.Stored)
			require.NoError(t, err)
			typ := map[string]Type{"Q4_0": Q4_0, "Q4_1": Q4_1, "Q8_0": Q8_0}[c.Type]
			w := tensorOf(typ, []int{4, 64}, stored)
			require.Equal(t, len(stored), 4*w.RowBytes())
			assert.Equal(t, c.Float32, hex.EncodeToString(littleEndian(t, float32s(t, w))))

			a := affineOf(t, w, 0, 4)
			assert.Equal(t, c.Affine.Weight, hex.EncodeToString(littleEndian(t, a.weight)))
			assert.Equal(t, c.Affine.Scales, hex.EncodeToString(littleEndian(t, a.scales)))
			assert.Equal(t, c.Affine.Biases, hex.EncodeToString(littleEndian(t, a.biases)))
		})
	}
}

// scale·q + bias of the affine form is the dequantized weight.
func TestAffineAndFloat32Agree(t *testing.T) {
	t.Parallel()
	for _, c := range readRecorded(t).Blocks {
		stored, err := hex.DecodeString(c.Stored)
		require.NoError(t, err)
		typ := map[string]Type{"Q4_0": Q4_0, "Q4_1": Q4_1, "Q8_0": Q8_0}[c.Type]
		w := tensorOf(typ, []int{2, 2, 64}, stored)
		require.Equal(t, 2, w.NumRows())
		a, bits := affineOf(t, w, 0, 2), w.Type.AffineBits()
		for i, want := range float32s(t, w) {
			q := a.weight[i*bits/32] >> (i * bits % 32) & (1<<bits - 1)
			assert.Equal(t, want, float16(a.scales[i/32])*float32(q)+float16(a.biases[i/32]), "%s weight %d", c.Type, i)
		}
	}
}

func TestFloat16IsIEEEHalfPrecision(t *testing.T) {
	t.Parallel()
	for i := range 1 << 16 {
		h := uint16(i)
		sign, exponent, fraction := 1.0, int(h>>10&31), float64(h&0x3ff)
		if h&0x8000 != 0 {
			sign = -1
		}
		got := float64(float16(h))
		switch {
		case exponent == 31 && fraction != 0:
			require.True(t, math.IsNaN(got), "%#x", h)
		case exponent == 31:
			require.Equal(t, math.Inf(int(sign)), got, "%#x", h)
		case exponent == 0:
			require.Equal(t, sign*math.Ldexp(fraction, -24), got, "%#x", h)
		default:
			require.Equal(t, sign*math.Ldexp(1024+fraction, exponent-25), got, "%#x", h)
		}
		require.Equal(t, sign < 0, math.Signbit(got), "%#x", h)
	}
}

// −8 and −128 times every float16, against float64.
func TestBiasesAreExactOrRefused(t *testing.T) {
	t.Parallel()
	for _, n := range []uint{3, 7} {
		for i := range 1 << 16 {
			h := uint16(i)
			bias, fits := negatePower(h, n)
			exact := -math.Ldexp(float64(float16(h)), int(n))
			const largest = 65504 // of a float16
			require.Equal(t, math.IsInf(exact, 0) && math.IsInf(float64(float16(h)), 0) || math.IsNaN(exact) || math.Abs(exact) <= largest, fits, "%#x", h)
			if fits && !math.IsNaN(exact) {
				require.Equal(t, exact, float64(float16(bias)), "%#x", h)
				require.Equal(t, math.Signbit(exact), bias&0x8000 != 0, "%#x", h)
			}
		}
	}
}

func TestAffineRefusesScalesWhoseBiasOverflows(t *testing.T) {
	t.Parallel()
	stored := make([]byte, 34)
	binary.LittleEndian.PutUint16(stored, 0x6000) // 512: −128·512 = −65536
	w := tensorOf(Q8_0, []int{1, 32}, stored)
	err := w.Affine(0, 1, make([]uint32, 8), make([]uint16, 1), make([]uint16, 1))
	assert.EqualError(t, err, `checkpoint: m: affine of tensor "w": a scale is so large that its bias overflows a float16; read it as float32 instead`)
}

func TestPlainTypesAreWidened(t *testing.T) {
	t.Parallel()
	cases := []struct {
		typ    Type
		stored any
		want   []float32
	}{
		{F32, []float32{1.5, -2, float32(math.Inf(1))}, []float32{1.5, -2, float32(math.Inf(1))}},
		{F16, []uint16{0x3c00, 0xc000, 0x0001, 0x7bff}, []float32{1, -2, 0x1p-24, 65504}},
		{BF16, []uint16{0x3f80, 0xc000, 0x0001, 0x7f7f}, []float32{1, -2, 0x1p-133, 0x1.fep127}},
		{I8, []int8{-128, 127}, []float32{-128, 127}},
		{U8, []uint8{0, 255}, []float32{0, 255}},
		{I16, []int16{-32768, 32767}, []float32{-32768, 32767}},
		{U16, []uint16{0, 65535}, []float32{0, 65535}},
	}
	for _, c := range cases {
		w := tensorOf(c.typ, []int{len(c.want)}, littleEndian(t, c.stored))
		assert.Equal(t, c.want, float32s(t, w), "%s", c.typ)
	}
}

func TestTypesThatAreNotFloat32AreRefused(t *testing.T) {
	t.Parallel()
	for _, typ := range []Type{F64, I32, I64, U32, U64, BOOL} {
		_, size := typ.Block()
		err := tensorOf(typ, []int{1}, make([]byte, size)).Float32(make([]float32, 1), 0, 1)
		assert.EqualError(t, err, `checkpoint: m: float32 of tensor "w": not every `+typ.String()+
			` is a float32 (have: F32, F16, BF16, I8, U8, I16, U16, and the quantized types)`)
	}
	err := tensorOf(F32, []int{1}, make([]byte, 4)).Affine(0, 1, nil, nil, nil)
	assert.EqualError(t, err, `checkpoint: m: affine of tensor "w": type F32 has no affine form with float16 scales (have: Q4_0, Q4_1, Q8_0)`)
}

func TestARowIsAnIndexOfTheOutermostDimension(t *testing.T) {
	t.Parallel()
	cases := []struct {
		typ          Type
		shape        []int
		rows, rowLen int
	}{
		{F32, []int{}, 1, 1},
		{F32, []int{5}, 5, 1},
		{F32, []int{3, 4}, 3, 4},
		{F32, []int{3, 4, 5}, 3, 20},
		{F32, []int{0, 4}, 0, 4},
		{F32, []int{4, 0}, 4, 0},
		{Q8_0, []int{64}, 1, 64},
		{Q8_0, []int{2, 64}, 2, 64},
	}
	for _, c := range cases {
		elements, size := c.typ.Block()
		w := tensorOf(c.typ, c.shape, make([]byte, c.rows*c.rowLen/elements*size))
		assert.Equal(t, c.rows, w.NumRows(), "%v", c.shape)
		assert.Equal(t, c.rowLen, w.RowLen(), "%v", c.shape)
		assert.Equal(t, c.rows*c.rowLen, w.NumElements(), "%v", c.shape)
		float32s(t, w)
	}
}

func TestRowsReordersEveryReader(t *testing.T) {
	t.Parallel()
	for _, c := range readRecorded(t).Blocks {
		stored, err := hex.DecodeString(c.Stored)
		require.NoError(t, err)
		typ := map[string]Type{"Q4_0": Q4_0, "Q4_1": Q4_1, "Q8_0": Q8_0}[c.Type]
		w := tensorOf(typ, []int{4, 64}, stored)
		order := []int{2, 0, 1, 3, 2}
		v := w.Rows(order)
		assert.Equal(t, []int{5, 64}, v.Shape)
		assert.Equal(t, []int{4, 64}, w.Shape)
		assert.Equal(t, 5*64, v.NumElements())
		assert.Nil(t, v.Bytes())

		all, plain := float32s(t, v), float32s(t, w)
		packed, raw := affineOf(t, v, 0, 5), make([]byte, 5*w.RowBytes())
		require.NoError(t, v.Read(raw, 0, 5))
		words := 64 * w.Type.AffineBits() / 32
		for r, from := range order {
			assert.Equal(t, plain[64*from:64*from+64], all[64*r:64*r+64])
			assert.Equal(t, stored[w.RowBytes()*from:w.RowBytes()*(from+1)], raw[w.RowBytes()*r:w.RowBytes()*(r+1)])
			one := affineOf(t, w, from, from+1)
			assert.Equal(t, one, affine{packed.weight[words*r : words*(r+1)], packed.scales[2*r : 2*r+2], packed.biases[2*r : 2*r+2]})
		}
		part := make([]float32, 2*64)
		require.NoError(t, v.Float32(part, 1, 3))
		assert.Equal(t, all[64:3*64], part)
	}
}

func TestRowsOfAVectorAndOfAView(t *testing.T) {
	t.Parallel()
	w := tensorOf(F32, []int{4}, littleEndian(t, []float32{10, 11, 12, 13}))
	v := w.Rows([]int{3, 2, 0})
	assert.Equal(t, []float32{13, 12, 10}, float32s(t, v))
	assert.Equal(t, []float32{10, 13}, float32s(t, v.Rows([]int{2, 0})))
	assert.Empty(t, float32s(t, v.Rows([]int{})))
	assert.Equal(t, []float32{7}, float32s(t, tensorOf(I8, []int{}, []byte{7}).Rows([]int{0})))
}

func TestMergedAxesAreRowsThatCanBeChosen(t *testing.T) {
	t.Parallel()
	w := tensorOf(F32, []int{2, 3, 1}, littleEndian(t, []float32{0, 1, 2, 10, 11, 12}))
	m := w.Merge(2)
	assert.Equal(t, []int{6, 1}, m.Shape)
	assert.Equal(t, 6, m.NumRows())
	assert.Equal(t, w.Bytes(), m.Bytes())
	assert.Equal(t, []float32{1, 11}, float32s(t, m.Rows([]int{1, 4})))
	assert.Equal(t, []int{2, 3, 1}, w.Shape)
	assert.Equal(t, w, w.Merge(4))

	q := tensorOf(Q8_0, []int{2, 2, 32}, make([]byte, 4*34)).Merge(2)
	assert.Equal(t, []int{4, 34}, []int{q.NumRows(), q.RowBytes()})
}

func TestBadRowsAreTheErrorOfEveryReader(t *testing.T) {
	t.Parallel()
	w := tensorOf(Q8_0, []int{2, 32}, make([]byte, 68))
	const want = "row 2 at index 1 of an order is out of range: the tensor has 2 rows"
	v := w.Rows([]int{0, 2}).Rows([]int{1})
	assert.EqualError(t, v.Float32(make([]float32, 32), 0, 1), `checkpoint: m: float32 of tensor "w": `+want)
	assert.EqualError(t, v.Read(make([]byte, 34), 0, 1), `checkpoint: m: read of tensor "w": `+want)
	assert.EqualError(t, v.Affine(0, 1, make([]uint32, 8), make([]uint16, 1), make([]uint16, 1)), `checkpoint: m: affine of tensor "w": `+want)
	assert.Nil(t, v.Bytes())

	line := tensorOf(Q8_0, []int{64}, make([]byte, 68)).Rows([]int{0, 0})
	assert.ErrorContains(t, line.Read(nil, 0, 0), "an order of 2 rows does not fit: the tensor is one row")
}

func TestRangesAndDestinationsAreChecked(t *testing.T) {
	t.Parallel()
	w := tensorOf(Q4_1, []int{3, 64}, make([]byte, 3*40))
	for _, r := range [][2]int{{-1, 2}, {2, 1}, {0, 4}} {
		assert.ErrorContains(t, w.Float32(nil, r[0], r[1]), "are out of range: it has 3 rows")
		assert.ErrorContains(t, w.Read(nil, r[0], r[1]), "are out of range: it has 3 rows")
		assert.ErrorContains(t, w.Affine(r[0], r[1], nil, nil, nil), "are out of range: it has 3 rows")
	}
	assert.ErrorContains(t, w.Float32(make([]float32, 127), 0, 2), "the destination has 127 elements, the rows asked for take 128")
	assert.ErrorContains(t, w.Read(make([]byte, 81), 0, 2), "the destination has 81 bytes, the rows asked for take 80")
	assert.ErrorContains(t, w.Affine(0, 2, make([]uint32, 15), make([]uint16, 4), make([]uint16, 4)), "the destination has 15 words of weight, the rows asked for take 16")
	assert.ErrorContains(t, w.Affine(0, 2, make([]uint32, 16), make([]uint16, 5), make([]uint16, 4)), "the destination has 5 scales, the rows asked for take 4")
	assert.ErrorContains(t, w.Affine(0, 2, make([]uint32, 16), make([]uint16, 4), nil), "the destination has 0 biases, the rows asked for take 4")
}

func TestManyGoroutinesReadWhileOneCloses(t *testing.T) {
	t.Parallel()
	c, err := Open(filepath.Join(write(t, map[string]string{"m.gguf": string(ggufSpec{tensors: []ggufTensor{
		{name: "w", dims: []uint64{64, 64}, typ: 8}}, data: 64 * 68}.bytes())}), "m.gguf"))
	require.NoError(t, err)
	w := c.Tensor("w")
	want := float32s(t, w) // some of them NaN, which == would call different
	var wg, reading sync.WaitGroup
	reading.Add(4)
	for range 4 {
		wg.Go(func() {
			dst := make([]float32, len(want))
			err := w.Float32(dst, 0, 64)
			reading.Done() // once before the close, at least
			for ; err == nil; err = w.Float32(dst, 0, 64) {
				if !assert.True(t, slices.EqualFunc(want, dst, sameBit), "other values than before") {
					return
				}
			}
			assert.ErrorContains(t, err, `float32 of tensor "w": the checkpoint is closed`)
		})
	}
	reading.Wait()
	require.NoError(t, c.Close())
	wg.Wait()
	require.NoError(t, c.Close())
	assert.Nil(t, w.Bytes())
	assert.ErrorContains(t, c.Verify(), "the checkpoint is closed")
}

// One goroutine, source and destination in memory: the arithmetic alone.
func BenchmarkFloat32(b *testing.B) {
	const rows, rowLen = 64, 4096
	for _, typ := range []Type{F32, F16, BF16, Q4_0, Q4_1, Q8_0} {
		b.Run(typ.String(), func(b *testing.B) {
			elements, size := typ.Block()
			w := tensorOf(typ, []int{rows, rowLen}, pattern(rows*rowLen/elements*size))
			dst := make([]float32, rows*rowLen)
			b.ReportAllocs()
			for b.Loop() {
				if err := w.Float32(dst, 0, rows); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(rows*rowLen), "ns/weight")
		})
	}
}

func BenchmarkAffine(b *testing.B) {
	const rows, rowLen = 64, 4096
	for _, typ := range []Type{Q4_0, Q4_1, Q8_0} {
		b.Run(typ.String(), func(b *testing.B) {
			_, size := typ.Block()
			stored := make([]byte, rows*rowLen/32*size)
			w := tensorOf(typ, []int{rows, rowLen}, stored)
			weight := make([]uint32, rows*rowLen*w.Type.AffineBits()/32)
			scales, biases := make([]uint16, rows*rowLen/32), make([]uint16, rows*rowLen/32)
			for b.Loop() {
				if err := w.Affine(0, rows, weight, scales, biases); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(rows*rowLen), "ns/weight")
		})
	}
}
