package checkpoint

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSafetensorsHeaderIsRead(t *testing.T) {
	header := `{"__metadata__":{"format":"mlx","n":"1"},` +
		stTensor("b", "U32", []int{2, 1}, 6, 14) + "," +
		stTensor("a", "F16", []int{3}, 0, 6) + "," +
		stTensor("empty", "F32", []int{0, 5}, 14, 14) + "," +
		`"scalar":{"shape":[],"later":{"x":[1,{}]},"data_offsets":[14,18],"dtype":"I32"}}   `
	entries, metadata, err := parseSafetensors(safetensorsFile(header, 18))
	require.NoError(t, err)
	data := 8 + len(header)
	assert.Equal(t, []entry{
		{"a", F16, []int{3}, data, data + 6},
		{"b", U32, []int{2, 1}, data + 6, data + 14},
		{"empty", F32, []int{0, 5}, data + 14, data + 14},
		{"scalar", I32, []int{}, data + 14, data + 18},
	}, entries)
	assert.Equal(t, map[string]any{"format": "mlx", "n": "1"}, metadata)
}

func TestSafetensorsMetadataMayBeNull(t *testing.T) {
	_, metadata, err := parseSafetensors(safetensorsFile(`{"__metadata__":null,`+stTensor("a", "U8", []int{1}, 0, 1)+`}`, 1))
	require.NoError(t, err)
	assert.Empty(t, metadata)
}

