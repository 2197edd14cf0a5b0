package checkpoint

import (
	"encoding/binary"
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
	c := openedGGUF(t, ggufSpec{
		kvs:       []kv{{"general.alignment", ggufUint32, uint32(8)}},
		tensors:   []ggufTensor{vector("a", 2, 0), vector("b", 1, 8)},
		alignment: 8, data: 12,
	})
	assert.Equal(t, pattern(12)[8:], c.Tensor("b").Bytes())
}

func TestDamagedGGUFIsRefused(t *testing.T) {
	one := []ggufTensor{vector("a", 8, 0)}
	meta := func(p ...kv) []byte { return ggufSpec{kvs: p, tensors: one, data: 32}.bytes() }
	array := func(typ uint32, count uint64, values any) []byte {
		return meta(kv{"k", ggufArray, ggufArrayOf{typ, count, values}})
	}
	tensor := func(typ uint32, dims ...uint64) []byte {
		return ggufSpec{tensors: []ggufTensor{{name: "a", dims: dims, typ: typ}}, data: 64}.bytes()
	}
	named := func(name string) []byte {
		return ggufSpec{tensors: []ggufTensor{vector(name, 8, 0)}, data: 32}.bytes()
	}
	// lengthAt puts a length that lies where a string's length stands.
	lengthAt := func(file []byte, at int, length uint64) []byte {
		binary.LittleEndian.PutUint64(file[at:], length)
		return file
	}
	whole := meta()
	const roomless = "is more than the "
	cases := []struct {
		name string
		file []byte
		want string
	}{
		{"empty file", nil, "the file is empty; download it again"},
		{"3 bytes", []byte("GGU"), `is not a GGUF file: it begins with "GGU"`},
		{"bad magic", ggufSpec{magic: "PK\x03\x04"}.bytes(), `is not a GGUF file: it begins with "PK\x03\x04"`},
		{"GGML", ggufSpec{magic: "tjgg"}.bytes(), `is a GGML file of before GGUF (magic "tjgg"), which is not supported; convert it to GGUF version 3`},
		{"git-lfs pointer", []byte("version https://git-lfs.github.com/spec/v1\n"), "is a Git LFS pointer"},
		{"magic only", []byte("GGUF"), "is truncated: the file has 4 bytes and ends within its header, in the version; download it again"},
		{"version 1", ggufSpec{version: 1}.bytes(), "is GGUF version 1, which is not supported (have: 2, 3); convert it again with a current llama.cpp"},
		{"version 99", ggufSpec{version: 99}.bytes(), "is GGUF version 99, which is not supported (have: 2, 3)"},
		{"big-endian", ggufSpec{version: 3 << 24}.bytes(), "is a big-endian GGUF file, which is not supported (have: little-endian)"},
		{"truncated in the counts", whole[:14], "is truncated: the file has 14 bytes and ends within its header, in the number of tensors; download it again"},
		{"truncated in a tensor info", meta(kv{"k", ggufUint32, uint32(7)})[:60], "is truncated: the file has 60 bytes and ends within its header, in tensor \"a\"; download it again"},
		{"data truncated", whole[:len(whole)-1], fmt.Sprintf("is truncated: the file has %d bytes, its header needs %d; download it again", len(whole)-1, len(whole))},
		{"tensor count 2^63", ggufSpec{tensorCount: 1 << 63, tensors: one, data: 32}.bytes(), "the number of tensors, 9223372036854775808, " + roomless},
		{"tensor count 1000, one there", ggufSpec{tensorCount: 1000, tensors: one, data: 32}.bytes(), "the number of tensors, 1000, is more than the "},
		{"tensor count 2, one there", ggufSpec{tensorCount: 2, tensors: one, data: 32}.bytes(), "the length of a tensor name, 216172782113783808, " + roomless},
		{"key count 2^63", ggufSpec{kvCount: 1 << 63, tensors: one, data: 32}.bytes(), "the number of metadata keys, 9223372036854775808, " + roomless},
		{"key count 1000", ggufSpec{kvCount: 1000, tensors: one, data: 32}.bytes(), "the number of metadata keys, 1000, " + roomless},
		{"key length 2^64-8", lengthAt(meta(kv{"k", ggufUint8, uint8(1)}), 24, 1<<64-8), "the length of a metadata key, 18446744073709551608, " + roomless},
		{"key length 1e6", lengthAt(meta(kv{"k", ggufUint8, uint8(1)}), 24, 1e6), "the length of a metadata key, 1000000, " + roomless},
		{"key empty", meta(kv{"", ggufUint8, uint8(1)}), `the metadata key "" is empty or has characters that do not print`},
		{"key with NUL", meta(kv{"a\x00", ggufUint8, uint8(1)}), `the metadata key "a\x00" is empty or has characters that do not print`},
		{"key twice", meta(kv{"k", ggufUint8, uint8(1)}, kv{"k", ggufUint8, uint8(2)}), `the metadata key "k" stands twice`},
		{"value type 99", meta(kv{"k", 99, uint8(1)}), `metadata key "k" has value type 99, which GGUF does not have`},
		{"boolean 2", meta(kv{"k", ggufBool, uint8(2)}), `metadata key "k" has the boolean 2, which is neither 0 nor 1`},
		{"string length 1e9", lengthAt(meta(kv{"k", ggufString, "v"}), 37, 1e9), `the length of metadata key "k", 1000000000, ` + roomless},
		{"string length 2^64-8", lengthAt(meta(kv{"k", ggufString, "v"}), 37, 1<<64-8), `the length of metadata key "k", 18446744073709551608, ` + roomless},
		{"array of 2^61 uint64", array(ggufUint64, 1<<61, uint64(1)), `the length of metadata key "k", 2305843009213693952, ` + roomless},
		{"array of 2^32+1 uint8", array(ggufUint8, 1<<32+1, uint8(1)), `the length of metadata key "k", 4294967297, ` + roomless},
		{"array of 2^62 strings", array(ggufString, 1<<62, "x"), `the length of metadata key "k", 4611686018427387904, ` + roomless},
		{"array with a string of length 2^64-8", lengthAt(array(ggufString, 1, "x"), 49, 1<<64-8), `metadata key "k" has a string of length 18446744073709551608 at index 0, but `},
		{"array of more strings than there are", array(ggufString, 5, []string{"x"}), `metadata key "k" has a string of length `},
		{"array of arrays", array(ggufArray, 1, ggufArrayOf{ggufUint8, 1, uint8(1)}), `metadata key "k" is an array of arrays, which is not supported`},
		{"array of value type 99", array(99, 1, uint8(1)), `metadata key "k" is an array of value type 99, which GGUF does not have`},
		{"array with the boolean 3", array(ggufBool, 1, uint8(3)), `metadata key "k" has the boolean 3, which is neither 0 nor 1`},
		{"alignment 0", meta(kv{"general.alignment", ggufUint32, uint32(0)}), "general.alignment is 0 (uint32), which is not a power of two in a uint32"},
		{"alignment 7", meta(kv{"general.alignment", ggufUint32, uint32(7)}), "general.alignment is 7 (uint32), which is not a power of two in a uint32"},
		{"alignment 2^31", meta(kv{"general.alignment", ggufUint32, uint32(1 << 31)}), "general.alignment is 2147483648 (uint32), which is not"},
		{"alignment string", meta(kv{"general.alignment", ggufString, "32"}), "general.alignment is 32 (string), which is not a power of two in a uint32"},
		{"5 dimensions", tensor(0, 1, 1, 1, 1, 2), `tensor "a" has 5 dimensions (at most 4)`},
		{"2^32-1 dimensions", func() []byte {
			file := tensor(0, 16)
			binary.LittleEndian.PutUint32(file[33:], math.MaxUint32)
			return file
		}(), `tensor "a" has 4294967295 dimensions (at most 4)`},
		{"dimension 0", tensor(0, 0, 4), `tensor "a" has dimension 0 (from 1 to 2147483647)`},
		{"dimension 2^33", tensor(0, 1<<33), `tensor "a" has dimension 8589934592 (from 1 to 2147483647)`},
		{"dimension 2^62", tensor(0, 1<<62), `tensor "a" has dimension 4611686018427387904 (from 1 to 2147483647)`},
		{"product wraps", tensor(0, 1<<30, 1<<30, 16), `tensor "a" has shape [16 1073741824 1073741824], whose product overflows`},
		{"bytes wrap", tensor(0, 1<<30, 1<<30, 4), `tensor "a" has type F32 and shape [4 1073741824 1073741824], whose size in bytes overflows`},
		{"Q4_0 product wraps", tensor(2, 1<<30, 1<<30, 16), `tensor "a" has shape [16 1073741824 1073741824], whose product overflows`},
		{"size near 2^63", tensor(24, 1<<30, 1<<30, 7), "is truncated: the file has "},
		{"Q8_0 [32, 2^31-1]", tensor(8, 32, 1<<31-1), "is truncated: the file has "},
		{"Q4_0 row of 33", tensor(2, 33), `tensor "a" has type Q4_0 and shape [33]: the last dimension is not a multiple of the block of 32 weights`},
		{"Q4_0 without dimensions", tensor(2), `tensor "a" has type Q4_0 and shape []: the last dimension is not a multiple of the block of 32 weights`},
		{"offset unaligned", ggufSpec{tensors: []ggufTensor{vector("a", 8, 3)}, data: 64}.bytes(), `tensor "a" has offset 3, which is not a multiple of the alignment 32`},
		{"offset outside", ggufSpec{tensors: []ggufTensor{vector("a", 8, 64)}, data: 64}.bytes(), "is truncated: the file has "},
		{"offset 2^64-64", ggufSpec{tensors: []ggufTensor{vector("a", 8, 1<<64-64)}, data: 64}.bytes(), `tensor "a" has offset 18446744073709551552 and 32 bytes, far outside of any file`},
		{"offset 2^63-64", ggufSpec{tensors: []ggufTensor{vector("a", 8, 1<<63-64)}, data: 64}.bytes(), `tensor "a" has offset 9223372036854775744 and 32 bytes, far outside of any file`},
		{"overlap", ggufSpec{tensors: []ggufTensor{vector("b", 9, 0), vector("a", 8, 32)}, data: 64}.bytes(), `tensors "b" (bytes `},
		{"same place", ggufSpec{tensors: []ggufTensor{vector("b", 8, 0), vector("a", 8, 0)}, data: 64}.bytes(), `overlap`},
		{"name twice", ggufSpec{tensors: []ggufTensor{vector("a", 8, 0), vector("a", 8, 32)}, data: 64}.bytes(), `the tensor name "a" stands twice`},
		{"name empty", named(""), "a tensor's name is empty"},
		{"name %s%n", named("%s%n"), `the tensor name "%s%n" has the character '%', which no tensor name may have`},
		{"name with NUL", named("a\x00b"), `the tensor name "a\x00b" has the character '\x00', which no tensor name may have`},
		{"name not UTF-8", named("a\xff"), `the tensor name "a\xff" is not UTF-8`},
		{"name length 2^63", lengthAt(named("a"), 24, 1<<63), "the length of a tensor name, 9223372036854775808, " + roomless},
		{"name length 2^64-8", lengthAt(named("a"), 24, 1<<64-8), "the length of a tensor name, 18446744073709551608, " + roomless},
		{"type 99", tensor(99, 64), `tensor "a" has type 99 (no known GGML type), which is not supported (have: F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS)`},
		{"type 2^32-1", tensor(math.MaxUint32, 64), `tensor "a" has type 4294967295 (no known GGML type), which`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := parseGGUF(c.file)
			require.Error(t, err)
			assert.Contains(t, err.Error(), c.want)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestGGUFTypesThatAreNotReadAreNamed(t *testing.T) {
	spec := ggufSpec{tensors: []ggufTensor{{name: "blk.0.ffn_down.weight", dims: []uint64{256}, typ: 16}}, data: 66}
	path := filepath.Join(write(t, map[string]string{"m.gguf": string(spec.bytes())}), "m.gguf")
	_, err := Open(path)
	require.EqualError(t, err, "checkpoint: "+path+`: tensor "blk.0.ffn_down.weight" has type IQ2_XXS, which is not supported (have: F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS)`)

	for number, name := range ggmlTypeNames {
		_, _, err := parseGGUF(ggufSpec{tensors: []ggufTensor{{name: "a", dims: []uint64{256}, typ: number}}, data: 512}.bytes())
		require.ErrorContains(t, err, `tensor "a" has type `+name+", which is not supported")
		assert.NotContains(t, ggmlTypes, number)
	}

	_, _, err = parseGGUF(ggufSpec{tensors: []ggufTensor{
		{name: "a", dims: []uint64{256}, typ: 16}, vector("b", 8, 0),
		{name: "c", dims: []uint64{256}, typ: 17}, {name: "d", dims: []uint64{256}, typ: 16},
	}, data: 512}.bytes())
	assert.EqualError(t, err, `3 tensors have types that are not supported: IQ2_XXS (2, the first is "a"), IQ2_XS (1, the first is "c") (have: F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS)`)
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
