package render

import (
	"fmt"
	"math"

	"github.com/mlxlens/mlxlens/lens"
)

// sheet is a grid as it is drawn: of cells with a colour and something to say.
type sheet struct {
	rows       []string // names, from the bottom up
	columns    []string // names, which stand below
	columnsAre string
	above      []edge // tokens above the cells, and below
	below      []edge
	scale      scale
	coloured   bool
	numbersAre string // the title of the colour bar
	number     func(r, c int) float64
	says       sayer
	framed     func(r, c int) bool
	notes      []string        // below the cells
	explains   func() []string // notes on what was drawn
	numbered   bool            // cells show their numbers
	gaps       []int           // columns before which there is one
	widest     float64         // a cell, in ems; 0 is the usual
}

// edge is a row of tokens beside the cells.
type edge struct {
	name   string
	tokens [][]glyph
}

// sayer is what a cell says, and how its number is written.
type sayer struct {
	token  func(r, c int) []glyph // nil: nothing
	number func(x float64) string
}

// units name what the colour bar counts.
var units = map[View]string{KL: "nats", Entropy: "nats"}

func (v View) barTitle() string {
	if u := units[v]; u != "" {
		return views[v].name + ", " + u
	}
	return views[v].name
}

// sheet is the grid in a view.
func (p *painter) sheet() *sheet {
	g, v := p.g, p.o.View
	of := &pieces{tokens: g.Tokens, at: g.Positions}
	s := &sheet{
		explains:   of.explained,
		columnsAre: "position", scale: v.scale(g), numbersAre: v.barTitle(), numbered: p.o.Numbers == NumbersShown && v != Token,
		number: func(r, c int) float64 { return v.number(&g.Cells[r][c]) },
		says:   sayer{func(r, c int) []glyph { return v.saysOf(&g.Cells[r][c], of, c) }, v.text},
	}
	above, below := edge{name: "next"}, edge{name: "input"}
	s.coloured = v != Token && finite(s.scale.lo) && finite(s.scale.hi)
	for _, r := range g.Rows {
		s.rows = append(s.rows, label(r))
	}
	for _, at := range g.Positions {
		s.columns = append(s.columns, fmt.Sprint(at))
		above.tokens = append(above.tokens, tokenAt(of, at+1))
		below.tokens = append(below.tokens, tokenAt(of, at))
	}
	s.above, s.below = []edge{above}, []edge{below}
	s.framed = func(r, c int) bool {
		next, top := g.Positions[c]+1, g.Cells[r][c].Top
		return v != Experts && len(top) > 0 && next < len(g.Tokens) && g.Tokens[next].ID == top[0].ID
	}
	if s.anyFramed() {
		s.notes = append(s.notes, "framed: the token that came next")
	}
	return s
}

func (s *sheet) anyFramed() bool {
	for r := range s.rows {
		for c := range s.columns {
			if s.framed(r, c) {
				return true
			}
		}
	}
	return false
}

// tokenAt is a prompt's token, and a dash behind its end.
func tokenAt(of *pieces, at int) []glyph {
	if at >= len(of.tokens) {
		return []glyph{plain("–")}
	}
	return of.given(at)
}

// candidates lays out the tokens that each row ranks highest at one position.
func (p *painter) candidates() (plan, error) {
	if err := p.backward(); err != nil {
		return nil, err
	}
	at, g := p.column(), p.g
	of := &pieces{tokens: g.Tokens, at: g.Positions}
	s := ranked(g.Rows, 0, func(r int) []lens.Candidate { return g.Cells[r][at].Top }, func(_ int, raw string) []glyph { return of.candidate(at, raw) })
	s.explains = of.explained
	s.numbered = p.o.Numbers != NumbersHidden
	answer := g.Cells[len(g.Rows)-1][at].Answer.ID
	s.framed = func(r, c int) bool {
		top := g.Cells[r][at].Top
		return c < len(top) && top[c].ID == answer
	}
	if s.anyFramed() {
		s.notes = append(s.notes, "framed: the model's answer")
	}
	return p.lay(s)
}

// ranked is a sheet of candidates by row and rank; most is how many it shows at least, and says how a token is shown.
func ranked(rows []string, most int, of func(r int) []lens.Candidate, says func(c int, raw string) []glyph) *sheet {
	s := &sheet{
		columnsAre: "rank", scale: scale{view: Prob, lo: 0, hi: 1}, coloured: true, numbersAre: "prob",
		number: func(r, c int) float64 {
			if cs := of(r); c < len(cs) {
				return cs[c].Prob
			}
			return math.NaN()
		},
		says: sayer{func(r, c int) []glyph {
			if cs := of(r); c < len(cs) {
				return says(c, cs[c].Bytes)
			}
			return nil
		}, Prob.text},
		framed: func(int, int) bool { return false },
	}
	for r, name := range rows {
		s.rows = append(s.rows, label(name))
		most = max(most, len(of(r)))
	}
	for c := range most {
		s.columns = append(s.columns, fmt.Sprint(c+1))
	}
	return s
}

// darkness is a probability below which a cell's colour is hardly told from the darkest.
const darkness = 0.1

// Dark reports whether a picture of probabilities shows little: less than a quarter of the cells below
// the final row have more than the darkest colour. Ranks show what goes on there.
func Dark(g *lens.Grid) bool {
	seen, all := 0, 0
	for r := range len(g.Rows) - 1 {
		for c := range g.Positions {
			all++
			if g.Cells[r][c].Answer.Prob > darkness {
				seen++
			}
		}
	}
	return all > 0 && seen*4 < all
}
