package checkpoint

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// damagedFile is a file that is refused, with what the error says.
type damagedFile struct {
	name string
	file []byte
	want string
}

// refusedBy fails for each file that parse takes or refuses for another reason.
func refusedBy(t *testing.T, parse func([]byte) ([]headerTensor, map[string]any, error), cases []damagedFile) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := parse(c.file)
			require.Error(t, err)
			assert.Contains(t, err.Error(), c.want)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

var (
	oneGGUFTensor = []ggufTensor{vector("a", 8, 0)}
	wholeGGUF     = ggufMeta()
)

// ggufMeta is a file with metadata and a tensor.
func ggufMeta(p ...kv) []byte {
	return ggufSpec{kvs: p, tensors: []ggufTensor{vector("a", 8, 0)}, data: 32}.bytes()
}

func ggufArrayMeta(typ uint32, count uint64, values any) []byte {
	return ggufMeta(kv{"k", ggufArray, ggufArrayOf{typ, count, values}})
}

func ggufOfShape(typ uint32, dims ...uint64) []byte {
	return ggufSpec{tensors: []ggufTensor{{name: "a", dims: dims, typ: typ}}, data: 64}.bytes()
}

func ggufNamed(name string) []byte {
	return ggufSpec{tensors: []ggufTensor{vector(name, 8, 0)}, data: 32}.bytes()
}

// lengthAt puts a length that lies where a string's length stands.
func lengthAt(file []byte, at int, length uint64) []byte {
	binary.LittleEndian.PutUint64(file[at:], length)
	return file
}

// roomless is what an error says of a count that the file cannot hold.
const roomless = "is more than the "

var damagedGGUFFiles = []damagedFile{
	{"empty file", nil, "the file is empty; download it again"},
	{"3 bytes", []byte("GGU"), `is not a GGUF file: it begins with "GGU"`},
	{"bad magic", ggufSpec{magic: "PK\x03\x04"}.bytes(), `is not a GGUF file: it begins with "PK\x03\x04"`},
	{"GGML", ggufSpec{magic: "tjgg"}.bytes(), `is a GGML file of before GGUF (magic "tjgg"), which is not supported; convert it to GGUF version 3`},
	{"git-lfs pointer", []byte("version https://git-lfs.github.com/spec/v1\n"), "is a Git LFS pointer"},
	{"magic only", []byte("GGUF"), "is truncated: the file has 4 bytes and ends within its header, in the version; download it again"},
	{"version 1", ggufSpec{version: 1}.bytes(), "is GGUF version 1, which is not supported (have: 2, 3); convert it again with a current llama.cpp"},
	{"version 99", ggufSpec{version: 99}.bytes(), "is GGUF version 99, which is not supported (have: 2, 3)"},
	{"big-endian", ggufSpec{version: 3 << 24}.bytes(), "is a big-endian GGUF file, which is not supported (have: little-endian)"},
	{"truncated in the counts", wholeGGUF[:14], "is truncated: the file has 14 bytes and ends within its header, in the number of tensors; download it again"},
	{"truncated in a tensor info", ggufMeta(kv{"k", ggufUint32, uint32(7)})[:60], "is truncated: the file has 60 bytes and ends within its header, in tensor \"a\"; download it again"},
	{"data truncated", wholeGGUF[:len(wholeGGUF)-1], fmt.Sprintf("is truncated: the file has %d bytes, its header needs %d; download it again", len(wholeGGUF)-1, len(wholeGGUF))},
	{"tensor count 2^63", ggufSpec{tensorCount: 1 << 63, tensors: oneGGUFTensor, data: 32}.bytes(), "the number of tensors, 9223372036854775808, " + roomless},
	{"tensor count 1000, one there", ggufSpec{tensorCount: 1000, tensors: oneGGUFTensor, data: 32}.bytes(), "the number of tensors, 1000, is more than the "},
	{"tensor count 2, one there", ggufSpec{tensorCount: 2, tensors: oneGGUFTensor, data: 32}.bytes(), "the length of a tensor name, 216172782113783808, " + roomless},
	{"key count 2^63", ggufSpec{kvCount: 1 << 63, tensors: oneGGUFTensor, data: 32}.bytes(), "the number of metadata keys, 9223372036854775808, " + roomless},
	{"key count 1000", ggufSpec{kvCount: 1000, tensors: oneGGUFTensor, data: 32}.bytes(), "the number of metadata keys, 1000, " + roomless},
}

