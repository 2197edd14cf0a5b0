package experiment

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize/english"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/render"
)

// Figure shows the tokens of each state in the order in which they were chosen, with the lengths of
// their parts: of one position by place, else a grid for each place. Below stands which part of |h|² lies in their span.
func (d *Decomposition) Figure() *render.Figure {
	run := Run{Prompt: d.Prompt, Tokens: d.Tokens}
	f := &render.Figure{
		Title: "directions of tokens in " + run.text(), Digits: 2, Means: "length c·|v| of a token's part of the state",
		Notes: append(named(d.Model), fmt.Sprintf("lens %s; %s, at most %s", d.Lens, d.Algorithm, english.Plural(d.K, "token", ""))),
	}
	columns := run.tokenColumns(d.Positions)
	names, are := d.rowNames()
	explained := render.Matrix{Name: "part of |h|² in the span of the chosen tokens", RowsAre: are, Rows: names, Are: "position", Columns: columns, Means: "part of |h|²"}
	for _, row := range d.Cells {
		var values []float64
		for _, c := range row {
			values = append(values, float64(c.Explained))
		}
		explained.Values = append(explained.Values, values)
	}
	if len(d.Positions) == 1 {
		var states []Decomposed
		var places []render.Column
		for i, row := range d.Cells {
			states, places = append(states, row[0]), append(places, render.Column{Name: names[i]})
		}
		f.Notes = append(f.Notes, fmt.Sprintf("position %d", d.Positions[0]))
		f.Grids = append(f.Grids, tokenParts("tokens at "+d.site(), are, places, states))
	} else {
		for i, row := range d.Cells {
			f.Grids = append(f.Grids, tokenParts(d.Rows[i], "position", columns, row))
		}
	}
	f.Grids = append(f.Grids, explained)
	return f
}

// site is that of all rows, or their places where they are of several.
func (d *Decomposition) site() string {
	if _, are := d.rowNames(); are == "place" {
		return "the places"
	}
	_, site, _ := strings.Cut(strings.TrimPrefix(d.Rows[0], "layers."), ".")
	return site
}

// rowNames are the layers where all rows are of one site, else the places.
func (d *Decomposition) rowNames() (names []string, are string) {
	of := ""
	for i, row := range d.Rows {
		layer, site, _ := strings.Cut(strings.TrimPrefix(row, "layers."), ".")
		if site == "" || i > 0 && site != of {
			return d.Rows, "place"
		}
		names, of = append(names, layer), site
	}
	return names, "layer"
}

// tokenParts are the parts of states, a column each.
func tokenParts(name, are string, columns []render.Column, states []Decomposed) render.Matrix {
	m := render.Matrix{Name: name, RowsAre: "number", Are: are, TopDown: true, Columns: columns}
	for k := range mostParts(states) {
		m.Rows = append(m.Rows, strconv.Itoa(k+1))
		values, texts := make([]float64, len(states)), make([]string, len(states))
		for i, s := range states {
			if values[i] = math.NaN(); k < len(s.Parts) {
				values[i], texts[i] = s.Parts[k].Length, s.Parts[k].Token.Bytes
			}
		}
		m.Values, m.Texts = append(m.Values, values), append(m.Texts, texts)
	}
	return m
}

// mostParts is how many parts the state with most of them has, 1 for none.
func mostParts(states []Decomposed) int {
	most := 1
	for _, s := range states {
		most = max(most, len(s.Parts))
	}
	return most
}

// Arrays are positions, int32; of each place ids, int32, −1 where a state has fewer tokens, and their
// coordinates and the lengths of their parts, float32, [pos, number]; and norm, explained and error, [place, pos].
func (d *Decomposition) Arrays() []checkpoint.Array {
	arrays := []checkpoint.Array{checkpoint.Int32Array("positions", d.Positions)}
	var norms, explained, errs []float32
	for i, row := range d.Cells {
		most := mostParts(row)
		var ids []int
		var coordinates, lengths []float32
		for _, s := range row {
			norms, explained, errs = append(norms, float32(s.Norm)), append(explained, float32(s.Explained)), append(errs, float32(s.Error))
			for k := range most {
				part := TokenPart{Token: lens.Token{ID: -1}}
				if k < len(s.Parts) {
					part = s.Parts[k]
				}
				ids, coordinates, lengths = append(ids, part.Token.ID), append(coordinates, float32(part.Coordinate)), append(lengths, float32(part.Length))
			}
		}
		of := checkpoint.Int32Array(d.Rows[i]+".ids", ids)
		of.Shape = []int{len(row), most}
		arrays = append(arrays, of, checkpoint.Float32Array(d.Rows[i]+".coordinates", coordinates, len(row), most), checkpoint.Float32Array(d.Rows[i]+".lengths", lengths, len(row), most))
	}
	n := len(d.Positions)
	return append(arrays, checkpoint.Float32Array("norm", norms, len(d.Rows), n), checkpoint.Float32Array("explained", explained, len(d.Rows), n), checkpoint.Float32Array("error", errs, len(d.Rows), n))
}
