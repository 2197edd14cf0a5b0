package render

import (
	"fmt"
	"math"
	"slices"
)

// heatmap is the layout of a sheet in bands.
type heatmap struct {
	*painter
	*sheet
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
	mostCell    = 15 // ems, where a width was asked for
)

// cellSizes are tried in this order until the picture is within bounds.
var cellSizes = []float64{8, 7, 6, 5}

func (p *painter) heatmap() (plan, error) {
	if int(p.o.View) >= len(views) {
		return nil, fmt.Errorf("render: picture: view %d is unknown (have: %v)", p.o.View, ViewNames())
	}
	return p.lay(p.sheet())
}

// lay lays a sheet out.
func (p *painter) lay(s *sheet) (plan, error) {
	h := &heatmap{painter: p, sheet: s}
	h.hatched = s.coloured && h.unnumbered()
	for _, name := range s.rows {
		h.names = max(h.names, p.wide(name, textSize))
	}
	for _, e := range append(append([]edge{{name: s.columnsAre}}, s.above...), s.below...) {
		h.names = max(h.names, p.wide(e.name, textSize))
	}
	h.names = snap(h.names + textSize*1.5 + gap) // and the word "layer", upwards
	if s.coloured {
		h.bar = snap(h.barWidth())
	}
	natural := h.naturalWidth()
	if p.o.Width > 0 {
		h.fit(natural)
		return h, nil
	}
	for _, size := range cellSizes {
		h.cell = cellSize{snap(natural*size + cellPadding), h.cellHeight(size), size}
		if h.arrange() {
			return h, nil
		}
	}
	h.cell = cellSize{12 * pixel, 12 * pixel, 0}
	h.arrange()
	return h, nil
}

// cellHeight is the height of a cell of a line, or of two with its number.
func (h *heatmap) cellHeight(size float64) float64 {
	if h.numbered {
		return snap(size*2.2 + 6*pixel)
	}
	return snap(size*1.25 + 6*pixel)
}

// fit makes the cells as wide as the width that was asked for allows, in the fewest bands in which
// nine of ten tokens are legible.
func (h *heatmap) fit(natural float64) {
	n := len(h.columns)
	room := h.o.room() - 2*margin - h.names - h.bar - float64(len(h.gaps))*gap
	smallest := cellSizes[len(cellSizes)-1]
	least := snap(min(natural, leastCell)*smallest + cellPadding)
	if room < least { // not even one column: the picture is wider than was asked for, which is refused
		h.bands, h.per, h.cell = n, 1, cellSize{least, h.cellHeight(smallest), smallest}
		return
	}
	h.bands = min(n, int(math.Ceil(float64(n)/max(1, math.Floor(room/least)))))
	h.per = (n + h.bands - 1) / h.bands
	h.bands = (n + h.per - 1) / h.per
	w := min(math.Floor(room/float64(h.per)/pixel)*pixel, snap(mostCell*textSize))
	size := smallest
	for _, s := range cellSizes {
		if natural*s+cellPadding/2 <= w {
			size = s
			break
		}
	}
	h.cell = cellSize{w, h.cellHeight(size), size}
}

// naturalWidth is the width in ems that holds nine of ten of the rows' tokens and of the
// prompt's; all, where there are few columns.
func (h *heatmap) naturalWidth() float64 {
	var edges, rows []float64
	for c := range h.columns {
		for _, e := range append(h.above[:len(h.above):len(h.above)], h.below...) {
			edges = append(edges, h.glyphsWidth(e.tokens[c]))
		}
		for r := range h.rows {
			w := h.glyphsWidth(h.says.token(r, c))
			if h.numbered {
				w = max(w, h.wide(h.says.number(h.number(r, c)), numberShare))
			}
			rows = append(rows, w)
		}
	}
	part, most := 0.9, widestCell
	if len(h.columns) <= few {
		part, most = 1, widestOfFew
	}
	if h.widest > 0 {
		most = h.widest
	}
	return min(max(quantile(edges, part), quantile(rows, part), leastCell), most)
}

func (h *heatmap) glyphsWidth(gs []glyph) float64 { return h.wide(draw(gs), 1) }

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
	n := len(h.columns)
	for h.bands = 1; h.bands < n; h.bands++ {
		h.per = (n + h.bands - 1) / h.bands
		if w, height := h.size(); w <= screen || w <= 1.2*height {
			break
		}
	}
	h.per = (n + h.bands - 1) / h.bands
	h.bands = (n + h.per - 1) / h.per // the last may have become empty
	return h.o.bounded(h.size()) == nil
}

// edgeRows is the height of the rows of tokens above or below the cells.
func (h *heatmap) edgeRows(es []edge) float64 {
	if h.cell.text == 0 {
		return 0
	}
	return float64(len(es)) * snap(h.cell.text*1.6)
}

func (h *heatmap) numbersRow() float64 { return snap(textSize * 1.4) }

func (h *heatmap) bandHeight() float64 {
	height := float64(len(h.rows))*h.cell.h + h.edgeRows(h.above) + h.edgeRows(h.below) + h.numbersRow()
	if h.o.Style == Paper && h.bands == 1 {
		return height
	}
	return height + 2*gap
}

func (h *heatmap) size() (float64, float64) {
	width := 2*margin + h.names + float64(h.per)*h.cell.w + float64(len(h.gaps))*gap + h.bar
	height := h.painter.top() + float64(h.bands)*h.bandHeight() + h.footHeight() + margin
	if h.bar > 0 {
		height = max(height, h.barTop()+h.barLength()+margin+textSize/2)
	}
	if room := h.o.room(); room > 0 {
		return snap(max(width, room)), snap(height)
	}
	return snap(max(width, h.headWidth())), snap(height)
}

