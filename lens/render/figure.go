package render

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize/english"

	"github.com/mlxlens/mlxlens/lens"
)

// Figure is numbers to be looked at, grid by grid: what an experiment found.
type Figure struct {
	Title  string   // in one line, as it is shown
	Notes  []string // lines below it: the model, what was asked, what was measured beside
	Means  string   // what the numbers are
	Digits int      // behind the point
	Grids  []Matrix

	// Made says how the numbers were made, as whoever made them writes it. Files have it beside them:
	// a PNG as the text "made", an SVG in its description, CSV as a column, a page at its end.
	Made string

	Command string // the command line that made it, which a page offers to copy; "": none
}

// Matrix is numbers by rows and columns. NaN is none.
type Matrix struct {
	Name    string
	Rows    []string // names as they are shown, from the bottom up
	Columns []Column
	RowsAre string // what rows are: "layer", or where columns are layers too, which of the two: "from layer"
	Are     string // what columns are: "position"
	Values  [][]float64

	// Texts are the bytes of a text, such as a token, that stands in a cell before its number; nil: none.
	Texts [][]string

	// TopDown says that the first row is the highest.
	TopDown bool

	// Means is what the numbers are, where they are not what the figure's others are: the scale of
	// their colours is then their own. Plain numbers are of different kinds by column, and have none.
	Means string
	Plain bool
}

// Column is what stands above and below a column.
type Column struct {
	Token string // bytes of a token, which need not be text; "": none
	Name  string // its number
}

// fits returns an error for a figure whose numbers do not fit its names.
func (f *Figure) fits() error {
	if len(f.Grids) == 0 {
		return fmt.Errorf("render: figure: there is no grid")
	}
	for _, m := range f.Grids {
		if m.Texts != nil && (len(m.Texts) != len(m.Values) || slices.ContainsFunc(m.Texts, func(row []string) bool { return len(row) != len(m.Columns) })) {
			return fmt.Errorf("render: figure: %s has texts that are not its cells'", m.Name)
		}
		if len(m.Values) != len(m.Rows) {
			return fmt.Errorf("render: figure: %s has %s of numbers and %s", m.Name, english.Plural(len(m.Values), "row", ""), english.Plural(len(m.Rows), "name", ""))
		}
		for i, row := range m.Values {
			if len(row) != len(m.Columns) {
				return fmt.Errorf("render: figure: row %s of %s has %d numbers, and there are %d columns", m.Rows[i], m.Name, len(row), len(m.Columns))
			}
		}
	}
	return nil
}

// order returns the numbers of the rows from the highest to the lowest.
func (m *Matrix) order() []int {
	order := make([]int, len(m.Rows))
	for i := range order {
		order[i] = i
		if !m.TopDown {
			order[i] = len(order) - 1 - i
		}
	}
	return order
}

// layered reports whether rows are layers.
func (m *Matrix) layered() bool {
	return m.RowsAre == "layer" || strings.HasSuffix(m.RowsAre, " layer")
}

// text is what stands in a cell before its number, "" where nothing does.
func (m *Matrix) text(row, column int) string {
	if m.Texts == nil {
		return ""
	}
	return m.Texts[row][column]
}

// hasTokens reports whether a column is of a token.
func (m *Matrix) hasTokens() bool {
	return slices.ContainsFunc(m.Columns, func(c Column) bool { return c.Token != "" })
}

// hues is a scale of colours, the same for all grids whose numbers are of a kind. Where no number is
// negative they go from white to the far end; else white is 0, and both ends are as far from it. Numbers
// that are all written as 0 have no scale: their differences are of no account.
type hues struct {
	means string
	most  float64
	least float64 // 0, or −most where a number is below 0 beyond what is shown of it
	none  float64 // what is nearer to 0 than this is shown as 0, and has its colour
}

// scales are those of a figure's colours, none where all grids are plain.
func (f *Figure) scales() []hues {
	var all []hues
	for i := range f.Grids {
		m := &f.Grids[i]
		if m.Plain {
			continue
		}
		means := cmp.Or(m.Means, f.Means)
		at := slices.IndexFunc(all, func(h hues) bool { return h.means == means })
		if at < 0 {
			at, all = len(all), append(all, hues{means: means, none: math.Pow10(-f.Digits) / 2})
		}
		for x := range m.numbers() {
			if math.Abs(x) >= all[at].none {
				all[at].most = max(all[at].most, math.Abs(x))
			}
			if x < -all[at].none {
				all[at].least = -1
			}
		}
	}
	for i := range all {
		all[i].least *= all[i].most
	}
	return all
}

