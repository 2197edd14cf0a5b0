package lens

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// score is one cell before it is labelled.
type score struct {
	top     []candidate // score descending, then id ascending; those tied with the first by id
	lse     float64
	entropy float64
	kl      float64
	norm    float64
	targets []targetScore // those asked for, the pairs of contrasts, and the answer last
	tracked []targetScore // [Options.Track], the same ids in every row
}

type candidate struct {
	id    int32
	logit float32
}

type targetScore struct {
	candidate
	rank int
}

// better orders candidates: score descending, then id ascending.
func better(a, b candidate) int {
	if c := cmp.Compare(b.logit, a.logit); c != 0 {
		return c
	}
	return cmp.Compare(a.id, b.id)
}

// spare is how many candidates are looked at beyond those that are wanted: one of them may be
// the lowest of ids whose logits are equal.
const spare = 8

// leading returns the first n of candidates in order: those whose logits count as equal to the
// greatest by their ids, the others by their logits.
func leading(of []candidate, n int) []candidate {
	if len(of) == 0 {
		return nil
	}
	slices.SortFunc(of, better)
	tied := 1
	for least := model.Tied(of[0].logit); tied < len(of) && of[tied].logit >= least; tied++ {
	}
	slices.SortFunc(of[:tied], func(a, b candidate) int { return cmp.Compare(a.id, b.id) })
	return slices.Clone(of[:min(n, len(of))])
}

// chunkRows bounds the states that are scored together, and with them the memory:
// the reference row's distributions are chunkRows/rows × d_vocab.
const chunkRows = 4096

// vocabSlice is how many logits of each state are held at once: enough for the
// product to be efficient (1,024 cost 20 %), few enough for a row of them to stay in
// the first-level cache while it is scanned.
const vocabSlice = 4096

// score puts the states [positions, d_model] of every place through final norm and
// unembedding, and reduces each row to scores: [row][position]. read is called with the scores so far
// when those of the positions [from, to) are there, and what that took.
func (p *plan) score(ctx context.Context, m model.Model, states []*mlx.Array, o *Options, read func(scores [][]score, from, to int, work float64)) ([][]score, error) {
	positions := p.reference(states).Dim(0)
	out := make([][]score, len(p.rows))
	for i := range out {
		out[i] = make([]score, positions)
	}
	onDevice := m.Device() == mlx.GPU
	if o.OnDevice != nil {
		onDevice = *o.OnDevice
	}
	for from := 0; from < positions; from += p.room.chunk {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		to := min(from+p.room.chunk, positions)
		score := p.scoreAll
		if m.Part() != nil {
			score = p.scoreOnRanks
		}
		rows, err := score(m, states, o, from, to, onDevice)
		if err != nil {
			return nil, err
		}
		for r := range out {
			copy(out[r][from:to], rows[r])
		}
		read(out, from, to, lensWork(m, len(out)*(to-from)*o.headPasses()))
	}
	return out, nil
}

// chunk is the work on all rows of a range of positions. Its states and scores are
// numbered row·width + position; the last row is the reference.
type chunk struct {
	m     model.Model
	o     *Options
	rows  int
	head  Head // that reads all rows but the reference; nil: the model's own
	width int
	vocab int

	numbers []int // on ranks, those of its rows among all, of which there are as many as total
	total   int

	states *mlx.Array // [rows·width, d_model], as an unembedding reads them, float32
	scores []score
}

// scoreAll scores all rows of the positions [from, to): [row][position].
func (p *plan) scoreAll(m model.Model, states []*mlx.Array, o *Options, from, to int, onDevice bool) ([][]score, error) {
	c := &chunk{m: m, o: o, rows: len(p.rows), head: p.head, width: to - from, vocab: m.Shape().DVocab}
	scope := states[0].Scope().NewScope()
	defer scope.Close()
	err := c.read(p, scope, states, from, to)
	if err == nil {
		err = c.reduceRows(onDevice)
	}
	if err == nil && o.Track > 0 {
		err = c.track(c.scores[:p.shown()*c.width], onDevice)
	}
	if err != nil {
		return nil, err
	}
	rows := make([][]score, len(p.rows))
	for r := range rows {
		rows[r] = c.scores[r*c.width : (r+1)*c.width]
	}
	return rows, nil
}

