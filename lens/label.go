package lens

import (
	"cmp"
	"math"
	"strings"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/model"
)

// grids labels the scores, an input's after another's.
func (r *run) grids() []*Grid {
	grids := make([]*Grid, r.batch.Len())
	from := 0
	for i, in := range r.batch.Inputs {
		to := from + len(in.Positions)
		grids[i] = r.grid(r.m, in, r.scores, from, r.o)
		r.experts.put(grids[i], from)
		grids[i].Check, grids[i].Timing = r.check, r.timing
		from = to
	}
	return grids
}

// label returns the token of an id.
func (o *Options) label(id int) Token {
	t := Token{ID: id}
	if o.Label != nil {
		t.Bytes = o.Label(id)
	}
	return t
}

// header says what a grid of an input is of.
func header(m model.Model, in edit.Input, o *Options) *Grid {
	shape := m.Shape()
	g := &Grid{
		Schema: TraceSchema, Lens: "logit", Edits: []string{},
		Model: ModelInfo{Layers: shape.Layers, DModel: shape.DModel, DVocab: shape.DVocab},
	}
	var names []string
	for _, t := range o.lenses() {
		if t == nil {
			names = append(names, g.Lens)
			continue
		}
		names = append(names, t.Name())
	}
	g.Lens = strings.Join(names, ", ")
	for i := range in.Edits {
		g.Edits = append(g.Edits, in.Edits[i].String())
	}
	for _, id := range in.IDs {
		g.Tokens = append(g.Tokens, o.label(id))
	}
	for _, c := range o.Contrasts {
		g.Contrasts = append(g.Contrasts, Contrast{o.label(c[0]), o.label(c[1])})
	}
	return g
}

// grid labels the scores of an input, whose positions are resolved; they begin at column
// from.
func (p *plan) grid(m model.Model, in edit.Input, scores [][]score, from int, o *Options) *Grid {
	g := header(m, in, o)
	g.Positions = in.Positions
	n, label := len(in.Positions), o.label
	for i := range p.shown() {
		g.Rows = append(g.Rows, p.name(i))
		row := make([]Cell, n)
		for j := range row {
			row[j] = scores[i][from+j].cell(label, o)
		}
		g.Cells = append(g.Cells, row)
	}
	if o.Track > 0 {
		for j := range n {
			g.Tracked = append(g.Tracked, trajectories(scores[:p.shown()], from+j, label))
		}
	}
	g.Final = p.final(scores, from+n-1, label)
	g.Final.Position = in.Positions[n-1] - len(in.IDs)
	if lenses := o.lenses(); len(lenses) > 1 {
		g.Lenses = p.readings(lenses, scores, from+n-1, g.Final.Token.ID)
	}
	return g
}

// readings are what each of several lenses reads, and where it finds the answer at a position. A lens that reads no
// row, of sites that it was not made for, has none.
func (p *plan) readings(lenses []Translator, scores [][]score, at, answer int) []Reading {
	var all []Reading
	for k, kind := range kinds(lenses) {
		of := Reading{Name: "logit", Kind: cmp.Or(kind, "logit")}
		if lenses[k] != nil {
			of.Name = lenses[k].Name()
		}
		for i := range p.shown() {
			if p.rows[i].read(k) {
				of.Rows = append(of.Rows, i)
			}
		}
		if len(of.Rows) > 0 {
			of.FirstTop1, of.StableFrom = p.crystallises(scores, at, answer, k)
			all = append(all, of)
		}
	}
	return all
}

// trajectories returns the tracked tokens of a position, by their best rank.
func trajectories(scores [][]score, at int, label func(int) Token) []Trajectory {
	of := make([]Trajectory, len(scores[0][at].tracked))
	for i := range of {
		of[i].Token = label(int(scores[0][at].tracked[i].id))
		for r := range scores {
			s := &scores[r][at]
			t := s.tracked[i]
			of[i].Logit = append(of[i].Logit, float64(t.logit))
			of[i].Prob = append(of[i].Prob, math.Exp(float64(t.logit)-s.lse))
			of[i].Rank = append(of[i].Rank, t.rank)
		}
	}
	return of
}

func (s *score) cell(label func(int) Token, o *Options) Cell {
	prob := func(logit float32) float64 {
		if o.TopOnly {
			return 0
		}
		return math.Exp(float64(logit) - s.lse)
	}
	c := Cell{LogSumExp: s.lse, Entropy: s.entropy, KL: s.kl, Norm: s.norm}
	for _, t := range s.top {
		c.Top = append(c.Top, Candidate{Token: label(int(t.id)), Logit: float64(t.logit), Prob: prob(t.logit)})
	}
	targets := make([]Target, len(s.targets))
	for i, t := range s.targets {
		targets[i] = Target{Token: label(int(t.id)), Logit: float64(t.logit), Prob: prob(t.logit), Rank: t.rank}
	}
	last := len(targets) - 1
	c.Answer = targets[last]
	n := len(o.Targets)
	if n > 0 {
		c.Targets = targets[:n]
	}
	for pair := n; pair < last; pair += 2 {
		c.Contrasts = append(c.Contrasts, targets[pair].Logit-targets[pair+1].Logit)
	}
	return c
}

// final is the answer at a position, and where it becomes the top token of the stream, as the first lens reads it.
func (p *plan) final(scores [][]score, at int, label func(int) Token) Final {
	var f Final
	reference := scores[len(scores)-1][at].top
	if len(reference) == 0 {
		return f
	}
	answer := int(reference[0].id)
	f.Token = label(answer)
	f.FirstTop1, f.StableFrom = p.crystallises(scores, at, answer, 0)
	return f
}

// crystallises finds where a token becomes the top of the stream at a position, and from where it stays so, as a lens
// reads it, by its number. Rows of what attention or an MLP adds are no states of the stream.
func (p *plan) crystallises(scores [][]score, at, answer, by int) (first, stable *string) {
	for i := range p.shown() {
		place := p.place(i)
		if place.Site == model.AttnOut || place.Site == model.MLPOut || !p.rows[i].read(by) {
			continue
		}
		top := scores[i][at].top
		if len(top) == 0 || int(top[0].id) != answer {
			stable = nil
			continue
		}
		name := p.name(i)
		if first == nil {
			first = &name
		}
		if stable == nil {
			stable = &name
		}
	}
	return first, stable
}
