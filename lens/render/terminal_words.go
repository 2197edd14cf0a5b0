package render

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dustin/go-humanize/english"
	"github.com/rivo/uniseg"

	"github.com/mlxlens/mlxlens/lens"
)

// shown is what the rows of a grid are.
const shown = "shown"

func rowName(row string) string {
	if place, by, several := strings.Cut(row, " ("); several {
		return rowName(place) + " (" + by
	}
	if l := label(row); !strings.ContainsAny(l, "abcdefghijklmnopqrstuvwxyz") {
		return "layer " + l
	}
	return label(row)
}

// ofLayers says of which layers a sentence about rows is true: "of 30 layers", or where not
// each has a row "of the 3 layers shown": are says what these were.
func ofLayers(rows []string, layers int, are string) string {
	of := map[string]bool{} // several lenses may read one
	for _, row := range rows {
		if place, _, _ := strings.Cut(row, " ("); strings.HasSuffix(place, ".resid_post") {
			of[place] = true
		}
	}
	n := len(of)
	if n >= layers {
		return "of " + english.Plural(layers, "layer", "")
	}
	return fmt.Sprintf("of the %s %s", english.Plural(n, "layer", ""), are)
}

// crystallised is a sentence on where the final answer first comes out on top, and from where it stays there, by each
// lens. The grid's rows are shown, or what are says.
func crystallised(g *lens.Grid, answer, are string) string {
	if len(g.Lenses) == 0 {
		return crystallisation(g, answer, are)
	}
	type finding struct {
		lenses    []string
		where, of string
	}
	var all []finding
	for _, by := range g.Lenses {
		f := finding{lenses: []string{by.Kind}}
		f.where, f.of = found(g, &by)
		i := slices.IndexFunc(all, func(other finding) bool { return other.where == f.where && other.of == f.of })
		if i < 0 {
			all = append(all, f)
			continue
		}
		all[i].lenses = append(all[i].lenses, by.Kind)
	}
	said, of := "", "" // what there are of layers is said where it is not what was said before
	for i, f := range all {
		lenses := english.WordSeries(f.lenses, "and")
		if i > 0 {
			said += "; by the " + lenses
		} else {
			said = answer + " is the likeliest token by the " + lenses + " " + english.PluralWord(len(f.lenses), "lens", "lenses")
		}
		said += " " + f.where
		if f.of != "" && f.of != of {
			if !strings.HasSuffix(f.where, "in the last") {
				said += ","
			}
			said, of = said+" "+f.of, f.of
		}
	}
	return said
}

// found says where a lens of several finds the answer, and of which layers that is true, "" where it says so itself.
func found(g *lens.Grid, by *lens.Reading) (where, of string) {
	var rows []string
	for _, r := range by.Rows {
		rows = append(rows, *placeOf(&g.Rows[r]))
	}
	first, stable, last := placeOf(by.FirstTop1), placeOf(by.StableFrom), rows[len(rows)-1]
	of = ofLayers(rows, g.Model.Layers, "that it reads")
	end := "in the last"
	if strings.HasPrefix(of, "of the 1 ") { // of other rows than layers
		end = "in the last row, " + rowName(last)
	}
	switch {
	case first == nil:
		return "of no row that it reads", ""
	case len(rows) == 1:
		return "at " + rowName(last) + ", the only row that it reads", ""
	case stable == nil:
		where = "first at " + rowName(*first) + ", and not for good"
	case *first == *stable && *first == last:
		where = "only " + end
	case *first == *stable:
		where = "from " + rowName(*first) + " on"
	case *stable == last:
		where = "first at " + rowName(*first) + ", and for good only " + end
	default:
		where = "first at " + rowName(*first) + ", and for good from " + rowName(*stable) + " on"
	}
	if end != "in the last" && strings.HasSuffix(where, end) {
		of = ""
	}
	return where, of
}

// placeOf is a row's name without the lens that reads it.
func placeOf(row *string) *string {
	if row == nil {
		return nil
	}
	place, _, _ := strings.Cut(*row, " (")
	return &place
}

// crystallisation is the sentence of one lens.
func crystallisation(g *lens.Grid, answer, are string) string {
	of := ofLayers(g.Rows, g.Model.Layers, are)
	last := g.Rows[len(g.Rows)-1]
	end := "the last " + of
	if strings.HasPrefix(of, "of the 1 ") { // of other rows than layers
		end = "the last row, " + rowName(last)
	}
	switch f := g.Final; {
	case len(g.Rows) == 1 && f.FirstTop1 != nil:
		return fmt.Sprintf("%s is the likeliest token at %s, the only row %s", answer, rowName(last), are)
	case f.FirstTop1 == nil:
		return fmt.Sprintf("%s, the model's answer, is the likeliest token of no row %s", answer, are)
	case f.StableFrom == nil:
		return fmt.Sprintf("%s, the model's answer, is the likeliest token first at %s, %s, and does not stay so in the rows %s", answer, rowName(*f.FirstTop1), of, are)
	case *f.FirstTop1 == *f.StableFrom && *f.FirstTop1 == last:
		return fmt.Sprintf("%s is the likeliest token only in %s", answer, end)
	case *f.FirstTop1 == *f.StableFrom:
		return fmt.Sprintf("%s is the likeliest token from %s on, %s", answer, rowName(*f.FirstTop1), of)
	case *f.StableFrom == last:
		return fmt.Sprintf("%s is the likeliest token first at %s, and for good only in %s", answer, rowName(*f.FirstTop1), end)
	}
	return fmt.Sprintf("%s is the likeliest token first at %s, and for good from %s on, %s", answer, rowName(*g.Final.FirstTop1), rowName(*g.Final.StableFrom), of)
}

