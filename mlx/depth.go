package mlx

import (
	"fmt"
	"sync"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
	"github.com/mlxlens/mlxlens/mlx/internal/gate"
)

// MLX evaluates and frees a graph without recursion, but transforms, compiles, exports and prints
// it with: of 57,000 operations in a row, compiling overflows a stack of 8 MB, and ends the
// process. So each array carries an upper bound on the operations in a row that it is computed by
// since something was evaluated, and a deeper graph is refused there.

// Each call of this package makes a few operations one after the other. In a shallow graph it
// counts as one, which leaves room enough; in a deep one as what it makes at most.
const (
	shallow = 1 << 12

	alike   = 2  // an operation that keeps the shape, behind a conversion
	several = 12 // one that MLX makes of others: a norm, a transform, a random number
)

// recheck is how often, along a graph, it is asked whether an operand has been evaluated
// meanwhile along with something else.
const recheck = 1 << 14

// deepest is how many operations in a row fit the stack on which the library runs.
var deepest = sync.OnceValue(func() int32 {
	const perOperation = 8 << 20 / 57000 * 5 / 4 // what compiling takes, the most of all, and some room
	size := uint64(8 << 20)
	if most, ok := rlimit(limitStack); ok {
		size = min(most, 1<<30)
		if most > 1<<40 {
			size = 2 << 20 // glibc's threads, when there is no limit
		}
	}
	return int32(max(size, 1<<18)-1<<16) / perOperation
})

// deepen counts an operation that makes r, which has its operands' depth, of at most most in a
// row.
func (r *Array) deepen(most int32, operands []*Array) {
	before := r.depth.Load()
	if before < shallow {
		most = 1
	}
	far := (before+most)/recheck > before/recheck
	if far {
		before = 0
		for _, a := range operands {
			if a != nil {
				before = max(before, a.refreshed())
			}
		}
	}
	r.depth.Store(before + most)
	if !far { // or what nobody evaluates, but a transformation reads, would be known from its beginning
		r.descend(operands)
	}
}

// refreshed is the depth of a, which the caller has acquired: 0 when it is evaluated, if that can
// be asked now.
func (a *Array) refreshed() int32 {
	if a.depth.Load() > 0 {
		gate.TryRun(func() {
			var ready bool
			if capi.ArrayIsAvailable(&ready, a.h); ready {
				a.depth.Store(0)
			}
		})
	}
	return a.depth.Load()
}

// tooDeep refuses to hand arrays, which the caller has acquired, to a part of MLX that recurses.
func tooDeep(op string, arrays []*Array) *Error {
	for _, a := range arrays {
		if a == nil || a.depth.Load() <= deepest() || a.refreshed() <= deepest() {
			continue
		}
		return newError(op, ErrMemory, fmt.Sprintf("up to %d operations in a row compute %s%v, and %d fit the stack: evaluate in between",
			a.depth.Load(), a.Dtype(), a.Shape(), deepest()))
	}
	return nil
}

// evaluated notes that nothing is left to compute.
func evaluated(arrays ...*Array) {
	for _, a := range arrays {
		a.depth.Store(0)
	}
}
