package experiment

import (
	"fmt"
	"strconv"

	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/render"
	"github.com/mlxlens/mlxlens/model"
)

// Between is two runs that are set against each other, and what is asked of both.
type Between struct {
	Model     lens.ModelInfo `json:"model"`
	Clean     Run            `json:"clean"`
	Corrupted Run            `json:"corrupted"`
	Noising   bool           `json:"noising"`
	Metric    Metric         `json:"metric"`
	Target    *lens.Token    `json:"target,omitempty"`
	Versus    *lens.Token    `json:"vs,omitempty"`
	Baseline  Baseline       `json:"baseline"`
}

// changed is the run that is patched.
func (b *Between) changed() *Run {
	if b.Noising {
		return &b.Clean
	}
	return &b.Corrupted
}

// unchanged is the metric of that run as it is.
func (b *Between) unchanged() float64 {
	if b.Noising {
		return float64(b.Baseline.Clean)
	}
	return float64(b.Baseline.Corrupted)
}

// question says what was asked.
func (b *Between) question() string { return ask(b.Metric, b.Target, b.Versus) }

// figure is one of the two runs, without grids.
func (b *Between) figure(digits int, means string) *render.Figure {
	from, into := &b.Clean, &b.Corrupted
	if b.Noising {
		from, into = into, from
	}
	return &render.Figure{
		Title: fmt.Sprintf("%s into %s", from.text(), into.text()), Digits: digits, Means: means,
		Notes: append(named(b.Model), fmt.Sprintf("%s: clean %s, corrupted %s", b.question(), short(b.Baseline.Clean), short(b.Baseline.Corrupted))),
	}
}

// grid is the numbers of a site by layer, and by what the columns are.
func (b *Between) grid(site model.Site, layers []int, columns Columns, positions []int, heads int, values [][]lens.Number) render.Matrix {
	m := render.Matrix{Name: string(site), RowsAre: "layer", Are: "position", Rows: layerNames(layers), Values: floats(values)}
	switch columns {
	case ByPosition:
		m.Columns = b.changed().tokenColumns(positions)
	case ByHead:
		m.Are = "head"
		for head := range heads {
			m.Columns = append(m.Columns, render.Column{Name: strconv.Itoa(head)})
		}
	default:
		m.Are, m.Columns = "", []render.Column{{Name: "all"}}
	}
	return m
}

// named is the note that names a model, none for one without a name.
func named(m lens.ModelInfo) []string {
	if name := render.ModelName(m); name != "" {
		return []string{name}
	}
	return nil
}
