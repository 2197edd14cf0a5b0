package gate

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// A function that MLX calls back, or the body of Hold, may wait for another goroutine. When that
// one waits for the gate, both wait for ever. Nothing tells who waits for whom; but the stacks of
// all goroutines tell that the one inside is blocked, and which goroutines it has made.

// A goroutine made by the one inside, or by one of those, gets an error when the one inside has
// been blocked at the same place for soon; any other one after late: it may have been asked
// before, and it may have nothing to do with it.
const (
	soon = 2 * look
	late = 5 * time.Second
)

// Stuck is why a goroutine gave up waiting for the gate.
type Stuck struct{ Inside, Waiter uint64 }

func (e Stuck) Error() string {
	return fmt.Sprintf("goroutine %d computes inside the gate and waits, while goroutine %d waits for it to come out: "+
		"a function that MLX calls, or that Do runs, must evaluate on its own goroutine", e.Inside, e.Waiter)
}

// seen is what was last seen of the goroutine inside.
var seen struct {
	sync.Mutex
	at      time.Time
	inside  uint64
	turn    uint64
	place   string // its stack, "" when it is not blocked
	since   time.Time
	parents map[uint64]uint64
}

// stuck returns an error when the goroutine inside runs the user's code and seems to wait for the
// calling one.
func stuck() error {
	inside, turn := owner.Load(), mu.seq.Load()
	if inside == 0 || computing.Load() {
		return nil
	}
	me := capi.GoroutineID()
	seen.Lock()
	defer seen.Unlock()
	if now := time.Now(); now.Sub(seen.at) > look/2 { // otherwise another waiter has just looked
		place, parents := stacks(inside)
		if inside != seen.inside || turn != seen.turn || place != seen.place {
			seen.since = now
		}
		seen.at, seen.inside, seen.turn, seen.place, seen.parents = now, inside, turn, place, parents
	}
	if seen.inside != inside || seen.turn != turn || seen.place == "" {
		return nil
	}
	blocked := seen.at.Sub(seen.since)
	if blocked >= late || blocked >= soon && descends(me, inside, seen.parents) {
		return Stuck{Inside: inside, Waiter: me}
	}
	return nil
}

func descends(id, from uint64, parents map[uint64]uint64) bool {
	for range len(parents) {
		if id = parents[id]; id == from {
			return true
		}
		if id == 0 {
			return false
		}
	}
	return false
}

// stacks returns where a goroutine is blocked by another, and which goroutine made each.
func stacks(of uint64) (place string, parents map[uint64]uint64) {
	buf := make([]byte, 1<<20)
	n := runtime.Stack(buf, true)
	for n == len(buf) && n < 1<<26 {
		buf = make([]byte, 4*n)
		n = runtime.Stack(buf, true)
	}
	parents = map[uint64]uint64{}
	for text := range strings.SplitSeq(string(buf[:n]), "\n\n") {
		head, frames, _ := strings.Cut(text, "\n")
		id, state, ok := goroutine(head)
		if !ok {
			continue
		}
		if _, by, ok := strings.Cut(frames, " in goroutine "); ok {
			digits, _, _ := strings.Cut(by, "\n")
			parents[id], _ = strconv.ParseUint(digits, 10, 64)
		}
		if id == of && waits(state) {
			place = frames
		}
	}
	return place, parents
}

// goroutine reads "goroutine 18 [chan receive, locked to thread]:".
func goroutine(head string) (id uint64, state string, ok bool) {
	rest, ok := strings.CutPrefix(head, "goroutine ")
	if !ok {
		return 0, "", false
	}
	digits, rest, _ := strings.Cut(rest, " ")
	id, err := strconv.ParseUint(digits, 10, 64)
	_, state, ok = strings.Cut(rest, "[")
	return id, state, ok && err == nil
}

// waits reports whether a goroutine in a state is blocked until another one does something.
func waits(state string) bool {
	for _, s := range []string{"chan ", "select", "semacquire", "sync."} {
		if strings.HasPrefix(state, s) {
			return true
		}
	}
	return false
}
