package checkpoint

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
)

var wholeSafetensors = floats("a", "b")

// stLength is a file whose header claims a length.
func stLength(n uint64) []byte {
	file := floats("a")
	binary.LittleEndian.PutUint64(file, n)
	return file
}

func stHeader(text string) []byte   { return safetensorsFile(text, 64) }
func stFields(fields string) []byte { return stHeader(`{"a":{` + fields + `}}`) }

func stShape(dtype, dims string) []byte {
	return stFields(fmt.Sprintf(`"dtype":%q,"shape":%s,"data_offsets":[0,64]`, dtype, dims))
}

func stOffsets(o string) []byte {
	return stFields(`"dtype":"F32","shape":[16],"data_offsets":` + o)
}

var damagedSafetensorsFiles = []damagedFile{
	{"empty file", nil, "the file is empty; download it again"},
	{"4 bytes", []byte{1, 0, 0, 0}, "is truncated: the file has 4 bytes, fewer than the 8 of a safetensors header's length"},
	{"header length 0", stLength(0), "the safetensors header has length 0"},
	{"header length 2^63", stLength(1 << 63), `is not a safetensors file: it begins with "\x00\x00\x00\x00\x00\x00\x00\x80", which is no header length (at most 100000000)`},
	{"header length 2^64-1", stLength(1<<64 - 1), `is not a safetensors file: it begins with "\xff\xff\xff\xff\xff\xff\xff\xff", which is no header length (at most 100000000)`},
	{"header length 99,999,999", stLength(99_999_999), fmt.Sprintf("is truncated: the file has %d bytes, its header alone needs 100000007; download it again", len(floats("a")))},
	{"header length 100,000,001", stLength(100_000_001), "which is no header length (at most 100000000)"},
	{"header length 5 too long", stLength(uint64(len(floats("a")) - 16 + 5)), "the safetensors header "},
	{"web page", []byte("<!DOCTYPE html><html>"), `is not a safetensors file: it begins with "<!DOCTYP"`},
	{"git-lfs pointer", []byte("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"), "is a Git LFS pointer, not the file itself; run git lfs pull, or download it again"},
	{"header truncated", wholeSafetensors[:20], fmt.Sprintf("is truncated: the file has 20 bytes, its header alone needs %d; download it again", len(wholeSafetensors)-16)},
	{"data truncated", wholeSafetensors[:len(wholeSafetensors)-1], fmt.Sprintf("is truncated: the file has %d bytes, its header needs %d; download it again", len(wholeSafetensors)-1, len(wholeSafetensors))},
	{"bytes behind the data", append(bytes.Clone(wholeSafetensors), 0), fmt.Sprintf("has %d bytes, but its tensors end at byte %d: the rest belongs to no tensor", len(wholeSafetensors)+1, len(wholeSafetensors))},
}

var damagedSafetensorsJSON = []damagedFile{
	{"bad JSON", stHeader(`{"a":]}`), "tensor \"a\" is not JSON: "},
	{"unfinished JSON", stHeader(`{"a":{"dtype":"F32"`), `tensor "a" is not JSON: it ends too soon`},
	{"comma before the brace", stHeader(`{"__metadata__":{},}`), "the safetensors header is not JSON: "},
	{"NaN literal", stShape("F32", "[NaN]"), `tensor "a" is not JSON: `},
	{"array", stHeader(`[]`), "the safetensors header is not a JSON object"},
	{"two objects", stHeader(`{}{}`), "the safetensors header goes on after its JSON object"},
	{"bad UTF-8", stHeader("{\"a\xff\":{}}"), "the safetensors header is not UTF-8"},
	{"200,000 levels", stHeader(`{"a":{"x":` + strings.Repeat("[", 200_000) + strings.Repeat("]", 200_000) + `}}`), `tensor "a" is not JSON: `},
	{"entry not an object", stHeader(`{"a":5}`), `tensor "a" is not a JSON object`},
	{"metadata array", stHeader(`{"__metadata__":[]}`), "the safetensors header's __metadata__ is not a JSON object"},
	{"metadata number", stHeader(`{"__metadata__":{"n":1}}`), `the safetensors header's __metadata__ has a value at "n" that is not a string`},
	{"metadata key twice", stHeader(`{"__metadata__":{"n":"1","n":"2"}}`), `the safetensors header's __metadata__ has the key "n" twice`},
	{"no dtype", stFields(`"shape":[16],"data_offsets":[0,64]`), `tensor "a" has no dtype`},
	{"no shape", stFields(`"dtype":"F32","data_offsets":[0,64]`), `tensor "a" has no shape`},
	{"no offsets", stFields(`"dtype":"F32","shape":[16]`), `tensor "a" has 0 data_offsets (want 2: begin and end)`},
	{"dtype number", stFields(`"dtype":5,"shape":[16],"data_offsets":[0,64]`), `tensor "a" has dtype 5, which is not a string`},
	{"dtype F8_E4M3", stShape("F8_E4M3", "[64]"), `tensor "a" has type "F8_E4M3", which is not supported (have: F32, F16, BF16, F64, I8, I16, I32, I64, U8, U16, U32, U64, BOOL, C64)`},
	{"dtype %s%n", stShape("%s%n", "[64]"), `tensor "a" has type "%s%n", which is not supported`},
	{"two unknown dtypes", stHeader(`{` + stTensor("a", "F4", []int{8}, 0, 4) + "," + stTensor("b", "F4", []int{8}, 4, 8) + `}`), `2 tensors have types that are not supported: "F4" (2, the first is "a") (have: F32, `},
}

