package render

import (
	"fmt"
	"math"
	"slices"

	"github.com/mlxlens/mlxlens/lens"
)

// heatmap is the layout of a grid in bands.
type heatmap struct {
	*painter
	scale scale
	cell  cellSize
	bands int
	per   int     // columns of a band
	names float64 // the room for the row names
	bar   float64 // the room for the colour bar, 0 without one

	hatched bool // a cell has no number
}

// cellSize is how large cells are, and the text in them; 0 for none.
type cellSize struct{ w, h, text float64 }

// Room around a cell's text, in points, and the widest that a cell becomes for it.
const (
	cellPadding = 10 * pixel
	widestCell  = 5.5 // ems of the text
	widestOfFew = 9   // the same, in a grid of few columns
	few         = 16
	leastCell   = 3 // ems
	screen      = 1000
)

// cellSizes are tried in this order until the picture is within bounds.
var cellSizes = []float64{8, 7, 6, 5}

func (p *painter) heatmap() (plan, error) {
	if int(p.o.View) >= len(views) {
		return nil, fmt.Errorf("render: picture: view %d is unknown (have: %v)", p.o.View, ViewNames())
	}
	h := &heatmap{painter: p, scale: p.o.View.scale(p.g)}
	h.hatched = p.o.View != Token && h.unnumbered()
	for _, r := range p.g.Rows {
		h.names = max(h.names, p.wide(label(r), textSize))
	}
	h.names = snap(max(h.names, p.wide("input", textSize)) + textSize*1.5 + 2*gap) // and the word "layer", upwards
	if h.coloured() {
		h.bar = snap(h.barWidth())
	}
	natural := h.naturalWidth()
	for _, size := range cellSizes {
		h.cell = cellSize{snap(natural*size + cellPadding), snap(size*1.25 + 6*pixel), size}
		if h.arrange() {
			return h, nil
		}
	}
	h.cell = cellSize{12 * pixel, 12 * pixel, 0}
	h.arrange()
	return h, nil
}

// coloured reports whether there is a number for the colour to show.
func (h *heatmap) coloured() bool {
	return h.o.View != Token && finite(h.scale.lo) && finite(h.scale.hi)
}

// naturalWidth is the width in ems that holds nine of ten of the rows' tokens and of the
// prompt's; all, where there are few columns.
func (h *heatmap) naturalWidth() float64 {
	var prompt, rows []float64
	for p, at := range h.g.Positions {
		prompt = append(prompt, h.tokenWidth(h.g.Tokens[at]))
		for r := range h.g.Rows {
			if top := h.g.Cells[r][p].Top; len(top) > 0 {
				rows = append(rows, h.tokenWidth(top[0].Token))
			}
		}
	}
	part, most := 0.9, widestCell
	if len(h.g.Positions) <= few {
		part, most = 1, widestOfFew
	}
	return min(max(quantile(prompt, part), quantile(rows, part), leastCell), most)
}

func (h *heatmap) tokenWidth(t lens.Token) float64 { return h.wide(draw(token(t.Bytes)), 1) }

// quantile is the number that part of xs do not exceed; it sorts them.
func quantile(xs []float64, part float64) float64 {
	if len(xs) == 0 {
		return 0
	}
	slices.Sort(xs)
	return xs[int(float64(len(xs)-1)*part)]
}

// arrange cuts the columns into the fewest bands that are not wider than a screen, or
// not much wider than all bands are high; false if the picture is too large.
func (h *heatmap) arrange() bool {
	n := len(h.g.Positions)
	for h.bands = 1; h.bands < n; h.bands++ {
		h.per = (n + h.bands - 1) / h.bands
		if w, height := h.size(); w <= screen || w <= 1.2*height {
			break
		}
	}
	h.per = (n + h.bands - 1) / h.bands
	h.bands = (n + h.per - 1) / h.per // the last may have become empty
	return bounded(h.size()) == nil
}

// edgeRow is the height of the rows of tokens above and below the cells.
func (h *heatmap) edgeRow() float64 {
	if h.cell.text == 0 {
		return 0
	}
	return snap(h.cell.text * 1.6)
}

func (h *heatmap) numbersRow() float64 { return snap(textSize * 1.4) }

func (h *heatmap) bandHeight() float64 {
	return float64(len(h.g.Rows))*h.cell.h + 2*h.edgeRow() + h.numbersRow() + 3*gap
}

func (h *heatmap) size() (float64, float64) {
	width := 2*margin + h.names + float64(h.per)*h.cell.w + h.bar
	height := headHeight + margin + float64(h.bands)*h.bandHeight() + h.footHeight() + margin
	if h.bar > 0 {
		height = max(height, h.barTop()+h.barLength()+2*margin)
	}
	return snap(max(width, narrowPage, h.headWidth())), snap(height)
}