func TestDamagedSafetensorsAreRefused(t *testing.T) {
	length := func(n uint64) []byte {
		file := floats("a")
		binary.LittleEndian.PutUint64(file, n)
		return file
	}
	header := func(text string) []byte { return safetensorsFile(text, 64) }
	entry := func(fields string) []byte { return header(`{"a":{` + fields + `}}`) }
	shape := func(dtype, dims string) []byte {
		return entry(fmt.Sprintf(`"dtype":%q,"shape":%s,"data_offsets":[0,64]`, dtype, dims))
	}
	offsets := func(o string) []byte { return entry(`"dtype":"F32","shape":[16],"data_offsets":` + o) }
	whole := floats("a", "b")
	cases := []struct {
		name string
		file []byte
		want string
	}{
		{"empty file", nil, "the file is empty; download it again"},
		{"4 bytes", []byte{1, 0, 0, 0}, "is truncated: the file has 4 bytes, fewer than the 8 of a safetensors header's length"},
		{"header length 0", length(0), "the safetensors header has length 0"},
		{"header length 2^63", length(1 << 63), `is not a safetensors file: it begins with "\x00\x00\x00\x00\x00\x00\x00\x80", which is no header length (at most 100000000)`},
		{"header length 2^64-1", length(1<<64 - 1), `is not a safetensors file: it begins with "\xff\xff\xff\xff\xff\xff\xff\xff", which is no header length (at most 100000000)`},
		{"header length 99,999,999", length(99_999_999), fmt.Sprintf("is truncated: the file has %d bytes, its header alone needs 100000007; download it again", len(floats("a")))},
		{"header length 100,000,001", length(100_000_001), "which is no header length (at most 100000000)"},
		{"header length 5 too long", length(uint64(len(floats("a")) - 16 + 5)), "the safetensors header "},
		{"web page", []byte("<!DOCTYPE html><html>"), `is not a safetensors file: it begins with "<!DOCTYP"`},
		{"git-lfs pointer", []byte("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"), "is a Git LFS pointer, not the file itself; run git lfs pull, or download it again"},
		{"header truncated", whole[:20], fmt.Sprintf("is truncated: the file has 20 bytes, its header alone needs %d; download it again", len(whole)-16)},
		{"data truncated", whole[:len(whole)-1], fmt.Sprintf("is truncated: the file has %d bytes, its header needs %d; download it again", len(whole)-1, len(whole))},
		{"bytes behind the data", append(bytes.Clone(whole), 0), fmt.Sprintf("has %d bytes, but its tensors end at byte %d: the rest belongs to no tensor", len(whole)+1, len(whole))},
		{"bad JSON", header(`{"a":]}`), "tensor \"a\" is not JSON: "},
		{"unfinished JSON", header(`{"a":{"dtype":"F32"`), `tensor "a" is not JSON: it ends too soon`},
		{"comma before the brace", header(`{"__metadata__":{},}`), "the safetensors header is not JSON: "},
		{"NaN literal", shape("F32", "[NaN]"), `tensor "a" is not JSON: `},
		{"array", header(`[]`), "the safetensors header is not a JSON object"},
		{"two objects", header(`{}{}`), "the safetensors header goes on after its JSON object"},
		{"bad UTF-8", header("{\"a\xff\":{}}"), "the safetensors header is not UTF-8"},
		{"200,000 levels", header(`{"a":{"x":` + strings.Repeat("[", 200_000) + strings.Repeat("]", 200_000) + `}}`), `tensor "a" is not JSON: `},
		{"entry not an object", header(`{"a":5}`), `tensor "a" is not a JSON object`},
		{"metadata array", header(`{"__metadata__":[]}`), "the safetensors header's __metadata__ is not a JSON object"},
		{"metadata number", header(`{"__metadata__":{"n":1}}`), `the safetensors header's __metadata__ has a value at "n" that is not a string`},
		{"metadata key twice", header(`{"__metadata__":{"n":"1","n":"2"}}`), `the safetensors header's __metadata__ has the key "n" twice`},
		{"no dtype", entry(`"shape":[16],"data_offsets":[0,64]`), `tensor "a" has no dtype`},
		{"no shape", entry(`"dtype":"F32","data_offsets":[0,64]`), `tensor "a" has no shape`},
		{"no offsets", entry(`"dtype":"F32","shape":[16]`), `tensor "a" has 0 data_offsets (want 2: begin and end)`},
		{"dtype number", entry(`"dtype":5,"shape":[16],"data_offsets":[0,64]`), `tensor "a" has dtype 5, which is not a string`},
		{"dtype F8_E4M3", shape("F8_E4M3", "[64]"), `tensor "a" has type "F8_E4M3", which is not supported (have: F32, F16, BF16, F64, I8, I16, I32, I64, U8, U16, U32, U64, BOOL, C64)`},
		{"dtype %s%n", shape("%s%n", "[64]"), `tensor "a" has type "%s%n", which is not supported`},
		{"two unknown dtypes", header(`{` + stTensor("a", "F4", []int{8}, 0, 4) + "," + stTensor("b", "F4", []int{8}, 4, 8) + `}`), `2 tensors have types that are not supported: "F4" (2, the first is "a") (have: F32, `},
		{"shape negative", shape("F32", "[-4,-4]"), `tensor "a" has -4 in shape, which is not an integer from 0 to 2^63-1`},
		{"shape float", shape("F32", "[4.7]"), `tensor "a" has 4.7 in shape, which is not an integer from 0 to 2^63-1`},
		{"shape string", shape("F32", `["16"]`), `tensor "a" has 16 in shape, which is not a number`},
		{"shape null", shape("F32", "null"), `tensor "a" has a shape that is not an array`},
		{"shape 2^32+4", shape("F32", "[4294967300]"), `tensor "a" has shape [4294967300]: 4294967300 is over the largest dimension, 2147483647`},
		{"shape 2^64", shape("F32", "[18446744073709551616]"), `tensor "a" has 18446744073709551616 in shape, which is not an integer from 0 to 2^63-1`},
		{"product wraps", shape("U8", "[65536,65536,65536,65536]"), `tensor "a" has shape [65536 65536 65536 65536], whose product overflows`},
		{"bytes wrap", shape("F32", "[2147483647,2147483647,2]"), `tensor "a" has type F32 and shape [2147483647 2147483647 2], whose size in bytes overflows`},
		{"100,000 dimensions", shape("F32", "["+strings.Repeat("1,", 99_999)+"1]"), `tensor "a" has more than 16 numbers in shape`},
		{"size is not dtype × product", shape("F32", "[17]"), `tensor "a" has 64 bytes at data_offsets [0, 64], but type F32 and shape [17] take 68`},
		{"offsets outside", offsets("[64,128]"), "is truncated: the file has "},
		{"offsets near 2^63", offsets("[9223372036854775743,9223372036854775807]"), `tensor "a" has data_offsets [9223372036854775743, 9223372036854775807], far outside of any file`},
		{"offsets near 2^64", offsets("[18446744073709551552,18446744073709551615]"), `tensor "a" has 18446744073709551552 in data_offsets, which is not an integer from 0 to 2^63-1`},
		{"offsets negative", offsets("[-64,0]"), `tensor "a" has -64 in data_offsets, which is not an integer from 0 to 2^63-1`},
		{"offsets float", offsets("[0,64.0]"), `tensor "a" has 64.0 in data_offsets, which is not an integer from 0 to 2^63-1`},
		{"offsets reversed", offsets("[64,0]"), `tensor "a" has data_offsets [64, 0], which are reversed`},
		{"offsets 3", offsets("[0,64,64]"), `tensor "a" has more than 2 numbers in data_offsets`},
		{"offsets 1", offsets("[0]"), `tensor "a" has 1 data_offsets (want 2: begin and end)`},
		{"overlap", header(`{` + stTensor("a", "F32", []int{8}, 0, 32) + "," + stTensor("b", "F32", []int{9}, 28, 64) + `}`), `tensors "a" (bytes `},
		{"gap", header(`{` + stTensor("a", "F32", []int{8}, 0, 32) + "," + stTensor("b", "F32", []int{7}, 36, 64) + `}`), `has a gap: bytes `},
		{"same tensor twice", header(`{` + stTensor("a", "F32", []int{8}, 0, 32) + "," + stTensor("a", "F32", []int{8}, 32, 64) + `}`), `the safetensors header has the key "a" twice`},
		{"same tensor twice by an escape", header(`{` + stTensor("a", "F32", []int{8}, 0, 32) + `,"\u0061":{}}`), `the safetensors header has the key "a" twice`},
		{"shape twice", entry(`"dtype":"F32","shape":[16],"shape":[16],"data_offsets":[0,64]`), `tensor "a" has the key "shape" twice`},
		{"% in a name", header(`{` + stTensor("%s%n", "F32", []int{16}, 0, 64) + `}`), `the tensor name "%s%n" has the character '%', which no tensor name may have`},
		{"NUL in a name", header(`{"a\u0000b":{}}`), `the tensor name "a\x00b" has the character '\x00', which no tensor name may have`},
		{"line break in a name", header(`{"a\nb":{}}`), `the tensor name "a\nb" has the character '\n', which no tensor name may have`},
		{"empty name", header(`{"":{}}`), "a tensor's name is empty"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := parseSafetensors(c.file)
			require.Error(t, err)
			assert.Contains(t, err.Error(), c.want)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

// checkEntries holds what every accepted header must fulfil.
func checkEntries(t *testing.T, entries []entry, size int) {
	t.Helper()
	at := 0
	seen := map[string]bool{}
	for _, e := range entries {
		require.NoError(t, checkName(e.name))
		require.False(t, seen[e.name], "twice: %q", e.name)
		seen[e.name] = true
		require.LessOrEqual(t, at, e.start)
		require.LessOrEqual(t, e.start, e.end)
		require.LessOrEqual(t, e.end, size)
		at = e.end
		elements, bytes := e.typ.Block()
		count := 1
		for _, d := range e.shape {
			require.GreaterOrEqual(t, d, 0)
			count *= d
		}
		require.Equal(t, count/elements*bytes, e.end-e.start)
	}
}

func FuzzSafetensorsHeader(f *testing.F) {
	f.Add(floats("a", "model.layers.0.self_attn.q_proj.weight"))
	f.Add(safetensorsFile(`{"__metadata__":{"format":"pt"},`+stTensor("a", "BF16", []int{2, 0, 3}, 0, 0)+`}`, 0))
	f.Add(safetensorsFile(`{`+stTensor("a", "I64", []int{}, 0, 8)+`}`, 8))
	f.Add(safetensorsFile(`{`+stTensor("a", "F8", []int{1 << 40}, 4, 2)+`,"b":{"x":[[{}]]}}`, 8))
	f.Fuzz(func(t *testing.T, file []byte) {
		if entries, _, err := parseSafetensors(file); err == nil {
			checkEntries(t, entries, len(file))
		}
	})
}
