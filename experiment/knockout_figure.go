package experiment

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/render"
)

// Figure shows the effects, a row a layer.
func (k *Knockouts) Figure() *render.Figure {
	question := ask(k.Metric, k.Target, k.Versus)
	f := &render.Figure{
		Title: "attention knocked out in " + k.Run.text(), Digits: 2,
		Means: "what hiding does to " + question + ": its value less that of the run as it is",
	}
	f.Notes = append(named(k.Model),
		fmt.Sprintf("%s as it is: %s", question, short(k.Baseline)),
		fmt.Sprintf("hidden: keys %s from queries %s", ranges(k.Keys), ranges(k.Queries)))
	if k.Interrupted {
		f.Notes = append(f.Notes, interruptedNote)
	}
	if k.Window > 1 {
		f.Notes = append(f.Notes, fmt.Sprintf("windows of %d layers", k.Window))
	}
	grid := render.Matrix{Name: "effect", RowsAre: "layer", Rows: layerNames(k.Rows), Values: floats(k.Effects)}
	switch k.Columns {
	case ByPosition:
		grid.Are, grid.Columns = "key", k.Run.tokenColumns(k.Keys)
	case ByHead:
		grid.Are = "head"
		for head := range k.Heads {
			grid.Columns = append(grid.Columns, render.Column{Name: strconv.Itoa(head)})
		}
		f.Notes = append(f.Notes, "strongest: "+k.strongest())
	default:
		grid.Columns = []render.Column{{Name: "all keys"}}
	}
	f.Grids = []render.Matrix{grid}
	f.FitDigits()
	return f
}

// strongest names the heads of the greatest effects, either way.
func (k *Knockouts) strongest() string {
	var names []string
	for _, h := range k.Strongest()[:min(bestHeads, len(k.Strongest()))] {
		names = append(names, fmt.Sprintf("%s (%.2f)", h, float64(k.Effects[slices.Index(k.Rows, h.Layer)][h.Head])))
	}
	return strings.Join(names, ", ")
}

// Strongest returns the heads of ByHead, the greatest effect first, whatever its sign; with a
// window a head's layer is the window's middle.
func (k *Knockouts) Strongest() []Head {
	var heads []Head
	size := map[Head]lens.Number{}
	for row, layer := range k.Rows {
		for column, x := range k.Effects[row] {
			if k.Columns == ByHead && !math.IsNaN(float64(x)) {
				h := Head{layer, column}
				heads, size[h] = append(heads, h), max(x, -x)
			}
		}
	}
	slices.SortStableFunc(heads, func(a, b Head) int { return cmp.Compare(size[b], size[a]) })
	return heads
}

// Arrays are value and effect, float32 [row, column], with rows, queries and keys, int32.
func (k *Knockouts) Arrays() []checkpoint.Array {
	arrays := []checkpoint.Array{checkpoint.Int32Array("rows", k.Rows), checkpoint.Int32Array("queries", k.Queries), checkpoint.Int32Array("keys", k.Keys)}
	for _, grid := range []struct {
		name   string
		values [][]lens.Number
	}{{"value", k.Values}, {"effect", k.Effects}} {
		data := numbers32(grid.values)
		arrays = append(arrays, checkpoint.Float32Array(grid.name, data, len(grid.values), len(data)/len(grid.values)))
	}
	return arrays
}

// ranges writes ascending positions as flags take them: 0:4,7.
func ranges(positions []int) string {
	var parts []string
	for i := 0; i < len(positions); {
		n := 1
		for i+n < len(positions) && positions[i+n] == positions[i]+n {
			n++
		}
		text := strconv.Itoa(positions[i])
		if n > 1 {
			text += ":" + strconv.Itoa(positions[i]+n)
		}
		parts = append(parts, text)
		i += n
	}
	return strings.Join(parts, ",")
}