// mark is a number on a scale of colours, at a part of its length.
type mark struct {
	at   float64
	text string
}

// marks are the numbers between the ends: colours go with the root of a number, and from the ends alone one
// would guess others. A number that is not what its digits say stands nowhere.
func (f *Figure) marks(h hues) []mark {
	var all []mark
	unit, long := math.Pow10(-f.Digits), h.most-h.least
	for _, at := range []float64{0.25, 0.5, 0.75} {
		if x := h.least + at*long; math.Abs(math.Round(x/unit)*unit-x) <= 0.02*long && long > 0 {
			all = append(all, mark{at, f.number(x)})
		}
	}
	return all
}

// scale is that of a grid's colours.
func (f *Figure) scale(m *Matrix) hues {
	means := cmp.Or(m.Means, f.Means)
	for _, h := range f.scales() {
		if h.means == means {
			return h
		}
	}
	return hues{}
}

// numbers are those that are there.
func (m *Matrix) numbers() iter.Seq[float64] {
	return func(yield func(float64) bool) {
		for _, row := range m.Values {
			for _, x := range row {
				if finite(x) && !yield(x) {
					return
				}
			}
		}
	}
}

// colored reports whether a number has a colour.
func (m *Matrix) colored(x float64) bool { return finite(x) && !m.Plain }

// of is the colour of x: blue above 0, red below it, the darker the farther. Lightness alone
// tells how far, and the text on it the sign.
func (h hues) of(x float64) rgb {
	if h.most == 0 || math.Abs(x) < h.none || h.least == 0 && x < 0 { // what is shown of it is 0
		return lch(0.97, 0, 0)
	}
	part := math.Sqrt(min(1, math.Abs(x)/h.most)) // small numbers are told apart too
	hue := 255.0
	if x < 0 {
		hue = 30
	}
	return lch(0.97-0.52*part, 0.15*part, hue)
}

// mostDigits is as many digits behind the point as FitDigits gives.
const mostDigits = 6

// FitDigits gives numbers so many digits behind the point that the largest has two which count.
func (f *Figure) FitDigits() {
	largest := 0.0
	for i := range f.Grids {
		for _, row := range f.Grids[i].Values {
			for _, x := range row {
				if finite(x) {
					largest = max(largest, math.Abs(x))
				}
			}
		}
	}
	for f.Digits < mostDigits && 0 < largest && largest < math.Pow10(1-f.Digits) {
		f.Digits++
	}
}

// number writes one of the figure's numbers, without the sign of a zero.
func (f *Figure) number(x float64) string {
	if !finite(x) {
		return "–"
	}
	return unsigned(strconv.FormatFloat(x, 'f', f.Digits, 64))
}

// unsigned is a number that was written, without the sign of a zero.
func unsigned(text string) string {
	if x, err := strconv.ParseFloat(text, 64); err == nil && x == 0 {
		return strings.TrimLeft(text, "+-")
	}
	return text
}

// FigureCSV writes the numbers in long form, a line each, under a line of names. A number that is
// not finite is empty. What Made says stands in the first line of numbers, in a last column.
func FigureCSV(w io.Writer, f *Figure) error {
	if err := f.fits(); err != nil {
		return err
	}
	c := csv.NewWriter(w)
	names := []string{"grid", "row", "column", "token", "value"}
	texts := slices.ContainsFunc(f.Grids, func(m Matrix) bool { return m.Texts != nil })
	if texts {
		names = append(names, "text")
	}
	lines := [][]string{names}
	for i := range f.Grids {
		m := &f.Grids[i]
		for r, row := range m.Values {
			for i, x := range row {
				line := []string{m.Name, m.Rows[r], m.Columns[i].Name, csvText(lens.Token{Bytes: m.Columns[i].Token}), number(x)}
				if texts {
					line = append(line, csvText(lens.Token{Bytes: m.text(r, i)}))
				}
				lines = append(lines, line)
			}
		}
	}
	if f.Made != "" { // in the first line of numbers; a column of its own leaves the others what they are
		for i, text := range append([]string{"made", f.Made}, make([]string, len(lines))...)[:len(lines)] {
			lines[i] = append(lines[i], text)
		}
	}
	if err := c.WriteAll(lines); err != nil {
		return fmt.Errorf("render: CSV: %w", err)
	}
	return nil
}