// headWidth is the room that heading and footnotes need.
func (h *heatmap) headWidth() float64 {
	w := 0.0
	for _, l := range h.lines() {
		w = max(w, min(h.wide(l, textSize), narrowPage))
	}
	for _, l := range h.foot() {
		w = max(w, h.names+h.wide(l, textSize))
	}
	return max(w+20*pixel+2*margin, narrowPage)
}

func (h *heatmap) draw() {
	y := h.painter.top()
	for b := range h.bands {
		h.band(b*h.per, min((b+1)*h.per, len(h.columns)), y)
		y += h.bandHeight()
	}
	if h.bar > 0 {
		h.colourBar()
	}
	h.footnotes(y)
}

func (h *heatmap) left() float64 { return snap(margin + h.names) }

// column is where column c of a band that begins with from stands.
func (h *heatmap) columnX(from, c int) float64 {
	x := h.left() + float64(c-from)*h.cell.w
	for _, before := range h.gaps {
		if before > from && c >= before {
			x += gap
		}
	}
	return x
}

// band draws the columns from … to.
func (h *heatmap) band(from, to int, y float64) {
	x, rows := h.left(), len(h.rows)
	y = h.edges(h.above, from, to, y)
	every := int(math.Ceil(textSize * 1.1 / h.cell.h)) // rows between two names
	for r := rows - 1; r >= 0; r-- {
		if (rows-1-r)%every == 0 {
			h.centred(h.rows[r], x-gap/2, y+h.cell.h/2, textSize, softInk, right)
		}
		for c := from; c < to; c++ {
			h.drawCell(r, c, box{h.columnX(from, c), y, h.cell.w, h.cell.h})
		}
		y += h.cell.h
	}
	middleOfRows := y - float64(rows)*h.cell.h/2
	h.text(words{line: h.set("layer"), at: point{margin + textSize, middleOfRows}, size: textSize, ink: softInk, anchor: middle, upwards: true})
	y = h.edges(h.below, from, to, y)
	h.numbers(from, to, y+h.numbersRow()/2)
}

// edges draws rows of tokens, and returns where they end.
func (h *heatmap) edges(es []edge, from, to int, y float64) float64 {
	if h.cell.text == 0 {
		return y
	}
	for i := range es {
		high := h.edgeRows(es[i : i+1])
		h.centred(es[i].name, h.left()-gap/2, y+high/2, textSize, softInk, right)
		for c := from; c < to; c++ {
			h.centred(h.short(es[i].tokens[c], h.cell.text, h.cell.w-4*pixel), h.columnX(from, c)+h.cell.w/2, y+high/2, h.cell.text, black, middle)
		}
		y += high
	}
	return y
}

// numbers draws the columns' names, as many as there is room for.
func (h *heatmap) numbers(from, to int, y float64) {
	const size = textSize - 1
	h.centred(h.columnsAre, h.left()-gap/2, y, textSize, softInk, right)
	room := 0.0
	for _, name := range h.columns {
		room = max(room, h.wide(name, size)+size)
	}
	every := tidy(room / h.cell.w)
	for c := from; c < to; c++ {
		at := c
		fmt.Sscan(h.columns[c], &at) // a position; else the column's place
		if at%every == 0 || h.cell.w >= room {
			h.centred(h.columns[c], h.columnX(from, c)+h.cell.w/2, y, size, softInk, middle)
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

// numberShare is how large a cell's number is beside its token.
const numberShare = 0.8

// drawCell draws what a cell says on its colour, in a frame where the sheet has one. A cell without
// a number is hatched.
func (h *heatmap) drawCell(r, c int, b box) {
	background := h.background(b, r, c)
	if h.cell.text > 0 {
		text, size, y := h.cellText(r, c, b.w-cellPadding/2), h.cell.text, b.y+b.h/2
		if h.numbered {
			y = b.y + b.h*0.31
			h.centred(h.says.number(h.number(r, c)), b.x+b.w/2, b.y+b.h*0.72, size*numberShare, ink(background), middle)
		}
		h.centred(text, b.x+b.w/2, y, size, ink(background), middle)
	}
	if h.framed(r, c) {
		frame(h, b.inset(pixel), min(3, max(1, math.Round(h.cell.h/pixel/14)))*pixel, ink(background))
	}
}

func (h *heatmap) background(b box, r, c int) rgb {
	if !h.coloured {
		h.fill(b.inset(pixel/2), paper)
		return paper
	}
	x := h.number(r, c)
	if !h.shown(x) {
		hatch(h, b)
		return paper
	}
	fill := ramp(h.scale.at(x))
	h.fill(b, fill)
	return fill
}

// shown reports whether a number has a colour.
func (h *heatmap) shown(x float64) bool { return finite(x) && finite(h.scale.at(x)) }

// cellText is a cell's token; with a dash before it where there is no number for it.
func (h *heatmap) cellText(r, c int, room float64) string {
	var gs []glyph
	says := h.says.token(r, c)
	if h.hatched && !h.shown(h.number(r, c)) || says == nil {
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

// foot are the lines below the cells.
func (h *heatmap) foot() []string {
	if h.o.Style == Paper {
		return nil
	}
	lines := slices.Clone(h.notes)
	if h.explains != nil {
		lines = append(lines, h.explains()...)
	}
	if h.cell.text == 0 {
		lines = append(lines, "too many cells for their tokens")
	}
	if h.hatched {
		lines = append(lines, "hatched, –: no number")
	}
	if room := h.o.room(); room > 0 {
		return h.broken(lines, room-margin-h.left())
	}
	return lines
}

// unnumbered reports whether a cell has no number for the colour to show.
func (h *heatmap) unnumbered() bool {
	for r := range h.rows {
		for c := range h.columns {
			if !h.shown(h.number(r, c)) {
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
