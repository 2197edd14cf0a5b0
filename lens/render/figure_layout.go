package render

import (
	"math"
	"slices"
)

// figureSizes are tried in this order for the text in a figure's cells; 0 is none.
var figureSizes = []float64{8, 7, 6, 5, 0}

// lay chooses the text, and how many grids stand beside each other: where a width was asked for, as
// many as have room with legible text, else so many that the picture is not much higher than wide.
func (p *figurePicture) lay() error {
	if p.o.Width > 0 {
		return p.fit()
	}
	var err error
	for _, p.size = range figureSizes {
		for p.abreast = 1; p.abreast < len(p.f.Grids); p.abreast++ {
			if p.measure(); p.width*1.2 >= p.height || p.natural > widestFigure {
				break
			}
		}
		if p.measure(); p.natural > widestFigure && p.abreast > 1 {
			p.abreast--
			p.measure()
		}
		if err = p.o.bounded(p.width, p.height); err == nil {
			return nil
		}
	}
	return err
}

// fit lays out within a width that was asked for: with as many grids beside each other as have room
// with legible numbers, not higher than a page of a paper; else without numbers.
func (p *figurePicture) fit() error {
	for _, high := range []float64{1.3 * p.o.room(), highestFigure / p.o.scale()} {
		for p.abreast = len(p.f.Grids); p.abreast > 0; p.abreast-- {
			for _, p.size = range figureSizes {
				if p.size*p.o.scale() < leastPrinted {
					break
				}
				if p.measure(); p.natural <= p.o.room() && p.height <= high && p.o.bounded(p.width, p.height) == nil {
					return nil
				}
			}
		}
	}
	p.size = 0
	for p.abreast = min(len(p.f.Grids), 3); p.abreast > 1; p.abreast-- {
		if p.measure(); p.cell.w >= turnedSize {
			break
		}
	}
	p.measure()
	return p.o.bounded(p.width, p.height)
}

// Bounds of a figure of a width, in points.
const (
	highestFigure = 9 * 72    // a page of a paper
	leastPrinted  = 5         // text in cells
	turnedSize    = 6         // of tokens that stand upright below narrow cells
	sliver        = 4 * pixel // the least that a cell is wide
)

// turned reports whether a grid's tokens stand upright below its cells.
func (p *figurePicture) turned(m *Matrix) bool {
	return p.size == 0 && p.o.Width > 0 && p.cell.w >= turnedSize && m.hasTokens()
}

// turnedHeight is the room for tokens that stand upright.
func (p *figurePicture) turnedHeight(m *Matrix) float64 {
	longest := 0.0
	if p.turned(m) {
		for _, c := range m.Columns {
			longest = max(longest, min(longestLabel, p.wide(draw(token(c.Token)), 1)))
		}
	}
	return snap(longest * turnedSize)
}

// upright draws a grid's tokens below its cells, to be read from bottom to top.
func (p *figurePicture) upright(m *Matrix, x, y float64) {
	if !p.turned(m) {
		return
	}
	for c, column := range m.Columns {
		at := point{x + (float64(c)+0.5)*p.cell.w + capital/2*turnedSize, y + 2*pixel}
		text := p.short(token(column.Token), turnedSize, longestLabel*turnedSize)
		p.text(words{line: p.set(text), at: at, size: turnedSize, ink: black, anchor: right, upwards: true})
	}
}

// widestFigure is the most that grids beside each other take, in points.
const widestFigure = 900

