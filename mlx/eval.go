package mlx

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
	"github.com/mlxlens/mlxlens/mlx/internal/gate"
)

// Eval computes the arrays. It returns the first error that one of them carries,
// or MLX's. Others evaluate between the parts of a large graph. Binds mlx_eval.
func Eval(arrays ...*Array) error { return evaluate("eval", false, arrays) }

// AsyncEval starts to compute the arrays and returns: what reads them waits. Meanwhile
// the next operations can be built. It returns an error that one of them carries. What may
// fail while it is computed, such as an inverse, is computed first, and so is all but the last
// part of a large graph. Binds mlx_async_eval.
func AsyncEval(arrays ...*Array) error { return evaluate("async_eval", true, arrays) }

func evaluate(op string, async bool, arrays []*Array) error {
	for i, a := range arrays {
		if err := a.Err(); err != nil {
			finish(arrays[:i])
			return err
		}
		if !a.acquire() {
			finish(arrays[:i])
			return a.gone(op, fmt.Sprintf("array %d", i+1))
		}
	}
	defer finish(arrays)
	if len(arrays) == 0 {
		return nil
	}
	err := twice(func() error { return run(evaluation{op: op, targets: arrays, async: async}) })
	if err == nil {
		evaluated(arrays...)
	}
	collectIfGrown()
	return err
}

// inGate calls f inside the gate. Without a turn there, the error says why.
func inGate(op string, f func() error) error {
	var err error
	if e := gate.Run(func() { err = f() }); e != nil {
		return turnError(op, e)
	}
	return err
}

// turnError is the error of an operation that got no turn.
func turnError(op string, why error) *Error {
	kind := ErrStuck
	if !errors.As(why, &gate.Stuck{}) {
		kind = why // of the context
	}
	return newError(op, kind, why.Error())
}

// twice calls f again, once, when it lacks memory and some could be freed.
func twice(f func() error) error {
	err := f()
	if errors.Is(err, ErrMemory) {
		reclaim()
		err = f()
	}
	return err
}

// admit refuses to compute arrays for which the memory limit leaves no room: where MLX cannot
// get memory from the system it crashes. What their graphs need beyond that is not known before. The
// caller is inside the gate.
func admit(op string, arrays ...*Array) error {
	limit := int(loaded.memoryLimit.Load())
	var active int
	capi.GetActiveMemory(&active)
	need := 0
	for _, a := range arrays {
		if n := capi.ArrayNbytes(a.h); active+need+n > limit {
			var ready bool // what is computed is among the active
			if capi.ArrayIsAvailable(&ready, a.h); !ready {
				need += n
			}
		} else if active > limit/2 {
			need += n
		}
	}
	if need > 0 && active+need > limit {
		return newError(op, ErrMemory, fmt.Sprintf("the arrays need %d bytes, and of MLX's memory limit of %d only %d are free: free arrays, or close scopes", need, limit, max(limit-active, 0)))
	}
	return nil
}

// reclaim frees what the collector finds to be unused, and MLX's cache.
func reclaim() {
	done := make(chan struct{})
	mark := new([16]byte)
	runtime.AddCleanup(mark, func(done chan struct{}) { close(done) }, done)
	runtime.KeepAlive(mark)
	mark = nil
	runtime.GC()
	// cleanups run on goroutines of the runtime, after the collection
	select {
	case <-done:
	case <-time.After(time.Second):
	}
	runtime.GC() // what a cleanup let go
	_ = inGate("", func() error { return status("clear_cache", capi.ClearCache()) })
}

// Do calls f inside the gate: until it returns, no other goroutine evaluates or
// frees. A loop of many small evaluations that must not be interleaved with
// others' goes here. A panic in f comes back as an error whose Stack leads to it.
//
// The end of ctx ends the wait for the gate, and what f evaluates: it is ctx's error. MLX
// cannot stop what it has begun, which goes on by itself. Do returns ctx's error when f
// returned after that, even if f has none.
func Do(ctx context.Context, f func() error) (err error) {
	if err := Load(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			err = newError("do", ErrPanic, fmt.Sprintf("panic: %v", p))
		}
	}()
	if e := gate.Hold(ctx, func() { err = f() }); e != nil {
		return e
	}
	if err == nil {
		err = context.Cause(ctx)
	}
	return err
}

// Data computes a and returns its elements in row-major order, a copy that the
// caller owns. T must be the Go type of a's Dtype.
func Data[T Element](a *Array) ([]T, error) {
	var out []T
	err := Borrow(a, func(data []T) error {
		out = append(make([]T, 0, len(data)), data...)
		return nil
	})
	return out, err
}

// Borrow computes a and lends its elements to f, in row-major order, without a
// copy where a lies so in memory. f must not keep or change the slice, and may
// read it from several goroutines.
func Borrow[T Element](a *Array, f func(data []T) error) error {
	if err := a.Err(); err != nil {
		return err
	}
	if want, got := DtypeOf[T](), a.Dtype(); want != got && a.acquire() {
		a.release()
		return newError("data", ErrDtype, fmt.Sprintf("the array is %s, not %s: convert it with AsType", got, want))
	}
	if f == nil {
		return missing("borrow", "function")
	}
	return borrow(a, f)
}

// borrow is Borrow of elements of T's size, whatever they are.
func borrow[T Element](a *Array, f func(data []T) error) error {
	if !a.acquire() {
		return a.gone("data", "the array")
	}
	defer a.release()
	n := capi.ArraySize(a.h)
	var row capi.Array // a row-contiguous copy, where a is not
	var data []T
	err := twice(func() error {
		return compute("eval", []*Array{a}, func() error {
			var contiguous bool
			if capi.ArrayIsRowContiguous(&contiguous, a.h); contiguous {
				if n > 0 {
					data = capi.SliceAt[T](pointer[T](a.h), n)
				}
				return nil
			}
			return status("data", capi.Contiguous(&row, a.h, false, a.stream.handle()))
		})
	})
	if err == nil && row != 0 {
		copied := &Array{h: row, stream: a.stream}
		copied.depth.Store(1)
		err = compute("data", []*Array{copied}, func() error {
			data = capi.SliceAt[T](pointer[T](row), n)
			return nil
		})
	}
	if row != 0 {
		defer gate.Free(row)
	}
	if err != nil {
		return err
	}
	evaluated(a)
	err = f(data)
	collectIfGrown()
	return err
}

// pointer returns the address of an evaluated array's elements.
func pointer[T Element](h capi.Array) capi.Pointer {
	// the accessors differ in the type of their result only; the 16-bit ones are
	// not exported everywhere
	switch DtypeOf[T]().Size() {
	case 1:
		return capi.ArrayDataUint8(h)
	case 2:
		return capi.ArrayDataUint16(h)
	case 4:
		return capi.ArrayDataUint32(h)
	}
	return capi.ArrayDataUint64(h)
}

// Item computes a and returns its only element. T must be the Go type of a's Dtype.
func Item[T Element](a *Array) (T, error) {
	var item T
	if err := a.Err(); err != nil {
		return item, err
	}
	n := a.Size()
	if a.freed() {
		return item, a.gone("item", "the array")
	}
	if n != 1 {
		return item, newError("item", ErrShape, fmt.Sprintf("the array has %d elements, not 1", n))
	}
	err := Borrow(a, func(data []T) error {
		item = data[0]
		return nil
	})
	return item, err
}
