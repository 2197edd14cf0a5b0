package render

import (
	"fmt"
	"io"
	"math"

	"github.com/mlxlens/mlxlens/lens"
)

// ComparePicture draws a comparison: of kind Heatmap, a cell has the best token of the first side,
// and where the sides do not agree that of the second, on the colour of the Jensen–Shannon
// divergence, or with kl of KL(a ‖ b); of kind Candidates, those of both sides at one position,
// side by side, on the colour of their probability. Light is where the sides agree.
func ComparePicture(w io.Writer, c *lens.Comparison, kl bool, o PictureOptions) error {
	o, err := o.checked()
	if err != nil {
		return err
	}
	t, err := newTypesetter(o.Fonts)
	if err != nil {
		return err
	}
	p := &comparePainter{painter: painter{g: &lens.Grid{Rows: c.Rows}, o: o, pen: pen{typesetter: t}}, c: c, kl: kl}
	for r := range c.Rows {
		if o.Every <= 1 || (len(c.Rows)-1-r)%o.Every == 0 {
			p.at = append(p.at, r)
		}
	}
	if n := len(c.Positions); o.Back < 0 || n > 0 && o.Back >= n {
		return fmt.Errorf("render: picture: position %d before the last was not compared: %d were (0–%d)", o.Back, n, n-1)
	}
	d, err := p.plan()
	if err != nil {
		return err
	}
	return p.paint(w, d)
}

// comparePainter draws a comparison.
type comparePainter struct {
	painter
	c  *lens.Comparison
	kl bool
	at []int // the rows that are drawn
}

func (p *comparePainter) plan() (plan, error) {
	p.heading = p.compareHeading()
	switch {
	case p.o.Kind != Heatmap && p.o.Kind != Candidates:
		return nil, fmt.Errorf("render: picture: kind %d is none of a comparison's (have: Heatmap, Candidates)", p.o.Kind)
	case len(p.c.Rows) == 0 || len(p.c.Positions) == 0:
		return &notice{&p.painter, "nothing was compared: no layers or no positions"}, nil
	case p.o.Kind == Candidates:
		return p.lay(p.bothSides())
	}
	return p.lay(p.differences())
}

// compareHeading names both sides.
func (p *comparePainter) compareHeading() heading {
	means := "colour: Jensen–Shannon divergence of the two sides in nats"
	if p.kl {
		means = "colour: KL(a ‖ b) in nats"
	}
	if p.o.Kind == Candidates {
		means = "what each layer would say at the last position compared; colour: probability"
	}
	h := heading{title: glyphs("two sides compared"), model: p.c.A.Model.Ref, made: madeText(p.c.Made), describes: means + ": " + extent(len(p.at), len(p.c.Rows), len(p.c.Positions))}
	if p.c.B.Model.Ref != p.c.A.Model.Ref {
		h.model += "\n" + p.c.B.Model.Ref
	}
	if a, b := p.c.A.Prompt, p.c.B.Prompt; a != nil && b != nil {
		h.title = laid(quote(*a))
		if *a != *b {
			h.title = laid(quote(*a) + " and " + quote(*b))
		}
	}
	if p.o.Title != "" {
		h.title = glyphs(p.o.Title)
	}
	h.whole = draw(h.title)
	for i, side := range []lens.Compared{p.c.A, p.c.B} {
		line := fmt.Sprintf("%c: %s · %s lens", 'a'+i, ModelName(side.Model), side.Lens)
		if side.Prompt != nil {
			line = fmt.Sprintf("%c: %s · %s · %s lens", 'a'+i, quote(*side.Prompt), ModelName(side.Model), side.Lens)
		}
		if e := edited(side.Edits); e != "" {
			line += " · " + e
		}
		h.lines = append(h.lines, line)
		h.whole += " · " + line
		for _, e := range side.Edits {
			p.o.Origin.Edits = append(p.o.Origin.Edits, fmt.Sprintf("%c: %s", 'a'+i, e))
		}
	}
	h.lines = append(h.lines, means)
	return h
}

