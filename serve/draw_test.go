package serve

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/lens"
)

// drawnGrid is a grid of one cell, as a request has it.
func drawnGrid(t *testing.T) string {
	cell := lens.Cell{Top: []lens.Candidate{{Token: lens.Token{ID: 2, Bytes: "b"}, Logit: 1, Prob: 0.5}}}
	text, err := json.Marshal(&lens.Grid{
		Schema: lens.TraceSchema, Model: lens.ModelInfo{Ref: "m", Layers: 1}, Tokens: []lens.Token{{ID: 1, Bytes: "a"}},
		Rows: []string{"layers.0.resid_post"}, Positions: []int{0}, Cells: [][]lens.Cell{{cell}},
	})
	require.NoError(t, err)
	return string(text)
}

func TestAGridThatIsThereIsDrawn(t *testing.T) {
	_, server := started(t, Options{}, echo)
	for format, has := range map[string]string{"csv": `layers.0.resid_post,0,1,a,top,1,2,b,1,0.5`, "svg": "KL(final", "html": `"view":"kl"`, "png": "PNG", "pdf": "%PDF", "page": `"view":"kl"`} {
		answer, text := asked(t, server.URL+"/api/v1/draw", `{"format":"`+format+`","view":"kl","command":"mlxlens generate","grid":`+drawnGrid(t)+`}`)
		require.Equal(t, http.StatusOK, answer.StatusCode, text)
		require.Equal(t, types[format], answer.Header.Get("Content-Type"))
		require.Contains(t, text, has)
	}
}

func TestWhatIsNoGridIsNotDrawn(t *testing.T) {
	_, server := started(t, Options{}, echo)
	grid := drawnGrid(t)
	for request, says := range map[string]string{
		`{"format":"svg"}`:                                "want a grid (mlxlens.trace/1)",
		`{"format":"npz","grid":` + grid + `}`:            `want one of [\"csv\"`,
		`{"format":"svg","view":"x","grid":` + grid + `}`: `view \"x\" is unknown`,
		`{"format":"svg","colour":1}`:                     "the request is no drawing",
		`{"format":"svg","grid":` + strings.Replace(grid, `"positions":[0]`, `"positions":[1]`, 1) + `}`:                                  "position 1: want ascending ones of 1 token",
		`{"format":"svg","grid":` + strings.Replace(grid, `"positions":[0]`, `"positions":[]`, 1) + `}`:                                   "it has 1 row, 0 positions",
		`{"format":"svg","grid":` + strings.Replace(grid, `"rows":[`, `"rows":["layers.1.mlp_out",`, 1) + `}`:                             "it has 2 rows",
		`{"format":"svg","grid":` + strings.Replace(grid, `"rows":[`, `"lenses":[{"kind":"tuned","rows":[7]}],"rows":[`, 1) + `}`:         "the tuned lens reads row 7",
		`{"format":"svg","grid":` + strings.Replace(grid, `"rows":[`, `"lenses":[{"kind":"tuned","rows":[]}],"rows":[`, 1) + `}`:          "the tuned lens reads no row",
		`{"format":"svg","grid":` + strings.Replace(grid, `"rows":[`, `"tracked":[[{"id":1,"rank":[1,2],"prob":[1]}]],"rows":[`, 1) + `}`: "through 0 logits, 1 probabilities and 2 ranks",
	} {
		answer, text := asked(t, server.URL+"/api/v1/draw", request)
		require.Equal(t, http.StatusBadRequest, answer.StatusCode, request)
		require.Contains(t, text, says)
	}
}
