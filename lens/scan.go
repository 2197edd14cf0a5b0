package lens

import (
	"math"
	"runtime"
	"slices"
	"sync"

	"github.com/mlxlens/mlxlens/mlx"
)

// On the CPU, MLX's reductions run on one thread, and each reads all logits again.
// Here a slice of the vocabulary is multiplied by all states, and every number is
// taken from it in one pass by all cores while it is in the cache.

// scan scores the chunk. The reference row goes first: its distribution is what KL
// compares with, and its top token is a target of all other rows.
func (c *chunk) scan() error {
	reference := (c.rows - 1) * c.width
	if c.o.TopOnly {
		accs := c.accumulators(0, c.rows*c.width)
		if err := c.pass(accs, 0, nil); err != nil {
			return err
		}
		c.collect(accs, 0)
		if err := c.setTargets(); err != nil {
			return err
		}
		c.finishTargets()
		return nil
	}
	final := make([]float32, c.width*c.vocab) // the reference's logits, then its probabilities
	accs := c.accumulators(reference, reference+c.width)
	if err := c.pass(accs, reference, func(i, from int, xs []float32) { copy(final[i*c.vocab+from:], xs) }); err != nil {
		return err
	}
	c.collect(accs, reference)
	if err := c.setTargets(); err != nil {
		return err
	}
	parallel(c.width, func(i int) {
		row := final[i*c.vocab : (i+1)*c.vocab]
		s := &c.scores[reference+i]
		for j := range s.targets {
			t := &s.targets[j]
			t.logit = row[t.id]
			t.rank = 1 + countBetter(row, t.logit, int(t.id))
		}
		lse := float32(s.lse)
		for j, x := range row {
			if d := min(x-lse, 0); d > negligible {
				row[j] = exp32(d)
			} else {
				row[j] = 0
			}
		}
	})
	if reference > 0 {
		if err := c.scanRest(final, reference); err != nil {
			return err
		}
	}
	c.finishTargets()
	return nil
}

// scanRest scores the rows before the reference, whose probabilities are in final.
func (c *chunk) scanRest(final []float32, reference int) error {
	accs := c.accumulators(0, reference)
	for i := range accs {
		accs[i].final = final[i%c.width*c.vocab : (i%c.width+1)*c.vocab]
		accs[i].targets = c.scores[i].targets
		for j := range accs[i].targets {
			accs[i].targets[j].rank = 1 // plus those above it
		}
	}
	if err := c.pass(accs, 0, nil); err != nil {
		return err
	}
	c.collect(accs, 0)
	for i := range accs {
		s := &c.scores[i]
		f := &c.scores[reference+i%c.width]
		// Σ p_f (ln p_f − ln p) = −H_f − Σ p_f·logit + lse
		s.kl = max(0, s.lse-f.entropy-accs[i].cross)
	}
	return nil
}

// countBetter counts the elements above x, and those equal to it before index at.
func countBetter(row []float32, x float32, at int) int {
	n := 0
	for i, y := range row {
		if y > x || y == x && i < at {
			n++
		}
	}
	return n
}

// blockRows is how many states are multiplied by a slice of the vocabulary at once.
// Fewer leave the BLAS' threads spinning beside the scan more often: with 1,024
// scanning all metrics takes 1.5 times as long.
const blockRows = 2048

// pass multiplies the states first, first+1, … (one for each accumulator) by the
// head, block by block, and feeds the accumulators. keep may be nil. While a block is
// scanned the next is multiplied: the BLAS' threads would otherwise spin beside the scan.
func (c *chunk) pass(accs []accumulator, first int, keep func(i, from int, xs []float32)) error {
	next := c.blocks(len(accs))
	ahead, err := c.multiply(next(), first)
	for err == nil && ahead != nil {
		now := ahead
		if ahead, err = c.multiply(next(), first); err == nil {
			err = mlx.Borrow(now.logits, func(data []float32) error {
				n := now.to - now.from
				parallel(now.rows, func(i int) {
					xs := data[i*n : (i+1)*n]
					accs[now.row+i].add(xs, now.from)
					if keep != nil {
						keep(now.row+i, now.from, xs)
					}
				})
				return nil
			})
		}
		now.scope.Close()
	}
	if ahead != nil {
		ahead.scope.Close()
	}
	return err
}

// block is the logits of some states, row, row+1, …, for the ids [from, to).
type block struct {
	row, rows, from, to int

	scope  *mlx.Scope
	logits *mlx.Array // [rows, to−from]
}

