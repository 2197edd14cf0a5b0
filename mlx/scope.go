package mlx

import (
	"runtime"
	"sync"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
	"github.com/mlxlens/mlxlens/mlx/internal/gate"
)

// A Scope owns arrays: those made in it, and those computed from any of them.
// Close frees all that were not kept. Go's collector sees some 150 bytes of an array
// that may hold gigabytes, so that a loop without scopes outruns it.
//
// Scopes nest: a result belongs to the innermost scope among its operands, and
// runs on that operand's stream. What is computed from arrays without a scope
// (weights) has none either, and is freed when the collector finds it.
//
// A scope that the program has lost without closing it leaves its arrays to the collector.
//
// A Scope may be used from any goroutine.
type Scope struct {
	stream Stream
	depth  int // 0: owns nothing

	// within is the scope that the arrays know and that owns them; nil: this one is. The program
	// holds another, so that the collector can tell when nobody can close it any more.
	within  *Scope
	cleanup runtime.Cleanup

	mu      sync.Mutex
	arrays  []*Array
	closed  bool
	lost    bool // nobody can close it
	counted bool // among openScopes

	traced   string       // of a trace: what calls the function
	tape     *lengthsTape // of a trace for other shapes
	fallible bool         // something in it may fail when it is computed
	why      []*Error     // for one of these reasons, if it is an inverse
}

// NewScope returns a scope on a device.
func NewScope(d Device) *Scope { return newScope(DefaultStream(d), 1) }

// On returns a scope that owns nothing: what is made in it lives on the device
// until it is freed, or the collector finds it.
func On(d Device) *Scope { return DefaultStream(d).Scope() }

// NewScope returns a scope inside s, on its stream.
// Inside a nil scope it is one on the default device.
func (s *Scope) NewScope() *Scope {
	if s == nil {
		return NewScope(DefaultDevice())
	}
	inner := newScope(s.stream, s.depth+1)
	inner.owner().tape = s.owner().tape
	return inner
}

// Device returns where the scope's arrays are computed.
func (s *Scope) Device() Device { return s.Stream().Device() }

// Stream returns the stream that computes the scope's arrays.
func (s *Scope) Stream() Stream {
	if s == nil {
		return DefaultStream(DefaultDevice())
	}
	return s.stream
}

// owns reports whether arrays made in s end with it.
func (s *Scope) owns() bool { return s != nil && s.depth > 0 }

// adopt makes a part of s; false when s is closed.
func (s *Scope) adopt(a *Array) bool {
	s = s.owner()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost {
		s.leave(a)
		return true
	}
	if s.closed {
		return false
	}
	if len(s.arrays) == cap(s.arrays) {
		s.sweep()
	}
	s.arrays = append(s.arrays, a)
	return true
}

// Keep takes arrays out of the scope: the collector frees them, or Free.
// An array of another scope is left where it is.
func (s *Scope) Keep(arrays ...*Array) {
	if s == nil {
		return
	}
	s = s.owner()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range arrays {
		a.strays("keep")
		for i := len(s.arrays) - 1; i >= 0; i-- {
			if s.arrays[i] == a {
				s.arrays = append(s.arrays[:i], s.arrays[i+1:]...)
				s.leave(a)
				break
			}
		}
	}
}

// Hold returns another handle on a's data, owned by s: a may be freed, and its
// scope closed, without the data going. What is computed from it runs on s's stream.
// A nil scope leaves it on a's.
func (s *Scope) Hold(a *Array) *Array {
	const op = "hold"
	if bad := required(op, a); bad != nil {
		return bad
	}
	if a.err != nil {
		return a
	}
	if !a.acquire() {
		return &Array{err: a.gone(op, "the array")}
	}
	defer a.release()
	r := a.twin()
	if s != nil {
		r.stream = s.stream
	}
	if s.owns() {
		r.scope.Store(s.owner())
	}
	r.settle(op)
	r.isAlso(a)
	return r
}

// Within calls f with a second handle on x in a scope of its own, and closes that
// scope: of what f computed from x only the result stays, in x's scope. Inside a
// long graph it lets each buffer go, when it is evaluated, after its last use; an
// array that f keeps must be held by an outer scope ([Scope.Hold]).
func Within(x *Array, f func(x *Array) *Array) *Array {
	if bad := required("within", x); bad != nil {
		return bad
	}
	if f == nil {
		return &Array{err: missing("within", "function")}
	}
	outer := x.scope.Load()
	if x.err != nil || outer == nil {
		return f(x)
	}
	inner := &Scope{stream: outer.stream, depth: outer.depth + 1, tape: outer.tape} // it is closed below
	defer inner.Close()
	return outer.Hold(f(inner.Hold(x)))
}

// Close frees the scope's arrays. An array that another goroutine is computing
// with lives until that call ends; later uses are errors. A second Close does
// nothing.
func (s *Scope) Close() {
	if s == nil {
		return
	}
	s.cleanup.Stop() // there is nothing to lose
	s = s.owner()
	s.mu.Lock()
	if s.counted {
		openScopes.Add(-1)
	}
	s.counted = false
	arrays := s.arrays
	s.arrays, s.closed = nil, true
	s.mu.Unlock()
	ends := make([]capi.Array, 0, len(arrays))
	for _, a := range arrays {
		if h := a.end(); h != 0 {
			ends = append(ends, h)
		}
	}
	gate.Free(ends...)
}
