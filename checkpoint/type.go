package checkpoint

import (
	"fmt"
	"strings"
)

// Format is the file format of a checkpoint.
type Format uint8

// The formats that Open reads.
const (
	Safetensors Format = iota + 1
	GGUF
)

// String returns the format's name as people write it: "safetensors" or "GGUF".
func (f Format) String() string {
	switch f {
	case Safetensors:
		return "safetensors"
	case GGUF:
		return "GGUF"
	}
	return fmt.Sprintf("Format(%d)", uint8(f))
}

// Type is the type of a tensor's elements as the file stores them. Every tensor of
// an open checkpoint has one of the types below: a file with another is refused by
// Open, with the type's name where it is known.
type Type uint8

// Element types, under the names that safetensors and GGML give them.
const (
	F32 Type = iota + 1
	F16
	BF16
	F64
	I8
	I16
	I32
	I64
	U8
	U16
	U32
	U64
	BOOL
	Q4_0 // 32 weights in 18 bytes: float16 d, 16 bytes of nibbles; w = d·(q−8)
	Q4_1 // 32 weights in 20 bytes: float16 d and m, 16 bytes of nibbles; w = d·q + m
	Q8_0 // 32 weights in 34 bytes: float16 d, 32 int8; w = d·q

	// The types below are described where they are decoded, in widen_k.go.
	Q5_0
	Q5_1
	Q2_K
	Q3_K
	Q4_K
	Q5_K
	Q6_K
	IQ4_NL
	IQ4_XS
	MXFP4 // 32 weights in 17 bytes: E8M0 e, 16 bytes of E2M1; w = 2^(e−127)·q (mxfp4.go)

	C64 // a complex number of two F32, in safetensors only
)

// typeInfo is the size of a type's smallest storable unit.
type typeInfo struct {
	name     string
	elements int // in a block; 1 for plain types
	bytes    int // of a block
}

var types = [...]typeInfo{
	F32: {"F32", 1, 4}, F16: {"F16", 1, 2}, BF16: {"BF16", 1, 2}, F64: {"F64", 1, 8},
	I8: {"I8", 1, 1}, I16: {"I16", 1, 2}, I32: {"I32", 1, 4}, I64: {"I64", 1, 8},
	U8: {"U8", 1, 1}, U16: {"U16", 1, 2}, U32: {"U32", 1, 4}, U64: {"U64", 1, 8},
	BOOL: {"BOOL", 1, 1},
	Q4_0: {"Q4_0", groupSize, 2 + groupSize/2},
	Q4_1: {"Q4_1", groupSize, 2 + 2 + groupSize/2},
	Q8_0: {"Q8_0", groupSize, 2 + groupSize},
	Q5_0: {"Q5_0", groupSize, 2 + 4 + groupSize/2}, Q5_1: {"Q5_1", groupSize, 2 + 2 + 4 + groupSize/2},
	// the sizes of super-blocks are sizeof block_q2_K and so on in ggml-common.h
	Q2_K: {"Q2_K", superBlock, 84}, Q3_K: {"Q3_K", superBlock, 110}, Q4_K: {"Q4_K", superBlock, 144},
	Q5_K: {"Q5_K", superBlock, 176}, Q6_K: {"Q6_K", superBlock, 210},
	IQ4_NL: {"IQ4_NL", groupSize, 2 + groupSize/2}, IQ4_XS: {"IQ4_XS", superBlock, 136},
	MXFP4: {"MXFP4", groupSize, 1 + groupSize/2},
	C64:   {"C64", 1, 8},
}

// groupSize is the number of weights in a block of the types without a super-block
// (QK4_0, QK8_0, QK4_NL and so on in ggml), and in every affine group.
const groupSize = 32

// String returns the type's name: "F16", "Q4_1".
func (t Type) String() string {
	if t == 0 || int(t) >= len(types) {
		return fmt.Sprintf("Type(%d)", uint8(t))
	}
	return types[t].name
}

// Block returns how many elements one block holds and how many bytes it takes.
// For a type that is not quantized that is 1 and the element's size.
func (t Type) Block() (elements, bytes int) {
	return types[t].elements, types[t].bytes
}

// Quantized says whether the type stores blocks of weights with shared scales.
func (t Type) Quantized() bool { return t >= Q4_0 && t <= MXFP4 }

// safetensorsTypes is keyed by the dtype strings of the safetensors format.
var safetensorsTypes = map[string]Type{
	"F32": F32, "F16": F16, "BF16": BF16, "F64": F64,
	"I8": I8, "I16": I16, "I32": I32, "I64": I64,
	"U8": U8, "U16": U16, "U32": U32, "U64": U64, "BOOL": BOOL, "C64": C64,
}

// ggmlTypes is keyed by ggml_type in ggml.h; ggmlTypeNames has the numbers that
// are known but not read here. Q8_1 and Q8_K are what ggml makes of activations
// within a product: no file has them.
var ggmlTypes = map[uint32]Type{
	0: F32, 1: F16, 2: Q4_0, 3: Q4_1, 6: Q5_0, 7: Q5_1, 8: Q8_0,
	10: Q2_K, 11: Q3_K, 12: Q4_K, 13: Q5_K, 14: Q6_K, 20: IQ4_NL, 23: IQ4_XS,
	24: I8, 25: I16, 26: I32, 27: I64, 28: F64, 30: BF16, 39: MXFP4,
}

var ggmlTypeNames = map[uint32]string{
	4: "Q4_2", 5: "Q4_3", 9: "Q8_1", 15: "Q8_K",
	16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 21: "IQ3_S",
	22: "IQ2_S", 29: "IQ1_M",
	31: "Q4_0_4_4", 32: "Q4_0_4_8", 33: "Q4_0_8_8", 34: "TQ1_0", 35: "TQ2_0",
	36: "IQ4_NL_4_4", 37: "IQ4_NL_4_8", 38: "IQ4_NL_8_8", 40: "NVFP4", 41: "Q1_0",
}

// unsupported gathers the tensors whose type is not read, so that one error can
// name them all.
type unsupported struct {
	have  string // the types to offer instead
	types []string
	first map[string]string // type → its first tensor
	count map[string]int
	total int
}

func (u *unsupported) add(tensor, typ string) {
	if u.first == nil {
		u.first, u.count = map[string]string{}, map[string]int{}
	}
	if u.count[typ] == 0 {
		u.types = append(u.types, typ)
		u.first[typ] = tensor
	}
	u.count[typ]++
	u.total++
}

// err is nil when nothing was added.
func (u *unsupported) err() error {
	switch {
	case u.total == 0:
		return nil
	case u.total == 1:
		return fmt.Errorf("tensor %q has type %s, which is not supported (have: %s)", u.first[u.types[0]], u.types[0], u.have)
	}
	each := make([]string, len(u.types))
	for i, t := range u.types {
		each[i] = fmt.Sprintf("%s (%d, the first is %q)", t, u.count[t], u.first[t])
	}
	return fmt.Errorf("%d tensors have types that are not supported: %s (have: %s)", u.total, list(each), u.have)
}

// maxListed bounds how many items of one kind an error spells out.
const maxListed = 8

// list joins items with commas and says how many it left out.
func list(items []string) string {
	if len(items) <= maxListed {
		return strings.Join(items, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(items[:maxListed], ", "), len(items)-maxListed)
}

// quoted is list with each item in %q form.
func quoted(items []string) string {
	q := make([]string, len(items))
	for i, s := range items {
		q[i] = fmt.Sprintf("%q", s)
	}
	return list(q)
}
