package lens

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// Side is one of two that Compare holds against each other.
type Side struct {
	Model   model.Model
	IDs     []int
	Edits   []Edit
	Decoder Decoder
}

// Alignment says which positions of two prompts of different length belong together.
type Alignment uint8

// The alignments.
const (
	AlignEqual Alignment = iota // prompts of different length are an error
	AlignStart                  // the first with the first
	AlignEnd                    // the last with the last
)

// CompareOptions say what Compare reads.
type CompareOptions struct {
	Layers    []int // of the first side; nil: all
	Positions []int // of the first side's prompt, those that have a partner; nil: all
	Embed     bool
	Mid       bool
	Top       int // candidates of each side in a cell; 0 means 5
	Align     Alignment

	// Threshold is the Jensen–Shannon divergence, in nats, above which two distributions
	// are said to diverge; 0 means 0.1. Its greatest value is ln 2 = 0.693.
	Threshold float64

	Labels   [2]func(id int) string // as Options.Label, of each side
	Progress func(done float64)
}

// Compare reads the lens of both sides, and for each row and position how far the two
// distributions are from each other. Rows are paired by their depth: layer i of L with
// layer round((i+1)·M/L)−1 of M. Both vocabularies must be of one size, and should mean
// the same; the caller knows the tokenizers.
func Compare(ctx context.Context, a, b Side, o CompareOptions) (*Comparison, error) {
	c, err := newComparing(a, b, &o)
	if err != nil {
		return nil, err
	}
	defer c.close()
	for i := 0; i < len(c.pairs); {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n, err := c.both(i)
		if err != nil {
			return nil, err
		}
		for r := range c.out.Rows {
			if err := c.row(r, i, n); err != nil {
				return nil, err
			}
		}
		i += n
		if o.Progress != nil {
			o.Progress(float64(i) / float64(len(c.pairs)))
		}
	}
	c.summarize(o.Threshold)
	return c.out, nil
}

// comparing is the work of Compare.
type comparing struct {
	sides [2]*stream
	pairs [][2]int
	top   int
	out   *Comparison
}

const defaultThreshold = 0.1

func newComparing(a, b Side, o *CompareOptions) (*comparing, error) {
	va, vb := a.Model.Shape().DVocab, b.Model.Shape().DVocab
	if va != vb {
		return nil, fmt.Errorf("lens: compare: vocabularies of %d and %d tokens: distributions over them cannot be compared", va, vb)
	}
	if o.Top == 0 {
		o.Top = defaultTop
	}
	if o.Threshold == 0 {
		o.Threshold = defaultThreshold
	}
	pairs, err := align(len(a.IDs), len(b.IDs), o.Align)
	if err != nil {
		return nil, err
	}
	if pairs, err = chosenPairs(pairs, o.Positions, len(a.IDs)); err != nil {
		return nil, err
	}
	c := &comparing{pairs: pairs, top: o.Top, out: &Comparison{Schema: CompareSchema, Threshold: o.Threshold, Positions: pairs}}
	layers, err := indices(o.Layers, a.Model.Shape().Layers, "layer")
	if err != nil {
		return nil, err
	}
	for i, side := range []Side{a, b} {
		lo := Options{Layers: layers, Embed: o.Embed, Mid: o.Mid, Top: o.Top, TopOnly: true, Edits: side.Edits, Decoder: side.Decoder, Label: o.Labels[i]}
		if i == 1 {
			lo.Layers = atDepth(layers, a.Model.Shape().Layers, b.Model.Shape().Layers)
		}
		if c.sides[i], err = newStream(side, lo, pairs, i); err != nil {
			return nil, err
		}
	}
	c.out.A, c.out.B = c.sides[0].describe(), c.sides[1].describe()
	c.out.Rows, c.out.RowsB = c.sides[0].rowNames(), c.sides[1].rowNames()
	c.out.Cells = make([][]Difference, len(c.out.Rows))
	for r := range c.out.Cells {
		c.out.Cells[r] = make([]Difference, len(pairs))
	}
	return c, nil
}

