package render

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/mlxlens/mlxlens/internal/spelling"
	"github.com/mlxlens/mlxlens/lens"
)

// View is the number that a cell's background shows.
type View uint8

// The views. The first three are those of the first logit-lens post: how much a row
// believes in the final row's own top token at that position.
const (
	Prob    View = iota // probability of the final answer
	Logit               // its logit
	Rank                // its rank, 1 the best
	KL                  // KL(final ‖ row), nats
	Entropy             // the row's own entropy, nats
	Margin              // the row's best logit minus its second best
	Own                 // probability of the row's own top token
	Experts             // the experts that the layer chose, and the weight of the first
	Token               // no number: the tokens alone
)

var views = [...]struct {
	name, title, means string // title is the name in words
	format             string
	help               string
}{
	Prob:    {"prob", "the answer's probability", "probability that the row gives to the final answer", "%.3f", "How likely this layer finds the token that the model says in the end, from 0 to 1."},
	Logit:   {"logit", "the answer's logit", "logit that the row gives to the final answer", "%.1f", "This layer's score of the token that the model says in the end, before scores become probabilities."},
	Rank:    {"rank", "the answer's rank", "rank that the row gives to the final answer (1 is the best)", "%.0f", "The place of the token that the model says in the end among all tokens of this layer's list; 1 is the first."},
	KL:      {"kl", "distance to the answer (KL)", "KL(final ‖ row) in nats", "%.2f", "How far this layer's probabilities are from the model's final ones; 0 means that they are the same."},
	Entropy: {"entropy", "uncertainty (entropy)", "entropy of the row in nats", "%.2f", "How undecided this layer is: 0 when one token has all the probability, and more the more tokens share it."},
	Margin:  {"margin", "lead of the first token (margin)", "the row's best logit minus its second best", "%.2f", "How far the score of this layer's first token is above that of its second."},
	Own:     {"own", "its own token's probability", "probability that the row gives to its own top token", "%.3f", "How likely this layer finds the token that stands in the cell, its own best one."},
	Experts: {"expert", "experts that were chosen", "weight of the first of the experts that the layer chose", "%.2f", "Which experts the layer sent the token to, and the weight of the first of them."},
	Token:   {"token", "tokens alone", "", "", "The token that each layer finds the likeliest, without a colour."},
}

// ViewNames lists the views.
func ViewNames() []string {
	var out []string
	for _, v := range views {
		out = append(out, v.name)
	}
	return out
}

// ParseView returns the view of a name.
func ParseView(name string) (View, error) {
	for i, v := range views {
		if v.name == name {
			return View(i), nil
		}
	}
	return 0, fmt.Errorf("render: view %q is unknown%s (have: %s)", name, spelling.DidYouMean(name, ViewNames()), strings.Join(ViewNames(), ", "))
}

// number is the view's number for a cell; NaN where there is none.
func (v View) number(c *lens.Cell) float64 {
	switch v {
	case Prob:
		return c.Answer.Prob
	case Logit:
		return c.Answer.Logit
	case Rank:
		if c.Answer.Rank > 0 {
			return float64(c.Answer.Rank)
		}
	case KL:
		return c.KL
	case Entropy:
		return c.Entropy
	case Margin:
		if len(c.Top) > 1 {
			return c.Top[0].Logit - c.Top[1].Logit
		}
	case Own:
		if len(c.Top) > 0 {
			return c.Top[0].Prob
		}
	case Experts:
		if len(c.Experts) > 0 {
			return c.Experts[0].Weight
		}
	}
	return math.NaN()
}

// ofAnswer reports whether the number is of the model's final answer, and not of the cell's token.
func (v View) ofAnswer() bool { return v == Prob || v == Logit || v == Rank }

// answers stands before a number that is of the model's final answer, in the cell of another token.
const answers = "→"

// hasExperts reports whether a cell has experts.
func hasExperts(g *lens.Grid) bool {
	for r := range g.Cells {
		for p := range g.Cells[r] {
			if len(g.Cells[r][p].Experts) > 0 {
				return true
			}
		}
	}
	return false
}

// expertsText lists experts with their weights: "12 0.43, 3 0.22".
func expertsText(experts []lens.Expert) string {
	parts := make([]string, len(experts))
	for i, e := range experts {
		parts[i] = fmt.Sprintf("%d %s", e.ID, Experts.text(e.Weight))
	}
	return strings.Join(parts, ", ")
}

// says is what the view writes into a cell: the row's own top token, or the numbers of the
// experts; nil where there is none.
func (v View) says(c *lens.Cell) []glyph {
	if v == Experts {
		var gs []glyph
		for i, e := range c.Experts {
			if i > 0 {
				gs = append(gs, plain(" "))
			}
			for _, digit := range strconv.Itoa(e.ID) {
				gs = append(gs, plain(string(digit)))
			}
		}
		return gs
	}
	if len(c.Top) == 0 {
		return nil
	}
	return token(c.Top[0].Bytes)
}

// saysOf is says, where a token may be a part of a character that stands in a column.
func (v View) saysOf(c *lens.Cell, of *pieces, column int) []glyph {
	if v == Experts || len(c.Top) == 0 {
		return v.says(c)
	}
	return of.candidate(column, c.Top[0].Bytes)
}

// text writes the view's number.
func (v View) text(x float64) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return "–"
	}
	return unsigned(fmt.Sprintf(views[v].format, x))
}

// scale maps numbers to 0 (dark) … 1 (light): light is where the row is close to the
// final answer, or sure.
type scale struct {
	view   View
	lo, hi float64
	log    bool
}

func (v View) scale(g *lens.Grid) scale {
	s := scale{view: v, lo: math.Inf(1), hi: math.Inf(-1), log: v == Rank}
	for r := range g.Cells {
		for p := range g.Cells[r] {
			if x := v.number(&g.Cells[r][p]); !math.IsNaN(x) && !math.IsInf(x, 0) {
				s.lo, s.hi = min(s.lo, x), max(s.hi, x)
			}
		}
	}
	if v == Prob || v == Own || v == Experts { // a share of 1 is a share of 1 in every picture
		s.lo, s.hi = 0, 1
	}
	if v == Rank && s.lo <= s.hi { // the first is the first in every picture
		s.lo = 1
	}
	return s
}

func (s scale) at(x float64) float64 {
	switch {
	case math.IsNaN(x) || math.IsInf(x, 0):
		return 0
	case !(s.hi > s.lo) && s.fewer(): // all are as near to the answer as any
		return 1
	case !(s.hi > s.lo):
		return 0
	}
	y := (x - s.lo) / (s.hi - s.lo)
	if s.log {
		y = math.Log(x/s.lo) / math.Log(s.hi/s.lo)
	}
	if s.fewer() {
		return 1 - y
	}
	return y
}

// fewer reports whether smaller numbers are better.
func (s scale) fewer() bool { return s.view == Rank || s.view == KL || s.view == Entropy }