func (p *comparePainter) rowNames() []string {
	var out []string
	for _, r := range p.at {
		name := label(p.c.Rows[r])
		if p.c.RowsB[r] != p.c.Rows[r] {
			name += " : " + label(p.c.RowsB[r])
		}
		out = append(out, name)
	}
	return out
}

// differences is the sheet of all positions.
func (p *comparePainter) differences() *sheet {
	c := p.c
	cell := func(r, i int) *lens.Difference { return &c.Cells[p.at[r]][i] }
	number := func(r, i int) float64 {
		if p.kl {
			return cell(r, i).KL
		}
		return cell(r, i).JS
	}
	most := math.Ln2
	for r := range p.at {
		for i := range c.Positions {
			if x := number(r, i); p.kl && finite(x) {
				most = max(most, x)
			}
		}
	}
	of := sidesOf(c)
	s := &sheet{
		explains: func() []string { return explainedOf(of[:]) },
		rows:     p.rowNames(), columnsAre: "position", scale: scale{view: KL, lo: 0, hi: most}, coloured: true, numbersAre: "JS, nats", number: number,
		says: sayer{func(r, i int) []glyph {
			a, b := top(&of[0], i, cell(r, i).A), top(&of[1], i, cell(r, i).B)
			if cell(r, i).Agree {
				return a
			}
			return append(append(a, plain("≠")), b...)
		}, threePlaces},
		framed: func(int, int) bool { return false }, notes: []string{"x≠y: a says x, b says y"}, numbered: p.o.Numbers == NumbersShown, widest: 2 * widestCell,
	}
	if p.kl {
		s.numbersAre = "KL, nats"
	}
	a, b := edge{name: "input a"}, edge{name: "input b"}
	same := true
	for _, at := range c.Positions {
		name := fmt.Sprint(at[0])
		if at[0] != at[1] {
			name = fmt.Sprintf("%d:%d", at[0], at[1])
		}
		s.columns = append(s.columns, name)
		a.tokens, b.tokens = append(a.tokens, tokenAt(&of[0], at[0])), append(b.tokens, tokenAt(&of[1], at[1]))
		same = same && c.A.Tokens[at[0]] == c.B.Tokens[at[1]]
	}
	s.below = []edge{a, b}
	if same {
		a.name = "input"
		s.below = []edge{a}
	}
	return s
}

// bothSides is the sheet of the candidates at one position, those of the first side at the left.
func (p *comparePainter) bothSides() *sheet {
	last := len(p.c.Positions) - 1 - p.o.Back
	cell := func(r int) *lens.Difference { return &p.c.Cells[p.at[r]][last] }
	perSide := 0
	for r := range p.at {
		perSide = max(perSide, len(cell(r).A), len(cell(r).B))
	}
	of := sidesOf(p.c)
	all := make([]string, len(p.at))
	for i, r := range p.at {
		all[i] = p.c.Rows[r]
	}
	s := ranked(all, 2*perSide, func(r int) []lens.Candidate {
		return append(append(make([]lens.Candidate, 0, 2*perSide), cell(r).A...), cell(r).B...)
	}, func(c int, raw string) []glyph { return of[min(1, c/perSide)].candidate(last, raw) })
	s.explains = func() []string { return explainedOf(of[:]) }
	s.rows, s.numbered, s.gaps = p.rowNames(), p.o.Numbers != NumbersHidden, []int{perSide}
	sides := edge{name: "side"}
	for c := range s.columns {
		s.columns[c] = fmt.Sprint(c%perSide + 1)
		sides.tokens = append(sides.tokens, []glyph{plain(string(rune('a' + c/perSide)))})
	}
	s.above = []edge{sides}
	return s
}

// top returns the best token's glyphs, in a slice of their own.
func top(of *pieces, column int, candidates []lens.Candidate) []glyph {
	if len(candidates) == 0 {
		return []glyph{plain("NaN")}
	}
	return append([]glyph(nil), of.candidate(column, candidates[0].Bytes)...)
}
