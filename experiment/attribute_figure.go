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
	"github.com/mlxlens/mlxlens/model"
)

// tokenColumns are columns of positions of a run.
func (r *Run) tokenColumns(positions []int) []render.Column {
	columns := make([]render.Column, len(positions))
	for i, at := range positions {
		columns[i] = render.Column{Token: render.Part(r.Tokens, at), Name: strconv.Itoa(at)}
	}
	return columns
}

// Figure shows the parts; heads by layer, where all are there.
func (a *Attribution) Figure() *render.Figure {
	q := ask(Logit, &a.Target, a.Versus)
	f := &render.Figure{Title: a.Run.text(), Digits: 2, Means: "what each part adds to the " + q + " directly, the final norm held"}
	f.Notes = named(a.Model)
	last := len(a.Positions) - 1
	note := fmt.Sprintf("%s at position %d: %s, the sum of its parts %s", q, a.Positions[last], short(a.Whole[last]), short(a.Sum[last]))
	if a.Capped[last] != a.Whole[last] {
		note += fmt.Sprintf(" (soft-capped it is %s)", short(a.Capped[last]))
	}
	f.Notes = append(f.Notes, note)
	if a.Omitted > 0 {
		f.Notes = append(f.Notes, fmt.Sprintf("%d smaller parts are left out", a.Omitted))
	}
	rest := a.Parts
	if a.By == OfHeads && a.Omitted == 0 {
		rest = nil
		for i, at := range a.Positions {
			m := a.byHead(i)
			if m.Name = "heads"; len(a.Positions) > 1 {
				m.Name = fmt.Sprintf("heads at position %d", at)
			}
			f.Grids = append(f.Grids, m)
		}
		for _, p := range a.Parts {
			if p.Head == nil {
				rest = append(rest, p)
			}
		}
	}
	m := render.Matrix{Name: "parts", Are: "position", Columns: a.Run.tokenColumns(a.Positions), TopDown: a.Omitted > 0}
	for _, p := range rest {
		m.Rows = append(m.Rows, p.Name)
		m.Values = append(m.Values, floats([][]lens.Number{p.Values})[0])
	}
	f.Grids = append(f.Grids, m)
	return f
}

// byHead is a grid of heads by layer, at a position by its number.
func (a *Attribution) byHead(at int) render.Matrix {
	m := render.Matrix{RowsAre: "layer", Are: "head"}
	rows := map[int]int{}
	for _, p := range a.Parts {
		if p.Head == nil {
			continue
		}
		row, ok := rows[*p.Layer]
		if !ok {
			row = len(m.Rows)
			rows[*p.Layer] = row
			m.Rows, m.Values = append(m.Rows, strconv.Itoa(*p.Layer)), append(m.Values, nil)
		}
		m.Values[row] = append(m.Values[row], float64(p.Values[at]))
		for len(m.Columns) < len(m.Values[row]) {
			m.Columns = append(m.Columns, render.Column{Name: strconv.Itoa(len(m.Columns))})
		}
	}
	for i := range m.Values {
		for len(m.Values[i]) < len(m.Columns) { // layers may have fewer heads than others
			m.Values[i] = append(m.Values[i], math.NaN())
		}
	}
	return m
}

// Arrays are the bytes of the parts' names, a line each, parts [part, pos], the sums behind each layer through [layer, pos], and whole and sum [pos],
// float32, with positions, int32; parts are in the order of the JSON's.
func (a *Attribution) Arrays() []checkpoint.Array {
	table := func(name string, rows [][]lens.Number) checkpoint.Array {
		return checkpoint.Float32Array(name, numbers32(rows), len(rows), len(a.Positions))
	}
	var parts [][]lens.Number
	var names []string
	for _, p := range a.Parts {
		parts, names = append(parts, p.Values), append(names, p.Name)
	}
	return []checkpoint.Array{
		namesArray(names),
		checkpoint.Int32Array("positions", a.Positions), table("parts", parts), table("through", a.Through),
		table("whole", [][]lens.Number{a.Whole}), table("sum", [][]lens.Number{a.Sum}),
	}
}

// agreement says how estimates and patches go together, of as many as have a correlation.
func (e *Estimation) agreement() string {
	switch pearson, spearman := float64(e.Pearson), float64(e.Spearman); {
	case len(e.Exact) == 1:
		return "the greatest beside its patch"
	case math.IsNaN(pearson) || math.IsNaN(spearman):
		return fmt.Sprintf("the %d greatest beside their patches; equal numbers have no correlation", len(e.Exact))
	}
	return fmt.Sprintf("the %d greatest beside their patches: Pearson's correlation %s, Spearman's %s", len(e.Exact), short(e.Pearson), short(e.Spearman))
}

