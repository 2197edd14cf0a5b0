package experiment

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/render"
	"github.com/mlxlens/mlxlens/model"
)

// Figure shows the recoveries, a grid for each component.
func (p *Patching) Figure() *render.Figure {
	f := p.figure(2, "recovery of "+p.question()+": 0 as the corrupted run, 1 as the clean one")
	if p.Baseline.Clean == p.Baseline.Corrupted {
		f.Notes = append(f.Notes, "both runs have the same number: there is nothing to recover, and a patch that changes it has none (–)")
	}
	if p.Interrupted {
		f.Notes = append(f.Notes, interruptedNote)
	}
	if p.Window > 1 {
		f.Notes = append(f.Notes, fmt.Sprintf("windows of %d layers", p.Window))
	}
	if p.Receivers != nil {
		what := "the direct paths to "
		if p.Recomputed {
			what = "the paths through MLPs to "
		}
		f.Notes = append(f.Notes, what+strings.Join(p.Receivers, ", "))
	}
	for _, site := range p.Components {
		f.Grids = append(f.Grids, p.grid(site, p.Rows, p.Columns, p.Positions, p.Heads, p.Recovery[site]))
	}
	return f
}

// ask is a question in words.
func ask(metric Metric, target, versus *lens.Token) string {
	switch {
	case versus != nil:
		return fmt.Sprintf("logit of %q less that of %q", render.Visible(target.Bytes), render.Visible(versus.Bytes))
	case target != nil:
		return fmt.Sprintf("%s of %q", metric, render.Visible(target.Bytes))
	}
	return string(metric) + " from the clean run"
}

func layerNames(layers []int) []string {
	var names []string
	for _, layer := range layers {
		names = append(names, strconv.Itoa(layer))
	}
	return names
}

func floats(grid [][]lens.Number) [][]float64 {
	out := make([][]float64, len(grid))
	for i, row := range grid {
		for _, x := range row {
			out[i] = append(out[i], float64(x))
		}
	}
	return out
}

func short(x lens.Number) string { return strconv.FormatFloat(float64(x), 'g', 4, 64) }

// Arrays are the grids as float32 arrays [row, column], recovery.SITE and value.SITE, with rows and
// positions, int32.
func (p *Patching) Arrays() []checkpoint.Array {
	arrays := []checkpoint.Array{checkpoint.Int32Array("rows", p.Rows), checkpoint.Int32Array("positions", p.Positions)}
	arrays = append(arrays, gridArrays("recovery", p.Components, p.Recovery)...)
	return append(arrays, gridArrays("value", p.Components, p.Values)...)
}

// gridArrays are grids as arrays NAME.SITE, [row, column].
func gridArrays(name string, sites []model.Site, grids map[model.Site][][]lens.Number) []checkpoint.Array {
	var arrays []checkpoint.Array
	for _, site := range sites {
		data := numbers32(grids[site])
		arrays = append(arrays, checkpoint.Float32Array(name+"."+string(site), data, len(grids[site]), len(data)/len(grids[site])))
	}
	return arrays
}

// numbers32 are a grid's numbers, row by row.
func numbers32(grid [][]lens.Number) []float32 {
	var data []float32
	for _, row := range grid {
		for _, x := range row {
			data = append(data, float32(x))
		}
	}
	return data
}