// align pairs the positions of two prompts.
func align(a, b int, how Alignment) ([][2]int, error) {
	if a != b && how == AlignEqual {
		return nil, fmt.Errorf("lens: compare: the prompts have %d and %d tokens: say whether their starts or their ends belong together", a, b)
	}
	n := min(a, b)
	fromA, fromB := 0, 0
	if how == AlignEnd {
		fromA, fromB = a-n, b-n
	}
	pairs := make([][2]int, n)
	for i := range pairs {
		pairs[i] = [2]int{fromA + i, fromB + i}
	}
	return pairs, nil
}

// chosenPairs keeps those whose first is asked for.
func chosenPairs(pairs [][2]int, positions []int, tokens int) ([][2]int, error) {
	if positions == nil {
		return pairs, nil
	}
	chosen, err := indices(positions, tokens, "position")
	if err != nil {
		return nil, err
	}
	kept := slices.DeleteFunc(pairs, func(p [2]int) bool { return !slices.Contains(chosen, p[0]) })
	if len(kept) < len(chosen) {
		return nil, fmt.Errorf("lens: compare: of the %d positions asked for, %d have a partner in the other prompt", len(chosen), len(kept))
	}
	return kept, nil
}

// atDepth returns for layers of n the ones at the same depth of m.
func atDepth(layers []int, n, m int) []int {
	out := make([]int, len(layers))
	for i, l := range layers {
		out[i] = max(0, int(math.Round(float64((l+1)*m)/float64(n)))-1)
	}
	return out
}

// stream reads a side's states part by part.
type stream struct {
	*run
	cache    *model.Cache
	scope    *mlx.Scope
	from, to int          // the part that states are of
	first    int          // the number, among the positions read, of its first
	states   []*mlx.Array // [positions read in the part, d_model]
	longest  int
}

func newStream(side Side, o Options, pairs [][2]int, which int) (*stream, error) {
	p, err := planRows(side.Model, &o)
	if err != nil {
		return nil, err
	}
	prompt := Prompt{IDs: side.IDs}
	for _, pair := range pairs {
		prompt.Positions = append(prompt.Positions, pair[which])
	}
	if prompt.Positions, err = p.positions(side.Model, prompt); err != nil {
		return nil, err
	}
	s := &stream{run: &run{reading: p, m: side.Model, o: &o, prompts: []Prompt{prompt}, worked: func(float64) {}}}
	s.longest = len(side.IDs)
	if s.longest > p.room.pass {
		s.cache = model.NewCache(side.Model)
	}
	return s, nil
}

func (s *stream) close() {
	if s == nil {
		return
	}
	if s.scope != nil {
		s.scope.Close()
	}
	if s.cache != nil {
		s.cache.Close()
	}
}

func (c *comparing) close() {
	for _, s := range c.sides {
		s.close()
	}
}

// reach computes the parts up to the one that a position is in.
func (s *stream) reach(position int) error {
	for position >= s.to {
		if s.scope != nil {
			if s.states != nil {
				s.first += s.states[0].Dim(0)
			}
			s.scope.Close()
			mlx.ClearCache()
		}
		s.scope = mlx.NewScope(s.m.Device())
		s.from, s.to = s.to, min(s.to+s.room.pass, s.longest)
		var err error
		if s.states, _, err = s.trace(s.scope, s.cut(s.from, s.to), s.cache); err != nil {
			return err
		}
	}
	return nil
}

// logits returns a row's logits [n, d_vocab] of the positions read from number i on.
func (s *stream) logits(scope *mlx.Scope, r, i, n int) *mlx.Array {
	row := s.rows[r]
	h := mlx.AsType(mlx.Slice(scope.Hold(s.states[row.state]), 0, i-s.first, i-s.first+n), mlx.Float32)
	if row.decoder != nil {
		h = row.decoder.Decode(s.place(r), h)
	}
	return mlx.AsType(s.m.Unembed(s.m.FinalNorm(h), 0, s.m.Shape().DVocab), mlx.Float32)
}

func (s *stream) rowNames() []string {
	names := make([]string, s.shown())
	for r := range names {
		names[r] = s.place(r).String()
	}
	return names
}

func (s *stream) describe() Compared {
	g := header(s.m, s.prompts[0].IDs, s.o)
	return Compared{Model: g.Model, Lens: g.Lens, Tokens: g.Tokens, Edits: g.Edits}
}

