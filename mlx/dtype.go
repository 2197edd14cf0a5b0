package mlx

import (
	"fmt"
	"math"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// Dtype is the type of an array's elements.
type Dtype uint8

// The element types of MLX. Float64 exists on the CPU only.
const (
	Bool      = Dtype(capi.DtypeBool)
	Uint8     = Dtype(capi.DtypeUint8)
	Uint16    = Dtype(capi.DtypeUint16)
	Uint32    = Dtype(capi.DtypeUint32)
	Uint64    = Dtype(capi.DtypeUint64)
	Int8      = Dtype(capi.DtypeInt8)
	Int16     = Dtype(capi.DtypeInt16)
	Int32     = Dtype(capi.DtypeInt32)
	Int64     = Dtype(capi.DtypeInt64)
	Float16   = Dtype(capi.DtypeFloat16)
	Float32   = Dtype(capi.DtypeFloat32)
	Float64   = Dtype(capi.DtypeFloat64)
	BFloat16  = Dtype(capi.DtypeBfloat16)
	Complex64 = Dtype(capi.DtypeComplex64)
)

var dtypes = [...]struct {
	name string
	size int
}{
	Bool: {"bool", 1}, Uint8: {"uint8", 1}, Uint16: {"uint16", 2}, Uint32: {"uint32", 4}, Uint64: {"uint64", 8},
	Int8: {"int8", 1}, Int16: {"int16", 2}, Int32: {"int32", 4}, Int64: {"int64", 8},
	Float16: {"float16", 2}, Float32: {"float32", 4}, Float64: {"float64", 8}, BFloat16: {"bfloat16", 2}, Complex64: {"complex64", 8},
}

// String returns the type's name in mlx.core.
func (d Dtype) String() string {
	if !d.valid() {
		return fmt.Sprintf("dtype(%d)", uint8(d))
	}
	return dtypes[d].name
}

// Size returns the bytes of one element, 0 for a value that is no Dtype.
func (d Dtype) Size() int {
	if !d.valid() {
		return 0
	}
	return dtypes[d].size
}

// IsFloat reports whether d is a real floating type.
func (d Dtype) IsFloat() bool {
	return d == Float16 || d == Float32 || d == Float64 || d == BFloat16
}

// IsInteger reports whether d is a signed or unsigned integer type.
func (d Dtype) IsInteger() bool { return d >= Uint8 && d <= Int64 }

// valid guards MLX's tables, which are indexed without a check.
func (d Dtype) valid() bool { return int(d) < len(dtypes) }

// Half holds the bits of an IEEE 754 binary16 number, the element of a Float16 array.
type Half uint16

// Brain holds the upper half of a float32's bits, the element of a BFloat16 array.
type Brain uint16

// BrainOf rounds to the nearest, ties to even; NaN stays NaN.
func BrainOf(x float32) Brain {
	bits := math.Float32bits(x)
	if x != x {
		return Brain(bits>>16 | 0x40) // quiet: a payload in the low bits is lost
	}
	return Brain((bits + 0x7fff + bits>>16&1) >> 16)
}

// Float32 widens exactly.
func (b Brain) Float32() float32 { return math.Float32frombits(uint32(b) << 16) }

// Float32 widens exactly.
func (h Half) Float32() float32 {
	sign := uint32(h&0x8000) << 16
	exp, frac := uint32(h>>10)&0x1f, uint32(h)&0x3ff
	switch exp {
	case 0: // zero and subnormals: frac · 2^-24
		return math.Float32frombits(math.Float32bits(float32(frac)/(1<<24)) | sign)
	case 0x1f: // infinity and NaN
		return math.Float32frombits(sign | 0x7f800000 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}

// HalfOf rounds to the nearest, ties to even; what is too large becomes infinite.
func HalfOf(x float32) Half {
	bits := math.Float32bits(x)
	sign := Half(bits >> 16 & 0x8000)
	switch a := math.Abs(float64(x)); {
	case x != x:
		return sign | 0x7e00
	case a < 0x1p-14: // subnormal: whole multiples of 2^-24
		return sign | Half(math.RoundToEven(a*0x1p24))
	case a >= 65520: // halfway between the largest, 65504, and the next
		return sign | 0x7c00
	}
	bits &= 0x7fffffff
	bits += 0xfff + bits>>13&1 // round what will be cut off
	return sign | Half(bits>>13-112<<10)
}

// Element is a Go type that an array's elements have.
type Element interface {
	bool | uint8 | uint16 | uint32 | uint64 | int8 | int16 | int32 | int64 |
		float32 | float64 | complex64 | Half | Brain
}

// DtypeOf returns the Dtype whose elements are T.
func DtypeOf[T Element]() Dtype {
	var zero T
	switch any(zero).(type) {
	case bool:
		return Bool
	case uint8:
		return Uint8
	case uint16:
		return Uint16
	case uint32:
		return Uint32
	case uint64:
		return Uint64
	case int8:
		return Int8
	case int16:
		return Int16
	case int32:
		return Int32
	case int64:
		return Int64
	case float32:
		return Float32
	case float64:
		return Float64
	case complex64:
		return Complex64
	case Half:
		return Float16
	}
	return BFloat16
}
