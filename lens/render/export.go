package render

import (
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/mlxlens/mlxlens/lens"
)

// MLXTerp writes the dictionary that mlxterp's logit_lens returns, {layer: [for each
// position: [[id, score, text], …]]}, as one JSON object; JSON's keys are strings. Only
// rows after a layer have a place in it.
func MLXTerp(w io.Writer, g *lens.Grid) error {
	numbers, err := layerNumbers(g, "mlxterp")
	if err != nil {
		return err
	}
	layers := map[string][][][3]any{}
	for r := range g.Rows {
		positions := make([][][3]any, len(g.Positions))
		for p := range positions {
			for _, t := range g.Cells[r][p].Top {
				positions[p] = append(positions[p], [3]any{t.ID, t.Logit, t.Text()})
			}
		}
		layers[strconv.Itoa(numbers[r])] = positions
	}
	return WriteJSON(w, layers)
}

// layerNumbers returns the layer after which each row is read, for a shape that has a
// place for such rows only.
func layerNumbers(g *lens.Grid, shape string) ([]int, error) {
	layers := make([]int, len(g.Rows))
	for r, row := range g.Rows {
		if n, _ := fmt.Sscanf(row, "layers.%d.resid_post", &layers[r]); n != 1 || row != fmt.Sprintf("layers.%d.resid_post", layers[r]) {
			return nil, fmt.Errorf("render: %s's shape has no place for row %s", shape, row)
		}
	}
	return layers, nil
}

// kit is logitlenskit's V2.
type kit struct {
	Meta struct {
		Version int    `json:"version"`
		Model   string `json:"model"`
	} `json:"meta"`
	Layers  []int                  `json:"layers"`
	Input   []string               `json:"input"`
	Tracked []map[string][]float64 `json:"tracked"` // [position]: token text → probability by layer
	TopK    [][][]string           `json:"topk"`    // [layer][position]
}

// LogitLensKit writes what logitlenskit's widget reads, its V2: the candidates' texts, and
// for each position the probability of every candidate of any layer, layer by layer, to 5
// places. The grid must have them all (lens.Options.Track of at least candidates · rows).
// A text stands for its token there: of two tokens with the same text at a position that
// of better rank has the curve.
func LogitLensKit(w io.Writer, g *lens.Grid) error {
	var k kit
	var err error
	if k.Layers, err = layerNumbers(g, "logitlenskit"); err != nil {
		return err
	}
	k.Meta.Version, k.Meta.Model = 2, g.Model.Ref
	for p, at := range g.Positions {
		k.Input = append(k.Input, g.Tokens[at].Text())
		curves := map[string][]float64{}
		if p < len(g.Tracked) {
			for _, t := range g.Tracked[p] {
				if _, taken := curves[t.Text()]; !taken {
					curves[t.Text()] = rounded(t.Prob)
				}
			}
		}
		k.Tracked = append(k.Tracked, curves)
	}
	for r := range g.Rows {
		row := make([][]string, len(g.Positions))
		for p := range row {
			row[p] = []string{}
			for _, t := range g.Cells[r][p].Top {
				if _, ok := k.Tracked[p][t.Text()]; !ok {
					return fmt.Errorf("render: logitlenskit: %q, a candidate of %s at position %d, was not tracked", t.Text(), g.Rows[r], g.Positions[p])
				}
				row[p] = append(row[p], t.Text())
			}
		}
		k.TopK = append(k.TopK, row)
	}
	return WriteJSON(w, k)
}

func rounded(xs []float64) []float64 {
	out := make([]float64, len(xs))
	for i, x := range xs {
		out[i] = math.Round(x*1e5) / 1e5
	}
	return out
}
