package serve

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/dustin/go-humanize/english"

	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/render"
)

// drawing is a request to write a grid that is there already, in another format. Of a text that was drawn by
// chance, or whose edits speak of its prompt, no request computes the same grid again.
type drawing struct {
	Grid    *lens.Grid `json:"grid"`
	Format  string     `json:"format"`
	View    string     `json:"view"`    // the colour; "" is prob
	Command string     `json:"command"` // that made the grid, for the file to name; "" is none
}

// drawn are the formats of a drawing; those of pictures have a number. page is what this server's own page shows a grid from.
var (
	drawn    = []string{"csv", "html", "png", "svg", "pdf", "page"}
	pictures = map[string]render.Format{"png": render.PNG, "svg": render.SVG, "pdf": render.PDF}
)

// draw answers a request to draw. It needs no model, and waits for none.
func (s *Service) draw(w http.ResponseWriter, r *http.Request) {
	const name = "draw"
	body, ok := s.body(w, r, name)
	if !ok {
		return
	}
	start := time.Now()
	a, err := drawAnswer(body)
	s.metrics.done(name, err, time.Since(start))
	if err != nil {
		s.newProblem(err).write(w)
		return
	}
	s.deliver(w, name, a)
}

func drawAnswer(body []byte) (*Answer, error) {
	var d drawing
	read := json.NewDecoder(bytes.NewReader(body))
	read.DisallowUnknownFields()
	if err := read.Decode(&d); err != nil {
		return nil, refuse("the request is no drawing, {\"grid\": …, \"format\": …, \"view\": …, \"command\": …}: %w", err)
	}
	if !slices.Contains(drawn, d.Format) {
		return nil, refuse("\"format\" %q: want one of %q", d.Format, drawn)
	}
	view := render.Prob
	if d.View != "" {
		var err error
		if view, err = render.ParseView(d.View); err != nil {
			return nil, refuse("\"view\": %w", err)
		}
	}
	if err := whole(d.Grid); err != nil {
		return nil, refuse("\"grid\": %w", err)
	}
	var out bytes.Buffer
	var err error
	switch d.Format {
	case "csv":
		err = render.CSV(&out, d.Grid)
	case "page":
		var data []byte
		data, err = render.PageData(d.Grid, view)
		out.Write(data)
	case "html":
		err = render.HTML(&out, d.Grid, render.HTMLOptions{View: view, Command: d.Command})
	default:
		err = render.Picture(&out, d.Grid, render.PictureOptions{Format: pictures[d.Format], View: view, Origin: render.Origin{Program: "mlxlens", Command: d.Command}})
	}
	return &Answer{Format: d.Format, Body: out.Bytes()}, err
}

// whole checks that a grid from outside has the cells that it names.
func whole(g *lens.Grid) error {
	if g == nil || g.Schema != lens.TraceSchema {
		return fmt.Errorf("want a grid (%s)", lens.TraceSchema)
	}
	if len(g.Rows) == 0 || len(g.Positions) == 0 || len(g.Cells) != len(g.Rows) {
		return fmt.Errorf("it has %s, %s and cells of %s", english.Plural(len(g.Rows), "row", ""), english.Plural(len(g.Positions), "position", ""), english.Plural(len(g.Cells), "row", ""))
	}
	for i, p := range g.Positions {
		if p < 0 || p >= len(g.Tokens) || i > 0 && p <= g.Positions[i-1] {
			return fmt.Errorf("position %d: want ascending ones of %s", p, english.Plural(len(g.Tokens), "token", ""))
		}
	}
	if n := len(g.Tracked); n != 0 && n != len(g.Positions) {
		return fmt.Errorf("it tracks tokens of %d positions, and has %d", n, len(g.Positions))
	}
	for p, tracked := range g.Tracked {
		for _, t := range tracked {
			if len(t.Logit) != len(g.Rows) || len(t.Prob) != len(g.Rows) || len(t.Rank) != len(g.Rows) {
				return fmt.Errorf("it tracks token %d at position %d through %d logits, %d probabilities and %d ranks, and has %s", t.Token.ID, g.Positions[p], len(t.Logit), len(t.Prob), len(t.Rank), english.Plural(len(g.Rows), "row", ""))
			}
		}
	}
	for _, by := range g.Lenses {
		for i, r := range by.Rows {
			if r < 0 || r >= len(g.Rows) || i > 0 && r <= by.Rows[i-1] {
				return fmt.Errorf("the %s lens reads row %d: want ascending ones of %s", by.Kind, r, english.Plural(len(g.Rows), "row", ""))
			}
		}
		if len(by.Rows) == 0 {
			return fmt.Errorf("the %s lens reads no row", by.Kind)
		}
	}
	for r, row := range g.Cells {
		if len(row) != len(g.Positions) {
			return fmt.Errorf("%s has %d cells for %d positions", g.Rows[r], len(row), len(g.Positions))
		}
		for p := range row {
			c, first := &row[p], &g.Cells[0][p]
			if len(c.Top) == 0 || len(c.Targets) != len(first.Targets) || len(c.Contrasts) != len(g.Contrasts) {
				return fmt.Errorf("%s at position %d has %d candidates, %d targets and %d contrasts", g.Rows[r], g.Positions[p], len(c.Top), len(c.Targets), len(c.Contrasts))
			}
		}
	}
	return nil
}
