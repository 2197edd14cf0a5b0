package render

import (
	"fmt"
	"strings"
)

// targets draws each target at the last position, row by row from the last, beside what
// it is compared with.
func (d *drawing) targets() {
	last := len(d.g.Positions) - 1
	if len(d.g.Cells[0][last].Targets) == 0 {
		return
	}
	for i, t := range d.g.Cells[0][last].Targets {
		versus := i < len(d.g.Contrasts)
		d.WriteString("\n")
		head := []string{fmt.Sprintf("%s (id %d) after position %d", said(t.Bytes), t.ID, d.g.Positions[last])}
		if versus {
			other := d.g.Contrasts[i].Versus
			head = append(head, fmt.Sprintf("vs: its logit less that of %s (id %d)", said(other.Bytes), other.ID))
		}
		d.flow(listed(head)...)
		fmt.Fprintf(d, "  %-*s  %8s  %8s  %8s", d.labels, "row", "rank", "prob", "logit")
		if versus {
			fmt.Fprintf(d, "  %8s", "vs")
		}
		d.WriteString("\n")
		for r := len(d.g.Rows) - 1; r >= 0; r-- {
			cell := &d.g.Cells[r][last]
			t := cell.Targets[i]
			fmt.Fprintf(d, "  %-*s  %8d  %8.4f  %8s", d.labels, label(d.g.Rows[r]), t.Rank, t.Prob, unsigned(fmt.Sprintf("%.2f", t.Logit)))
			if versus {
				fmt.Fprintf(d, "  %8s", unsigned(fmt.Sprintf("%+.2f", cell.Contrasts[i])))
			}
			d.WriteString("\n")
		}
	}
}

// tracked draws the tokens of best rank in any row, at the last position; of several lenses with a line of bars each.
func (d *drawing) tracked() {
	if len(d.g.Tracked) == 0 {
		return
	}
	last := len(d.g.Positions) - 1
	stops, ways := throughLayers(d.g)
	rows, by := max(d.labels, 4), 0 // by is the room for the lenses' names
	for _, w := range ways {
		by = max(by, columns(laid(w.lens)))
	}
	before := 2 + widest + 1 + 7 + 2 + rows + 2 + 7 + 2
	room := max(1, d.o.Width-before-by-min(by, 1))
	from := max(0, len(stops)-room) // the last where not all fit
	d.WriteString("\n")
	d.flow(fmt.Sprintf("tokens of best rank in any row, after position %d", d.g.Positions[last]))
	fmt.Fprintf(d, "  %-*s %7s  %-*s  %7s  probability by row, from %s to %s\n",
		widest, "token", "rank", rows, "row", "prob", stops[from], stops[len(stops)-1])
	for _, t := range d.g.Tracked[last] {
		best := 0
		for r := range t.Rank {
			if t.Rank[r] < t.Rank[best] || t.Rank[r] == t.Rank[best] && t.Prob[r] > t.Prob[best] {
				best = r
			}
		}
		fmt.Fprintf(d, "  %s %7d  %-*s  %7.4f  ", fit(d.candidate(last, t.Bytes), widest), t.Rank[best], rows, label(d.g.Rows[best]), t.Prob[best])
		for k, w := range ways {
			if k > 0 {
				d.WriteString(strings.Repeat(" ", before))
			}
			if by > 0 {
				d.WriteString(pad(w.lens, by) + " ")
			}
			fmt.Fprintln(d, sparks(w.through(t.Prob, len(stops))[from:]))
		}
	}
}

// experts draws those that each layer chose at the last position, from the last layer.
func (d *drawing) experts() {
	last := len(d.g.Positions) - 1
	drawn := false
	for r := len(d.g.Rows) - 1; r >= 0; r-- {
		of := d.g.Cells[r][last].Experts
		if len(of) == 0 {
			continue
		}
		if !drawn {
			fmt.Fprintf(d, "\nexperts at position %d, with their weights\n", d.g.Positions[last])
			drawn = true
		}
		text := expertsText(of)
		if room := max(1, d.o.Width-2-d.labels-2); len(text) > room {
			text = text[:max(1, room-1)] + "…"
		}
		fmt.Fprintf(d, "  %-*s  %s\n", d.labels, label(d.g.Rows[r]), text)
	}
}

// sparks draws probabilities as bars of an eighth each, a dash where there is none.
func sparks(xs []float64) string {
	bars := []rune("▁▂▃▄▅▆▇█")
	var b strings.Builder
	for _, x := range xs {
		if !(x >= 0) { // NaN
			b.WriteRune('–')
			continue
		}
		b.WriteRune(bars[min(int(x*float64(len(bars))), len(bars)-1)])
	}
	return b.String()
}
