package mlx

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
	"github.com/mlxlens/mlxlens/mlx/internal/gate"
)

// Array is a lazy n-dimensional array: a place in a graph of operations, computed
// when Eval, Item, Data or Borrow needs it. It does not change. Any goroutine may
// use it at any time.
//
// An Array that could not be built carries the reason (see [Error]).
type Array struct {
	h      capi.Array
	err    *Error
	stream Stream
	scope  atomic.Pointer[Scope] // nil: the collector's

	// state counts the calls that use h now; ended is set by the first Free.
	state atomic.Int32

	// depth is at least the number of operations in a row that compute the array.
	depth atomic.Int32

	from lineage // what it is made of

	fates atomic.Pointer[fates] // nil: nothing that computes it may fail

	cleanup runtime.Cleanup // of an array without a scope

	// host is what is known of the integers or booleans of an array made from Go data.
	host *bounds

	// unread is where the elements of an array of a file come from, nil for any other.
	unread *unread

	// most is at least the number of elements, 0 when not yet known.
	most atomic.Int64
}

const ended = math.MinInt32

// live counts the handles that arrays hold.
var live atomic.Int64

// bounds are the least and greatest integer, and whether one is 0 or −1; of booleans, how
// many are true.
type bounds struct {
	lo, hi         int64
	zero, minusOne bool
	trues          int
}

// acquire keeps h alive until release; it fails on an array that was freed, on one whose
// elements cannot be read, and on a zero Array.
func (a *Array) acquire() bool {
	if a.unread == nil && a.h == 0 {
		return false
	}
	if a.state.Add(1) < 0 {
		a.release()
		return a.unread != nil && a.fetch()
	}
	return true
}

func (a *Array) release() {
	if a.state.Add(-1) == ended && a.state.CompareAndSwap(ended, ended+1) {
		// +1: no second caller can see ended again, and no acquire sees ≥ 0
		gate.Free(a.last())
	}
}

// last takes the handle from the array: nobody uses it, and nobody can any more.
func (a *Array) last() capi.Array {
	a.cleanup.Stop() // set before the array was shared, or by its scope, a user until now
	live.Add(-1)
	return a.h
}

// gone is the error of a use of what acquire refuses. what names the array.
func (a *Array) gone(op, what string) *Error {
	if a.unread != nil {
		if e := a.unread.failure(); e != nil {
			return e
		}
	} else if a.h == 0 {
		return newError(op, errNoArray, what+" is a zero Array, which holds nothing")
	} else if e := a.ended(op, what); e != nil {
		return e
	}
	return newError(op, ErrFreed, what+" was freed")
}

// end marks a as freed. It returns the handle when nobody uses it now; otherwise
// the last user frees it.
func (a *Array) end() capi.Array {
	for {
		s := a.state.Load()
		if waits(s) {
			a.discard()
			continue // it is freed now, or was read meanwhile
		}
		if s < 0 {
			return 0
		}
		next := s + ended
		if s == 0 {
			next = ended + 1
		}
		if a.state.CompareAndSwap(s, next) {
			if s == 0 {
				return a.last()
			}
			return 0
		}
	}
}

// Free ends the array now instead of when its scope closes or the collector finds
// it. A second Free does nothing.
func (a *Array) Free() {
	if a == nil || a.unread == nil && a.h == 0 {
		return
	}
	if h := a.end(); h != 0 {
		gate.Free(h)
	}
}

// collect has the collector queue the end of an array that no scope owns.
func (a *Array) collect() {
	uncollected.Add(1)
	if a.unread != nil {
		a.unread.collect(a)
		return
	}
	a.cleanup = runtime.AddCleanup(a, func(h capi.Array) {
		live.Add(-1)
		gate.Free(h)
	}, a.h)
}

// Err returns why the array could not be built, nil if it could.
func (a *Array) Err() error {
	if a == nil {
		return newError("", errNoArray, errNoArray.Error())
	}
	if a.err != nil {
		return a.err
	}
	if a.unread != nil {
		if e := a.unread.failure(); e != nil {
			return e
		}
	} else if a.h == 0 {
		return a.gone("", "the array")
	}
	if e := a.fates.Load().leaked(); e != nil {
		return e
	}
	if e := a.ended("", "the array"); e != nil {
		return e
	}
	return nil
}

// Device returns where the array is computed.
func (a *Array) Device() Device { return a.Stream().Device() }

// Stream returns the stream that computes the array.
func (a *Array) Stream() Stream {
	if a == nil {
		return 0
	}
	return a.stream
}

// Scope returns where results of the array go: its scope, or one that owns nothing
// on its stream.
func (a *Array) Scope() *Scope {
	if a == nil {
		return Stream(0).Scope()
	}
	if s := a.scope.Load(); s != nil {
		return s
	}
	return a.stream.Scope()
}

