package gate

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// A Flight is an evaluation that has been started inside the gate and is waited for outside.
//
// MLX walks a graph and hands its operations to the threads of its streams, and that must happen
// one at a time. What remains is to wait, on an event that the stream signals. An array that others
// may know cannot be waited for outside, since asking whether it is there changes it; so each
// flight has a mark on each of its streams, an array that nobody else knows and whose event is
// signaled when all that the flight has started on the stream is done.
//
// MLX notes an error on the stream, and the first to ask after it gets it. So the flights of a
// stream ask in the order in which they started; and behind one that may fail none starts on its
// stream before it is known whether it did.
type Flight struct {
	marks  []capi.Array
	before []*Flight // the last on each of the streams
	on     []int
	done   chan struct{}

	// set before done is closed
	failed bool
	text   string // MLX's
}

var aloft struct {
	sync.Mutex
	last  [MaxStreams]*Flight
	all   map[*Flight]struct{}
	risky *Flight
}

// leaf is what marks are views of.
var leaf capi.Array

// computing is whether the goroutine inside waits for a flight, and so for no other goroutine.
var computing atomic.Bool

// Quiet reports whether no flight is under way.
func Quiet() bool {
	aloft.Lock()
	defer aloft.Unlock()
	return len(aloft.all) == 0
}

// Obstacle returns a flight to wait for before another may start on these streams, nil for none.
// risky is whether that may fail while it is computed. The caller is inside the gate.
func Obstacle(risky bool, on ...int) *Flight {
	aloft.Lock()
	defer aloft.Unlock()
	r := aloft.risky
	if r != nil && (risky || slices.ContainsFunc(on, func(i int) bool { return slices.Contains(r.on, i) })) {
		return r
	}
	return nil
}

// Launch starts to compute arrays, and a mark on each stream. It returns nil, and the status, when
// MLX refuses. The caller is inside the gate, has asked for an Obstacle, and calls Wait when it is
// outside.
func Launch(arrays []capi.Array, risky bool, on ...int) (*Flight, int32) {
	f := &Flight{on: on, done: make(chan struct{})}
	if leaf == 0 {
		leaf = capi.ArrayNewBool(true)
	}
	for _, i := range on {
		var m capi.Array
		if s := capi.StopGradient(&m, leaf, streams[i]); s != 0 {
			return nil, f.cancel(s)
		}
		f.marks = append(f.marks, m)
	}
	list := capi.VectorArrayNewData(slices.Concat(arrays, f.marks))
	defer capi.VectorArrayFree(list)
	if s := capi.AsyncEval(list); s != 0 {
		return nil, f.cancel(s)
	}
	aloft.Lock()
	defer aloft.Unlock()
	for _, i := range on {
		if b := aloft.last[i]; b != nil {
			f.before = append(f.before, b)
		}
		aloft.last[i] = f
	}
	if aloft.all == nil {
		aloft.all = map[*Flight]struct{}{}
	}
	aloft.all[f] = struct{}{}
	if risky {
		aloft.risky = f
	}
	return f, 0
}

// cancel ends the marks of what did not start.
func (f *Flight) cancel(status int32) int32 {
	Free(f.marks...)
	return status
}

// Wait waits until all that the flight started is done. In the body of Hold it returns an error at
// the end of Hold's context, and the flight goes on by itself.
func (f *Flight) Wait() error {
	return waiting(f.land, f.done)
}

// Await is Wait for another goroutine than the one that launched f.
func (f *Flight) Await() error {
	return waiting(func() { <-f.done }, f.done)
}

// waiting calls wait, at whose end done is closed.
func waiting(wait func(), done <-chan struct{}) error {
	if !inside() {
		wait()
		return nil
	}
	computing.Store(true)
	defer computing.Store(false)
	ctx := until
	if ctx == nil || ctx.Done() == nil {
		wait()
		return nil
	}
	go wait()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Landed reports whether the wait has ended.
func (f *Flight) Landed() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// Failed reports whether something has failed, and MLX's text, once the wait has ended.
func (f *Flight) Failed() (text string, failed bool) {
	<-f.done
	return f.text, f.failed
}

// land waits for the marks, in turn with the other flights of the streams.
func (f *Flight) land() {
	for _, b := range f.before {
		<-b.done
	}
	f.before = nil
	for _, m := range f.marks {
		if capi.ArrayWait(m) != 0 {
			if text := capi.TakeError(); !f.failed {
				f.failed, f.text = true, text
			}
		}
	}
	aloft.Lock()
	for _, i := range f.on {
		if aloft.last[i] == f {
			aloft.last[i] = nil
		}
	}
	if aloft.risky == f {
		aloft.risky = nil
	}
	delete(aloft.all, f)
	aloft.Unlock()
	close(f.done)
	Free(f.marks...)
}

// Settle waits for all flights, so that none loses its error to what MLX evaluates next by itself.
// The caller is inside the gate.
func Settle() {
	aloft.Lock()
	all := slices.Collect(maps.Keys(aloft.all))
	aloft.Unlock()
	for _, f := range all {
		<-f.done
	}
}