var damagedGGUFMetadata = []damagedFile{
	{"key length 2^64-8", lengthAt(ggufMeta(kv{"k", ggufUint8, uint8(1)}), 24, 1<<64-8), "the length of a metadata key, 18446744073709551608, " + roomless},
	{"key length 1e6", lengthAt(ggufMeta(kv{"k", ggufUint8, uint8(1)}), 24, 1e6), "the length of a metadata key, 1000000, " + roomless},
	{"key empty", ggufMeta(kv{"", ggufUint8, uint8(1)}), `the metadata key "" is empty or has characters that do not print`},
	{"key with NUL", ggufMeta(kv{"a\x00", ggufUint8, uint8(1)}), `the metadata key "a\x00" is empty or has characters that do not print`},
	{"key twice", ggufMeta(kv{"k", ggufUint8, uint8(1)}, kv{"k", ggufUint8, uint8(2)}), `the metadata key "k" stands twice`},
	{"value type 99", ggufMeta(kv{"k", 99, uint8(1)}), `metadata key "k" has value type 99, which GGUF does not have`},
	{"boolean 2", ggufMeta(kv{"k", ggufBool, uint8(2)}), `metadata key "k" has the boolean 2, which is neither 0 nor 1`},
	{"string length 1e9", lengthAt(ggufMeta(kv{"k", ggufString, "v"}), 37, 1e9), `the length of metadata key "k", 1000000000, ` + roomless},
	{"string length 2^64-8", lengthAt(ggufMeta(kv{"k", ggufString, "v"}), 37, 1<<64-8), `the length of metadata key "k", 18446744073709551608, ` + roomless},
	{"array of 2^61 uint64", ggufArrayMeta(ggufUint64, 1<<61, uint64(1)), `the length of metadata key "k", 2305843009213693952, ` + roomless},
	{"array of 2^32+1 uint8", ggufArrayMeta(ggufUint8, 1<<32+1, uint8(1)), `the length of metadata key "k", 4294967297, ` + roomless},
	{"array of 2^62 strings", ggufArrayMeta(ggufString, 1<<62, "x"), `the length of metadata key "k", 4611686018427387904, ` + roomless},
	{"array with a string of length 2^64-8", lengthAt(ggufArrayMeta(ggufString, 1, "x"), 49, 1<<64-8), `metadata key "k" has a string of length 18446744073709551608 at index 0, but `},
	{"array of more strings than there are", ggufArrayMeta(ggufString, 5, []string{"x"}), `metadata key "k" has a string of length `},
	{"array of arrays", ggufArrayMeta(ggufArray, 1, ggufArrayOf{ggufUint8, 1, uint8(1)}), `metadata key "k" is an array of arrays, which is not supported`},
	{"array of value type 99", ggufArrayMeta(99, 1, uint8(1)), `metadata key "k" is an array of value type 99, which GGUF does not have`},
	{"array with the boolean 3", ggufArrayMeta(ggufBool, 1, uint8(3)), `metadata key "k" has the boolean 3, which is neither 0 nor 1`},
	{"alignment 0", ggufMeta(kv{"general.alignment", ggufUint32, uint32(0)}), "general.alignment is 0 (uint32), which is not a power of two in a uint32"},
	{"alignment 7", ggufMeta(kv{"general.alignment", ggufUint32, uint32(7)}), "general.alignment is 7 (uint32), which is not a power of two in a uint32"},
	{"alignment 2^31", ggufMeta(kv{"general.alignment", ggufUint32, uint32(1 << 31)}), "general.alignment is 2147483648 (uint32), which is not"},
	{"alignment string", ggufMeta(kv{"general.alignment", ggufString, "32"}), "general.alignment is 32 (string), which is not a power of two in a uint32"},
}

