package lens

import (
	"fmt"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// On ranks each one scores the rows of its own layers, with the head that all have. What rows are compared
// with is computed by each from the stream behind the last block, which goes round once a pass: d_model
// numbers a position, and not d_vocab. Scores are exchanged chunk by chunk, so that all ranks make the
// same grid.

// reference returns the state that rows are compared with.
func (p *plan) reference(states []*mlx.Array) *mlx.Array {
	return states[p.rows[len(p.rows)-1].state]
}

// held reports whether this process computes what passes a place.
func held(m model.Model, at model.Place) bool { return model.Held(m).Has(at.Layer) }

// there leaves out the states of other ranks.
func there(states []*mlx.Array) []*mlx.Array {
	var own []*mlx.Array
	for _, s := range states {
		if s != nil {
			own = append(own, s)
		}
	}
	return own
}

// refersTo completes the states of a rank that lacks the last layer by the stream behind it.
func (p *plan) refersTo(states []*mlx.Array, scope *mlx.Scope, h, at *mlx.Array) {
	if p.reference(states) == nil && h.Err() == nil {
		states[p.rows[len(p.rows)-1].state] = pick(scope, h, at)
	}
}

// onRanks refuses what no rank can do alone, and is not done by all together.
func onRanks(m model.Model, o *Options) error {
	switch {
	case m.Part() == nil:
		return nil
	}
	for _, t := range o.lenses() {
		if _, is := t.(Head); is {
			return model.Whole(m, "lens: the "+t.Name()+" lens, whose matrix the first rank has,")
		}
	}
	return nil
}

// ownRows returns the plan of the rows of this rank's layers, and their numbers in p. The reference is its last row,
// its own or not.
func (p *plan) ownRows(m model.Model) (*plan, []int) {
	q := *p
	q.rows = nil
	var numbers []int
	for i, row := range p.rows {
		if own := held(m, p.place(i)); own || i == len(p.rows)-1 {
			q.rows = append(q.rows, row)
			if own {
				numbers = append(numbers, i)
			}
		}
	}
	return &q, numbers
}

// scoreOnRanks is the chunk of all rows that the ranks score together, [row][position].
func (p *plan) scoreOnRanks(m model.Model, states []*mlx.Array, o *Options, from, to int, onDevice bool) ([][]score, error) {
	q, own := p.ownRows(m)
	c := &chunk{m: m, o: o, rows: len(q.rows), head: p.head, width: to - from, vocab: m.Shape().DVocab, total: len(p.rows), numbers: own}
	if len(own) < len(q.rows) {
		c.numbers = append(own[:len(own):len(own)], len(p.rows)-1)
	}
	scope := p.reference(states).Scope().NewScope()
	defer scope.Close()
	var err error
	if len(own) > 0 {
		if err = c.read(q, scope, states, from, to); err == nil {
			err = c.reduceRows(onDevice)
		}
	}
	all, err := p.gather(m.Part().Ranks, c, own, err)
	if err != nil || o.Track == 0 {
		return all, err
	}
	var shown []score
	for r := range p.shown() {
		shown = append(shown, all[r]...)
	}
	if len(own) > 0 {
		err = c.track(shown, onDevice)
	}
	return p.gather(m.Part().Ranks, c, own, err)
}

// smallProduct is how many multiplications a product has that a BLAS may compute another way than larger
// ones, in another order of sums: OpenBLAS does so up to 100³.
const smallProduct = 1 << 20

// amongAll computes the logits of n ids for states of whole rows, where one process multiplies the states of total
// rows; 0: of these. A small product is computed of as many, each state where it is there, with zeros for
// those of other ranks: so its numbers are the same to the last bit.
func (c *chunk) amongAll(h *mlx.Array, n, total int, logits func(h *mlx.Array) *mlx.Array) *mlx.Array {
	rows, d := h.Dim(0)/c.width, h.Dim(1)
	if c.numbers == nil || total == 0 || rows == total || total*c.width > blockRows || h.Dim(0)*n*d > smallProduct {
		return logits(h)
	}
	zeros := mlx.Zeros(h.Scope(), h.Dtype(), c.width, d)
	all, number := make([]*mlx.Array, total), map[int]int{}
	for i := range rows {
		number[c.numbers[i]] = i
	}
	for r := range all {
		all[r] = zeros
		if i, own := number[r]; own {
			all[r] = mlx.Slice(h, 0, mlx.Between(i*c.width, (i+1)*c.width))
		}
	}
	z := logits(mlx.Concatenate(0, all...))
	own := make([]*mlx.Array, rows)
	for i := range own {
		r := c.numbers[i]
		own[i] = mlx.Slice(z, 0, mlx.Between(r*c.width, (r+1)*c.width))
	}
	return mlx.Concatenate(0, own...)
}

// wire is a score as it goes from rank to rank.
type wire struct {
	IDs                     []int32 // of the candidates, the targets and the tracked
	Logits                  []float32
	Ranks                   []int // of the targets and the tracked
	Top, Targets            int
	LSE, Entropy, KL, Norms float64
}

func (s *score) wire() wire {
	w := wire{Top: len(s.top), Targets: len(s.targets), LSE: s.lse, Entropy: s.entropy, KL: s.kl, Norms: s.norm}
	for _, c := range s.top {
		w.IDs, w.Logits = append(w.IDs, c.id), append(w.Logits, c.logit)
	}
	for _, of := range [][]targetScore{s.targets, s.tracked} {
		for _, t := range of {
			w.IDs, w.Logits, w.Ranks = append(w.IDs, t.id), append(w.Logits, t.logit), append(w.Ranks, t.rank)
		}
	}
	return w
}

func (w *wire) score() score {
	s := score{lse: w.LSE, entropy: w.Entropy, kl: w.KL, norm: w.Norms}
	for i, id := range w.IDs {
		c := candidate{id, w.Logits[i]}
		switch {
		case i < w.Top:
			s.top = append(s.top, c)
		case i < w.Top+w.Targets:
			s.targets = append(s.targets, targetScore{c, w.Ranks[i-w.Top]})
		default:
			s.tracked = append(s.tracked, targetScore{c, w.Ranks[i-w.Top]})
		}
	}
	return s
}

// gather exchanges the rows that each rank has scored; err is what went wrong here.
func (p *plan) gather(ranks *model.Ranks, c *chunk, own []int, err error) ([][]score, error) {
	rows := map[int][]wire{}
	for i, r := range own {
		if err != nil {
			break
		}
		for j := range c.width {
			rows[r] = append(rows[r], c.scores[i*c.width+j].wire())
		}
	}
	all, err := model.ExchangeAs(ranks, rows, err)
	if err != nil {
		return nil, err
	}
	out := make([][]score, len(p.rows))
	for rank, of := range all {
		for r, cells := range of {
			if r < 0 || r >= len(out) || len(cells) != c.width || out[r] != nil {
				return nil, fmt.Errorf("lens: rank %d sent row %d of %d positions, where %d rows of %d are read: the ranks differ in what they were given", rank, r, len(cells), len(out), c.width)
			}
			for i := range cells {
				out[r] = append(out[r], cells[i].score())
			}
		}
	}
	for r := range out {
		if out[r] == nil {
			return nil, fmt.Errorf("lens: no rank sent %s", p.name(r))
		}
	}
	return out, nil
}