// compareBytes bounds the logits of both sides that are compared at once.
const compareBytes = 128 << 20

// both computes the parts that pair i is in, and returns how many pairs from it on are in
// them and fit the bound.
func (c *comparing) both(i int) (int, error) {
	for s, side := range c.sides {
		if err := side.reach(c.pairs[i][s]); err != nil {
			return 0, err
		}
	}
	most := max(1, compareBytes/(8*c.sides[0].m.Shape().DVocab))
	n := 1
	for ; n < most && i+n < len(c.pairs); n++ {
		if next := c.pairs[i+n]; next[0] >= c.sides[0].to || next[1] >= c.sides[1].to {
			break
		}
	}
	return n, nil
}

// row compares a row of n pairs from number i on.
func (c *comparing) row(r, i, n int) error {
	var scopes [2]*mlx.Scope
	var logits [2]*mlx.Array
	for s, side := range c.sides {
		scopes[s] = side.scope.NewScope()
		defer scopes[s].Close()
		logits[s] = side.logits(scopes[s], r, i, n)
	}
	vocab := c.sides[0].m.Shape().DVocab
	return mlx.Borrow(logits[0], func(a []float32) error {
		return mlx.Borrow(logits[1], func(b []float32) error {
			parallel(n, func(j int) {
				c.out.Cells[r][i+j] = c.difference(a[j*vocab:(j+1)*vocab], b[j*vocab:(j+1)*vocab])
			})
			return nil
		})
	})
}

// difference compares two distributions by their logits.
func (c *comparing) difference(a, b []float32) Difference {
	var d Difference
	lseA, lseB := logSumExp(a), logSumExp(b)
	for i := range a {
		d.add(float64(a[i])-lseA, float64(b[i])-lseB)
	}
	d.KL, d.KLBA, d.JS = max(0, d.KL), max(0, d.KLBA), min(max(0, d.JS), math.Ln2)
	d.A = best(a, lseA, c.top, c.sides[0].o.label)
	d.B = best(b, lseB, c.top, c.sides[1].o.label)
	d.Agree = len(d.A) > 0 && len(d.B) > 0 && d.A[0].ID == d.B[0].ID
	return d
}

// add takes in a token by its log-probabilities ln p and ln q. With m = (p+q)/2:
//
//	ln(p/m) = ln 2 − ln(1 + q/p)
//	ln(q/m) = ln(p/m) + ln(q/p)
func (d *Difference) add(lnP, lnQ float64) {
	if lnP < negligible && lnQ < negligible {
		return
	}
	p, q, over := math.Exp(lnP), math.Exp(lnQ), lnQ-lnP
	if p != 0 { // NaN too
		d.KL -= p * over
	}
	if q != 0 {
		d.KLBA += q * over
	}
	if math.IsInf(over, 0) { // one has no probability at all, and the other is twice the mean
		d.JS += (p + q) * math.Ln2 / 2
		return
	}
	toMean := math.Ln2 - softplus(over)
	d.JS += (p*toMean + q*(toMean+over)) / 2
}

// softplus returns ln(1 + e^x).
func softplus(x float64) float64 {
	if x > 0 {
		return x + math.Log1p(math.Exp(-x))
	}
	return math.Log1p(math.Exp(x))
}

func logSumExp(xs []float32) float64 {
	greatest := math.Inf(-1)
	for _, x := range xs {
		greatest = max(greatest, float64(x))
	}
	sum := 0.0
	for _, x := range xs {
		sum += math.Exp(float64(x) - greatest)
	}
	return greatest + math.Log(sum)
}

func best(xs []float32, lse float64, k int, label func(int) Token) []Candidate {
	a := accumulator{top: make([]candidate, 0, min(k, len(xs)))}
	a.add(xs, 0)
	slices.SortFunc(a.top, better)
	out := make([]Candidate, len(a.top))
	for i, t := range a.top {
		out[i] = Candidate{Token: label(int(t.id)), Logit: float64(t.logit), Prob: math.Exp(float64(t.logit) - lse)}
	}
	return out
}
