package lens

import (
	"math"

	"github.com/mlxlens/mlxlens/internal/parallel"
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
	parallel.For(c.width, func(i int) {
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
	total := c.total - 1 // rows of the product in one process: all but the reference
	switch {
	case keep != nil: // the reference, which every rank has
		total = 0
	case c.o.TopOnly:
		total = c.total
	}
	next := c.blocks(len(accs))
	ahead, err := c.multiply(next(), first, total)
	for err == nil && ahead != nil {
		now := ahead
		if ahead, err = c.multiply(next(), first, total); err == nil {
			err = mlx.Borrow(now.logits, func(data []float32) error {
				n := now.to - now.from
				parallel.For(now.rows, func(i int) {
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
func (c *chunk) multiply(b *block, first, total int) (*block, error) {
	if b == nil {
		return nil, nil
	}
	b.scope = c.states.Scope().NewScope()
	b.logits = c.some(b.scope, first+b.row, b.rows, b.from, b.to, total)
	if err := mlx.AsyncEval(b.logits); err != nil {
		b.scope.Close()
		return nil, err
	}
	return b, nil
}

func (c *chunk) accumulators(from, to int) []accumulator {
	accs := make([]accumulator, to-from)
	n := min(c.o.Top+spare, c.vocab)
	tops := make([]candidate, len(accs)*n)
	for i := range accs {
		accs[i] = accumulator{top: tops[i*n : i*n : (i+1)*n], max: float32(math.Inf(-1)), metrics: !c.o.TopOnly}
	}
	return accs
}

// collect turns finished accumulators into the scores from first on.
func (c *chunk) collect(accs []accumulator, first int) {
	for i := range accs {
		a, s := &accs[i], &c.scores[first+i]
		s.top = leading(a.top, c.o.Top)
		if a.metrics {
			ln := math.Log(a.sum)
			s.lse = float64(a.max) + ln
			s.entropy = max(0, ln-a.moment/a.sum)
		}
	}
}
