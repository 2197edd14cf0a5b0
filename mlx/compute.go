package mlx

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
	"github.com/mlxlens/mlxlens/mlx/internal/gate"
)

// An evaluation holds the gate while MLX walks the graph and hands out its operations, and waits
// outside. MLX hands out some fifty operations before it waits for one itself; so what is large goes
// in parts, of which two are under way at a time: the one that is waited for, and the next. Behind an
// operation that takes longer than several parts, on its stream, the next waits: others need not wait
// for two such.

// lasts is how long a part shall take.
const lasts = 10 * time.Millisecond

// outlasts is how many parts an operation takes longer than, when the next one waits for its end.
const outlasts = 4

// learnt is how large a part of what a GPU computes may be, as the last evaluation there came to know. A GPU
// goes through so much more than firstWork that an evaluation which begins with that waits for half of its
// parts, and nothing is there for the GPU meanwhile: of a token of a model of 8 billion weights in four bits
// that was half of the time. What a CPU does of one element lasts too differently to be kept.
var learnt atomic.Int64

// leastWork is as much as it may go through though the one before took too long.
const leastWork = 1 << 12

// evaluation computes targets, which the caller has acquired.
type evaluation struct {
	op      string
	targets []*Array
	async   bool         // the last part is not waited for
	then    func() error // called inside the gate when all is there, nil for nothing

	plan   plan
	looked bool
	part   []*Array // the next
	work   int64
	last   bool // the targets are part of it
	taken  bool // it has not been started

	began  time.Time
	landed time.Time // when a part was last known to be done
	behind *leg      // the part that is under way
}

// leg is a part that is under way.
type leg struct {
	flight *gate.Flight
	arrays []*Array
	work   int64
	last   bool
	waits  bool // a goroutine of its own waits for the flight
}

// compute computes arrays, which the caller has acquired, and calls then inside the gate.
func compute(op string, arrays []*Array, then func() error) error {
	return run(evaluation{op: op, targets: arrays, then: then})
}

// evaluations are those that have ended, for their room.
var evaluations = sync.Pool{New: func() any { return new(evaluation) }}

func run(given evaluation) error {
	e := evaluations.Get().(*evaluation)
	given.plan = e.plan
	*e = given
	err := e.run()
	e.plan.end()
	*e = evaluation{plan: e.plan}
	evaluations.Put(e)
	return err
}

// next is what a turn inside the gate leaves to be waited for, one of these; nothing when all is done.
type next struct {
	flight *gate.Flight // somebody else's
	own    *gate.Flight // of what may fail
	behind bool         // the part that is under way
	leg    *leg
}

func (e *evaluation) run() error {
	gpu := slices.ContainsFunc(e.targets, (*Array).onGPU)
	if e.plan.budget = firstWork; gpu {
		e.plan.budget = max(firstWork, learnt.Load())
		defer func() { learnt.Store(e.plan.budget) }()
	}
	for {
		var n next
		err := inGate(e.op, func() (err error) {
			n, err = e.turn()
			return err
		})
		switch {
		case err != nil:
		case n.flight != nil:
			err = e.turnedBack(n.flight.Await())
		case n.own != nil:
			err = e.turnedBack(n.own.Wait())
		case n.behind, n.leg != nil:
			before := e.behind
			e.behind = n.leg
			err = e.wait(before)
		default:
			return nil
		}
		if err != nil {
			if e.behind != nil {
				_ = e.wait(e.behind)
			}
			return err
		}
		if n.leg != nil && e.last {
			if e.async {
				go e.behind.outcome(nil)
				e.behind = nil
				continue
			}
			before := e.behind
			e.behind = nil
			if err := e.wait(before); err != nil {
				return err
			}
		}
	}
}

// turnedBack is the error of a wait that the context of Do has ended.
func (e *evaluation) turnedBack(why error) error {
	if why == nil {
		return nil
	}
	return turnError(e.op, why)
}

// turn does the next thing inside the gate.
func (e *evaluation) turn() (next, error) {
	if e.last && !e.taken {
		return next{}, e.arrive()
	}
	if !e.taken {
		if err := e.take(); err != nil {
			return next{}, err
		}
	}
	for _, list := range [...][]*Array{e.part, e.plan.passed, e.targets[:e.count()]} {
		if n, err := decide(list); err != nil || n != (next{}) {
			return n, err
		}
	}
	if now, err := e.atOnce(); now || err != nil {
		return next{}, err
	}
	part := slices.Concat(e.part, e.targets[:e.count()]) // what is among the nodes too is asked for once
	on := streamsOf(part)
	if f := gate.Obstacle(false, on...); f != nil {
		return next{flight: f}, nil
	}
	if e.plan.most == 0 && e.behind.holdsUp(e.part, e.plan.budget) {
		return next{behind: true}, nil
	}
	f, err := gate.Launch(handlesOf(part), false, on...)
	l := &leg{flight: f, arrays: part, work: e.work, last: e.last}
	if err != nil {
		err, refused := refusal(err)
		if refused {
			stick(err, part)
		} else {
			go l.outcome(e.targets)
		}
		return next{}, err
	}
	if l.waits = !e.last || e.async; l.waits {
		f.Go()
	}
	e.taken = false
	return next{leg: l}, nil
}

// holdsUp reports whether what came to a stream behind l and the next part would wait long for both.
func (l *leg) holdsUp(next []*Array, budget int64) bool {
	if l == nil || l.work/outlasts <= budget {
		return false
	}
	on := streamsOf(l.arrays)
	return slices.ContainsFunc(next, func(a *Array) bool { return slices.Contains(on, int(a.stream)) })
}

