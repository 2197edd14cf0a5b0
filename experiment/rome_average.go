package experiment

import (
	"fmt"
	"math"
	"slices"

	"github.com/dustin/go-humanize/english"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/render"
	"github.com/mlxlens/mlxlens/model"
)

// AverageSchema names the version of TracingAverage's JSON form. Additions never rename.
const AverageSchema = "mlxlens.rome-average/1"

// Part is what a token is to the subject of its prompt.
type Part string

// The parts, by which positions of different prompts are put together (Meng et al. 2022, figure 2).
// A subject of one token is a last one.
const (
	SubjectFirst  Part = "first subject token"
	SubjectMiddle Part = "middle subject tokens"
	SubjectLast   Part = "last subject token"
	AfterFirst    Part = "first subsequent token"
	AfterMiddle   Part = "further tokens"
	AfterLast     Part = "last token"
)

// Parts are the parts.
func Parts() []Part {
	return []Part{SubjectFirst, SubjectMiddle, SubjectLast, AfterFirst, AfterMiddle, AfterLast}
}

// inShort are the parts as columns of a figure.
var inShort = map[Part]string{SubjectFirst: "first", SubjectMiddle: "middle", SubjectLast: "last", AfterFirst: "next", AfterMiddle: "further", AfterLast: "end"}

// part returns what a position is to the subject, "" for one before it.
func (t *Tracing) part(position int) Part {
	first, last := t.Subject[0], t.Subject[len(t.Subject)-1]
	switch {
	case position < first:
		return ""
	case position == last:
		return SubjectLast
	case position == first:
		return SubjectFirst
	case position < last:
		return SubjectMiddle
	case position == t.Run.Position:
		return AfterLast
	case position == last+1:
		return AfterFirst
	}
	return AfterMiddle
}

// TracingAverage is the mean of tracings over facts, with half the width of 95 % confidence
// intervals over them: plain data.
type TracingAverage struct {
	Schema     string                         `json:"schema"`
	Made       *lens.Made                     `json:"made,omitempty"`
	Model      lens.ModelInfo                 `json:"model"`
	Facts      int                            `json:"facts"`
	Metric     Metric                         `json:"metric"`
	Clean      Effect                         `json:"clean"`
	Corrupted  Effect                         `json:"corrupted"`
	Total      Effect                         `json:"total_effect"`
	Components []model.Site                   `json:"components"`
	Rows       []int                          `json:"rows"`
	Windows    map[model.Site]int             `json:"windows"`
	Parts      []Part                         `json:"parts"`  // columns
	Counts     []int                          `json:"counts"` // facts that have such a token
	Effects    map[model.Site][][]lens.Number `json:"average_indirect_effect"`
	Errors     map[model.Site][][]lens.Number `json:"error"`
}

// Averaging adds tracings up, one after another; no more than their sums are held.
type Averaging struct {
	first                   *Tracing
	clean, corrupted, total sums
	effects                 map[averaged]*sums
}

type averaged struct {
	site model.Site
	row  int
	part Part
}

// Add takes a tracing. Positions of one part are averaged first, so that facts weigh the same.
func (a *Averaging) Add(t *Tracing) error {
	if a.first == nil {
		a.first, a.effects = t, map[averaged]*sums{}
	}
	f := a.first
	if !slices.Equal(f.Components, t.Components) || !slices.Equal(f.Rows, t.Rows) || f.Metric != t.Metric || f.Model != t.Model {
		return fmt.Errorf("experiment: tracings of other sites, layers, metrics or models have no average")
	}
	a.clean.add(float64(t.Clean))
	a.corrupted.add(float64(t.Corrupted.Mean))
	a.total.add(float64(t.Total))
	for _, site := range t.Components {
		for row := range t.Rows {
			means := map[Part]*sums{}
			for column, position := range t.Positions {
				part, x := t.part(position), float64(t.Effects[site][row][column])
				if part == "" || math.IsNaN(x) {
					continue
				}
				if means[part] == nil {
					means[part] = &sums{}
				}
				means[part].add(x)
			}
			for part, mean := range means {
				at := averaged{site, row, part}
				if a.effects[at] == nil {
					a.effects[at] = &sums{}
				}
				a.effects[at].add(mean.mean)
			}
		}
	}
	return nil
}

// Average returns the means so far, nil before there is a tracing.
func (a *Averaging) Average() *TracingAverage {
	if a.first == nil {
		return nil
	}
	f := a.first
	out := &TracingAverage{
		Schema: AverageSchema, Model: f.Model, Facts: int(a.clean.n), Metric: f.Metric, Clean: a.clean.effect(), Corrupted: a.corrupted.effect(), Total: a.total.effect(),
		Components: f.Components, Rows: f.Rows, Windows: f.Windows, Parts: Parts(), Counts: make([]int, len(Parts())),
		Effects: map[model.Site][][]lens.Number{}, Errors: map[model.Site][][]lens.Number{},
	}
	for _, site := range f.Components {
		for row := range f.Rows {
			means, errors := make([]lens.Number, len(out.Parts)), make([]lens.Number, len(out.Parts))
			for i, part := range out.Parts {
				of := a.effects[averaged{site, row, part}]
				e := of.effect()
				means[i], errors[i] = e.Mean, e.Error
				if of != nil {
					out.Counts[i] = max(out.Counts[i], int(of.n))
				}
			}
			out.Effects[site], out.Errors[site] = append(out.Effects[site], means), append(out.Errors[site], errors)
		}
	}
	return out
}

// Figure shows the average indirect effects, a grid for each component.
func (t *TracingAverage) Figure() *render.Figure {
	f := &render.Figure{
		Title: "average indirect effect over " + english.Plural(t.Facts, "fact", ""), Digits: 3,
		Means: "indirect effect on " + string(t.Metric) + " of restoring a clean state",
		Notes: append(named(t.Model), fmt.Sprintf("%s: clean %s, corrupted %s; total effect %s", t.Metric, t.Clean.text(), t.Corrupted.text(), t.Total.text())),
	}
	f.Notes = append(f.Notes, "first, middle, last: tokens of the subject; next, further: those behind it; end: the last of the prompt")
	for _, site := range t.Components {
		m := render.Matrix{Name: restoredName(site, t.Windows[site]), RowsAre: "layer", Rows: layerNames(t.Rows), Values: floats(t.Effects[site])}
		for _, part := range t.Parts {
			m.Columns = append(m.Columns, render.Column{Name: inShort[part]})
		}
		f.Grids = append(f.Grids, m)
	}
	return f
}

// Arrays are effect.SITE and error.SITE, float32 [row, part], and rows, int32.
func (t *TracingAverage) Arrays() []checkpoint.Array {
	arrays := []checkpoint.Array{checkpoint.Int32Array("rows", t.Rows)}
	arrays = append(arrays, gridArrays("effect", t.Components, t.Effects)...)
	return append(arrays, gridArrays("error", t.Components, t.Errors)...)
}
