package experiment

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize/english"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/lens/render"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/states"
)

// Figure shows how well the probes do, layer by layer.
func (p *Probing) Figure() *render.Figure {
	f := &render.Figure{Title: fmt.Sprintf("linear probes of %s", p.Site), Digits: 3, Means: "the part of prompts whose class a linear probe tells right"}
	f.Notes = named(p.Model)
	var classes []string
	for _, c := range p.Classes {
		classes = append(classes, fmt.Sprintf("%s %d + %d", render.Visible(c.Label), c.Prompts, c.HeldOut))
	}
	f.Notes = append(f.Notes, fmt.Sprintf("%s and %d held out%s, by label: %s", english.Plural(p.Prompts, "prompt", ""), p.HeldOut, ofThese(p.Seen), strings.Join(classes, ", ")))
	table := render.Matrix{Name: "accuracy", RowsAre: "layer", Columns: []render.Column{{Name: "held out"}, {Name: "majority"}, {Name: "training"}}}
	for _, l := range p.Layers {
		table.Rows = append(table.Rows, strconv.Itoa(l.Layer))
		table.Values = append(table.Values, []float64{float64(l.Accuracy), float64(p.Majority), float64(l.Training)})
	}
	f.Grids = []render.Matrix{table}
	return f
}

// Arrays are the directions, float32. Of two classes there is one of a layer, from the first to the
// second, named by its place; of more one each, PLACE/LABEL, and all/PLACE with all as rows, to be
// projected out.
func (p *Probing) Arrays() []checkpoint.Array {
	var arrays []checkpoint.Array
	for l, directions := range p.Directions {
		at := model.Place{Site: p.Site, Layer: p.Layers[l].Layer}.String()
		var all []float32
		for c, v := range directions {
			name := at
			if len(directions) > 1 {
				name += "/" + p.Classes[c].Label
			}
			if v != nil {
				arrays = append(arrays, checkpoint.Float32Array(name, v, p.Shape...))
			}
			all = append(all, v...)
		}
		if d := p.Shape[len(p.Shape)-1]; len(directions) > 1 && all != nil {
			arrays = append(arrays, checkpoint.Float32Array(states.AllOf+at, all, len(all)/d, d))
		}
	}
	return arrays
}

// File is the directions as they are kept. With Made it says which model they are of.
func (p *Probing) File() *states.Vectors {
	var classes []string
	for _, c := range p.Classes {
		classes = append(classes, c.Label)
	}
	m := vectorMetadata(p.Model, p.Made, p.Site, p.Read)
	m["method"], m["prompts"], m["held_out"], m["classes"] = "probe", strconv.Itoa(p.Prompts), strconv.Itoa(p.HeldOut), strings.Join(classes, " / ")
	return &states.Vectors{Arrays: p.Arrays(), Metadata: m}
}
