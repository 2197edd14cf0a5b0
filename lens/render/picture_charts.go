package render

import (
	"fmt"

	"github.com/dustin/go-humanize/english"
)

// charts is the layout of panels below each other.
type charts struct {
	*painter
	panels []panel
	stops  []string // the layers, from left to right
	lines  []way    // of a curve, one for each lens
	few    int      // lenses for which there is no look
	labels float64  // the room for the numbers at the left
	legend float64  // the room for the names at the right
	width  float64  // of a panel
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
	mostCurves  = 16 // of one lens, by colour and dashes; of several by colour alone
)

func (p *painter) charts() (plan, error) {
	if err := p.backward(); err != nil {
		return nil, err
	}
	stops, lines := throughLayers(p.g)
	c := &charts{painter: p, height: panelHeight, width: snap(max(panelWidth, min(float64(len(stops))*perRow, 3*panelWidth))), stops: stops, lines: lines[:min(len(lines), len(dashed))]}
	c.few = len(lines) - len(c.lines)
	if p.o.Kind == Curves {
		c.panels = p.tokenPanels()
	} else {
		if len(p.g.Cells[0][p.column()].Targets) == 0 {
			return nil, fmt.Errorf("render: picture: curves of targets, but the grid has none: name some in lens.Options.Targets")
		}
		c.panels = p.targetPanels()
	}
	for i := range c.panels {
		c.panels[i].bound(c.most())
		for _, t := range c.panels[i].ticks() {
			c.labels = max(c.labels, p.wide(t.text, textSize))
		}
		for _, e := range c.legendOf(&c.panels[i]) {
			c.legend = max(c.legend, p.wide(e.text, textSize))
		}
	}
	c.labels, c.legend = snap(c.labels+gap), snap(c.legend+sample+2*gap)
	if room := p.o.room(); room > 0 {
		c.width = snap(max(room-2*margin-c.labels-c.legend, narrowPanel))
		c.height = snap(min(panelHeight, max(0.62*c.width, lowPanel)))
	}
	return c, nil
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
		most = max(most, len(c.legendOf(&c.panels[i])))
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
			c.layers(b, b.bottom()+gap/2+textSize)
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
		for k := len(c.lines) - 1; k >= 0; k-- {
			c.curve(p, p.curves[i], c.lines[k], b, c.look(i, k))
		}
	}
	for i, e := range c.legendOf(p) {
		y := snap(b.y + (float64(i)+0.5)*legendLine)
		x := b.right() + gap
		if e.look.width > 0 {
			c.stroke([]point{{x, y}, {x + sample, y}}, e.look)
			x += sample + gap/2
		}
		c.centred(e.text, x, y, textSize, black, left)
	}
}

// entry is a line of a legend, with a sample where its look has a width.
type entry struct {
	text string
	look stroke
}

// legendOf names a panel's curves, and of several lenses their lines; and says what is left out.
func (c *charts) legendOf(p *panel) []entry {
	var all []entry
	for i, k := range p.curves {
		all = append(all, entry{k.name, c.look(i, 0)})
	}
	if p.more > 0 {
		all = append(all, entry{text: english.Plural(p.more, "more "+p.of+" is", "more "+p.of+"s are") + " left out"})
	}
	if len(c.lines) < 2 {
		return all
	}
	for k, l := range c.lines {
		s := c.look(0, k)
		s.color = softInk
		all = append(all, entry{l.lens, s})
	}
	if c.few > 0 {
		all = append(all, entry{text: english.Plural(c.few, "more lens is", "more lenses are") + " left out"})
	}
	return all
}

// curve draws a line's parts between gaps, and a dot at each number.
func (c *charts) curve(p *panel, k curve, of way, b box, s stroke) {
	var part []point
	flush := func() {
		if len(part) > 1 {
			c.stroke(part, s)
		}
		part = nil
	}
	dot := 9 * pixel
	if len(c.lines) > 1 && s.dashes != nil { // which larger ones would close
		dot = 6 * pixel
	}
	for i, r := range of.rows {
		if r >= len(k.values) || !p.drawable(k.values[r]) {
			flush()
			continue
		}
		at := point{c.stopX(b, of.at[i]), b.y + p.height(k.values[r])*b.h}
		c.fill(box{snap(at.x - dot/2), snap(at.y - dot/2), dot, dot}, s.color)
		part = append(part, at)
	}
	flush()
}

// stopX is the middle of a stop's share of the x axis.
func (c *charts) stopX(b box, i int) float64 {
	return b.x + (float64(i)+0.5)*b.w/float64(len(c.stops))
}

// layers writes the stops' names below the last panel, as many as there is room for.
func (c *charts) layers(b box, y float64) {
	room := 0.0
	for _, name := range c.stops {
		room = max(room, c.wide(name, textSize)+textSize)
	}
	every := tidy(room / (b.w / float64(len(c.stops))))
	for i := 0; i < len(c.stops); i += every {
		c.fill(box{snap(c.stopX(b, i)), b.bottom(), pixel, barTick / 2}, softInk)
		c.write(c.stops[i], c.stopX(b, i), y+gap/2, textSize, softInk, middle)
	}
	c.write("layer", b.x+b.w/2, y+gap/2+textSize*1.6, textSize, softInk, middle)
}

// palette is that of Okabe and Ito (2008), which readers who confuse colours tell
// apart, without its yellow, which white swallows.
var palette = []rgb{{0, 114, 178}, {213, 94, 0}, {0, 158, 115}, {204, 121, 167}, {230, 159, 0}, {86, 180, 233}, {0, 0, 0}, {140, 140, 140}}

// dashed are the dashes that tell lenses apart, as on a page (pins.js), and a paper's curves, which may be printed in grey.
var dashed = [][]float64{nil, {6, 2}, {2, 2}, {6, 2, 2, 2}, {10, 3}, {1, 3}, {10, 2, 2, 2, 2, 2}, {4, 4}}

// most is how many curves are told apart.
func (c *charts) most() int {
	if len(c.lines) > 1 {
		return len(palette)
	}
	return mostCurves
}

// bound leaves out the curves behind the first so many.
func (p *panel) bound(most int) {
	p.more = max(0, len(p.curves)-most)
	p.curves = p.curves[:len(p.curves)-p.more]
}

// look is how curve i of line k is drawn: of several lenses each curve in a colour and each lens in dashes; of one
// the palette once through, then again in dashes. On paper each curve has dashes, and of 16 no two have both alike.
func (c *charts) look(i, k int) stroke {
	n, round := len(palette), i/len(palette)
	s := stroke{color: palette[i%n], width: lineWidth}
	switch {
	case len(c.lines) > 1:
		s.dashes = dashed[k]
	case c.o.Style == Paper:
		s.dashes = dashed[(i+round)%len(dashed)]
	case round > 0:
		s.dashes = dashed[1]
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
