package capi

import (
	"sync"
	"unsafe"
)

// How a call gets into C. purego.SyscallN copies a block of 42 words in and out for each one;
// the routines here, in call_amd64.s and call_arm64.s, take the words that there are. They run
// on the system's stack through runtime.cgocall, as purego's own do, so that C may call back
// into Go.
//
// A callback may move the goroutine's stack. So a routine reads a frame that lies there before
// it calls, and never writes to one: a status comes back in cgocall's own result. What is
// longer than a status is written to a frame on the heap.
//
// The functions that pass a struct, or pack their stack arguments on Apple's arm64, go through
// purego (byHand and packed in gen/contract.go).

//go:linkname cgocall runtime.cgocall
//go:noescape
func cgocall(routine uintptr, frame unsafe.Pointer) int32

// The addresses of the routines for C.
var inRegistersABI0, anywhereABI0, withResultABI0, eachABI0 uintptr

// registers is the frame of a call whose words fit amd64's six registers.
type registers struct {
	f uintptr
	w [6]uintptr
}

// maxWords is how many words a call may have, maxFloats how many floating ones.
const (
	maxWords  = 14
	maxFloats = 3
)

// anywhere is the frame of a call that has floats, or words on the stack.
type anywhere struct {
	f, n uintptr // n words
	x    [maxFloats]uintptr
	w    [maxWords]uintptr
}

// withResult is the frame of a call that returns a whole word.
type withResult struct {
	anywhere
	r uintptr
}

var results = sync.Pool{New: func() any { return new(withResult) }}

func (w *withResult) call() uintptr {
	cgocall(withResultABI0, unsafe.Pointer(w))
	r := w.r
	results.Put(w)
	return r
}

// each is the frame of a call for each of n handles at hs.
type each struct{ f, hs, n uintptr }

// GatherQmmScaled is GatherQmm as a later mlx-c declares it under the same name, from MLX 0.32.3 on: with a
// global scale before sorted_indices, 0 for none. A library of the contract's form takes these words so
// that its stream is empty, and returns 1 for that.
func GatherQmmScaled(res *Array, x, w, scales, biases, lhsIndices, rhsIndices Array, transpose bool, groupSize, bits OptionalInt, mode *byte, globalScale Array, sorted bool, s Stream) int32 {
	EnterDefaults(s)
	defer LeaveDefaults(s)
	return status14(address[indexGatherQmm], uintptr(unsafe.Pointer(res)), uintptr(x), uintptr(w), uintptr(scales), uintptr(biases), uintptr(lhsIndices), uintptr(rhsIndices),
		word(transpose), groupSize.word(), bits.word(), uintptr(unsafe.Pointer(mode)), uintptr(globalScale), word(sorted), uintptr(s))
}

//go:uintptrescapes
func status14(f, w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13 uintptr) int32 {
	w := anywhere{f, 14, [maxFloats]uintptr{}, [maxWords]uintptr{w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13}}
	return cgocall(anywhereABI0, unsafe.Pointer(&w))
}

// FreeArrays frees many arrays in one crossing. The caller is inside the gate.
func FreeArrays(hs []Array) {
	assertGate(indexArrayFree)
	callEach(address[indexArrayFree], uintptr(unsafe.Pointer(unsafe.SliceData(hs))), uintptr(len(hs)))
}

//go:uintptrescapes
func callEach(f, hs, n uintptr) {
	w := each{f, hs, n}
	cgocall(eachABI0, unsafe.Pointer(&w))
}