// blocks returns a function that gives one block after the other of so many states, nil
// at the end.
func (c *chunk) blocks(states int) func() *block {
	row, from := 0, 0
	return func() *block {
		if from >= c.vocab || states == 0 {
			return nil
		}
		b := &block{row: row, rows: min(blockRows, states-row), from: from, to: min(from+vocabSlice, c.vocab)}
		if row += b.rows; row == states {
			row, from = 0, b.to
		}
		return b
	}
}

// multiply starts the product of a block.
func (c *chunk) multiply(b *block, first int) (*block, error) {
	if b == nil {
		return nil, nil
	}
	b.scope = c.states.Scope().NewScope()
	h := mlx.Slice(b.scope.Hold(c.states), 0, first+b.row, first+b.row+b.rows)
	b.logits = mlx.AsType(c.m.Unembed(h, b.from, b.to), mlx.Float32)
	if err := mlx.AsyncEval(b.logits); err != nil {
		b.scope.Close()
		return nil, err
	}
	return b, nil
}

func (c *chunk) accumulators(from, to int) []accumulator {
	accs := make([]accumulator, to-from)
	tops := make([]candidate, len(accs)*c.o.Top)
	for i := range accs {
		accs[i] = accumulator{top: tops[i*c.o.Top : i*c.o.Top : (i+1)*c.o.Top], max: float32(math.Inf(-1)), metrics: !c.o.TopOnly}
	}
	return accs
}

// collect turns finished accumulators into the scores from first on.
func (c *chunk) collect(accs []accumulator, first int) {
	for i := range accs {
		a, s := &accs[i], &c.scores[first+i]
		slices.SortFunc(a.top, better)
		s.top = a.top
		if a.metrics {
			ln := math.Log(a.sum)
			s.lse = float64(a.max) + ln
			s.entropy = max(0, ln-a.moment/a.sum)
		}
	}
}

// accumulator gathers the scores of one state over the slices of the vocabulary.
// Exponentials are relative to the greatest logit so far.
type accumulator struct {
	top     []candidate // a heap, the worst at the front, until it is sorted
	metrics bool
	max     float32
	sum     float64 // Σ e^(x−max)
	moment  float64 // Σ e^(x−max)·(x−max)
	cross   float64 // Σ p_final·x

	final   []float32 // the reference's probabilities, or nil
	targets []targetScore
}

// add takes in the logits of the ids from, from+1, …
func (a *accumulator) add(xs []float32, from int) {
	greatest := a.addTop(xs, from)
	if !a.metrics {
		return
	}
	if greatest > a.max {
		if shift := float64(a.max - greatest); !math.IsInf(shift, -1) {
			scale := math.Exp(shift)
			a.moment = scale * (a.moment + shift*a.sum)
			a.sum *= scale
		}
		a.max = greatest
	}
	var sum, moment, cross float64
	const block = 256 // float32 sums over so few terms lose nothing that float32 logits have
	var final []float32
	if a.final != nil {
		final = a.final[from : from+len(xs)]
	}
	for len(xs) > 0 {
		n := min(block, len(xs))
		s, t := sums2(xs[:n], a.max)
		if final != nil {
			cross += float64(sumProducts(final[:n], xs[:n]))
			final = final[n:]
		}
		for j := range a.targets {
			t := &a.targets[j]
			t.rank += countAbove(xs[:n], t.logit)
			// the target's own logit comes from a product of another shape here, and
			// may be the larger by a rounding
			if at := int(t.id) - from; at >= 0 && at < n && xs[at] > t.logit {
				t.rank--
			}
		}
		sum += float64(s)
		moment += float64(t)
		xs = xs[n:]
		from += n
	}
	a.sum += sum
	a.moment += moment
	a.cross += cross
}

// addTop keeps the best candidates and returns the greatest of them.
func (a *accumulator) addTop(xs []float32, from int) float32 {
	i := 0
	for ; i < len(xs) && len(a.top) < cap(a.top); i++ {
		a.push(candidate{int32(from + i), xs[i]})
	}
	if i < len(xs) {
		worst := a.top[0].logit
		at := from + i
		rest := xs[i:]
		for ; len(rest) >= 4; rest, at = rest[4:], at+4 { // nearly always none of four
			if !(rest[0] > worst || rest[1] > worst || rest[2] > worst || rest[3] > worst) {
				continue
			}
			for j, x := range rest[:4] {
				if x > worst {
					a.push(candidate{int32(at + j), x})
					worst = a.top[0].logit
				}
			}
		}
		for j, x := range rest {
			if x > worst {
				a.push(candidate{int32(at + j), x})
				worst = a.top[0].logit
			}
		}
	}
	greatest := float32(math.Inf(-1))
	for _, c := range a.top {
		greatest = max(greatest, c.logit)
	}
	return greatest
}

