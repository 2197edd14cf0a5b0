package experiment

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize/english"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/render"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/states"
)

// methodNames are the methods in words.
var methodNames = map[SteeringMethod]string{MeanDifference: "mean difference", PCA: "first principal component of the differences"}

// Figure shows how well the vectors tell held-out pairs apart, and what they do.
func (s *Steering) Figure() *render.Figure {
	f := &render.Figure{
		Title: fmt.Sprintf("%s of %s at %s", methodNames[s.Method], english.Plural(s.Pairs, "pair", ""), s.Site), Digits: 2,
		Means: "accuracy and separation (Cohen's d) of held-out prompts along the vector; length of the vector in that of a state",
	}
	f.Notes = named(s.Model)
	f.Notes = append(f.Notes, english.Plural(s.HeldOut, "pair", "")+" held out"+ofThese(s.Seen))
	if s.Interrupted {
		f.Notes = append(f.Notes, interruptedNote)
	}
	table := render.Matrix{Name: "vectors", RowsAre: "layer", Plain: true, Columns: []render.Column{{Name: "accuracy"}, {Name: "separation"}, {Name: "length"}}}
	for _, l := range s.Layers {
		table.Rows = append(table.Rows, strconv.Itoa(l.Layer))
		table.Values = append(table.Values, []float64{float64(l.Accuracy), float64(l.Separation), float64(l.Norm / l.StateNorm)})
	}
	f.Grids = append(f.Grids, table)
	e := s.Effect
	if e == nil {
		return f
	}
	of := "of " + e.Prompts[0].text()
	if n := len(e.Prompts); n > 1 {
		of = fmt.Sprintf("the mean over %d prompts", n)
	}
	f.Notes = append(f.Notes, fmt.Sprintf("steered: ln p(%q) − ln p(%q), %s; without a vector %s", render.Visible(e.Target.Bytes), render.Visible(e.Versus.Bytes), of, short(e.Baseline)))
	effect := render.Matrix{Name: "steered", Means: "the difference of log-probabilities, steered", RowsAre: "layer", Are: "strength", Rows: table.Rows, Values: floats(e.Values)}
	for _, x := range e.Strengths {
		effect.Columns = append(effect.Columns, render.Column{Name: short(x)})
	}
	f.Grids = append(f.Grids, effect)
	return f
}

// Arrays are the vectors, float32, each named by its place: what --edit PLACE=add:FILE reads.
func (s *Steering) Arrays() []checkpoint.Array {
	var arrays []checkpoint.Array
	for i, v := range s.Vectors {
		if v != nil {
			at := model.Place{Site: s.Site, Layer: s.Layers[i].Layer}
			arrays = append(arrays, checkpoint.Float32Array(at.String(), v, s.Shape...))
		}
	}
	return arrays
}

// File is the vectors as they are kept. With Made it says which model they are of.
func (s *Steering) File() *states.Vectors {
	var norms []string
	for _, l := range s.Layers {
		norms = append(norms, fmt.Sprintf("%d:%s", l.Layer, short(l.Norm)))
	}
	m := vectorMetadata(s.Model, s.Made, s.Site, s.Read)
	m["method"], m["pairs"], m["held_out"], m["norms"] = string(s.Method), strconv.Itoa(s.Pairs), strconv.Itoa(s.HeldOut), strings.Join(norms, " ")
	return &states.Vectors{Arrays: s.Arrays(), Metadata: m}
}

// vectorMetadata says what vectors are of.
func vectorMetadata(info lens.ModelInfo, made *lens.Made, site model.Site, read string) map[string]string {
	m := map[string]string{"model": info.Ref, "model_type": info.Type, "d_model": strconv.Itoa(info.DModel), "site": string(site), "read": read}
	if made != nil {
		m[states.ModelDigest], m["version"] = made.Model, made.Version
		command, _ := json.Marshal(made.Command) // texts alone
		m["command"] = string(command)
	}
	return m
}
