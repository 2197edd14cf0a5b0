package mlx

import (
	"runtime"
	"runtime/metrics"
	"slices"
	"sync/atomic"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// What the collector does for arrays: it frees those that no scope owns, and those of a scope
// that the program lost without closing it. It cannot see what they hold, so that it is called
// when they have grown as much as it would let its own heap grow.

// newScope returns a scope whose arrays the collector gets when the program loses it.
func newScope(s Stream, depth int) *Scope {
	within := &Scope{stream: s, depth: depth, counted: true}
	outer := &Scope{stream: s, depth: depth, within: within}
	openScopes.Add(1)
	outer.cleanup = runtime.AddCleanup(outer, (*Scope).lose, within)
	return outer
}

// owner is the scope that owns what is made in s.
func (s *Scope) owner() *Scope {
	if s.within != nil {
		return s.within
	}
	return s
}

// lose hands the arrays of a scope that nobody can close to the collector, one by one: the
// program may hold some of them.
func (s *Scope) lose() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	openScopes.Add(-1)
	s.lost, s.counted = true, false
	for _, a := range s.arrays {
		s.leave(a)
	}
	s.arrays = nil
	lastActive.Store(0) // the next evaluation has them collected
}

// leave hands an array of s to the collector; false when it was freed. What frees it meanwhile
// does so at release, when the collector's part is known and can be stopped.
func (s *Scope) leave(a *Array) bool {
	if a.unread != nil && a.unread.leave(a) {
		return true
	}
	if !a.acquire() {
		return false
	}
	a.collect()
	a.scope.Store(nil)
	a.release()
	return true
}

// freed reports whether Free has been called.
func (a *Array) freed() bool {
	state := a.state.Load()
	return state < 0 && !waits(state)
}

// sweep forgets arrays that were freed, when the list of them is full, and makes room for as many
// as are left. The caller holds mu.
func (s *Scope) sweep() {
	s.arrays = slices.DeleteFunc(s.arrays, (*Array).freed)
	if n := len(s.arrays); n > cap(s.arrays)/2 {
		s.arrays = slices.Grow(s.arrays, max(n, 8))
	}
}

var (
	// lastActive is the least active memory since growth last asked for a collection.
	lastActive atomic.Int64

	// uncollected counts the arrays that became the collector's since then, openScopes the scopes
	// that are not closed.
	uncollected, openScopes atomic.Int64
)

const (
	// leastGrowth is what arrays may grow by without a collection, which takes a fraction of a
	// millisecond of a small program.
	leastGrowth = 32 << 20

	// manyScopes are more open ones than nest in a computation.
	manyScopes = 32
)

// collectIfGrown runs the collector when arrays have doubled since the last time, as GOGC=100 has
// it for Go's own heap, if there are any that it may find. What the process holds in Go counts as
// well: a collection takes time in proportion.
func collectIfGrown() {
	var active int
	capi.GetActiveMemory(&active)
	last := lastActive.Load()
	grown := int64(active) - last
	if grown < 0 {
		lastActive.CompareAndSwap(last, int64(active))
		return
	}
	if grown <= leastGrowth || grown <= last {
		return
	}
	// what scopes own, and close, comes and goes without the collector
	if most := loaded.memoryLimit.Load() / 4; grown <= most && (!collectable() || grown <= liveHeap()) {
		return
	}
	if lastActive.CompareAndSwap(last, int64(active)) {
		uncollected.Store(0)
		runtime.GC()
	}
}

// collectable reports whether the collector may find arrays.
func collectable() bool { return uncollected.Load() > 0 || openScopes.Load() > manyScopes }

// liveHeap is what was reachable on Go's heap at the last collection.
func liveHeap() int64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}
