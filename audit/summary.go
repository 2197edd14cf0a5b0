package audit

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/model"
)

// Result returns what the sequences so far say.
func (a *Audit) Result() *Result {
	r := &Result{
		Schema: Schema, Reference: sideOf(a.reference), Candidate: sideOf(a.candidate),
		Corpus: Corpus{Sequences: a.Done, Skipped: a.Skipped, Skip: a.o.Skip, Tokens: int(a.Final.N)},
		Final:  a.Final.result(), eachKL: a.Final.EachKL, eachDelta: a.Final.EachDelta,
	}
	for i, at := range a.places {
		r.Layers = append(r.Layers, a.row(at.String(), &a.Rows[i]))
		r.means = append(r.means, nil)
	}
	for p, n := range a.Counts {
		if n == 0 {
			continue
		}
		for i := range a.Rows {
			r.means[i] = append(r.means[i], a.Rows[i].at(p, n))
		}
		last := r.means[len(r.means)-1]
		r.Positions = append(r.Positions, At{p, int(n), last[len(last)-1]})
	}
	r.Parts = a.parting(r.Layers)
	if a.groups != nil || a.parts != nil {
		r.Blame = a.ranked()
	}
	return r
}

func sideOf(m model.Model) Side {
	s := m.Shape()
	return Side{ModelInfo: lens.ModelInfo{Layers: s.Layers, DModel: s.DModel, DVocab: s.DVocab}}
}

// row sums a row over all positions.
func (a *Audit) row(name string, s *rowSums) Row {
	n := a.Final.N
	kl := moments{n, sum(s.KL), sum(s.KLSquare)}
	return Row{
		Row: name, KL: kl.mean(), SameTop: share(sum(s.Agree), n), Apart: Number(sum(s.Apart) / n),
		PPLReference: Number(math.Exp(-sum(s.LnP) / n)), PPLCandidate: Number(math.Exp(-sum(s.LnQ) / n)),
	}
}

func sum(x []float64) float64 {
	total := 0.0
	for _, v := range x {
		total += v
	}
	return total
}

// at are the means at a position that n sequences have.
func (s *rowSums) at(p int, n float64) rowMeans {
	return rowMeans{
		KL: Number(s.KL[p] / n), SameTop: Number(s.Agree[p] / n), Apart: Number(s.Apart[p] / n),
		PPLReference: Number(math.Exp(-s.LnP[p] / n)), PPLCandidate: Number(math.Exp(-s.LnQ[p] / n)),
	}
}

// parting says where the lenses part.
func (a *Audit) parting(rows []Row) Parts {
	p := Parts{Threshold: a.o.Threshold, Tokens: make([]int, len(rows))}
	for i, n := range a.Parted {
		p.Tokens[i] = int(n)
	}
	for i := len(rows) - 1; i >= 0 && float64(rows[i].KL.Mean) > a.o.Threshold; i-- {
		p.Row = &rows[i].Row
	}
	return p
}

// ranked ranks the groups.
func (a *Audit) ranked() *Blamed {
	b := &Blamed{Sequences: a.Blamed, Directions: a.o.Blame.Directions, OnlyReference: orEmpty(a.lone[0]), OnlyCandidate: orEmpty(a.lone[1]), Same: []string{}}
	for _, p := range a.parts {
		if p.same {
			b.Same = append(b.Same, p.role)
		}
	}
	if a.Groups == nil {
		b.Left = Number(math.NaN())
		return b
	}
	left := a.Groups[len(a.Groups)-1]
	b.Tokens, b.Left = int(left.N), left.mean().Mean
	for _, by := range a.o.Blame.By {
		b.Rankings = append(b.Rankings, a.ranking(by))
	}
	return b
}

func orEmpty(list []string) []string { return append([]string{}, list...) }

func (a *Audit) ranking(by Grouping) Ranking {
	r := Ranking{By: by, Modules: []Ranked{}, Stability: map[Direction]Number{}}
	for i, g := range a.groups {
		if g.by == by {
			r.Modules = append(r.Modules, a.rankedGroup(i, g))
		}
	}
	for _, d := range a.o.Blame.Directions {
		var both [halves][]float64
		for _, m := range r.Modules {
			for h := range halves {
				both[h] = append(both[h], float64(m.Effects[d].Halves[h]))
			}
		}
		r.Stability[d] = Number(math.NaN())
		if a.Blamed >= halves {
			r.Stability[d] = experiment.Spearman(both[0], both[1])
		}
	}
	first := a.o.Blame.Directions[0]
	slices.SortStableFunc(r.Modules, func(x, y Ranked) int { return cmp.Compare(y.Effects[first].Mean, x.Effects[first].Mean) })
	return r
}

func (a *Audit) rankedGroup(number int, g *group) Ranked {
	m := Ranked{Name: g.name, Modules: len(g.parts), place: number, Effects: map[Direction]Effect{}}
	var forms [2][]string
	var apart, whole float64
	for _, p := range g.parts {
		m.Parameters += p.pair[0].Parameters()
		apart, whole = apart+p.apart, whole+p.whole
		for i := range forms {
			if form := p.pair[i].Form; !slices.Contains(forms[i], form) {
				forms[i] = append(forms[i], form)
			}
		}
	}
	m.Reference, m.Candidate = strings.Join(forms[0], ", "), strings.Join(forms[1], ", ")
	m.Difference = Number(math.Sqrt(apart / whole))
	for d, direction := range a.o.Blame.Directions {
		var all moments
		e := Effect{}
		for h := range halves {
			half := a.Groups[a.slot(number, d, h)]
			all.join(half)
			e.Halves[h] = half.mean().Mean
		}
		e.Estimate = all.mean()
		m.Effects[direction] = e
	}
	return m
}