// noBreak stands for a space at which no line ends. No text that is shown has it.
const noBreak = "\x00"

// unbroken keeps a quoted token on one line.
func unbroken(text string) string { return strings.ReplaceAll(text, " ", noBreak) }

// listed puts semicolons between what a legend says.
func listed(parts []string) []string {
	for i := range parts[:max(0, len(parts)-1)] {
		if !strings.HasSuffix(parts[i], ":") {
			parts[i] += ";"
		}
	}
	return parts
}

// flow writes texts behind each other in lines of at most so many columns.
func flow(w io.Writer, width int, texts ...string) {
	for _, line := range flowing(width, texts...) {
		fmt.Fprintln(w, line)
	}
}

// flowing puts texts behind each other into lines. A text goes into a line of its own before it is
// broken.
func flowing(width int, texts ...string) []string {
	var lines []string
	line := ""
	for _, text := range texts {
		if line != "" && across(line+" "+text) > width {
			lines, line = append(lines, line), ""
		}
		for _, word := range strings.Split(text, " ") {
			if line != "" && across(line+" "+word) > width {
				lines, line = append(lines, line), "  "+word
				continue
			}
			if line != "" {
				line += " "
			}
			line += word
		}
	}
	lines = append(lines, line)
	for i := range lines {
		lines[i] = strings.ReplaceAll(lines[i], noBreak, " ")
	}
	return lines
}

// Flow breaks a text into lines of at most so many columns, the further ones not indented.
func Flow(width int, text string) []string {
	lines := flowing(width, strings.ReplaceAll(text, ` " `, ` "`+noBreak)) // a token such as " Paris"
	for i := range lines[1:] {
		lines[i+1] = strings.TrimPrefix(lines[i+1], "  ")
	}
	return lines
}

// flowFaint is flow of what frames a grid.
func flowFaint(w io.Writer, o TerminalOptions, texts ...string) {
	for _, line := range flowing(o.line(), texts...) {
		fmt.Fprintln(w, o.Color.faint(line))
	}
}

func (d *drawing) flow(texts ...string) { flow(d, d.o.line(), texts...) }

// across is how many columns a text takes that may have colours.
func across(text string) int {
	n := 0
	for text != "" {
		before, after, found := strings.Cut(text, "\x1b[")
		n += uniseg.StringWidth(strings.ReplaceAll(before, noBreak, " "))
		if !found {
			break
		}
		_, text, _ = strings.Cut(after, "m")
	}
	return n
}

// bar is a scale in colours between its ends, of one piece.
func bar(c Color, from, to string, color func(float64) rgb) string {
	const steps = 16
	var b strings.Builder
	b.WriteString(from + noBreak)
	for i := range steps {
		b.WriteString(c.paint(color(float64(i)/(steps-1)), false) + noBreak)
	}
	return b.String() + reset + noBreak + to
}

// positionsOf names those of a page.
func positionsOf(at []int, tokens int) string {
	if len(at) == 1 {
		return fmt.Sprintf("position %d of %d", at[0], tokens)
	}
	return fmt.Sprintf("positions %d–%d of %d", at[0], at[len(at)-1], tokens)
}

// inPages draws n columns in pages that fit the width, the last first, each under its name where
// there are several; or the last alone, where something is said of the rest. It returns how many
// columns it left out.
func inPages(w *bufio.Writer, n, labels, cell int, o TerminalOptions, name func(from, to int) string, page func(from, to int)) int {
	perPage := max(1, (o.Width-labels-1)/(cell+1))
	for to := n; to > 0; to -= perPage {
		from := max(0, to-perPage)
		if n > perPage {
			fmt.Fprintln(w, name(from, to))
		}
		page(from, to)
		if o.Rest != "" {
			return from
		}
		if from > 0 {
			fmt.Fprintln(w)
		}
	}
	return 0
}

// leftOut says of how many columns before the others there was no room.
func leftOut(w io.Writer, o TerminalOptions, n int, of string) {
	if n > 0 {
		are := "are"
		if n == 1 {
			are = "is"
		}
		flow(w, o.line(), fmt.Sprintf("the %s before %s left out:", english.Plural(n, of, ""), are), o.Rest)
	}
}

// Lines is how many lines a text with colours takes on a terminal of a width.
func Lines(text string, width int) int {
	n := 0
	for line := range strings.Lines(text) {
		n += max(1, (across(strings.TrimSuffix(line, "\n"))+width-1)/max(1, width))
	}
	return n
}