// read takes the states of the positions [from, to) of all rows of a plan.
func (c *chunk) read(p *plan, scope *mlx.Scope, states []*mlx.Array, from, to int) error {
	raws, read := make([]*mlx.Array, len(p.rows)), make([]*mlx.Array, len(p.rows))
	for i, row := range p.rows {
		raws[i] = mlx.AsType(mlx.Slice(scope.Hold(states[row.state]), 0, mlx.Between(from, to)), mlx.Float32)
		read[i] = readable(c.m, row.translator, p.place(i), raws[i])
	}
	raw := mlx.Concatenate(0, raws...) // [rows·width, d_model]
	c.states = mlx.Concatenate(0, read...)
	if err := mlx.Eval(c.states); err != nil {
		return err
	}
	c.scores = make([]score, c.rows*c.width)
	if !c.o.TopOnly {
		norms := mlx.Sqrt(mlx.Sum(mlx.Square(raw), -1))
		err := mlx.Borrow(norms, func(data []float32) error {
			for i, x := range data {
				c.scores[i].norm = float64(x)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// reduceRows reduces the rows to scores.
func (c *chunk) reduceRows(onDevice bool) error {
	if onDevice {
		return c.reduce()
	}
	return c.scan()
}

// unembed maps states h, whose first axis is the chunk's states, or its rows, from number first on, to
// logits in float32: those before number reference by the rows' head, if they have one.
func (c *chunk) unembed(h *mlx.Array, first, reference int, logits func(by unembedding, h *mlx.Array) *mlx.Array) *mlx.Array {
	n := h.Dim(0)
	own := min(n, max(0, reference-first))
	if c.head == nil || own == 0 {
		return mlx.AsType(logits(c.m, h), mlx.Float32)
	}
	read := mlx.AsType(logits(c.head, mlx.Slice(h, 0, mlx.Between(0, own))), mlx.Float32)
	if own == n {
		return read
	}
	return mlx.Concatenate(0, read, mlx.AsType(logits(c.m, mlx.Slice(h, 0, mlx.Between(own, n))), mlx.Float32))
}

// some returns the logits [n, to−from] of the states first, …, first+n−1 for the ids [from, to); total as
// for amongAll.
func (c *chunk) some(scope *mlx.Scope, first, n, from, to, total int) *mlx.Array {
	h := mlx.Slice(scope.Hold(c.states), 0, mlx.Between(first, first+n))
	return c.unembed(h, first, (c.rows-1)*c.width, func(by unembedding, h *mlx.Array) *mlx.Array {
		return c.amongAll(h, to-from, total, func(h *mlx.Array) *mlx.Array { return by.Unembed(h, from, to) })
	})
}

// targetIDs returns, for each position of the chunk, the ids that every row scores:
// those asked for, then the reference row's top token.
func (c *chunk) targetIDs() [][]int32 {
	ids := make([][]int32, c.width)
	scored := c.o.scored()
	reference := (c.rows - 1) * c.width
	for i := range ids {
		for _, t := range scored {
			ids[i] = append(ids[i], int32(t))
		}
		answer := int32(0)
		if top := c.scores[reference+i].top; len(top) > 0 { // empty when every logit is NaN
			answer = top[0].id
		}
		ids[i] = append(ids[i], answer)
	}
	return ids
}

// targetLogits computes the logits of single ids for every state of the chunk, and
// returns the ids' columns in it.
func (c *chunk) targetLogits(ids [][]int32) (logits []float32, column map[int32]int, err error) {
	column = map[int32]int{}
	var unique []int
	for _, at := range ids {
		for _, id := range at {
			if _, ok := column[id]; !ok {
				column[id] = len(unique)
				unique = append(unique, int(id))
			}
		}
	}
	scope := c.states.Scope().NewScope()
	defer scope.Close()
	logits, err = mlx.Data[float32](c.unembed(scope.Hold(c.states), 0, (c.rows-1)*c.width, func(by unembedding, h *mlx.Array) *mlx.Array {
		return c.amongAll(h, len(unique), c.total, func(h *mlx.Array) *mlx.Array { return by.UnembedIDs(h, unique) })
	}))
	return logits, column, err
}

// setTargets gives every score its targets, with logits from a product of their own.
// The answer alone, when only the top is wanted, is not worth one: NaN where it is no
// candidate.
func (c *chunk) setTargets() error {
	ids := c.targetIDs()
	logit := func(int, int32) float32 { return float32(math.NaN()) }
	if !c.o.TopOnly || len(c.o.Targets)+len(c.o.Contrasts) > 0 {
		logits, column, err := c.targetLogits(ids)
		if err != nil {
			return err
		}
		logit = func(i int, id int32) float32 { return logits[i*len(column)+column[id]] }
	}
	n := len(ids[0])
	all := make([]targetScore, n*len(c.scores))
	for i := range c.scores {
		targets := all[i*n : (i+1)*n]
		for j, id := range ids[i%c.width] {
			targets[j].candidate = candidate{id, logit(i, id)}
		}
		c.scores[i].targets = targets
	}
	return nil
}

// finishTargets settles the targets of every score.
func (c *chunk) finishTargets() {
	c.settle(func(s *score) []targetScore { return s.targets })
}

// settle takes a target's logit and rank from the candidates where it is one of them:
// the two are computed by products of different shapes, which may differ in the last
// bit.
func (c *chunk) settle(targets func(*score) []targetScore) {
	for i := range c.scores {
		s := &c.scores[i]
		of := targets(s)
		for j := range of {
			t := &of[j]
			if at := slices.IndexFunc(s.top, func(x candidate) bool { return x.id == t.id }); at >= 0 {
				t.logit, t.rank = s.top[at].logit, at+1
			} else if !c.o.TopOnly {
				t.rank = max(t.rank, len(s.top)+1)
			}
		}
	}
}
