package mlx

import (
	"errors"
	"runtime"
	"slices"
	"strings"
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
	why     []*Error // what an inverse that fails means
	err     *Error   // of a known one
	handles []capi.Array
	on      []int // the streams that compute them
	cleanup runtime.Cleanup

	flight *gate.Flight // while they are computed; the gate guards it

	standIn bool        // a mark of what has no elements
	over    atomic.Bool // the function that it belongs to has returned
}

// fates are those that an array depends on, in the order in which they were made.
type fates []*fate

// inherit makes r depend on what an operand depends on.
func (r *Array) inherit(from *fates) {
	for {
		own := r.fates.Load()
		if own == from {
			return
		}
		all := from
		if own != nil {
			both := slices.Clone(*own)
			for _, f := range *from {
				if !slices.Contains(both, f) {
					both = append(both, f)
				}
			}
			all = &both
		}
		if r.fates.CompareAndSwap(own, all) {
			return
		}
	}
}

// mayFail notes that the results of one operation fail together while they are computed, if they
// do, and returns them. Inside a function that is traced, that is noted of what the trace
// becomes.
func mayFail(results ...*Array) []*Array { return mayFailFor(nil, results...) }

// mayFailFor is mayFail of an operation in which an inverse fails for one of these reasons. MLX's
// text speaks of the inverse, which may be a part, or a check, of what was asked for.
func mayFailFor(why []*Error, results ...*Array) []*Array {
	f := &fate{why: why}
	for _, a := range results {
		if a == nil || a.err != nil {
			continue
		}
		if s := a.scope.Load(); s != nil && s.depth >= traceDepth {
			s.mu.Lock()
			s.fallible, s.why = true, append(s.why, why...)
			s.mu.Unlock()
			return results
		}
		if !a.acquire() {
			continue
		}
		if f.on == nil {
			f.on = slices.Compact([]int{int(a.stream), int(forLAPACK(a.stream))})
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

// decide has computed what arrays depend on that may fail: it returns what to wait for before it
// is asked again, and the error of what has failed. The caller is inside the gate.
func decide(arrays []*Array) (next, error) {
	for _, a := range arrays {
		list := a.fates.Load()
		if list == nil {
			continue
		}
		for _, f := range *list {
			if n, err := f.decide(); err != nil || n != (next{}) {
				return n, err
			}
		}
		a.fates.CompareAndSwap(list, nil)
	}
	return next{}, nil
}

func (f *fate) decide() (next, error) {
	switch {
	case f.known.Load():
	case f.flight == nil:
		if o := gate.Obstacle(true); o != nil {
			return next{flight: o}, nil
		}
		var err error
		if f.flight, err = gate.Launch(f.handles, true, f.on...); err == nil {
			return next{own: f.flight}, nil
		}
		err, refused := refusal(err)
		if refused {
			f.flight = nil
			err = f.settle(err)
		}
		if err != nil {
			return next{}, err
		}
	case !f.flight.Landed():
		return next{flight: f.flight}, nil
	case f.flight.Refused():
		f.flight = nil // nobody heard why
		return f.decide()
	default:
		var err error
		if text, failed := f.flight.Failed(); failed {
			err = textError("eval", text, nil)
		}
		f.flight = nil
		if err := f.settle(err); err != nil {
			return next{}, err
		}
	}
	if f.err != nil {
		return next{}, f.err
	}
	return next{}, nil
}

// settle notes how it went; it returns the error of what may be tried again.
func (f *fate) settle(err error) error {
	if errors.Is(err, ErrMemory) {
		return err // there may be more the next time
	}
	if errors.As(err, &f.err); f.err != nil && strings.HasPrefix(f.err.Text, "[Inverse::eval_cpu]") && len(f.why) > 0 {
		f.err = oneOf(f.why)
	}
	f.cleanup.Stop()
	gate.Free(f.handles...)
	f.handles = nil
	f.known.Store(true)
	return nil
}

// oneOf is the error of what failed for one of some reasons.
func oneOf(why []*Error) *Error {
	var texts []string
	for _, e := range why {
		if text := strings.TrimPrefix(e.Error(), "mlx: "); !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	if len(texts) == 1 {
		return why[0]
	}
	return &Error{Op: "eval", Kind: ErrMLX, Text: strings.Join(texts, ", or "), stack: why[0].stack}
}

// computed is the error of an evaluation, after which no stream holds one for the next.
func computed(s int32) error {
	if s == 0 {
		return nil
	}
	return alone(mlxError("eval", nil))
}

// refusal is the error of what was not started, after which no stream holds one for the next, or of
// the context that has ended.
func refusal(err error) (why error, refused bool) {
	var r gate.Refused
	if !errors.As(err, &r) {
		return turnError("eval", err), false
	}
	return alone(textError("eval", r.Text, nil)), true
}

// alone takes from the streams what they may hold of a failure beside its error.
func alone(err *Error) error {
	gate.Settle() // or what is under way would lose its own
	on := make([]int, gate.NumStreams())
	for i := range on {
		on[i] = i
	}
	gate.ForgetErrors(on...)
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
