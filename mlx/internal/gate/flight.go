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
	refused bool // it did not start
	failed  bool
	text    string // MLX's
}

var aloft struct {
	sync.Mutex
	last [MaxStreams]*Flight
	all  map[*Flight]struct{}

	risky *Flight // the gate guards it: the last that might fail, until that has been seen to
}

// leaf is what marks are views of.
var leaf capi.Array

// computing is whether the goroutine inside waits for a flight, and so for no other goroutine.
var computing atomic.Bool

// Quiet reports whether no flight is under way. The caller is inside the gate.
func Quiet() bool {
	tidy()
	return Aloft() == 0
}

// Aloft is how many flights are under way.
func Aloft() int {
	aloft.Lock()
	defer aloft.Unlock()
	return len(aloft.all)
}

// tidy takes what is left on the streams of a flight that has failed, of the same failure, before
// another starts there.
func tidy() {
	r := aloft.risky
	if r == nil || !r.Landed() {
		return
	}
	aloft.risky = nil
	if r.failed {
		ForgetErrors(r.on...)
	}
}

// ForgetErrors takes the errors of streams on which nothing is under way.
func ForgetErrors(on ...int) {
	for _, i := range on {
		if streams[i] != 0 && capi.Synchronize(streams[i]) != 0 {
			capi.TakeError()
		}
	}
}

// Obstacle returns a flight to wait for before another may start on these streams, nil for none.
// risky is whether that may fail while it is computed. The caller is inside the gate.
func Obstacle(risky bool, on ...int) *Flight {
	tidy()
	r := aloft.risky
	if r != nil && (risky || slices.ContainsFunc(on, func(i int) bool { return slices.Contains(r.on, i) })) {
		return r
	}
	return nil
}

// Refused is MLX's refusal to start an evaluation.
type Refused struct{ Text string }

func (e Refused) Error() string { return e.Text }

// Launch starts to compute arrays, and a mark on each stream. The caller is inside the gate, has
// asked for an Obstacle, and calls Wait when it is outside. The error is a Refused, or that of
// Hold's context, which ends the wait for MLX to hand out the operations: the flight goes on then by
// itself, and the gate is closed until all is handed out.
func Launch(arrays []capi.Array, risky bool, on ...int) (*Flight, error) {
	f := &Flight{on: on, done: make(chan struct{})}
	if leaf == 0 {
		leaf = capi.ArrayNewBool(true)
	}
	for _, i := range on {
		var m capi.Array
		if capi.StopGradient(&m, leaf, streams[i]) != 0 {
			return f, f.cancel()
		}
		f.marks = append(f.marks, m)
	}
	list := capi.VectorArrayNewData(slices.Concat(arrays, f.marks))
	return f, dispatch(func() error {
		defer capi.VectorArrayFree(list)
		if capi.AsyncEval(list) != 0 {
			return f.cancel()
		}
		if f.started(); risky {
			aloft.risky = f
		}
		return nil
	}, f.land)
}

// started counts f among those under way.
func (f *Flight) started() {
	aloft.Lock()
	defer aloft.Unlock()
	for _, i := range f.on {
		if b := aloft.last[i]; b != nil {
			f.before = append(f.before, b)
		}
		aloft.last[i] = f
	}
	if aloft.all == nil {
		aloft.all = map[*Flight]struct{}{}
	}
	aloft.all[f] = struct{}{}
}

// cancel ends what did not start.
func (f *Flight) cancel() error {
	Free(f.marks...)
	f.refused = true
	close(f.done)
	return Refused{capi.TakeError()}
}

// Wait waits until all that the flight started is done. In the body of Hold it returns an error at
// the end of Hold's context, and the flight goes on by itself.
func (f *Flight) Wait() error {
	return waiting(f.land, f.done)
}

// Go is Wait by a goroutine of its own, for one that will be in the gate's queue before it waits: those
// inside may wait for the flights before theirs.
func (f *Flight) Go() { go f.land() }

// Await is Wait when another goroutine does that.
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

// Refused reports whether the flight did not start.
func (f *Flight) Refused() bool { return f.Landed() && f.refused }

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
	tidy()
}