var damagedSafetensorsShapes = []damagedFile{
	{"shape negative", stShape("F32", "[-4,-4]"), `tensor "a" has -4 in shape, which is not an integer from 0 to 2^63-1`},
	{"shape float", stShape("F32", "[4.7]"), `tensor "a" has 4.7 in shape, which is not an integer from 0 to 2^63-1`},
	{"shape string", stShape("F32", `["16"]`), `tensor "a" has 16 in shape, which is not a number`},
	{"shape null", stShape("F32", "null"), `tensor "a" has a shape that is not an array`},
	{"shape 2^32+4", stShape("F32", "[4294967300]"), `tensor "a" has shape [4294967300]: 4294967300 is over the largest dimension, 2147483647`},
	{"shape 2^64", stShape("F32", "[18446744073709551616]"), `tensor "a" has 18446744073709551616 in shape, which is not an integer from 0 to 2^63-1`},
	{"product wraps", stShape("U8", "[65536,65536,65536,65536]"), `tensor "a" has shape [65536 65536 65536 65536], whose product overflows`},
	{"bytes wrap", stShape("F32", "[2147483647,2147483647,2]"), `tensor "a" has type F32 and shape [2147483647 2147483647 2], whose size in bytes overflows`},
	{"100,000 dimensions", stShape("F32", "["+strings.Repeat("1,", 99_999)+"1]"), `tensor "a" has more than 16 numbers in shape`},
	{"size is not dtype × product", stShape("F32", "[17]"), `tensor "a" has 64 bytes at data_offsets [0, 64], but type F32 and shape [17] take 68`},
}

var misplacedSafetensors = []damagedFile{
	{"offsets outside", stOffsets("[64,128]"), "is truncated: the file has "},
	{"offsets near 2^63", stOffsets("[9223372036854775743,9223372036854775807]"), `tensor "a" has data_offsets [9223372036854775743, 9223372036854775807], far outside of any file`},
	{"offsets near 2^64", stOffsets("[18446744073709551552,18446744073709551615]"), `tensor "a" has 18446744073709551552 in data_offsets, which is not an integer from 0 to 2^63-1`},
	{"offsets negative", stOffsets("[-64,0]"), `tensor "a" has -64 in data_offsets, which is not an integer from 0 to 2^63-1`},
	{"offsets float", stOffsets("[0,64.0]"), `tensor "a" has 64.0 in data_offsets, which is not an integer from 0 to 2^63-1`},
	{"offsets reversed", stOffsets("[64,0]"), `tensor "a" has data_offsets [64, 0], which are reversed`},
	{"offsets 3", stOffsets("[0,64,64]"), `tensor "a" has more than 2 numbers in data_offsets`},
	{"offsets 1", stOffsets("[0]"), `tensor "a" has 1 data_offsets (want 2: begin and end)`},
	{"overlap", stHeader(`{` + stTensor("a", "F32", []int{8}, 0, 32) + "," + stTensor("b", "F32", []int{9}, 28, 64) + `}`), `tensors "a" (bytes `},
	{"gap", stHeader(`{` + stTensor("a", "F32", []int{8}, 0, 32) + "," + stTensor("b", "F32", []int{7}, 36, 64) + `}`), `has a gap: bytes `},
	{"same tensor twice", stHeader(`{` + stTensor("a", "F32", []int{8}, 0, 32) + "," + stTensor("a", "F32", []int{8}, 32, 64) + `}`), `the safetensors header has the key "a" twice`},
	{"same tensor twice by an escape", stHeader(`{` + stTensor("a", "F32", []int{8}, 0, 32) + `,"\u0061":{}}`), `the safetensors header has the key "a" twice`},
	{"shape twice", stFields(`"dtype":"F32","shape":[16],"shape":[16],"data_offsets":[0,64]`), `tensor "a" has the key "shape" twice`},
	{"% in a name", stHeader(`{` + stTensor("%s%n", "F32", []int{16}, 0, 64) + `}`), `the tensor name "%s%n" has the character '%', which no tensor name may have`},
	{"NUL in a name", stHeader(`{"a\u0000b":{}}`), `the tensor name "a\x00b" has the character '\x00', which no tensor name may have`},
	{"line break in a name", stHeader(`{"a\nb":{}}`), `the tensor name "a\nb" has the character '\n', which no tensor name may have`},
	{"empty name", stHeader(`{"":{}}`), "a tensor's name is empty"},
}

func TestDamagedSafetensorsAreRefused(t *testing.T) {
	t.Parallel()
	refusedBy(t, parseSafetensors, slices.Concat(damagedSafetensorsFiles, damagedSafetensorsJSON, damagedSafetensorsShapes, misplacedSafetensors))
}
