package lens

import (
	"cmp"
	"slices"

	"github.com/mlxlens/mlxlens/internal/parallel"
	"github.com/mlxlens/mlxlens/mlx"
)

// track chooses, for each position of the chunk, the n tokens of best rank in any of the
// rows shown, whose scores these are, and scores them in every row of the chunk. Only candidates can be chosen: a token that is
// a candidate of no row has a worse rank in all of them.
func (c *chunk) track(shown []score, onDevice bool) error {
	ids := make([][]int32, c.width)
	for i := range ids {
		ids[i] = c.nearest(i, shown)
	}
	logits, column, err := c.targetLogits(ids)
	if err != nil {
		return err
	}
	for i := range c.scores {
		for _, id := range ids[i%c.width] {
			c.scores[i].tracked = append(c.scores[i].tracked, targetScore{candidate: candidate{id, logits[i*len(column)+column[id]]}, rank: 1})
		}
	}
	tracked := func(s *score) []targetScore { return s.tracked }
	if onDevice {
		err = c.reduceAllRanks(tracked)
	} else {
		err = c.countRanks(tracked)
	}
	if err != nil {
		return err
	}
	c.settle(tracked)
	return nil
}

// nearest returns up to Track ids by their best rank in the rows shown, then by their
// greatest log-probability, then by id.
func (c *chunk) nearest(position int, shown []score) []int32 {
	type best struct {
		id      int32
		rank    int
		logProb float64
	}
	of := map[int32]best{}
	for at := position; at < len(shown); at += c.width {
		s := &shown[at]
		for i, t := range s.top {
			now := best{t.id, i + 1, float64(t.logit) - s.lse}
			if old, ok := of[t.id]; ok {
				now.rank, now.logProb = min(now.rank, old.rank), max(now.logProb, old.logProb)
			}
			of[t.id] = now
		}
	}
	all := make([]best, 0, len(of))
	for _, b := range of {
		all = append(all, b)
	}
	slices.SortFunc(all, func(a, b best) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(b.logProb, a.logProb), cmp.Compare(a.id, b.id))
	})
	ids := make([]int32, min(c.o.Track, len(all)))
	for i := range ids {
		ids[i] = all[i].id
	}
	return ids
}

// countRanks counts the logits above each target's own, in one more pass over the head.
func (c *chunk) countRanks(targets func(*score) []targetScore) error {
	for from := 0; from < c.vocab; from += vocabSlice {
		n := min(vocabSlice, c.vocab-from)
		for row := 0; row < len(c.scores); row += blockRows {
			block := c.scores[row:min(row+blockRows, len(c.scores))]
			scope := c.states.Scope().NewScope()
			err := mlx.Borrow(c.some(scope, row, len(block), from, from+n, c.total), func(data []float32) error {
				parallel.For(len(block), func(i int) { countInto(targets(&block[i]), data[i*n:(i+1)*n], from) })
				return nil
			})
			scope.Close()
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// countInto adds to each target's rank the logits of the ids from, from+1, … above its
// own. That itself comes from a product of another shape here, and may be the larger by a
// rounding.
func countInto(targets []targetScore, xs []float32, from int) {
	for j := range targets {
		t := &targets[j]
		t.rank += countAbove(xs, t.logit)
		if at := int(t.id) - from; at >= 0 && at < len(xs) && xs[at] > t.logit {
			t.rank--
		}
	}
}
