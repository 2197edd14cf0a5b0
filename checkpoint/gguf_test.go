package checkpoint

import (
	"fmt"
	"math"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func vector(name string, n int, offset uint64) ggufTensor {
	return ggufTensor{name: name, dims: []uint64{uint64(n)}, offset: offset}
}

func TestGGUFMetadataHasTheTypesOfTheFile(t *testing.T) {
	t.Parallel()
	_, metadata, err := parseGGUF(ggufSpec{kvs: []kv{
		{"u8", ggufUint8, uint8(200)}, {"i8", ggufInt8, int8(-100)},
		{"u16", ggufUint16, uint16(60000)}, {"i16", ggufInt16, int16(-30000)},
		{"u32", ggufUint32, uint32(4e9)}, {"i32", ggufInt32, int32(-2e9)},
		{"u64", ggufUint64, uint64(1) << 63}, {"i64", ggufInt64, int64(math.MinInt64)},
		{"f32", ggufFloat32, float32(1e-5)}, {"f64", ggufFloat64, math.Pi},
		{"no", ggufBool, false}, {"yes", ggufBool, true},
		{"text", ggufString, "naïve\x00 %s"}, {"none", ggufString, ""},
		{"u8s", ggufArray, ggufArrayOf{ggufUint8, 2, []uint8{1, 255}}},
		{"i8s", ggufArray, ggufArrayOf{ggufInt8, 2, []int8{1, -1}}},
		{"u16s", ggufArray, ggufArrayOf{ggufUint16, 2, []uint16{1, 65535}}},
		{"i16s", ggufArray, ggufArrayOf{ggufInt16, 2, []int16{1, -1}}},
		{"u32s", ggufArray, ggufArrayOf{ggufUint32, 2, []uint32{1, math.MaxUint32}}},
		{"i32s", ggufArray, ggufArrayOf{ggufInt32, 2, []int32{1, -1}}},
		{"u64s", ggufArray, ggufArrayOf{ggufUint64, 2, []uint64{1, math.MaxUint64}}},
		{"i64s", ggufArray, ggufArrayOf{ggufInt64, 2, []int64{1, -1}}},
		{"f32s", ggufArray, ggufArrayOf{ggufFloat32, 2, []float32{1.5, -1}}},
		{"f64s", ggufArray, ggufArrayOf{ggufFloat64, 2, []float64{1.5, -1}}},
		{"bools", ggufArray, ggufArrayOf{ggufBool, 3, []bool{true, false, true}}},
		{"texts", ggufArray, ggufArrayOf{ggufString, 3, []string{"Ġthe", "", "\xff"}}},
		{"no numbers", ggufArray, ggufArrayOf{ggufInt32, 0, []int32{}}},
		{"no texts", ggufArray, ggufArrayOf{ggufString, 0, []string{}}},
	}, tensors: []ggufTensor{vector("a", 8, 0)}, data: 32}.bytes())
	require.NoError(t, err)
	assert.Equal(t, map[string]any{
		"u8": uint8(200), "i8": int8(-100), "u16": uint16(60000), "i16": int16(-30000),
		"u32": uint32(4e9), "i32": int32(-2e9), "u64": uint64(1) << 63, "i64": int64(math.MinInt64),
		"f32": float32(1e-5), "f64": math.Pi, "no": false, "yes": true, "text": "naïve\x00 %s", "none": "",
		"u8s": []uint8{1, 255}, "i8s": []int8{1, -1}, "u16s": []uint16{1, 65535}, "i16s": []int16{1, -1},
		"u32s": []uint32{1, math.MaxUint32}, "i32s": []int32{1, -1}, "u64s": []uint64{1, math.MaxUint64},
		"i64s": []int64{1, -1}, "f32s": []float32{1.5, -1}, "f64s": []float64{1.5, -1},
		"bools": []bool{true, false, true}, "texts": []string{"Ġthe", "", "\xff"},
		"no numbers": []int32{}, "no texts": []string{},
	}, metadata)
}

func TestGGUFShapesAreTurnedRound(t *testing.T) {
	t.Parallel()
	for _, version := range []uint32{2, 3} {
		c := openedGGUF(t, ggufSpec{version: version, tensors: []ggufTensor{
			{name: "w", dims: []uint64{64, 3}, typ: 2},
			{name: "deep", dims: []uint64{2, 3, 5, 1}, typ: 1, offset: 128},
			{name: "scalar", typ: 26, offset: 192},
		}, data: 196})
		assert.Equal(t, GGUF, c.Format)
		assert.Equal(t, []string{"deep", "scalar", "w"}, c.Names())
		assert.Equal(t, []int{3, 64}, c.Tensor("w").Shape)
		assert.Equal(t, Q4_0, c.Tensor("w").Type)
		assert.Equal(t, []int{1, 5, 3, 2}, c.Tensor("deep").Shape)
		assert.Empty(t, c.Tensor("scalar").Shape)
		assert.Equal(t, 1, c.Tensor("scalar").NumElements())
		assert.Equal(t, pattern(196)[128:188], c.Tensor("deep").Bytes())
		assert.Nil(t, c.Tensor("W"))
		assert.Nil(t, c.Config)
	}
}

func TestGGUFAlignmentIsObeyed(t *testing.T) {
	t.Parallel()
	c := openedGGUF(t, ggufSpec{
		kvs:       []kv{{"general.alignment", ggufUint32, uint32(8)}},
		tensors:   []ggufTensor{vector("a", 2, 0), vector("b", 1, 8)},
		alignment: 8, data: 12,
	})
	assert.Equal(t, pattern(12)[8:], c.Tensor("b").Bytes())
}

func TestGGUFTypesThatAreNotReadAreNamed(t *testing.T) {
	t.Parallel()
	spec := ggufSpec{tensors: []ggufTensor{{name: "blk.0.ffn_down.weight", dims: []uint64{256}, typ: 16}}, data: 66}
	path := filepath.Join(write(t, map[string]string{"m.gguf": string(spec.bytes())}), "m.gguf")
	_, err := Open(path)
	require.EqualError(t, err, "checkpoint: "+path+`: tensor "blk.0.ffn_down.weight" has type IQ2_XXS, which is not supported (have: F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS, MXFP4)`)

	for number, name := range ggmlTypeNames {
		_, _, err := parseGGUF(ggufSpec{tensors: []ggufTensor{{name: "a", dims: []uint64{256}, typ: number}}, data: 512}.bytes())
		require.ErrorContains(t, err, `tensor "a" has type `+name+", which is not supported")
		assert.NotContains(t, ggmlTypes, number)
	}

	_, _, err = parseGGUF(ggufSpec{tensors: []ggufTensor{
		{name: "a", dims: []uint64{256}, typ: 16}, vector("b", 8, 0),
		{name: "c", dims: []uint64{256}, typ: 17}, {name: "d", dims: []uint64{256}, typ: 16},
	}, data: 512}.bytes())
	assert.EqualError(t, err, `3 tensors have types that are not supported: IQ2_XXS (2, the first is "a"), IQ2_XS (1, the first is "c") (have: F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS, MXFP4)`)
}

// A count that lies must not make the parser allocate what the file cannot hold.
func TestGGUFCountsDoNotAllocate(t *testing.T) {
	file := ggufSpec{kvCount: 4_000_000, data: 64 << 20}.bytes()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err := parseGGUF(file)
	runtime.ReadMemStats(&after)
	require.Error(t, err)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
}

func FuzzGGUF(f *testing.F) {
	f.Add(ggufSpec{tensors: []ggufTensor{vector("a", 8, 0), {name: "q", dims: []uint64{32, 2}, typ: 2, offset: 32}}, data: 68}.bytes())
	f.Add(ggufSpec{version: 2, kvs: []kv{
		{"general.alignment", ggufUint32, uint32(8)}, {"k", ggufString, "v"}, {"yes", ggufBool, true},
		{"t", ggufArray, ggufArrayOf{ggufString, 2, []string{"a", "b"}}},
		{"n", ggufArray, ggufArrayOf{ggufFloat32, 2, []float32{1, 2}}},
	}, tensors: []ggufTensor{{name: "s", typ: 1}}, alignment: 8, data: 8}.bytes())
	for typ := range uint32(13) {
		f.Add(ggufSpec{kvs: []kv{{"k", typ, uint64(1)}}, tensors: []ggufTensor{{name: "w", dims: []uint64{256}, typ: typ}}, data: 512}.bytes())
	}
	for number, typ := range ggmlTypes {
		elements, size := typ.Block()
		f.Add(ggufSpec{tensors: []ggufTensor{{name: "w", dims: []uint64{uint64(elements), 2}, typ: number}}, data: 2 * size}.bytes())
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		entries, _, err := parseGGUF(file)
		if err != nil {
			return
		}
		checkEntries(t, entries, len(file))
		for _, e := range entries {
			w := newTensor(&mapping{path: "m", data: file}, e)
			if w.Type.Quantized() {
				float32s(t, w)
			}
			if w.Type.WideScales() {
				affine32Of(t, w, 0, w.NumRows())
			}
		}
	})
}

// The header of a file with SmolLM2's vocabulary: 49,152 tokens, 48,900 merges.
func BenchmarkParseGGUF(b *testing.B) {
	tokens, merges, kinds := make([]string, 49152), make([]string, 48900), make([]int32, 49152)
	for i := range tokens {
		tokens[i] = fmt.Sprintf("Ġtok%d", i)
	}
	for i := range merges {
		merges[i] = fmt.Sprintf("Ġt ok%d", i)
	}
	file := ggufSpec{kvs: []kv{
		{"tokenizer.ggml.tokens", ggufArray, ggufArrayOf{ggufString, uint64(len(tokens)), tokens}},
		{"tokenizer.ggml.merges", ggufArray, ggufArrayOf{ggufString, uint64(len(merges)), merges}},
		{"tokenizer.ggml.token_type", ggufArray, ggufArrayOf{ggufInt32, uint64(len(kinds)), kinds}},
	}, tensors: []ggufTensor{vector("a", 8, 0)}, data: 32}.bytes()
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := parseGGUF(file); err != nil {
			b.Fatal(err)
		}
	}
}