// take finds what comes next.
func (e *evaluation) take() error {
	if !e.looked {
		if err := admit(e.op, e.targets...); err != nil {
			return err
		}
		e.plan.look(e.targets)
		e.looked, e.began = true, time.Now()
		e.landed = e.began
	}
	if e.taken = true; trace.depth > 0 { // a function that is traced evaluates: nobody else gets a turn
		e.last = true
		return nil
	}
	e.part, e.work, e.last = e.plan.next()
	return nil
}

// count is how many targets are part of the next part.
func (e *evaluation) count() int {
	if e.last {
		return len(e.targets)
	}
	return 0
}

// atOnce computes what is light inside the gate, when nothing is under way that it might wait for.
func (e *evaluation) atOnce() (bool, error) {
	switch {
	case trace.depth > 0:
		gate.Settle()
	case e.async || !e.light() || !gate.Quiet() || slices.ContainsFunc(e.targets, (*Array).onGPU):
		// what has failed counts as computed
		if slices.ContainsFunc(e.targets, func(a *Array) bool { return a.fates.Load() != nil || !a.there() }) {
			return false, nil
		}
		return true, e.finish()
	}
	var s int32
	if len(e.targets) == 1 {
		s = capi.ArrayEval(e.targets[0].h)
	} else {
		list := vector(e.targets)
		s = capi.Eval(list)
		capi.VectorArrayFree(list)
	}
	if err := computed(s); err != nil {
		stick(err, e.targets)
		return true, err
	}
	return true, e.finish()
}

// Of a graph that this package does not see through, such as a gradient, it cannot tell how long it
// takes. When the last such took less than brief, the next is held to do so too: what is started and
// waited for takes a tenth longer.
const (
	brief   = 2 * time.Millisecond
	lastFew = 8
)

// briefs counts the unknown ones in a row that were brief; the gate guards it.
var briefs int

// light reports whether it is not worth while to leave the gate. What was not seen may wait for another process, where
// there are any.
func (e *evaluation) light() bool {
	if e.plan.unknown {
		return !e.plan.remote && !together.Load() && briefs >= lastFew && !gate.Hurried()
	}
	return e.plan.light()
}

func (a *Array) onGPU() bool { return a.Device() == GPU }

// there reports whether a, which the caller has acquired, is computed. The caller is inside the gate.
func (a *Array) there() bool {
	var ready bool
	return capi.ArrayIsAvailable(&ready, a.h) == 0 && ready
}

// arrive is the last turn.
func (e *evaluation) arrive() error {
	for _, a := range e.targets {
		if e.async || a.there() {
			continue
		}
		// it was computed on another stream than its own
		if err := computed(capi.ArrayEval(a.h)); err != nil {
			stick(err, e.targets)
			return err
		}
	}
	return e.finish()
}

// finish is inside the gate.
func (e *evaluation) finish() error {
	if e.plan.unknown && !e.async {
		if briefs++; time.Since(e.began) > brief {
			briefs = 0
		}
	}
	e.plan.reached()
	if e.then == nil {
		return nil
	}
	return e.then()
}

// wait waits for a part, and learns from it how large the next may be.
func (e *evaluation) wait(l *leg) error {
	if l == nil {
		return nil
	}
	wait := l.flight.Wait
	if l.waits {
		wait = l.flight.Await
	}
	if err := wait(); err != nil {
		go l.outcome(e.targets)
		return turnError(e.op, err)
	}
	if err := l.outcome(e.targets); err != nil {
		return err
	}
	now := time.Now()
	took := max(now.Sub(e.landed), time.Microsecond)
	e.landed = now
	if l.last && took < lasts && l.work < e.plan.budget/2 {
		return nil // what is small says nothing of what is large
	}
	fit := float64(l.work) * float64(lasts) / float64(took)
	e.plan.budget = int64(max(leastWork, min(fit, 4*float64(e.plan.budget))))
	return nil
}

// outcome waits for a part and returns its error. That is the error of its arrays from then on, and of
// what else they were computed for.
func (l *leg) outcome(targets []*Array) error {
	text, failed := l.flight.Failed()
	if !failed {
		return nil
	}
	f := &fate{err: textError("eval", text, nil)}
	f.known.Store(true)
	for _, list := range [][]*Array{l.arrays, targets} {
		for _, a := range list {
			a.inherit(&fates{f})
		}
	}
	return f.err
}

// synchronize waits until all that was started on the stream is done.
func (s Stream) synchronize(op string) error {
	for {
		var n next
		err := inGate(op, func() error {
			if n.flight = gate.Obstacle(false, int(s)); n.flight != nil {
				return nil
			}
			var err error
			if n.own, err = gate.Launch(nil, false, int(s)); err != nil {
				err, _ = refusal(err)
			}
			return err
		})
		switch {
		case err != nil:
			return err
		case n.flight != nil:
			if err := n.flight.Await(); err != nil {
				return turnError(op, err)
			}
		default:
			if err := n.own.Wait(); err != nil {
				return turnError(op, err)
			}
			return (&leg{flight: n.own}).outcome(nil)
		}
	}
}

// streamsOf returns the streams that arrays are computed on, by number.
func streamsOf(arrays []*Array) []int {
	var on []int
	for _, a := range arrays {
		if i := int(a.stream); !slices.Contains(on, i) {
			on = append(on, i)
		}
	}
	return on
}
