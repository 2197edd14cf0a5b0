package experiment

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize/english"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/lens/render"
	"github.com/mlxlens/mlxlens/model"
)

// Figure shows the indirect effects, a grid for each component.
func (t *Tracing) Figure() *render.Figure {
	f := &render.Figure{Title: t.Run.text(), Digits: 3, Means: "indirect effect on " + ask(t.Metric, t.Target, t.Versus) + " of restoring a clean state"}
	f.Notes = named(t.Model)
	var subject string
	var positions []string
	for _, at := range t.Subject {
		subject += t.Run.Tokens[at].Bytes
		positions = append(positions, strconv.Itoa(at))
	}
	f.Notes = append(f.Notes,
		fmt.Sprintf("noise of %g standard deviations (%.3g) on %q at %s, %d samples", t.Noise.Factor, t.Noise.Deviation, render.Visible(subject),
			english.PluralWord(len(positions), "position", "")+" "+strings.Join(positions, ", "), t.Noise.Samples),
		fmt.Sprintf("%s: clean %s, corrupted %s; total effect %s", ask(t.Metric, t.Target, t.Versus), short(t.Clean), t.Corrupted.text(), short(t.Total)))
	if t.Interrupted {
		f.Notes = append(f.Notes, interruptedNote)
	}
	for _, site := range t.Components {
		m := render.Matrix{Name: restoredName(site, t.Windows[site]), RowsAre: "layer", Are: "position", Rows: layerNames(t.Rows), Values: floats(t.Effects[site])}
		for _, at := range t.Positions {
			name := strconv.Itoa(at)
			if slices.Contains(t.Subject, at) {
				name += "*"
			}
			m.Columns = append(m.Columns, render.Column{Token: render.Part(t.Run.Tokens, at), Name: name})
		}
		f.Grids = append(f.Grids, m)
	}
	f.Notes = append(f.Notes, "* the subject")
	return f
}

// Arrays are effect.SITE and error.SITE, float32 [row, position], and rows, positions and subject,
// int32.
func (t *Tracing) Arrays() []checkpoint.Array {
	arrays := []checkpoint.Array{checkpoint.Int32Array("rows", t.Rows), checkpoint.Int32Array("positions", t.Positions), checkpoint.Int32Array("subject", t.Subject)}
	arrays = append(arrays, gridArrays("effect", t.Components, t.Effects)...)
	return append(arrays, gridArrays("error", t.Components, t.Errors)...)
}

func restoredName(site model.Site, window int) string {
	if window > 1 {
		return fmt.Sprintf("%s, windows of %d layers", site, window)
	}
	return string(site)
}

// text is a mean with its error.
func (e Effect) text() string {
	if math.IsNaN(float64(e.Error)) {
		return short(e.Mean)
	}
	return fmt.Sprintf("%s ± %s", short(e.Mean), strconv.FormatFloat(float64(e.Error), 'g', 2, 64))
}
