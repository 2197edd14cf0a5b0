package capi

import (
	"runtime"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
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
// and its kin, which copy during the call.
func Data[T any](s []T) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(s)) }

// BytesOf returns the memory of a slice.
func BytesOf[T any](s []T) []byte {
	var zero T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(zero)))
}

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

func (o OptionalInt) word() uintptr   { return optional(uint32(o.Value), o.HasValue) }
func (o OptionalDtype) word() uintptr { return optional(uint32(o.Value), o.HasValue) }
func (o OptionalFloat) word() uintptr {
	return optional(*(*uint32)(unsafe.Pointer(&o.Value)), o.HasValue)
}

// GoroutineID returns the id of the calling goroutine, read from the head of its
// stack trace, the only place where the runtime tells it. It takes about 1 µs.
func GoroutineID() uint64 {
	var buf [64]byte
	head := string(buf[:runtime.Stack(buf[:], false)]) // "goroutine 18 [running]:…"
	head = strings.TrimPrefix(head, "goroutine ")
	digits, _, _ := strings.Cut(head, " ")
	id, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		panic("capi: no goroutine id in " + strconv.Quote(head))
	}
	return id
}

// glibc's own functions, 0 where the C library has none.
var (
	mallocTrim = sync.OnceValue(func() uintptr { return symbol(purego.RTLD_DEFAULT, "malloc_trim") })
	mallopt    = sync.OnceValue(func() uintptr { return symbol(purego.RTLD_DEFAULT, "mallopt") })
)

// TrimHeap gives back to the system what malloc keeps of freed memory. glibc keeps up to
// 32 MB of every size that was freed once, in an arena of each thread; MLX allocates on
// several.
func TrimHeap() {
	if f := mallocTrim(); f != 0 {
		purego.SyscallN(f, 0)
	}
}

// MapBlocks makes malloc take every block of 1 MB or more from the system, and give it
// back when it is freed, from now on.
func MapBlocks() {
	const mmapThreshold = -3 // M_MMAP_THRESHOLD in malloc.h
	if f := mallopt(); f != 0 {
		param := mmapThreshold
		purego.SyscallN(f, uintptr(param), 1<<20)
	}
}
