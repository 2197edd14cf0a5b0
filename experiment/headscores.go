package experiment

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// HeadKind is a kind of head, by the keys k that a query q looks at.
type HeadKind string

// The kinds. x are the tokens; with MeanDiagonal duplicate is k = q − period, and induction
// k = q − period + 1.
const (
	PreviousToken  HeadKind = "previous"  // k = q − 1
	FirstToken     HeadKind = "first"     // k = 0
	CurrentToken   HeadKind = "current"   // k = q
	DuplicateToken HeadKind = "duplicate" // k < q, x_k = x_q
	Induction      HeadKind = "induction" // k ≤ q, x_(k−1) = x_q: what came after the token before (Olsson et al. 2022, arXiv:2209.11895)
)

// HeadKinds are the kinds.
func HeadKinds() []HeadKind {
	return []HeadKind{PreviousToken, FirstToken, CurrentToken, DuplicateToken, Induction}
}

// Measure is how a pattern A [query, key] is compared with the keys of a kind, D: 1 where a query
// may look, 0 elsewhere.
type Measure string

// The measures, which are TransformerLens'.
const (
	Share        Measure = "share"    // Σ A·D/Σ A: detect_head's "mul"
	Distance     Measure = "distance" // 1 − Σ|A − D|/queries: detect_head's "abs", which rounds to 3 places
	MeanDiagonal Measure = "diagonal" // Σ A·D/Σ D, of tokens that repeat: the mean of a diagonal, such as pattern.diagonal(offset=1−period) of its induction score
)

// ScoreOptions say how HeadScores scores.
type ScoreOptions struct {
	Heads          []Head     // nil: all
	Kinds          []HeadKind // nil: all
	Measure        Measure    // "": MeanDiagonal with a Period, else Share
	Period         int        // after which tokens repeat; 0: they need not
	ExcludeFirst   bool       // what goes to the first token counts for nothing
	ExcludeCurrent bool       // what goes to the query's own token counts for nothing

	Label     func(id int) string // of the tokens, where there is one input; nil: they have no text
	MaxMemory int64               // bytes, of all that MLX has; 0: no bound
	Progress  func(done float64)  // nil: nobody is told; done goes from 0 to 1
}

// Scoring is how much heads are of each kind: plain data.
type Scoring struct {
	Measure        Measure     `json:"measure"`
	ExcludeFirst   bool        `json:"exclude_first"`
	ExcludeCurrent bool        `json:"exclude_current"`
	Repeated       *Repeats    `json:"repeated,omitempty"` // the inputs, where they were drawn
	Inputs         int         `json:"inputs"`             // whose scores' mean is given
	Kinds          []HeadKind  `json:"kinds"`
	Heads          []HeadScore `json:"scores"`

	// Pairs counts, in all inputs, the queries and keys of a kind. Where it is 0 no token repeats,
	// and the scores say nothing.
	Pairs map[HeadKind]int `json:"pairs"`
}

// HeadScore is a head's score of each kind.
type HeadScore struct {
	Layer int                      `json:"layer"`
	Head  int                      `json:"head"`
	Score map[HeadKind]lens.Number `json:"score"`
}

// Best returns the heads of a kind, the highest score first.
func (s *Scoring) Best(kind HeadKind) []HeadScore {
	best := slices.Clone(s.Heads)
	slices.SortStableFunc(best, func(a, b HeadScore) int { return cmp.Compare(b.Score[kind], a.Score[kind]) })
	return best
}

