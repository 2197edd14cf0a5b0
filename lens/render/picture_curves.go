package render

import (
	"math"

	"github.com/mlxlens/mlxlens/lens"
)

// curve is one token's numbers by row, which are as many lines as the grid has lenses; NaN leaves a gap.
type curve struct {
	name   string
	values []float64
}

// panel is one chart: curves over the rows.
type panel struct {
	title  string
	curves []curve
	of     string // what a curve is of
	more   int    // curves for which there is no look
	rank   bool   // a log axis with 1 on top
	share  bool   // an axis from 0 to 1
	zero   bool   // a line at 0
}

// shownName is a token that would come after the position of the curves, for a legend.
func (p *painter) shownName(t lens.Token) string {
	const room = 15 * textSize
	of := pieces{tokens: p.g.Tokens, at: p.g.Positions}
	return p.short(of.candidate(p.column(), t.Bytes), textSize, room)
}

// tokenPanels are probability and rank of the tracked tokens, or of the final row's
// candidates.
func (p *painter) tokenPanels() []panel {
	at := p.column()
	var probs, ranks []curve
	if at < len(p.g.Tracked) {
		for _, t := range p.g.Tracked[at] {
			probs = append(probs, curve{p.shownName(t.Token), t.Prob})
			ranks = append(ranks, curve{p.shownName(t.Token), whole(t.Rank)})
		}
	} else {
		for _, t := range p.g.Cells[len(p.g.Rows)-1][at].Top {
			prob, rank := p.follow(t.ID, at)
			probs = append(probs, curve{p.shownName(t.Token), prob})
			ranks = append(ranks, curve{p.shownName(t.Token), rank})
		}
	}
	return []panel{{title: "probability", of: "token", curves: probs, share: true}, {title: "rank", of: "token", curves: ranks, rank: true}}
}

func whole(xs []int) []float64 {
	out := make([]float64, len(xs))
	for i, x := range xs {
		out[i] = float64(x)
	}
	return out
}

// follow returns a token's probability and rank in each row, as far as the row says:
// it does for its own candidates, the targets and the final answer.
func (p *painter) follow(id, at int) (prob, rank []float64) {
	for r := range p.g.Rows {
		c := &p.g.Cells[r][at]
		x, n := math.NaN(), math.NaN()
		for _, t := range append([]lens.Target{c.Answer}, c.Targets...) {
			if t.ID == id && t.Rank > 0 {
				x, n = t.Prob, float64(t.Rank)
			}
		}
		for i, t := range c.Top {
			if t.ID == id {
				x, n = t.Prob, float64(i+1)
			}
		}
		prob, rank = append(prob, x), append(rank, n)
	}
	return prob, rank
}

// targetPanels are probability, logit and rank of each target, and the contrasts.
func (p *painter) targetPanels() []panel {
	at := p.column()
	out := []panel{{title: "probability", of: "token", share: true}, {title: "logit", of: "token"}, {title: "rank", of: "token", rank: true}}
	for i, t := range p.g.Cells[0][at].Targets {
		name := p.shownName(t.Token)
		for k, number := range []func(lens.Target) float64{
			func(t lens.Target) float64 { return t.Prob },
			func(t lens.Target) float64 { return t.Logit },
			func(t lens.Target) float64 { return float64(t.Rank) },
		} {
			out[k].curves = append(out[k].curves, curve{name, p.byRow(func(c *lens.Cell) float64 { return number(c.Targets[i]) })})
		}
	}
	if len(p.g.Contrasts) == 0 {
		return out
	}
	contrasts := panel{title: "logit difference", of: "pair", zero: true}
	for i, c := range p.g.Contrasts {
		name := p.shownName(c.Target) + " − " + p.shownName(c.Versus)
		contrasts.curves = append(contrasts.curves, curve{name, p.byRow(func(c *lens.Cell) float64 { return c.Contrasts[i] })})
	}
	return append(out, contrasts)
}

func (p *painter) byRow(number func(*lens.Cell) float64) []float64 {
	var out []float64
	for r := range p.g.Rows {
		out = append(out, number(&p.g.Cells[r][p.column()]))
	}
	return out
}

// drawable reports whether a panel has a place for x.
func (p *panel) drawable(x float64) bool { return finite(x) && (!p.rank || x >= 1) }

// bounds are the ends of the y axis.
func (p *panel) bounds() (lo, hi float64) {
	if p.share {
		return 0, 1
	}
	lo, hi = math.Inf(1), math.Inf(-1)
	if p.zero {
		lo, hi = 0, 0
	}
	for _, c := range p.curves {
		for _, x := range c.values {
			if p.drawable(x) {
				lo, hi = min(lo, x), max(hi, x)
			}
		}
	}
	if lo > hi {
		lo, hi = 1, 1
	}
	if p.rank {
		return 1, max(10, math.Pow(10, math.Ceil(math.Log10(hi)-1e-9)))
	}
	room := max((hi-lo)*0.05, 0.5)
	return lo - room, hi + room
}

func (p *panel) ticks() []tick {
	lo, hi := p.bounds()
	if p.rank {
		return powersOfTen(hi)
	}
	return linearTicks(lo, hi, 5)
}

// height is where x stands: 0 at the top, 1 at the bottom.
func (p *panel) height(x float64) float64 {
	lo, hi := p.bounds()
	if p.rank {
		return math.Log(x) / math.Log(hi)
	}
	return (hi - x) / (hi - lo)
}