// measure finds the sizes of a layout.
func (p *figurePicture) measure() {
	p.names = 0
	label, most := 2.0, 0
	for _, m := range p.f.Grids {
		most = max(most, len(m.Columns))
		for i, name := range m.Rows {
			p.names = max(p.names, p.wide(name, textSize))
			for c, x := range m.Values[i] {
				if p.o.Numbers != NumbersHidden {
					label = max(label, p.wide(p.written(&m, i, c, x), 1))
				}
				label = max(label, p.wide(m.Columns[c].Name, 1))
				if t := m.Columns[c].Token; t != "" {
					label = max(label, min(longestLabel, p.wide(draw(token(t)), 1)))
				}
			}
		}
		p.names = max(p.names, p.wide(m.Are, textSize))
	}
	p.names = snap(p.names + textSize*1.5 + gap)
	p.cell = cellSize{snap(label*p.size + cellPadding), snap(p.size*1.25 + 6*pixel), p.size}
	if p.size == 0 {
		p.cell = cellSize{12 * pixel, 12 * pixel, 0}
		if room := p.o.room(); room > 0 { // as wide as there is room for
			grids := float64(p.abreast)
			p.cell.w = max(sliver, math.Floor(((room-2*margin+2*gap)/grids-p.names-2*gap)/float64(max(1, most))/pixel)*pixel)
			p.cell.w = min(p.cell.w, mostCell*textSize)
			p.cell.h = max(3*pixel, min(p.cell.h, 2*p.cell.w))
		}
	}
	p.natural = 2*margin - 2*gap
	for column := range p.abreast {
		p.natural += p.columnWidth(column)
	}
	if p.o.Width > 0 && len(p.f.scales()) > 0 {
		p.natural = max(p.natural, p.legendRoom()+shortLegend)
	}
	p.width = max(p.natural, p.o.room())
	if p.o.Width == 0 {
		for _, line := range p.lines() {
			p.width = max(p.width, 2*margin+min(p.wide(line, textSize)+pixel, 2*narrowPage))
		}
		p.width = max(p.width, narrowPage)
	}
	p.width, p.height = snap(p.width), p.top()
	for from := 0; from < len(p.f.Grids); from += p.abreast {
		p.height += p.bandHeight(from)
	}
	p.height += p.legendHeight() + margin
	if p.o.Style == Paper {
		p.height -= 1.5 * textSize // the room below the legend
	}
	p.height = snap(p.height)
}

// columnWidth is the width of the grids that stand below each other, and a gap.
func (p *figurePicture) columnWidth(column int) float64 {
	w := 0.0
	for i := column; i < len(p.f.Grids); i += p.abreast {
		m := &p.f.Grids[i]
		cells := float64(len(m.Columns)) * p.cell.w
		if p.o.Width == 0 { // else the name is cut where there is no room for it
			cells = max(cells, p.wide(m.Name, textSize))
		}
		w = max(w, p.names+cells)
	}
	return snap(w + 2*gap)
}

// Lengths of a legend's colours, in points.
const (
	usualLegend = 240 * pixel
	shortLegend = 80 * pixel // of a narrow picture
)

// legendRoom is the room for what stands beside a legend's colours.
func (p *figurePicture) legendRoom() float64 {
	most := 0.0
	for _, h := range p.f.scales() {
		most = max(most, p.wide(p.f.number(h.most), textSize))
	}
	return snap(2*margin + p.names + gap/2 + most)
}

// legendLength is how long a legend's colours are.
func (p *figurePicture) legendLength() float64 {
	return min(usualLegend, p.width-p.legendRoom())
}

// bandHeight is the height of the grids that stand beside each other.
func (p *figurePicture) bandHeight(from int) float64 {
	h := 0.0
	for i := from; i < min(from+p.abreast, len(p.f.Grids)); i++ {
		h = max(h, p.gridHeight(&p.f.Grids[i]))
	}
	return h
}

// top is where the grids begin, below the title.
func (p *figurePicture) top() float64 {
	if p.o.Style == Paper && p.o.Title == "" {
		return margin - textSize // less the room above a grid's name
	}
	return margin + titleSize + float64(len(p.lines()))*lineStep + gap
}

// grids draws them in bands.
func (p *figurePicture) grids(y float64) float64 {
	for from := 0; from < len(p.f.Grids); from += p.abreast {
		p.x = margin
		for i := from; i < min(from+p.abreast, len(p.f.Grids)); i++ {
			p.grid(&p.f.Grids[i], y)
			p.x += p.columnWidth(i - from)
		}
		y += p.bandHeight(from)
	}
	p.x = margin
	return y
}

// strided is a figure with every so manieth of the rows that are layers, counted from the last.
func (f *Figure) strided(every int) *Figure {
	if every <= 1 {
		return f
	}
	out := *f
	out.Grids = slices.Clone(f.Grids)
	for i := range out.Grids {
		m := &out.Grids[i]
		if !m.layered() || m.TopDown {
			continue
		}
		rows, values, texts := m.Rows, m.Values, m.Texts
		m.Rows, m.Values, m.Texts = nil, nil, nil
		for r := range rows {
			if (len(rows)-1-r)%every == 0 {
				m.Rows, m.Values = append(m.Rows, rows[r]), append(m.Values, values[r])
				if texts != nil {
					m.Texts = append(m.Texts, texts[r])
				}
			}
		}
	}
	return &out
}

// signed marks a number below zero by a stroke, where no number says so and colours may be printed
// in grey.
func (p *figurePicture) signed(v float64, b box, color rgb) {
	if p.o.Style == Paper && v < -math.Pow10(-p.f.Digits)/2 {
		p.fill(box{b.x + 0.3*b.w, b.y + b.h/2 - pixel/2, 0.4 * b.w, pixel}, ink(color))
	}
}
