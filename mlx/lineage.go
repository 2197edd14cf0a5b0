package mlx

import (
	"math"
	"slices"
	"weak"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
	"github.com/mlxlens/mlxlens/mlx/internal/gate"
)

// MLX computes a graph from end to end once it has been asked to, and nothing tells what a graph
// holds. So each array knows what it was made of, as far as this package was told: a large
// evaluation can then be cut into parts, each of arrays that the program could have evaluated by
// itself, and others take their turns in between.

// lineage is what an array is made of and was not computed when it was made. It is written before
// others know the array, and then read and cleared inside the gate.
type lineage struct {
	near [2]*Array // what a scope owns, which stays until that is closed anyway
	more *[]kin
	work uint32 // workUnits of the other operands, and 1; 0 when nobody told, as of what a trace becomes
	seen uint32 // by which plan

	remote bool // another process must come to it: nobody knows when
}

// kin is an operand. What the collector owns may not stay for this.
type kin struct {
	owned  *Array
	others weak.Pointer[Array]
}

// workUnit is the number of elements in which work is counted.
const workUnit = 64

func units(elements int64) uint32 {
	return uint32(min(max(elements, 0)/workUnit, math.MaxUint32/8))
}

// descend notes what r is made of.
func (r *Array) descend(operands []*Array) {
	if s := r.scope.Load(); s != nil && s.depth >= traceDepth {
		return // its operations are those of a trace, which nobody evaluates
	}
	from := &r.from
	from.work = 1
	n := 0
	for _, a := range operands {
		switch {
		case a == nil:
		case a.depth.Load() == 0:
			from.work = min(from.work+units(a.most.Load()), math.MaxUint32/2)
		case n < len(from.near) && a.scope.Load() != nil:
			from.near[n] = a
			n++
		default:
			from.add(a, len(operands))
		}
	}
}

// add notes one more operand of at most n.
func (l *lineage) add(a *Array, n int) {
	if l.more == nil {
		more := make([]kin, 0, n)
		l.more = &more
	}
	k := kin{owned: a}
	if a.scope.Load() == nil {
		k = kin{others: weak.Make(a)}
	}
	*l.more = append(*l.more, k)
}

// madeOf corrects what was noted of a result that takes no more than their shape from the other
// operands. Nobody else has it yet.
func (r *Array) madeOf(operands ...*Array) *Array {
	if r.err == nil {
		r.from = lineage{}
		r.descend(operands)
	}
	return r
}

// kin returns operand i of what a is made of, nil when the collector has it; false when there are
// fewer.
func (l *lineage) kin(i int) (a *Array, ok bool) {
	for _, a := range l.near {
		if a != nil {
			if i == 0 {
				return a, true
			}
			i--
		}
	}
	if l.more == nil || i >= len(*l.more) {
		return nil, false
	}
	k := (*l.more)[i]
	if k.owned != nil {
		return k.owned, true
	}
	return k.others.Value(), true
}

// plan is how an evaluation goes on, part by part.
type plan struct {
	nodes   []*Array // acquired, each behind what it is made of
	work    []int64  // how many elements each operation goes through
	count   []int    // how many operations each is, with those before it that were freed
	passed  []*Array // what else was met on the way, and was freed
	counted int      // how many of them a node counts
	ended   int64    // the work of the others
	total   int64
	unknown bool // not all that has to be computed was seen
	remote  bool // it waits for another process

	at     int // how many nodes are behind
	budget int64
	most   int // where it is not 0, a part is so many operations, whatever they go through

	path []step // of look
}

// step is how far look has come with an array.
type step struct {
	a    *Array
	next int
}

const (
	// firstWork is the elements that a part goes through at first: a few milliseconds of a sum, some
	// ten of a product. What is less is not cut.
	firstWork = 1 << 22

	// mostNodes is as many operations as take that long of small arrays.
	mostNodes = 1 << 11

	// exactSize is the number of elements above which a bound on it is not good enough.
	exactSize = 1 << 14
)