// headWidth is the room that subtitle and footnote need.
func (h *heatmap) headWidth() float64 {
	w := h.wide(h.subtitle(), textSize)
	for _, l := range h.foot() {
		w = max(w, h.wide(l, textSize)+20*pixel)
	}
	return w + 2*margin
}

func (h *heatmap) draw() {
	y := snap(headHeight + margin)
	for b := range h.bands {
		h.band(b*h.per, min((b+1)*h.per, len(h.g.Positions)), y)
		y += h.bandHeight()
	}
	if h.bar > 0 {
		h.colourBar()
	}
	h.footnotes(y)
}

func (h *heatmap) left() float64 { return snap(margin + h.names) }

// band draws the positions from … to.
func (h *heatmap) band(from, to int, y float64) {
	x, rows := h.left(), len(h.g.Rows)
	if h.cell.text > 0 {
		h.centred("next", x-gap/2, y+h.edgeRow()/2, textSize, softInk, right)
		h.tokens(from, to, 1, y)
		y += h.edgeRow()
	}
	every := int(math.Ceil(textSize * 1.1 / h.cell.h)) // rows between two names
	for r := rows - 1; r >= 0; r-- {
		if (rows-1-r)%every == 0 {
			h.centred(label(h.g.Rows[r]), x-gap/2, y+h.cell.h/2, textSize, softInk, right)
		}
		for p := from; p < to; p++ {
			h.drawCell(r, p, box{x + float64(p-from)*h.cell.w, y, h.cell.w, h.cell.h})
		}
		y += h.cell.h
	}
	middleOfRows := y - float64(rows)*h.cell.h/2
	h.text(words{line: h.set("layer"), at: point{margin + textSize, middleOfRows}, size: textSize, ink: softInk, anchor: middle, upwards: true})
	if h.cell.text > 0 {
		h.centred("input", x-gap/2, y+h.edgeRow()/2, textSize, softInk, right)
		h.tokens(from, to, 0, y)
		y += h.edgeRow()
	}
	h.numbers(from, to, y+h.numbersRow()/2)
}

// numbers draws the positions' numbers, as many as there is room for.
func (h *heatmap) numbers(from, to int, y float64) {
	const size = textSize - 1
	h.centred("position", h.left()-gap/2, y, textSize, softInk, right)
	room := h.wide(fmt.Sprint(h.g.Positions[len(h.g.Positions)-1]), size) + size
	every := tidy(room / h.cell.w)
	for p := from; p < to; p++ {
		if at := h.g.Positions[p]; at%every == 0 || h.cell.w >= room {
			h.centred(fmt.Sprint(at), h.left()+(float64(p-from)+0.5)*h.cell.w, y, size, softInk, middle)
		}
	}
}

// tidy is the least of 1, 2, 5, 10, 20, 50 … that is not less than x.
func tidy(x float64) int {
	for ten := 1; ; ten *= 10 {
		for _, step := range []int{1, 2, 5} {
			if float64(step*ten) >= x {
				return step * ten
			}
		}
	}
}

// tokens draws a row of the prompt's tokens, shifted by one for what came next.
func (h *heatmap) tokens(from, to, shift int, y float64) {
	for p := from; p < to; p++ {
		text := "–"
		if at := h.g.Positions[p] + shift; at < len(h.g.Tokens) {
			text = h.short(token(h.g.Tokens[at].Bytes), h.cell.text, h.cell.w-4*pixel)
		}
		h.centred(text, h.left()+(float64(p-from)+0.5)*h.cell.w, y+h.edgeRow()/2, h.cell.text, black, middle)
	}
}

// drawCell draws a row's own top token on the colour of the view, in a frame where it is
// the token that came next. A cell without a number is hatched.
func (h *heatmap) drawCell(r, p int, b box) {
	c := &h.g.Cells[r][p]
	background := h.background(b, c)
	if h.cell.text > 0 {
		h.centred(h.cellText(c, b.w-cellPadding/2), b.x+b.w/2, b.y+b.h/2, h.cell.text, ink(background), middle)
	}
	if h.right(c, p) {
		frame(h, b.inset(pixel), max(1, math.Round(h.cell.h/pixel/14))*pixel, ink(background))
	}
}

func (h *heatmap) background(b box, c *lens.Cell) rgb {
	if h.o.View == Token {
		h.fill(b.inset(pixel/2), paper)
		return paper
	}
	x := h.o.View.number(c)
	if !h.shown(x) {
		hatch(h, b)
		return paper
	}
	fill := ramp(h.scale.at(x))
	h.fill(b, fill)
	return fill
}

// shown reports whether a number of the view has a colour.
func (h *heatmap) shown(x float64) bool { return finite(x) && finite(h.scale.at(x)) }

