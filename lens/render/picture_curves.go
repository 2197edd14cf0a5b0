package render

import (
	"fmt"
	"math"

	"github.com/mlxlens/mlxlens/lens"
)

// curve is one token's numbers by row; NaN leaves a gap.
type curve struct {
	name   string
	values []float64
}

// panel is one chart: curves over the rows.
type panel struct {
	title  string
	curves []curve
	rank   bool // a log axis with 1 on top
	share  bool // an axis from 0 to 1
	zero   bool // a line at 0
}

// charts is the layout of panels below each other.
type charts struct {
	*painter
	panels []panel
	labels float64 // the room for the numbers at the left
	legend float64 // the room for the names at the right
	width  float64 // of a panel
	height float64
}

// Sizes of a panel, in points.
const (
	panelHeight = 400 * pixel
	panelWidth  = 1120 * pixel
	perRow      = 24 * pixel // at least, so that curves of many rows stay apart
	narrowPanel = 200 * pixel
	lowPanel    = 240 * pixel
	panelGap    = 88 * pixel // with the panel's title
	lineWidth   = 4 * pixel
	mostCurves  = 16
)

func (p *painter) charts() (plan, error) {
	if err := p.backward(); err != nil {
		return nil, err
	}
	c := &charts{painter: p, height: panelHeight, width: snap(max(panelWidth, min(float64(len(p.g.Rows))*perRow, 3*panelWidth)))}
	if p.o.Kind == Curves {
		c.panels = p.tokenPanels()
	} else {
		if len(p.g.Cells[0][p.column()].Targets) == 0 {
			return nil, fmt.Errorf("render: picture: curves of targets, but the grid has none: name some in lens.Options.Targets")
		}
		c.panels = p.targetPanels()
	}
	for i := range c.panels {
		for _, t := range c.panels[i].ticks() {
			c.labels = max(c.labels, p.wide(t.text, textSize))
		}
		for _, k := range c.panels[i].curves {
			c.legend = max(c.legend, p.wide(k.name, textSize))
		}
	}
	c.labels, c.legend = snap(c.labels+gap), snap(c.legend+sample+2*gap)
	if room := p.o.room(); room > 0 {
		c.width = snap(max(room-2*margin-c.labels-c.legend, narrowPanel))
		c.height = snap(min(panelHeight, max(0.62*c.width, lowPanel)))
	}
	return c, nil
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
	probs, ranks = probs[:min(len(probs), mostCurves)], ranks[:min(len(ranks), mostCurves)]
	return []panel{{title: "probability", curves: probs, share: true}, {title: "rank", curves: ranks, rank: true}}
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
	out := []panel{{title: "probability", share: true}, {title: "logit"}, {title: "rank", rank: true}}
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
	contrasts := panel{title: "logit difference", zero: true}
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

func (c *charts) size() (float64, float64) {
	width := 2*margin + c.labels + c.width + c.legend
	height := c.top() + margin + float64(len(c.panels))*c.panelStep() - panelGap + 2*textSize + 3.4*textSize
	if c.o.Width > 0 {
		return snap(max(width, c.o.room())), snap(height)
	}
	head := c.wide(c.subtitle(), textSize) + 2*margin
	return snap(max(width, narrowPage, head)), snap(height)
}

// panelStep is the height of a panel, or of its legend, and the room to the next.
func (c *charts) panelStep() float64 {
	most := 0
	for i := range c.panels {
		most = max(most, len(c.panels[i].curves))
	}
	return max(c.height, float64(most)*legendLine) + panelGap
}

// Legend, in points.
const (
	legendLine = textSize * 1.5
	sample     = 56 * pixel // the line before a name
)

func (c *charts) draw() {
	y := c.top()
	for i := range c.panels {
		b := box{snap(margin + c.labels), snap(y + 2*textSize), c.width, c.height}
		c.panel(&c.panels[i], b)
		if i == len(c.panels)-1 {
			c.rows(b, b.bottom()+gap/2+textSize)
		}
		y += c.panelStep()
	}
}

// panel draws one chart into a box.
func (c *charts) panel(p *panel, b box) {
	c.write(p.title, b.x, b.y-gap, textSize+1, black, left)
	for _, t := range p.ticks() {
		y := snap(b.y + p.height(t.at)*b.h)
		c.fill(box{b.x, y, b.w, pixel}, rgb{225, 225, 225})
		c.centred(t.text, b.x-gap/2, y, textSize, softInk, right)
	}
	if p.zero {
		c.fill(box{b.x, snap(b.y + p.height(0)*b.h), b.w, 2 * pixel}, softInk)
	}
	frame(c, b, pixel, faintInk)
	for i := len(p.curves) - 1; i >= 0; i-- { // the first, which matters most, on top
		c.curve(p, p.curves[i], b, c.look(i))
	}
	for i, k := range p.curves {
		y := snap(b.y + (float64(i)+0.5)*legendLine)
		x := b.right() + gap
		c.stroke([]point{{x, y}, {x + sample, y}}, c.look(i))
		c.centred(k.name, x+sample+gap/2, y, textSize, black, left)
	}
}

// curve draws the parts between gaps, and a dot at each number.
func (c *charts) curve(p *panel, k curve, b box, s stroke) {
	var part []point
	flush := func() {
		if len(part) > 1 {
			c.stroke(part, s)
		}
		part = nil
	}
	const dot = 9 * pixel
	for r, x := range k.values {
		if r >= len(c.g.Rows) || !p.drawable(x) {
			flush()
			continue
		}
		at := point{c.rowX(b, r), b.y + p.height(x)*b.h}
		c.fill(box{snap(at.x - dot/2), snap(at.y - dot/2), dot, dot}, s.color)
		part = append(part, at)
	}
	flush()
}

// rowX is the middle of row r's share of the x axis.
func (c *charts) rowX(b box, r int) float64 {
	return b.x + (float64(r)+0.5)*b.w/float64(len(c.g.Rows))
}

// rows writes the rows' names below the last panel, as many as there is room for.
func (c *charts) rows(b box, y float64) {
	room := 0.0
	for _, r := range c.g.Rows {
		room = max(room, c.wide(label(r), textSize)+textSize)
	}
	every := tidy(room / (b.w / float64(len(c.g.Rows))))
	for r := range c.g.Rows {
		if r%every == 0 {
			c.fill(box{snap(c.rowX(b, r)), b.bottom(), pixel, barTick / 2}, softInk)
			c.write(label(c.g.Rows[r]), c.rowX(b, r), y+gap/2, textSize, softInk, middle)
		}
	}
	c.write("layer", b.x+b.w/2, y+gap/2+textSize*1.6, textSize, softInk, middle)
}

// palette is that of Okabe and Ito (2008), which readers who confuse colours tell
// apart, without its yellow, which white swallows.
var palette = []rgb{{0, 114, 178}, {213, 94, 0}, {0, 158, 115}, {204, 121, 167}, {230, 159, 0}, {86, 180, 233}, {0, 0, 0}, {140, 140, 140}}

// look is how curve i is drawn: the palette once through, then again in dashes.
func look(i int) stroke {
	s := stroke{color: palette[i%len(palette)], width: lineWidth}
	if i/len(palette)%2 == 1 {
		s.dashes = []float64{6, 3}
	}
	return s
}

// dashed are the dashes of a paper's curves, which may be printed in grey.
var dashed = [][]float64{nil, {6, 2}, {2, 2}, {6, 2, 2, 2}, {10, 3}, {1, 3}, {10, 2, 2, 2, 2, 2}, {4, 4}}

func (c *charts) look(i int) stroke {
	s := look(i)
	if c.o.Style == Paper {
		s.dashes = dashed[i%len(dashed)]
	}
	return s
}

// powersOfTen are the ticks from 1 to hi, itself a power of ten.
func powersOfTen(hi float64) []tick {
	var out []tick
	for x := 1.0; x <= hi*1.5; x *= 10 {
		out = append(out, tick{x, count(x)})
	}
	return out
}
