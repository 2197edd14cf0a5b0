package render

import (
	"fmt"

	"github.com/mlxlens/mlxlens/lens"
)

// targets draws each target at the last position that is compared, row by row from the last:
// its rank and probability for both sides, and what it is compared with.
func (d *compareDrawing) targets() {
	last := len(d.c.Positions) - 1
	for i, t := range d.c.Cells[0][last].Targets {
		versus := i < len(d.c.Contrasts)
		d.WriteString("\n")
		head := []string{fmt.Sprintf("%s (id %d) after position %d", said(t[0].Bytes), t[0].ID, d.c.Positions[last][0])}
		if versus {
			other := d.c.Contrasts[i].Versus
			head = append(head, fmt.Sprintf("vs: its logit less that of %s (id %d)", said(other.Bytes), other.ID))
		}
		d.flow(listed(head)...)
		fmt.Fprintf(d, "  %-*s  %8s  %8s  %8s  %8s", d.labels, "row", "rank a", "rank b", "prob a", "prob b")
		if versus {
			fmt.Fprintf(d, "  %8s  %8s", "vs a", "vs b")
		}
		d.WriteString("\n")
		for r := len(d.c.Rows) - 1; r >= 0; r-- {
			d.target(&d.c.Cells[r][last], i, label(d.c.Rows[r]), versus)
		}
	}
}

func (d *compareDrawing) target(x *lens.Difference, i int, name string, versus bool) {
	a, b := x.Targets[i][0], x.Targets[i][1]
	fmt.Fprintf(d, "  %-*s  %8d  %8d  %8.4f  %8.4f", d.labels, name, a.Rank, b.Rank, a.Prob, b.Prob)
	if versus {
		fmt.Fprintf(d, "  %8s  %8s", unsigned(fmt.Sprintf("%+.2f", x.Contrasts[i][0])), unsigned(fmt.Sprintf("%+.2f", x.Contrasts[i][1])))
	}
	d.WriteString("\n")
}