// cellText is a cell's token; with a dash before it where the view has no number for it.
func (h *heatmap) cellText(c *lens.Cell, room float64) string {
	var gs []glyph
	says := h.o.View.says(c)
	if h.o.View != Token && !h.shown(h.o.View.number(c)) || says == nil {
		gs = append(gs, plain("–"))
	}
	if says != nil {
		if len(gs) > 0 {
			gs = append(gs, plain(" "))
		}
		gs = append(gs, says...)
	}
	return h.short(gs, h.cell.text, room)
}

// right reports whether a cell's token is the one that came next.
func (h *heatmap) right(c *lens.Cell, p int) bool {
	next := h.g.Positions[p] + 1
	return h.o.View != Experts && len(c.Top) > 0 && next < len(h.g.Tokens) && h.g.Tokens[next].ID == c.Top[0].ID
}

// foot are the lines below the cells.
func (h *heatmap) foot() []string {
	var lines []string
	if h.o.View != Experts {
		lines = append(lines, "framed: the token that came next")
	}
	if h.cell.text == 0 {
		lines = append(lines, "too many cells for their tokens")
	}
	if h.hatched {
		lines = append(lines, "hatched, –: no number")
	}
	return lines
}

// unnumbered reports whether a cell has no number for the colour to show.
func (h *heatmap) unnumbered() bool {
	for r := range h.g.Cells {
		for p := range h.g.Cells[r] {
			if !h.shown(h.o.View.number(&h.g.Cells[r][p])) {
				return true
			}
		}
	}
	return false
}

func (h *heatmap) footHeight() float64 { return float64(len(h.foot())) * textSize * 1.5 }

func (h *heatmap) footnotes(y float64) {
	for i, l := range h.foot() {
		h.write(l, h.left(), y+float64(i)*textSize*1.5+textSize, textSize, softInk, left)
	}
}

// The colour bar, in points.
const (
	barThick  = 32 * pixel
	barLength = 420 * pixel // of many rows
	shortBar  = 168 * pixel // of few
	barTick   = 8 * pixel
	tickRoom  = textSize * 1.1 // between two
)

// units name what the colour bar counts.
var units = map[View]string{KL: "nats", Entropy: "nats"}

func (h *heatmap) barTitle() string {
	name := views[h.o.View].name
	if u := units[h.o.View]; u != "" {
		return name + ", " + u
	}
	return name
}

func (h *heatmap) barWidth() float64 {
	w := h.wide(h.barTitle(), textSize)
	for _, t := range h.ticks() {
		w = max(w, barThick+barTick+gap/2+h.wide(t.text, textSize))
	}
	return 2*margin + w
}

func (h *heatmap) barTop() float64 { return snap(headHeight + margin + h.edgeRow()) }

func (h *heatmap) barLength() float64 {
	rows := float64(len(h.g.Rows)) * h.cell.h
	return snap(min(barLength, max(rows, shortBar)))
}

// ticks of the colour bar.
func (h *heatmap) ticks() []tick {
	if h.scale.log {
		return logTicks(h.scale.lo, h.scale.hi)
	}
	return linearTicks(h.scale.lo, h.scale.hi, 6)
}

// colourBar draws the scale at the right, the light end on top: what is close to the
// answer, or sure.
func (h *heatmap) colourBar() {
	length := h.barLength()
	b := box{snap(h.left() + float64(h.per)*h.cell.w + margin), h.barTop(), barThick, length}
	h.write(h.barTitle(), b.x, b.y-textSize, textSize, softInk, left)
	if !(h.scale.hi > h.scale.lo) { // all numbers are the same, and so is the colour
		h.fill(b, ramp(h.scale.at(h.scale.lo)))
		h.tick(b, 0.5, h.o.View.text(h.scale.lo))
		return
	}
	steps := int(math.Round(length / pixel))
	for i := range steps {
		h.fill(box{b.x, b.y + float64(i)*pixel, b.w, pixel}, ramp(1-float64(i)/float64(steps-1)))
	}
	last := math.Inf(-1)
	ticks := h.sortedTicks()
	end := 1 - h.scale.at(ticks[len(ticks)-1].at)
	for i, t := range ticks {
		where := 1 - h.scale.at(t.at)
		atEnd := i == len(ticks)-1
		if (where-last)*length >= tickRoom && (atEnd || (end-where)*length >= tickRoom) {
			h.tick(b, where, t.text)
			last = where
		}
	}
}

// sortedTicks are the ticks from top to bottom.
func (h *heatmap) sortedTicks() []tick {
	ts := h.ticks()
	slices.SortFunc(ts, func(a, b tick) int {
		if h.scale.at(a.at) > h.scale.at(b.at) {
			return -1
		}
		return 1
	})
	return ts
}

func (h *heatmap) tick(b box, where float64, text string) {
	y := snap(b.y + where*(b.h-pixel))
	h.fill(box{b.right(), y, barTick, pixel}, softInk)
	h.centred(text, b.right()+barTick+gap/2, y, textSize, softInk, left)
}
