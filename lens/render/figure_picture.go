package render

import (
	"io"
	"slices"
	"strings"
)

// FigurePicture draws a figure as a PNG, an SVG or a PDF, its grids below and beside each other. Of the
// options the kind, the view and the position do not count. The same figure leads to the same bytes; bounds are those of Picture.
func FigurePicture(w io.Writer, f *Figure, o PictureOptions) error {
	if err := f.fits(); err != nil {
		return err
	}
	o, err := o.checked()
	if err != nil {
		return err
	}
	t, err := newTypesetter(o.Fonts)
	if err != nil {
		return err
	}
	f = f.strided(o.Every)
	p := &figurePicture{pen: pen{typesetter: t}, f: f, o: o}
	if err := p.lay(); err != nil {
		return err
	}
	if o.Title != "" {
		titled := *f
		titled.Title, titled.Notes = o.Title, append([]string{f.Title}, f.Notes...)
		p.f = &titled
	}
	title := strings.Join(append([]string{p.f.Title}, p.f.Notes...), " · ")
	height := p.height
	if p.footed() {
		height += madeHeight
	}
	if err := o.wideEnough(p.width); err != nil {
		return err
	}
	if p.surface, err = newSurface(o, t, p.width, height, caption{title: title, describes: f.Means, model: o.Origin.Model, made: f.Made, crisp: true}); err != nil {
		return err
	}
	p.draw()
	return p.finish(w)
}

// figurePicture is the layout of a figure.
type figurePicture struct {
	pen
	f    *Figure
	o    PictureOptions
	hues // of the grid that is drawn

	abreast int     // grids beside each other
	x       float64 // where the grid that is drawn begins
	natural float64 // the width that the grids take

	size          float64 // of the text in cells, 0: none
	names         float64 // the room for the rows' names
	cell          cellSize
	width, height float64
}

// longestLabel bounds the room for a column's token, in ems.
const longestLabel = 6

// lines are those below the title.
func (p *figurePicture) lines() []string {
	if p.o.Style == Paper {
		return nil
	}
	lines, scales := slices.Clone(p.f.Notes), p.f.scales()
	if e := edited(p.o.Origin.Edits); e != "" {
		lines = append(lines, e)
	}
	for _, h := range scales {
		lines = append(lines, "colour: "+h.means)
	}
	if len(scales) == 0 {
		lines = append(lines, p.f.Means)
	}
	return lines
}

// footed reports whether there is a line that says how the picture was made.
func (p *figurePicture) footed() bool { return p.o.Style != Paper && p.o.Origin.made() != "" }

// legendHeight is the room for all scales of colours.
func (p *figurePicture) legendHeight() float64 {
	return 2*textSize + legendStep*float64(len(p.f.scales()))
}

// legendStep is from one scale of colours to the next: the bar, and below it the numbers of its marks, which no colour is behind.
const legendStep = 2.75 * textSize

// gridHeight is the room for the grid's name, its rows, and the tokens, where there are some, and numbers below.
func (p *figurePicture) gridHeight(m *Matrix) float64 {
	return snap(3*textSize + float64(len(m.Rows))*p.cell.h + 1.6*textSize + p.tokensHeight(m) + p.turnedHeight(m))
}

func (p *figurePicture) tokensHeight(m *Matrix) float64 {
	if p.size > 0 && m.hasTokens() {
		return 1.6 * textSize
	}
	return 0
}

func (p *figurePicture) draw() {
	room := p.width - 2*margin
	if p.o.Style != Paper || p.o.Title != "" {
		y := margin + titleSize
		p.write(p.short(laid(p.f.Title), titleSize, room), margin, y, titleSize, black, left)
		for _, line := range p.lines() {
			y += lineStep
			p.write(p.short(laid(line), textSize, room), margin, y, textSize, softInk, left)
		}
	}
	y := p.grids(snap(p.top())) + textSize
	for _, h := range p.f.scales() {
		p.legend(h, y)
		y += legendStep
	}
	if p.footed() {
		p.write(p.short(glyphs(p.o.Origin.made()), smallSize, room), margin, p.height, smallSize, softInk, left)
	}
}

func (p *figurePicture) grid(m *Matrix, y float64) {
	p.hues = p.f.scale(m)
	x := snap(p.x + p.names)
	p.write(p.short(laid(m.Name), textSize, p.width-margin-x), x, y+2*textSize, textSize, black, left)
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
		p.text(words{line: p.set(m.RowsAre), at: point{p.x + textSize, (top + y) / 2}, size: textSize, ink: softInk, anchor: middle, upwards: true})
	}
	if p.size > 0 && m.hasTokens() {
		for c, column := range m.Columns {
			text := p.short(token(column.Token), p.size, p.cell.w-4*pixel)
			p.centred(text, x+(float64(c)+0.5)*p.cell.w, y+0.8*textSize, p.size, black, middle)
		}
	}
	p.upright(m, x, y)
	y += p.tokensHeight(m) + p.turnedHeight(m)
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
	if p.size == 0 || p.o.Numbers == NumbersHidden {
		p.signed(v, b, color)
	} else {
		p.centred(text, b.x+b.w/2, b.y+b.h/2, p.size, ink(color), middle)
	}
}

// legend draws a scale of colours, and of several what it is of.
func (p *figurePicture) legend(h hues, y float64) {
	x := snap(margin + p.names)
	wide := 2 * pixel
	steps := int(p.legendLength() / wide)
	for i := range steps {
		p.fill(box{x + float64(i)*wide, y, float64(steps-i) * wide, textSize}, h.of(h.least+(h.most-h.least)*float64(i)/float64(steps-1)))
	}
	long := float64(steps) * wide
	end := x + long
	marks := p.f.marks(h) // below the colours: all where there is room, else that of the middle
	crowded := slices.ContainsFunc(marks, func(m mark) bool { return p.wide(m.text, textSize) > long/4-2*pixel })
	for _, m := range marks {
		if !crowded || m.at == 0.5 {
			p.fill(box{snap(x + m.at*long), y + textSize, pixel, textSize / 4}, softInk)
			p.centred(m.text, x+m.at*long, y+1.75*textSize, textSize, softInk, middle)
		}
	}
	p.centred(p.f.number(h.least), x-gap/2, y+textSize/2, textSize, softInk, right)
	most := p.f.number(h.most)
	p.centred(most, end+gap/2, y+textSize/2, textSize, softInk, left)
	if len(p.f.scales()) > 1 {
		from := end + gap + p.wide(most, textSize)
		p.centred(p.short(laid(h.means), textSize, p.width-margin-from), from, y+textSize/2, textSize, softInk, left)
	}
}
