package lens

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/dustin/go-humanize/english"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/internal/parallel"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// Side is one of two that Compare holds against each other.
type Side struct {
	Model model.Model

	// Input is the prompt with its edits. The first side's positions are those that are
	// compared, each of which must have a partner in the second prompt; nil: all that have
	// one. The second side names no positions.
	Input      edit.Input
	Translator Translator
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
	Layers []int // of the first side; nil: all
	Embed  bool
	Mid    bool
	Attn   bool
	MLP    bool
	Top    int // candidates of each side in a cell; 0 means 5
	Align  Alignment

	Targets   []int    // ids whose score and rank every cell has of both sides
	Contrasts [][2]int // pairs of ids: every cell has the difference of their logits, of both sides

	// Threshold is the Jensen–Shannon divergence, in nats, above which two distributions
	// are said to diverge; 0 means 0.1. Its greatest value is ln 2 = 0.693.
	Threshold float64

	Labels   [2]func(id int) string // as Options.Label, of each side
	Progress func(done float64)

	// MaxMemory is Options.MaxMemory, of both sides together; 0: no bound.
	MaxMemory int64
}

// Compare reads the lens of both sides, and for each row and position how far the two
// distributions are from each other. Rows are paired by their depth: layer i of L with
// layer round((i+1)·M/L)−1 of M. Both vocabularies must be of one size, and should mean
// the same; the caller knows the tokenizers. Two inputs of one model that fit a pass go
// through it together.
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

	targets   []int
	contrasts [][2]int
}

const defaultThreshold = 0.1

func newComparing(a, b Side, o *CompareOptions) (*comparing, error) {
	if a.Model == nil || b.Model == nil {
		return nil, fmt.Errorf("lens: compare: a side has no model")
	}
	va, vb := a.Model.Shape().DVocab, b.Model.Shape().DVocab
	if va != vb {
		return nil, fmt.Errorf("lens: compare: vocabularies of %d and %d tokens: distributions over them cannot be compared", va, vb)
	}
	if b.Input.Positions != nil {
		return nil, fmt.Errorf("lens: compare: positions are those of the first side, and the second names some too")
	}
	if o.Top == 0 {
		o.Top = defaultTop
	}
	if o.Threshold == 0 {
		o.Threshold = defaultThreshold
	}
	if !(o.Threshold > 0) {
		return nil, fmt.Errorf("lens: compare: threshold %v: want a number above 0", o.Threshold)
	}
	pairs, err := align(len(a.Input.IDs), len(b.Input.IDs), o.Align)
	if err != nil {
		return nil, err
	}
	if pairs, err = chosenPairs(pairs, a.Input.Positions, len(a.Input.IDs)); err != nil {
		return nil, err
	}
	c := &comparing{pairs: pairs, top: o.Top, targets: o.Targets, contrasts: o.Contrasts, out: &Comparison{Schema: CompareSchema, Threshold: o.Threshold, Positions: pairs}}
	if err := c.open([2]Side{a, b}, o); err != nil {
		return nil, err
	}
	c.out.A, c.out.B = c.sides[0].describe(), c.sides[1].describe()
	for _, pair := range o.Contrasts {
		label := c.sides[0].o.label
		c.out.Contrasts = append(c.out.Contrasts, Contrast{label(pair[0]), label(pair[1])})
	}
	c.out.Rows, c.out.RowsB = c.sides[0].rowNames(), c.sides[1].rowNames()
	c.out.Cells = make([][]Difference, len(c.out.Rows))
	for r := range c.out.Cells {
		c.out.Cells[r] = make([]Difference, len(pairs))
	}
	return c, nil
}

// open makes the streams of both sides.
func (c *comparing) open(sides [2]Side, o *CompareOptions) error {
	n := sides[0].Model.Shape().Layers
	layers, err := model.Indices(o.Layers, n, "layer")
	if err != nil {
		return fmt.Errorf("lens: compare: %w", err)
	}
	for i, side := range sides {
		lo := Options{Layers: layers, Embed: o.Embed, Mid: o.Mid, Attn: o.Attn, MLP: o.MLP, Top: o.Top, TopOnly: true,
			Targets: o.Targets, Contrasts: o.Contrasts, Translator: side.Translator, Label: o.Labels[i], MaxMemory: o.MaxMemory}
		if i == 1 {
			lo.Layers = atDepth(layers, n, side.Model.Shape().Layers)
		}
		side.Input.Positions = nil
		for _, pair := range c.pairs {
			side.Input.Positions = append(side.Input.Positions, pair[i])
		}
		if c.sides[i], err = newStream(side, lo); err != nil {
			return err
		}
	}
	return c.share(sides)
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
	chosen, err := model.Indices(positions, tokens, "position")
	if err != nil {
		return nil, err
	}
	kept := slices.DeleteFunc(pairs, func(p [2]int) bool { return !slices.Contains(chosen, p[0]) })
	if len(kept) < len(chosen) {
		return nil, fmt.Errorf("lens: compare: of the %s asked for, %d have a partner in the other prompt", english.Plural(len(chosen), "position", ""), len(kept))
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
	err := mlx.Borrow(logits[0], func(a []float32) error {
		return mlx.Borrow(logits[1], func(b []float32) error {
			parallel.For(n, func(j int) {
				c.out.Cells[r][i+j] = c.difference(a[j*vocab:(j+1)*vocab], b[j*vocab:(j+1)*vocab])
			})
			return nil
		})
	})
	for j := range n {
		if err == nil && math.IsNaN(c.out.Cells[r][i+j].JS) {
			err = notFinite(c.out.Rows[r], c.pairs[i+j][0])
		}
	}
	return err
}