// Figure shows the effects, a grid for each component.
func (e *Estimation) Figure() *render.Figure {
	f := e.figure(2, "by how much a patch is expected to change the "+e.question()+", by "+e.Method.words(e.Steps))
	if len(e.Exact) > 0 {
		f.Notes = append(f.Notes, e.agreement())
	}
	for _, site := range e.Components {
		f.Grids = append(f.Grids, e.grid(site, e.Rows, e.Columns, e.Positions, e.Heads, e.Effects[site]))
	}
	if len(e.Exact) > 0 {
		m := render.Matrix{Name: "beside patches", TopDown: true, Columns: []render.Column{{Name: "estimate"}, {Name: "patched"}}}
		for _, x := range e.Exact {
			m.Rows = append(m.Rows, fmt.Sprintf("%s %s %d", model.Place{Site: x.Site, Layer: x.Layer}, e.Columns, x.Column))
			m.Values = append(m.Values, []float64{float64(x.Estimate), float64(x.Patched)})
		}
		f.Grids = append(f.Grids, m)
	}
	f.FitDigits()
	return f
}

// words say how effects are estimated.
func (m Method) words(steps int) string {
	if m == IntegratedGradients {
		return "integrated gradients of " + english.Plural(steps, "point", "")
	}
	return "its gradient"
}

// Arrays are the grids as float32 arrays [row, column], effect.SITE, with rows and positions, int32.
func (e *Estimation) Arrays() []checkpoint.Array {
	arrays := []checkpoint.Array{checkpoint.Int32Array("rows", e.Rows), checkpoint.Int32Array("positions", e.Positions)}
	return append(arrays, gridArrays("effect", e.Components, e.Effects)...)
}

// namesArray is what rows are of, the bytes of a line each: an archive of arrays has no texts.
func namesArray(names []string) checkpoint.Array {
	bytes := []byte(strings.Join(names, "\n"))
	return checkpoint.Array{Name: "names", Type: checkpoint.U8, Shape: []int{len(bytes)}, Bytes: bytes}
}

// Figure lists the edges.
func (e *Edges) Figure() *render.Figure {
	f := e.figure(3, "by how much an edge is expected to change the "+e.question()+", by "+e.Method.words(e.Steps))
	f.Notes = append(f.Notes, fmt.Sprintf("the %d greatest of %s", len(e.Edges), english.Plural(e.Count, "edge", "")))
	m := render.Matrix{Name: "edges", TopDown: true, Columns: []render.Column{{Name: "score"}}}
	for _, x := range e.Edges {
		m.Rows, m.Values = append(m.Rows, x.From+" → "+x.To), append(m.Values, []float64{float64(x.Score)})
	}
	f.Grids = []render.Matrix{m}
	return f
}

// Arrays are the bytes of FROM\tTO, a line for each edge, and the scores, float32, in the order of the JSON's edges.
func (e *Edges) Arrays() []checkpoint.Array {
	scores := []float32{}
	var names []string
	for _, x := range e.Edges {
		scores, names = append(scores, float32(x.Score)), append(names, x.From+"\t"+x.To)
	}
	return []checkpoint.Array{namesArray(names), checkpoint.Float32Array("scores", scores, len(scores))}
}

// Figure shows a number for each token.
func (a *InputAttribution) Figure() *render.Figure {
	q := ask(a.Metric, a.Target, a.Versus)
	f := &render.Figure{Title: a.Run.text(), Digits: 3, Means: "what each token's embedding does to the " + q + ", by " + a.Method.words(a.Steps)}
	f.Notes = named(a.Model)
	note := fmt.Sprintf("%s: %s", q, short(a.Value))
	if a.Method == IntegratedGradients {
		note += fmt.Sprintf(", of the baseline %s; the steps miss %s of the difference", short(a.From), short(a.Gap))
	}
	f.Notes = append(f.Notes, note)
	positions := upTo(len(a.Values) - 1)
	f.Grids = []render.Matrix{{Name: "tokens", Rows: []string{string(a.Method)}, Are: "position", Columns: a.Run.tokenColumns(positions), Values: floats([][]lens.Number{a.Values})}}
	f.FitDigits()
	return f
}

// Arrays are the tokens' numbers, float32.
func (a *InputAttribution) Arrays() []checkpoint.Array {
	values := []float32{}
	for _, x := range a.Values {
		values = append(values, float32(x))
	}
	return []checkpoint.Array{checkpoint.Float32Array("values", values, len(values))}
}
