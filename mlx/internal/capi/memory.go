package capi

import (
	"slices"
	"strings"
	"sync"
	"unsafe"
)

// CString is the address of a NUL-terminated string that C owns, 0 for none.
type CString uintptr

// String copies the text.
func (s CString) String() string {
	if s == 0 {
		return ""
	}
	p := (*byte)(Pointer(s).unsafe())
	n := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(p), n)) != 0 {
		n++
	}
	return strings.Clone(unsafe.String(p, n))
}

// Pointer is an address in memory that C owns, 0 for none.
type Pointer uintptr

// unsafe goes through the value's own address, which vet accepts for an address
// that Go's collector does not manage.
func (p Pointer) unsafe() unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&p)) }

// Callback is the address of a C function, from purego.NewCallback.
type Callback uintptr

// File is a FILE*.
type File uintptr

// Bytes returns s as a NUL-terminated C string in Go memory. The caller has
// refused text with a NUL in it.
func Bytes(s string) *byte {
	b := make([]byte, len(s)+1)
	copy(b, s)
	return &b[0]
}

// SliceAt returns the n values at p without copying. It is valid as long as the
// library keeps that memory.
func SliceAt[T any](p Pointer, n int) []T {
	if p == 0 || n == 0 {
		return nil
	}
	return unsafe.Slice((*T)(p.unsafe()), n)
}

// Data returns the address of a slice's first element, for mlx_array_new_data
// and others like it, which copy during the call.
func Data[T any](s []T) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(s)) }

// BytesOf returns the memory of a slice.
func BytesOf[T any](s []T) []byte {
	var zero T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(zero)))
}

// NewArrayMemory returns the address of the elements of an array that ArrayNewData just made. It
// has no graph and nobody else knows it, so that this needs no gate.
func NewArrayMemory(a Array) Pointer {
	return Pointer(result1(address[dataUint8()], uintptr(a)))
}

var dataUint8 = sync.OnceValue(func() int { return slices.Index(symbols[:], "mlx_array_data_uint8") })

// word is a bool as C's bool in a register.
func word(b bool) uintptr {
	if b {
		return 1
	}
	return 0
}

// An optional value travels as one integer register: the value in the low half,
// has_value in the byte above it.
func optional(bits uint32, has bool) uintptr { return uintptr(uint64(bits) | uint64(word(has))<<32) }

func (o OptionalInt) word() uintptr { return optional(uint32(o.Value), o.HasValue) }

func (o OptionalDtype) word() uintptr { return optional(uint32(o.Value), o.HasValue) }

func (o OptionalFloat) word() uintptr {
	return optional(*(*uint32)(unsafe.Pointer(&o.Value)), o.HasValue)
}