// Shape returns the length of each axis; nil for an array with an error.
func (a *Array) Shape() []int {
	a.looked()
	return a.lengths()
}

// lengths is Shape for what follows the lengths of each call in a trace for other shapes.
func (a *Array) lengths() []int {
	if a == nil || a.err != nil {
		return nil
	}
	if u := a.header(); u != nil {
		return slices.Clone(u.shape)
	}
	if !a.acquire() {
		return nil
	}
	defer a.release()
	n := capi.ArrayNdim(a.h)
	shape := make([]int, n)
	for i, d := range capi.SliceAt[int32](capi.ArrayShape(a.h), n) {
		shape[i] = int(d)
	}
	return shape
}

// Ndim returns the number of axes.
func (a *Array) Ndim() int {
	if a == nil || a.err != nil {
		return 0
	}
	if u := a.header(); u != nil {
		return len(u.shape)
	}
	if !a.acquire() {
		return 0
	}
	defer a.release()
	return capi.ArrayNdim(a.h)
}

// Dim returns the length of one axis, counted from the end when negative, and 0
// for an axis that the array lacks.
func (a *Array) Dim(axis int) int {
	shape := a.Shape()
	if axis < 0 {
		axis += len(shape)
	}
	if axis < 0 || axis >= len(shape) {
		return 0
	}
	return shape[axis]
}

// Size returns the number of elements.
func (a *Array) Size() int {
	a.looked()
	if a == nil || a.err != nil {
		return 0
	}
	if u := a.header(); u != nil {
		return numElements(u.shape)
	}
	if !a.acquire() {
		return 0
	}
	defer a.release()
	return capi.ArraySize(a.h)
}

// Nbytes returns Size times the size of an element.
func (a *Array) Nbytes() int { return a.Size() * a.Dtype().Size() }

// Dtype returns the type of the elements; Bool for an array with an error.
func (a *Array) Dtype() Dtype {
	if a == nil || a.err != nil {
		return Bool
	}
	if u := a.header(); u != nil {
		return u.dtype
	}
	if !a.acquire() {
		return Bool
	}
	defer a.release()
	return Dtype(capi.ArrayDtype(a.h))
}

// String describes the array without evaluating it, as fmt.Println shows it: float32[2 3]. Of an
// array that cannot be used it is the reason. Format has the elements.
func (a *Array) String() string {
	if err := a.Err(); err != nil {
		return err.Error()
	}
	if a.header() == nil {
		if !a.acquire() {
			return a.gone("", "the array").Error()
		}
		defer a.release()
	}
	return fmt.Sprintf("%s%v", a.Dtype(), a.lengths())
}

// Strides returns, for each axis, how many elements apart its neighbours lie in memory. It
// computes a first. Binds mlx_array_strides.
func (a *Array) Strides() ([]int, error) {
	if err := Eval(a); err != nil {
		return nil, err
	}
	if !a.acquire() {
		return nil, a.gone("strides", "the array")
	}
	defer a.release()
	n := capi.ArrayNdim(a.h)
	strides := make([]int, n)
	for i, d := range capi.SliceAt[int64](capi.ArrayStrides(a.h), n) {
		strides[i] = int(d)
	}
	return strides, nil
}

// Ready reports whether a is computed, so that reading it does not wait.
// Binds _mlx_array_is_available.
func (a *Array) Ready() bool {
	ready := false
	if a != nil && a.err == nil && a.header() == nil && a.acquire() {
		_ = gate.Run(func() { capi.ArrayIsAvailable(&ready, a.h) })
		a.release()
	}
	return ready
}

// Wait waits until a, whose evaluation was started by AsyncEval, is computed.
// Binds _mlx_array_wait.
func (a *Array) Wait() error {
	if err := a.Err(); err != nil {
		return err
	}
	if !a.Ready() {
		return Eval(a) // it may never have been started
	}
	if !a.acquire() {
		return a.gone("wait", "the array")
	}
	defer a.release()
	return inGate("wait", func() error { return status("wait", capi.ArrayWait(a.h)) })
}

// Format computes a and returns its elements as Python prints them, array([1, 2], dtype=int32):
// the middle of axes of more than 6 is left out. Binds mlx_array_tostring.
func (a *Array) Format() (string, error) {
	if err := Eval(a); err != nil {
		return "", err
	}
	if !a.acquire() {
		return "", a.gone("format", "the array")
	}
	defer a.release()
	var text string
	err := inGate("format", func() error {
		var s capi.String
		defer func() { capi.StringFree(s) }()
		if err := status("format", capi.ArrayTostring(&s, a.h)); err != nil {
			return err
		}
		text = capi.StringData(s).String()
		return nil
	})
	if a.Dtype() == Bool {
		text = pythonBools.Replace(text)
	}
	return text, err
}

// pythonBools turns C++'s words into Python's, which its front end sets.
var pythonBools = strings.NewReplacer("true", "True", "false", "False")
