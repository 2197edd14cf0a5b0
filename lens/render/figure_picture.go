package render

import (
	"io"
	"slices"
	"strings"
)

// FigurePicture draws a figure as a PNG or an SVG, its grids below each other. Of the options the
// format and the fonts count. The same figure leads to the same bytes; bounds are those of Picture.
func FigurePicture(w io.Writer, f *Figure, o PictureOptions) error {
	if err := f.fits(); err != nil {
		return err
	}
	t, err := newTypesetter(o.Fonts)
	if err != nil {
		return err
	}
	p := &figurePicture{pen: pen{typesetter: t}, f: f}
	for _, p.size = range []float64{8, 7, 6, 5, 0} {
		p.measure()
		if err = bounded(p.width, p.height); err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	title := strings.Join(append([]string{f.Title}, f.Notes...), " · ")
	says := f.Means
	if f.Made != "" {
		says += " · made: " + f.Made
	}
	if p.surface, err = newSurface(o.Format, t, p.width, p.height, caption{title, says, true}); err != nil {
		return err
	}
	p.draw()
	if o.Format != PNG || f.Made == "" {
		return p.finish(w)
	}
	return p.finish(&pngText{w: w, key: "made", text: f.Made})
}

// figurePicture is the layout of a figure.
type figurePicture struct {
	pen
	f    *Figure
	hues // of the grid that is drawn

	size          float64 // of the text in cells, 0: none
	names         float64 // the room for the rows' names
	cell          cellSize
	width, height float64
}

// longestLabel bounds the room for a column's token, in ems.
const longestLabel = 6

func (p *figurePicture) measure() {
	p.names = 0
	label, most := 2.0, 0
	for _, m := range p.f.Grids {
		most = max(most, len(m.Columns))
		for i, name := range m.Rows {
			p.names = max(p.names, p.wide(name, textSize))
			for c, x := range m.Values[i] {
				label = max(label, p.wide(p.written(&m, i, c, x), 1))
				label = max(label, p.wide(m.Columns[c].Name, 1))
				if t := m.Columns[c].Token; t != "" {
					label = max(label, min(longestLabel, p.wide(draw(token(t)), 1)))
				}
			}
		}
		p.names = max(p.names, p.wide(m.Are, textSize))
	}
	p.names = snap(p.names + textSize*1.5 + 2*gap)
	p.cell = cellSize{snap(label*p.size + cellPadding), snap(p.size*1.25 + 6*pixel), p.size}
	if p.size == 0 {
		p.cell = cellSize{12 * pixel, 12 * pixel, 0}
	}
	p.width = 2*margin + p.names + float64(most)*p.cell.w
	p.height = margin + titleSize + float64(len(p.lines()))*1.4*textSize + gap
	for i := range p.f.Grids {
		p.height += p.gridHeight(&p.f.Grids[i])
	}
	for _, line := range p.lines() {
		p.width = max(p.width, 2*margin+min(p.wide(line, textSize)+pixel, 2*narrowPage))
	}
	p.width, p.height = snap(max(p.width, narrowPage)), snap(p.height+p.legendHeight()+margin)
}

// lines are those below the title.
func (p *figurePicture) lines() []string {
	lines, scales := slices.Clone(p.f.Notes), p.f.scales()
	for _, h := range scales {
		lines = append(lines, "colour: "+h.means)
	}
	if len(scales) == 0 {
		lines = append(lines, p.f.Means)
	}
	return lines
}

// legendHeight is the room for all scales of colours.
func (p *figurePicture) legendHeight() float64 { return (2 + 2*float64(len(p.f.scales()))) * textSize }

// gridHeight is the room for the grid's name, its rows, and the tokens, where there are some, and numbers below.
func (p *figurePicture) gridHeight(m *Matrix) float64 {
	return snap(3*textSize + float64(len(m.Rows))*p.cell.h + 1.6*textSize + p.tokensHeight(m))
}

func (p *figurePicture) tokensHeight(m *Matrix) float64 {
	if p.size > 0 && m.hasTokens() {
		return 1.6 * textSize
	}
	return 0
}

func (p *figurePicture) draw() {
	y := margin + titleSize
	room := p.width - 2*margin
	p.write(p.short(glyphs(p.f.Title), titleSize, room), margin, y, titleSize, black, left)
	for _, line := range p.lines() {
		y += 1.4 * textSize
		p.write(p.short(glyphs(line), textSize, room), margin, y, textSize, softInk, left)
	}
	y = snap(y + gap)
	for i := range p.f.Grids {
		p.grid(&p.f.Grids[i], y)
		y += p.gridHeight(&p.f.Grids[i])
	}
	for _, h := range p.f.scales() {
		p.legend(h, y+textSize)
		y += 2 * textSize
	}
}

func (p *figurePicture) grid(m *Matrix, y float64) {
	p.hues = p.f.scale(m)
	x := snap(margin + p.names)
	p.write(m.Name, x, y+2*textSize, textSize, black, left)
	y = snap(y + 3*textSize)
	top, every := y, max(1, int(textSize*1.1/p.cell.h+0.999))
	for i, r := range m.order() {
		if i%every == 0 {
			p.centred(m.Rows[r], x-gap/2, y+p.cell.h/2, textSize, softInk, right)
		}
		for c, v := range m.Values[r] {
			p.number(m, v, p.written(m, r, c, v), box{x + float64(c)*p.cell.w, y, p.cell.w, p.cell.h})
		}
		y += p.cell.h
	}
	if m.RowsAre != "" {
		p.text(words{line: p.set(m.RowsAre), at: point{margin + textSize, (top + y) / 2}, size: textSize, ink: softInk, anchor: middle, upwards: true})
	}
	if p.size > 0 && m.hasTokens() {
		for c, column := range m.Columns {
			text := p.short(token(column.Token), p.size, p.cell.w-4*pixel)
			p.centred(text, x+(float64(c)+0.5)*p.cell.w, y+0.8*textSize, p.size, black, middle)
		}
	}
	y += p.tokensHeight(m)
	p.centred(m.Are, x-gap/2, y+0.8*textSize, textSize, softInk, right)
	const small = textSize - 1
	widest := 0.0
	for _, column := range m.Columns {
		widest = max(widest, p.wide(column.Name, small)+small)
	}
	for c, column := range m.Columns {
		if c%tidy(widest/p.cell.w) == 0 {
			p.centred(column.Name, x+(float64(c)+0.5)*p.cell.w, y+0.8*textSize, small, softInk, middle)
		}
	}
}

// written is what stands in a cell.
func (p *figurePicture) written(m *Matrix, row, column int, v float64) string {
	if text := m.text(row, column); text != "" {
		return p.short(token(text), 1, longestLabel) + " " + p.f.number(v)
	}
	return p.f.number(v)
}

// number draws a cell; one without a number is hatched.
func (p *figurePicture) number(m *Matrix, v float64, text string, b box) {
	if !finite(v) {
		hatch(p, b)
		return
	}
	color := rgb{255, 255, 255}
	if m.colored(v) {
		color = p.of(v)
	}
	p.fill(b, color)
	if p.size > 0 {
		p.centred(text, b.x+b.w/2, b.y+b.h/2, p.size, ink(color), middle)
	}
}

// legend draws a scale of colours, and of several what it is of.
func (p *figurePicture) legend(h hues, y float64) {
	x := snap(margin + p.names)
	steps := 120
	wide := 2 * pixel
	for i := range steps {
		p.fill(box{x + float64(i)*wide, y, wide, textSize}, h.of(h.least+(h.most-h.least)*float64(i)/float64(steps-1)))
	}
	end := x + float64(steps)*wide
	p.centred(p.f.number(h.least), x-gap/2, y+textSize/2, textSize, softInk, right)
	most := p.f.number(h.most)
	p.centred(most, end+gap/2, y+textSize/2, textSize, softInk, left)
	if len(p.f.scales()) > 1 {
		from := end + gap + p.wide(most, textSize)
		p.centred(p.short(glyphs(h.means), textSize, p.width-margin-from), from, y+textSize/2, textSize, softInk, left)
	}
}
