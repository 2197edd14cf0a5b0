package mlx

import (
	"errors"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
	"github.com/mlxlens/mlxlens/mlx/internal/gate"
)

// fate is whether an operation that may fail while it is computed, such as an inverse, has
// failed. MLX notes such an error on the stream: whoever evaluates there next gets it, and the
// array that it belongs to counts as computed. So these operations are computed before what
// depends on them, each by itself, and all that depends on a failed one has its error.
type fate struct {
	known   atomic.Bool
	err     *Error // of a known one
	handles []capi.Array
	cleanup runtime.Cleanup
}

// fates are those that an array depends on, in the order in which they were made.
type fates []*fate

// inherit makes r depend on what an operand depends on.
func (r *Array) inherit(from *fates) {
	own := r.fates.Load()
	if own == nil || own == from {
		r.fates.Store(from)
		return
	}
	both := slices.Clone(*own)
	for _, f := range *from {
		if !slices.Contains(both, f) {
			both = append(both, f)
		}
	}
	r.fates.Store(&both)
}

// mayFail notes that the results of one operation fail together while they are computed, if they
// do, and returns them. Inside a function that is traced, that is noted of what the trace
// becomes.
func mayFail(results ...*Array) []*Array {
	f := &fate{}
	for _, a := range results {
		if a == nil || a.err != nil {
			continue
		}
		if s := a.scope.Load(); s != nil && s.depth >= traceDepth {
			s.fallible.Store(true)
			return results
		}
		if !a.acquire() {
			continue
		}
		var h capi.Array
		if capi.ArraySet(&h, a.h) == 0 { // the slot is empty, so that this frees none
			f.handles = append(f.handles, h)
		}
		a.release()
	}
	if len(f.handles) == 0 {
		return results
	}
	f.cleanup = runtime.AddCleanup(f, func(hs []capi.Array) { gate.Free(hs...) }, f.handles)
	for _, a := range results {
		if a != nil && a.err == nil {
			a.inherit(&fates{f})
		}
	}
	return results
}

// decide computes what arrays depend on that may fail. The caller is inside the gate.
func decide(arrays ...*Array) error {
	for _, a := range arrays {
		list := a.fates.Load()
		if list == nil {
			continue
		}
		for _, f := range *list {
			if err := f.decide(); err != nil {
				return err
			}
		}
		a.fates.CompareAndSwap(list, nil)
	}
	return nil
}

func (f *fate) decide() error {
	if !f.known.Load() {
		list := capi.VectorArrayNewData(f.handles)
		err := computed(capi.Eval(list))
		capi.VectorArrayFree(list)
		if errors.Is(err, ErrMemory) {
			return err // there may be more the next time
		}
		errors.As(err, &f.err)
		f.cleanup.Stop()
		gate.Free(f.handles...)
		f.handles = nil
		f.known.Store(true)
	}
	if f.err != nil {
		return f.err
	}
	return nil
}

// computed is the error of an evaluation, after which no stream holds one for the next.
func computed(s int32) error {
	if s == 0 {
		return nil
	}
	err := mlxError("eval", nil)
	for i := range gate.NumStreams() {
		if h := gate.Stream(i); h != 0 && capi.Synchronize(h) != 0 {
			capi.TakeError()
		}
	}
	return err
}

// stick gives arrays the error of their evaluation, where MLX takes them for computed. The caller
// is inside the gate.
func stick(err error, arrays []*Array) {
	var e *Error
	if !errors.As(err, &e) || e.Kind == ErrMemory {
		return
	}
	f := &fate{err: e}
	f.known.Store(true)
	for _, a := range arrays {
		var ready bool
		if a.depth.Load() == 0 { // it was computed before
			continue
		}
		if capi.ArrayIsAvailable(&ready, a.h); ready {
			a.inherit(&fates{f})
		}
	}
}