// HeadScores scores heads by what they attend to in some inputs, each whole, and gives the mean
// over the inputs. Patterns are summed where they arise, and none is kept.
func HeadScores(ctx context.Context, m model.Model, inputs []edit.Input, o ScoreOptions) (*Attending, error) {
	start := time.Now()
	if m == nil || len(inputs) == 0 {
		return nil, refuse("there is no model, or no input")
	}
	heads, err := checkHeads(m, o.Heads)
	if err != nil {
		return nil, err
	}
	if err := o.complete(); err != nil {
		return nil, err
	}
	out := &Scoring{Measure: o.Measure, ExcludeFirst: o.ExcludeFirst, ExcludeCurrent: o.ExcludeCurrent, Inputs: len(inputs), Kinds: o.Kinds, Pairs: map[HeadKind]int{}}
	for _, h := range heads {
		out.Heads = append(out.Heads, HeadScore{h.Layer, h.Head, map[HeadKind]lens.Number{}})
	}
	total, done := 0, 0
	for _, in := range inputs {
		total += len(in.IDs)
	}
	check := func(in edit.Input) error {
		_, err := newWatch(m, []edit.Input{whole(in)}, heads)
		return err
	}
	run := func(of []edit.Input) ([]*tally, error) {
		s, err := newScorer(m, of, heads, &o)
		if err != nil {
			return nil, err
		}
		n := 0
		for _, in := range of {
			n += len(in.IDs)
		}
		if o.Progress != nil {
			s.progress = func(part float64) { o.Progress(min(1, (float64(done)+part*float64(n))/float64(total))) }
		}
		if err = s.watch.run(ctx, s); err == nil {
			err = s.share()
		}
		done += n
		return s.tallies, err
	}
	for t, err := range edit.Together(ctx, inputs, model.PassPositions, check, run) {
		if err != nil {
			return nil, err
		}
		if err := out.add(t, &o); err != nil {
			return nil, err
		}
	}
	a := &Attending{Schema: AttentionSchema, Model: modelInfo(m), Tokens: []lens.Token{}, Edits: []string{}, Positions: []int{}, Keys: []int{}, Scoring: out}
	if len(inputs) == 1 {
		a.describe(inputs[0], o.Label)
	}
	a.Timing = time.Since(start).Seconds()
	return a, ctx.Err()
}

// whole is an input of which all positions are read.
func whole(in edit.Input) edit.Input {
	in.Positions = nil
	return in
}

func (o *ScoreOptions) complete() error {
	if o.Kinds == nil {
		o.Kinds = HeadKinds()
	}
	if o.Measure == "" {
		o.Measure = Share
		if o.Period > 0 {
			o.Measure = MeanDiagonal
		}
	}
	switch {
	case slices.ContainsFunc(o.Kinds, func(k HeadKind) bool { return !slices.Contains(HeadKinds(), k) }):
		return refuse("kinds of heads %q: want some of %q", o.Kinds, HeadKinds())
	case !slices.Contains([]Measure{Share, Distance, MeanDiagonal}, o.Measure):
		return refuse("measure %q: want %q, %q or %q", o.Measure, Share, Distance, MeanDiagonal)
	case o.Measure == MeanDiagonal && o.Period < 2:
		return refuse("%s is of tokens that repeat after two or more, and the period is %d", MeanDiagonal, o.Period)
	case o.Measure != MeanDiagonal && o.Period != 0:
		return refuse("a period is for %s: %s goes by which tokens are the same", MeanDiagonal, o.Measure)
	}
	return nil
}

// tally is what is summed of an input.
type tally struct {
	queries int
	pairs   []int              // of each kind
	sums    map[Head][]float64 // Σ A·D of each kind, and Σ A
}

// add makes scores of an input's sums.
func (s *Scoring) add(t *tally, o *ScoreOptions) error {
	kinds := s.Kinds
	for i, k := range kinds {
		s.Pairs[k] += t.pairs[i]
	}
	for _, h := range s.Heads {
		sums := t.sums[Head{h.Layer, h.Head}]
		all := sums[len(kinds)]
		for i, k := range kinds {
			var x float64
			switch o.Measure {
			case Share:
				x = sums[i] / all
			case Distance: // A and D lie between 0 and 1, and D is one of them
				x = 1 - (all+float64(t.pairs[i])-2*sums[i])/float64(t.queries)
			case MeanDiagonal:
				if t.pairs[i] > 0 {
					x = sums[i] / float64(t.pairs[i])
				}
			}
			if math.IsNaN(x) && all != 0 {
				return fmt.Errorf("experiment: the pattern of head %s is no number: scores are beyond float32; look for an edit or a number of the config that is far too large", Head{h.Layer, h.Head})
			}
			h.Score[k] += lens.Number(x) / lens.Number(s.Inputs)
		}
	}
	return nil
}

// scorer sums the patterns of a batch.
type scorer struct {
	*watch
	o       *ScoreOptions
	tallies []*tally // of each row
}