// push puts a candidate in the heap, in place of the worst when it is full. Ids
// come in ascending order, so that of equal logits the earlier stays.
func (a *accumulator) push(c candidate) {
	if c.logit != c.logit { // NaN is no score
		return
	}
	h := a.top
	if len(h) < cap(h) {
		h = append(h, c)
		a.top = h
		for i := len(h) - 1; i > 0; {
			parent := (i - 1) / 2
			if better(h[i], h[parent]) <= 0 {
				break
			}
			h[i], h[parent] = h[parent], h[i]
			i = parent
		}
		return
	}
	h[0] = c
	for i := 0; ; {
		worst := i
		for _, child := range [2]int{2*i + 1, 2*i + 2} {
			if child < len(h) && better(h[child], h[worst]) > 0 {
				worst = child
			}
		}
		if worst == i {
			return
		}
		h[i], h[worst] = h[worst], h[i]
		i = worst
	}
}

// countAbove counts the elements above t.
func countAbove(xs []float32, t float32) int {
	n := 0
	if hasVectors {
		whole := len(xs) &^ 7
		n = countAboveVectors(xs[:whole], t)
		xs = xs[whole:]
	}
	for len(xs) >= 4 { // four conditions at a time are four instructions without a jump
		var a, b, c, d int
		if xs[0] > t {
			a = 1
		}
		if xs[1] > t {
			b = 1
		}
		if xs[2] > t {
			c = 1
		}
		if xs[3] > t {
			d = 1
		}
		n += a + b + c + d
		xs = xs[4:]
	}
	for _, x := range xs {
		if x > t {
			n++
		}
	}
	return n
}

// negligible is how far below the greatest logit an exponential is left out, NaN's
// too: 10⁶ of them would add 1e-7 to the sum, less than float32 resolves.
const negligible = -30

// sums2 returns Σ e^(x−m) and Σ e^(x−m)·(x−m). Two sums of each do not wait for one
// another.
func sums2(xs []float32, m float32) (sum, moment float32) {
	if hasVectors {
		whole := len(xs) &^ 7
		sum, moment = sums2Vectors(xs[:whole], m)
		xs = xs[whole:]
	}
	var s1, m1 float32
	for len(xs) >= 2 {
		if d := xs[0] - m; d > negligible {
			e := exp32(d)
			sum += e
			moment += e * d
		}
		if d := xs[1] - m; d > negligible {
			e := exp32(d)
			s1 += e
			m1 += e * d
		}
		xs = xs[2:]
	}
	for _, x := range xs {
		if d := x - m; d > negligible {
			e := exp32(d)
			sum += e
			moment += e * d
		}
	}
	return sum + s1, moment + m1
}

// sumProducts returns Σ p·x.
func sumProducts(ps, xs []float32) float32 {
	var a, b, c, d float32
	ps = ps[:len(xs)]
	for len(xs) >= 4 && len(ps) >= 4 {
		a += ps[0] * xs[0]
		b += ps[1] * xs[1]
		c += ps[2] * xs[2]
		d += ps[3] * xs[3]
		xs, ps = xs[4:], ps[4:]
	}
	for i, x := range xs {
		a += ps[i] * x
	}
	return (a + b) + (c + d)
}

// exp32 returns e^x for −32 < x ≤ 0 with a relative error below 2e-7, from a table of
// e^(−k/64) and the series of e^f to its square, whose next term is below 8e-8 for
// |f| ≤ 1/128: math.Exp takes three times as long. The caller keeps to that range.
func exp32(x float32) float32 {
	// adding and subtracting 1.5·2²³ rounds to an integer, which stands in the low
	// bits in between
	const magic = 3 << 22
	t := x*-expSteps + magic
	f := x + (t-magic)*(1.0/expSteps) // exact: the step is a power of two
	e := expTable[math.Float32bits(t)%uint32(len(expTable))]
	return e + e*(f+f*f*0.5)
}

const expSteps = 64

// expTable holds e^(−k/64).
var expTable = func() (t [32 * expSteps]float32) {
	for k := range t {
		t[k] = float32(math.Exp(-float64(k) / expSteps))
	}
	return
}()

// parallel calls f for 0 … n−1 on all cores, in contiguous ranges.
func parallel(n int, f func(i int)) {
	workers := min(runtime.GOMAXPROCS(0), n)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w * n / workers; i < (w+1)*n/workers; i++ {
				f(i)
			}
		})
	}
	wg.Wait()
}
