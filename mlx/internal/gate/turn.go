package gate

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// turn is a mutex whose waiters can give up: at the end of their context, or when the one inside
// waits for them.
type turn struct {
	taken atomic.Bool
	seq   atomic.Uint64 // counts turns, so that a look at the one inside knows whether it is still the same

	waiting atomic.Int64 // len(queue)
	mu      sync.Mutex
	queue   []*waiter
}

// waiter is a goroutine in the queue. Who leaves wakes the first, which tries its luck against
// those that come along; one that lost too long is given the turn.
type waiter struct {
	wake          chan struct{}
	hungry, given bool // under turn.mu
}

// patience is how long a waiter that is first may lose. sync.Mutex has the same.
const patience = time.Millisecond

// look is how often a waiter asks whether the one inside waits for it.
const look = 100 * time.Millisecond

func (t *turn) try() bool {
	if !t.taken.CompareAndSwap(false, true) {
		return false
	}
	t.seq.Add(1)
	return true
}

func (t *turn) unlock() {
	if t.waiting.Load() > 0 && t.give() {
		return
	}
	t.taken.Store(false)
	// a waiter that saw the turn taken has been counted before
	if t.waiting.Load() > 0 {
		t.wakeFirst()
	}
}

// give hands the turn to the first waiter if that is hungry.
func (t *turn) give() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.queue) == 0 || !t.queue[0].hungry {
		return false
	}
	w := t.queue[0]
	t.remove(w)
	w.given = true
	t.seq.Add(1)
	wake(w)
	return true
}

func (t *turn) wakeFirst() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.queue) > 0 {
		wake(t.queue[0])
	}
}

func wake(w *waiter) {
	select {
	case w.wake <- struct{}{}:
	default: // it has been woken already
	}
}

// remove takes w out of the queue; the caller holds mu.
func (t *turn) remove(w *waiter) {
	if i := slices.Index(t.queue, w); i >= 0 {
		t.queue = slices.Delete(t.queue, i, i+1)
		t.waiting.Add(-1)
	}
}

// lock waits for the turn. It fails at the end of ctx, or when stuck, asked now and then, has an
// error.
func (t *turn) lock(ctx context.Context, stuck func() error) error {
	if t.try() {
		return nil
	}
	w := &waiter{wake: make(chan struct{}, 1)}
	t.mu.Lock()
	t.queue = append(t.queue, w)
	t.waiting.Add(1)
	t.mu.Unlock()
	since := time.Now()
	timer := time.NewTimer(look)
	defer timer.Stop()
	for {
		if t.took(w, time.Since(since) > patience) {
			return nil
		}
		var err error
		select {
		case <-w.wake:
		case <-ctx.Done():
			err = context.Cause(ctx)
		case <-timer.C:
			err = stuck()
			timer.Reset(look)
		}
		if err != nil && t.leave(w) {
			return err
		}
	}
}

// took reports whether w has the turn, and tries to take it.
func (t *turn) took(w *waiter, hungry bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w.given {
		return true
	}
	if t.try() {
		t.remove(w)
		return true
	}
	w.hungry = hungry
	return false
}

// leave takes w out of the queue; false when it has been given the turn meanwhile.
func (t *turn) leave(w *waiter) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w.given {
		return false
	}
	t.remove(w)
	if !t.taken.Load() && len(t.queue) > 0 {
		wake(t.queue[0]) // w may have been woken for this turn
	}
	return true
}
