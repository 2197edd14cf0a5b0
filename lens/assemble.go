package lens

import (
	"math"

	"github.com/mlxlens/mlxlens/model"
)

// grid labels the scores.
func (p *reading) grid(m model.Model, ids []int, scores [][]score, o *Options) *Grid {
	shape := m.Shape()
	label := func(id int) Token {
		t := Token{ID: id}
		if o.Label != nil {
			t.Bytes = o.Label(id)
		}
		return t
	}
	g := &Grid{
		Schema: TraceSchema, Lens: "logit", Positions: p.positions, Edits: []string{},
		Model: ModelInfo{Layers: shape.Layers, DModel: shape.DModel, DVocab: shape.DVocab},
	}
	for _, id := range ids {
		g.Tokens = append(g.Tokens, label(id))
	}
	for _, c := range o.Contrasts {
		g.Contrasts = append(g.Contrasts, Contrast{label(c[0]), label(c[1])})
	}
	shown := len(p.places)
	if p.hidden {
		shown--
	}
	for i, at := range p.places[:shown] {
		g.Rows = append(g.Rows, at.String())
		row := make([]Cell, len(p.positions))
		for j := range row {
			row[j] = scores[i][j].cell(label, o)
		}
		g.Cells = append(g.Cells, row)
	}
	g.Final = final(p.places[:shown], scores, len(ids), p.positions, label)
	return g
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

// final finds where the answer at the last position read becomes the top token.
func final(places []model.Place, scores [][]score, tokens int, positions []int, label func(int) Token) Final {
	at := len(positions) - 1
	f := Final{Position: positions[at] - tokens}
	reference := scores[len(scores)-1][at].top
	if len(reference) == 0 {
		return f
	}
	answer := reference[0].id
	f.Token = label(int(answer))
	for i := range places {
		top := scores[i][at].top
		if len(top) == 0 || top[0].id != answer {
			f.StableFrom = nil
			continue
		}
		name := places[i].String()
		if f.FirstTop1 == nil {
			f.FirstTop1 = &name
		}
		if f.StableFrom == nil {
			f.StableFrom = &name
		}
	}
	return f
}
