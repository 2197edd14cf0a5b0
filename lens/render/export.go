package render

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/mlxlens/mlxlens/lens"
)

// MLXTerp writes the dictionary that mlxterp's logit_lens returns, {layer: [for each
// position: [[id, score, text], …]]}, as one JSON object; JSON's keys are strings. Only
// rows after a layer have a place in it.
func MLXTerp(w io.Writer, g *lens.Grid) error {
	layers := map[string][][][3]any{}
	for r, row := range g.Rows {
		var layer int
		if n, _ := fmt.Sscanf(row, "layers.%d.resid_post", &layer); n != 1 || row != fmt.Sprintf("layers.%d.resid_post", layer) {
			return fmt.Errorf("render: mlxterp's shape has no place for row %s", row)
		}
		positions := make([][][3]any, len(g.Positions))
		for p := range positions {
			for _, t := range g.Cells[r][p].Top {
				positions[p] = append(positions[p], [3]any{t.ID, t.Logit, t.Text()})
			}
		}
		layers[strconv.Itoa(layer)] = positions
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if err := e.Encode(layers); err != nil {
		return fmt.Errorf("render: mlxterp: %w", err)
	}
	return nil
}