func newScorer(m model.Model, inputs []edit.Input, heads []Head, o *ScoreOptions) (*scorer, error) {
	all := make([]edit.Input, len(inputs))
	s := &scorer{o: o}
	for i, in := range inputs {
		all[i] = whole(in)
		t := &tally{queries: len(in.IDs), pairs: make([]int, len(o.Kinds)), sums: map[Head][]float64{}}
		for _, h := range heads {
			t.sums[h] = make([]float64, len(o.Kinds)+1)
		}
		s.tallies = append(s.tallies, t)
	}
	var err error
	if s.watch, err = newWatch(m, all, heads); err != nil {
		return nil, err
	}
	for i, in := range all {
		s.count(s.tallies[i], in.IDs)
	}
	return s, s.fit(o.MaxMemory, len(inputs)*s.tokens*(2*(len(o.Kinds)+1)+m.Shape().Heads), 0)
}

// share gives every rank the sums of the others' heads.
func (s *scorer) share() error {
	part := s.m.Part()
	if part == nil {
		return nil
	}
	own := make([]map[Head][]float64, len(s.tallies))
	for i, t := range s.tallies {
		own[i] = maps.Clone(t.sums)
		maps.DeleteFunc(own[i], func(h Head, _ []float64) bool { return !part.Has(h.Layer) })
	}
	all, err := model.ExchangeAs(part.Ranks, own, nil)
	for _, of := range all {
		for i := range min(len(of), len(s.tallies)) {
			maps.Copy(s.tallies[i].sums, of[i])
		}
	}
	return err
}

func (s *scorer) sites() []model.Site { return []model.Site{model.Pattern} }

// visit sums x, [row, head, pos, key], over what counts.
func (s *scorer) visit(p *part, at model.Place, x *mlx.Array) *mlx.Array {
	rows, n, keys := x.Dim(0), x.Dim(2), x.Dim(3)
	flat := mlx.Reshape(mlx.AsType(mlx.Take(x, p.numbers(at.Layer), 1), mlx.Float32), rows, -1, n*keys)
	sums := mlx.Matmul(flat, s.kinds(p, keys)) // [row, head, kind]
	layer, each := at.Layer, len(s.o.Kinds)+1
	p.keep(sums, func(data []float32) {
		numbers := s.of[layer]
		for i, v := range data {
			row, head, kind := i/each/len(numbers), i/each%len(numbers), i%each
			s.tallies[row].sums[Head{layer, numbers[head]}][kind] += float64(v)
		}
	})
	return x
}

// kinds returns D of each kind and what counts, [row, pos·key, kind], for the last keys of a part.
func (s *scorer) kinds(p *part, keys int) *mlx.Array {
	if p.once[keys] != nil {
		return p.once[keys]
	}
	each := len(s.o.Kinds) + 1
	n := p.to - p.from
	data := make([]float32, s.batch.Len()*n*keys*each)
	for row, in := range s.batch.Inputs {
		for q := p.from; q < min(p.to, len(in.IDs)); q++ {
			for k := max(0, p.to-keys); k <= q; k++ {
				if s.excluded(q, k) {
					continue
				}
				at := data[((row*n+q-p.from)*keys+k-(p.to-keys))*each:]
				at[each-1] = 1
				for i, kind := range s.o.Kinds {
					if s.looks(kind, in.IDs, q, k) {
						at[i] = 1
					}
				}
			}
		}
	}
	p.once[keys] = mlx.FromSlice(p.scope, data, s.batch.Len(), n*keys, each)
	return p.once[keys]
}

// count counts the pairs of each kind.
func (s *scorer) count(t *tally, ids []int) {
	for q := range ids {
		for k := range q + 1 {
			for i, kind := range s.o.Kinds {
				if !s.excluded(q, k) && s.looks(kind, ids, q, k) {
					t.pairs[i]++
				}
			}
		}
	}
}

func (s *scorer) excluded(q, k int) bool {
	return s.o.ExcludeFirst && k == 0 || s.o.ExcludeCurrent && k == q
}

// looks reports whether a head of a kind looks from a query at a key.
func (s *scorer) looks(kind HeadKind, ids []int, q, k int) bool {
	switch kind {
	case PreviousToken:
		return k == q-1
	case FirstToken:
		return k == 0
	case CurrentToken:
		return k == q
	}
	period := s.o.Period
	switch {
	case s.o.Measure == MeanDiagonal && kind == DuplicateToken:
		return k == q-period
	case s.o.Measure == MeanDiagonal:
		return k == q-period+1
	case kind == DuplicateToken:
		return k < q && ids[k] == ids[q]
	}
	return k > 0 && ids[k-1] == ids[q]
}