var damagedGGUFTensors = []damagedFile{
	{"5 dimensions", ggufOfShape(0, 1, 1, 1, 1, 2), `tensor "a" has 5 dimensions (at most 4)`},
	{"2^32-1 dimensions", func() []byte {
		file := ggufOfShape(0, 16)
		binary.LittleEndian.PutUint32(file[33:], math.MaxUint32)
		return file
	}(), `tensor "a" has 4294967295 dimensions (at most 4)`},
	{"dimension 0", ggufOfShape(0, 0, 4), `tensor "a" has dimension 0 (from 1 to 2147483647)`},
	{"dimension 2^33", ggufOfShape(0, 1<<33), `tensor "a" has dimension 8589934592 (from 1 to 2147483647)`},
	{"dimension 2^62", ggufOfShape(0, 1<<62), `tensor "a" has dimension 4611686018427387904 (from 1 to 2147483647)`},
	{"product wraps", ggufOfShape(0, 1<<30, 1<<30, 16), `tensor "a" has shape [16 1073741824 1073741824], whose product overflows`},
	{"bytes wrap", ggufOfShape(0, 1<<30, 1<<30, 4), `tensor "a" has type F32 and shape [4 1073741824 1073741824], whose size in bytes overflows`},
	{"Q4_0 product wraps", ggufOfShape(2, 1<<30, 1<<30, 16), `tensor "a" has shape [16 1073741824 1073741824], whose product overflows`},
	{"size near 2^63", ggufOfShape(24, 1<<30, 1<<30, 7), "is truncated: the file has "},
	{"Q8_0 [32, 2^31-1]", ggufOfShape(8, 32, 1<<31-1), "is truncated: the file has "},
	{"Q4_0 row of 33", ggufOfShape(2, 33), `tensor "a" has type Q4_0 and shape [33]: the last dimension is not a multiple of the block of 32 weights`},
	{"Q4_0 without dimensions", ggufOfShape(2), `tensor "a" has type Q4_0 and shape []: the last dimension is not a multiple of the block of 32 weights`},
	{"offset unaligned", ggufSpec{tensors: []ggufTensor{vector("a", 8, 3)}, data: 64}.bytes(), `tensor "a" has offset 3, which is not a multiple of the alignment 32`},
	{"offset outside", ggufSpec{tensors: []ggufTensor{vector("a", 8, 64)}, data: 64}.bytes(), "is truncated: the file has "},
	{"offset 2^64-64", ggufSpec{tensors: []ggufTensor{vector("a", 8, 1<<64-64)}, data: 64}.bytes(), `tensor "a" has offset 18446744073709551552 and 32 bytes, far outside of any file`},
	{"offset 2^63-64", ggufSpec{tensors: []ggufTensor{vector("a", 8, 1<<63-64)}, data: 64}.bytes(), `tensor "a" has offset 9223372036854775744 and 32 bytes, far outside of any file`},
	{"overlap", ggufSpec{tensors: []ggufTensor{vector("b", 9, 0), vector("a", 8, 32)}, data: 64}.bytes(), `tensors "b" (bytes `},
	{"same place", ggufSpec{tensors: []ggufTensor{vector("b", 8, 0), vector("a", 8, 0)}, data: 64}.bytes(), `overlap`},
	{"name twice", ggufSpec{tensors: []ggufTensor{vector("a", 8, 0), vector("a", 8, 32)}, data: 64}.bytes(), `the tensor name "a" stands twice`},
	{"name empty", ggufNamed(""), "a tensor's name is empty"},
	{"name %s%n", ggufNamed("%s%n"), `the tensor name "%s%n" has the character '%', which no tensor name may have`},
	{"name with NUL", ggufNamed("a\x00b"), `the tensor name "a\x00b" has the character '\x00', which no tensor name may have`},
	{"name not UTF-8", ggufNamed("a\xff"), `the tensor name "a\xff" is not UTF-8`},
	{"name length 2^63", lengthAt(ggufNamed("a"), 24, 1<<63), "the length of a tensor name, 9223372036854775808, " + roomless},
	{"name length 2^64-8", lengthAt(ggufNamed("a"), 24, 1<<64-8), "the length of a tensor name, 18446744073709551608, " + roomless},
	{"type 99", ggufOfShape(99, 64), `tensor "a" has type 99 (no known GGML type), which is not supported (have: F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS, MXFP4)`},
	{"type 2^32-1", ggufOfShape(math.MaxUint32, 64), `tensor "a" has type 4294967295 (no known GGML type), which`},
}

func TestDamagedGGUFIsRefused(t *testing.T) {
	t.Parallel()
	refusedBy(t, parseGGUF, slices.Concat(damagedGGUFFiles, damagedGGUFMetadata, damagedGGUFTensors))
}
