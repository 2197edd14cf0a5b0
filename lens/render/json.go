package render

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mlxlens/mlxlens/lens"
)

// JSON writes a grid as one object on one line (schema mlxlens.trace/1). A number
// that is not finite is null.
//
// It writes cell by cell: the text of a long prompt is larger than the grid, and is
// never there as a whole.
func JSON(w io.Writer, g *lens.Grid) error {
	frame := *g
	frame.Cells = [][]lens.Cell{}
	var text bytes.Buffer
	if err := WriteJSON(&text, &frame); err != nil {
		return err
	}
	const key = `"cells":[` // no string has it: a quotation mark in one has a backslash before it
	before, after, _ := strings.Cut(text.String(), key)
	b := bufio.NewWriter(w)
	b.WriteString(before + key)
	for r, row := range g.Cells {
		b.WriteString(separator(r) + "[")
		for p, cell := range row {
			text, err := cell.MarshalJSON()
			if err != nil {
				return fmt.Errorf("render: JSON: %w", err)
			}
			b.WriteString(separator(p))
			b.Write(escapeJSON(text))
		}
		b.WriteByte(']')
	}
	b.WriteString(after)
	if err := b.Flush(); err != nil {
		return fmt.Errorf("render: JSON: %w", err)
	}
	return nil
}

// separator stands before the i-th element of a list.
func separator(i int) string {
	if i == 0 {
		return ""
	}
	return ","
}

// CSV writes a grid in long form, one line for each candidate and target of each
// cell, under a line of names. A number that is not finite is empty. Texts are for people:
// control characters are shown, and an apostrophe stands before one that a spreadsheet would
// take for a formula (OWASP, "CSV Injection"). The ids say which tokens they are. The grid's Made is not in it:
// the same numbers have the same bytes, by whatever command.
func CSV(w io.Writer, g *lens.Grid) error {
	c := csv.NewWriter(w)
	lines := [][]string{{"row", "position", "input_id", "input_text", "kind", "rank", "id", "text", "logit", "prob", "logsumexp", "entropy", "kl", "norm"}}
	for r, name := range g.Rows {
		for p, position := range g.Positions {
			cell := &g.Cells[r][p]
			line := func(kind string, rank int, t lens.Token, logit, prob float64) {
				in := g.Tokens[position]
				lines = append(lines, []string{
					name, strconv.Itoa(position), strconv.Itoa(in.ID), csvText(in), kind, strconv.Itoa(rank), strconv.Itoa(t.ID), csvText(t),
					number(logit), number(prob), number(cell.LogSumExp), number(cell.Entropy), number(cell.KL), number(cell.Norm),
				})
			}
			for i, t := range cell.Top {
				line("top", i+1, t.Token, t.Logit, t.Prob)
			}
			for _, t := range cell.Targets {
				line("target", t.Rank, t.Token, t.Logit, t.Prob)
			}
			for i, e := range cell.Experts { // its probability is the weight
				line("expert", i+1, lens.Token{ID: e.ID}, math.NaN(), e.Weight)
			}
			for i, x := range cell.Contrasts { // its logit is the difference; it has no rank and no probability
				pair := g.Contrasts[i]
				line("contrast", 0, lens.Token{ID: pair.Target.ID, Bytes: pair.Target.Bytes + " − " + pair.Versus.Bytes}, x, math.NaN())
			}
		}
		if err := c.WriteAll(lines); err != nil {
			return fmt.Errorf("render: CSV: %w", err)
		}
		lines = lines[:0]
	}
	return nil
}

// madeText is how a result was made, as files have it beside what they show: JSON, "" for nil.
func madeText(made *lens.Made) string {
	if made == nil {
		return ""
	}
	text, _ := json.Marshal(made) // strings only; the keys of a map are sorted
	return string(text)
}

// csvText is a token's text in a cell of its own.
func csvText(t lens.Token) string {
	text := strings.NewReplacer("\n", "␊", "\t", "␉").Replace(Safe(t.Text()))
	if r, _ := utf8.DecodeRuneInString(strings.TrimLeft(text, " \u00a0\u3000")); strings.ContainsRune("=+-@＝＋－＠", r) {
		return "'" + text
	}
	return text
}

func number(x float64) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return ""
	}
	return strconv.FormatFloat(x, 'g', -1, 32)
}