// mostOwn and leastOwn bound how many operations of a further stream are a part. Such a stream has one user, whom a long part
// does not keep waiting, and stands still while its next part waits for its turn. But of too many operations on all
// of them MLX waits for one inside the gate: they share what it hands out, two parts each.
const (
	mostOwn  = 96
	leastOwn = 8
)

// looks counts the plans; the gate guards it.
var looks uint32

// look finds what has to be computed for the targets. The caller is inside the gate.
func (p *plan) look(targets []*Array) {
	looks++
	path := p.path
	enter := func(a *Array) {
		if a.from.seen != looks && a.depth.Load() > 0 {
			a.from.seen = looks
			path = append(path, step{a: a})
		}
	}
	for _, t := range targets {
		enter(t)
		for len(path) > 0 {
			last := &path[len(path)-1]
			a, more := last.a.from.kin(last.next)
			if !more {
				p.add(last.a)
				path = path[:len(path)-1]
				continue
			}
			last.next++
			if a != nil {
				enter(a)
			} else {
				p.unknown = true // the collector has it
			}
		}
	}
	p.path = path
	if !slices.ContainsFunc(targets, (*Array).shared) && !slices.ContainsFunc(p.nodes, (*Array).shared) {
		p.most = max(leastOwn, mostOwn/gate.Further())
	}
}

// shared reports whether a is computed on a device's own stream.
func (a *Array) shared() bool { return gate.Shared(int(a.stream)) }

// add makes a node of an array that can be evaluated by itself.
func (p *plan) add(a *Array) {
	if a.from.work == 0 {
		p.unknown = true
	}
	p.remote = p.remote || a.from.remote
	work := int64(a.from.work) * workUnit
	for i := 0; ; i++ {
		from, ok := a.from.kin(i)
		if !ok {
			break
		}
		if from != nil {
			work += max(from.most.Load(), 0)
		}
	}
	n := a.most.Load()
	if a.err != nil || a.unread != nil || !a.acquire() {
		// what it goes through counts with the next node; its size cannot be asked for
		if n == unknown || n > exactSize {
			a.most.Store(exactSize)
		}
		p.passed, p.ended = append(p.passed, a), p.ended+work+max(a.most.Load(), 0)
		return
	}
	if n == unknown || n > exactSize {
		if n = int64(capi.ArraySize(a.h)); n > 0 {
			a.most.Store(n)
		}
	}
	work += max(n, 0) + p.ended
	p.ended = 0
	p.count = append(p.count, 1+len(p.passed)-p.counted)
	p.nodes, p.work, p.total, p.counted = append(p.nodes, a), append(p.work, work), p.total+work, len(p.passed)
}

// light reports whether the whole takes no longer than a part.
func (p *plan) light() bool {
	return !p.unknown && !p.remote && p.total <= firstWork && len(p.nodes)+len(p.passed) <= mostNodes
}

// next returns the next part and what it goes through, and whether it is the last.
func (p *plan) next() (part []*Array, work int64, last bool) {
	from, count := p.at, 0
	for p.at < len(p.nodes) && p.at-from < mostNodes && (p.at == from || p.fits(work+p.work[p.at], count+p.count[p.at])) {
		work, count = work+p.work[p.at], count+p.count[p.at]
		p.at++
	}
	return p.nodes[from:p.at], work, p.at == len(p.nodes)
}

// fits reports whether a part may be of so much work and so many operations.
func (p *plan) fits(work int64, count int) bool {
	if p.most > 0 {
		return count <= p.most
	}
	return work <= p.budget
}

// reached notes that all is computed. The caller is inside the gate.
func (p *plan) reached() {
	for _, list := range [][]*Array{p.nodes, p.passed} {
		for _, a := range list {
			a.depth.Store(0)
			a.from = lineage{}
		}
	}
}

// end lets go of the nodes, and keeps the room.
func (p *plan) end() {
	finish(p.nodes)
	clear(p.nodes)
	clear(p.passed)
	path := p.path[:cap(p.path)]
	clear(path)
	*p = plan{nodes: p.nodes[:0], work: p.work[:0], count: p.count[:0], passed: p.passed[:0], path: path[:0]}
}
