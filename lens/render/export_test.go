package render_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/render"
)

func TestMLXTerpsShapeIsItsDictionary(t *testing.T) {
	candidate := func(id int, text string, logit float64) lens.Candidate {
		return lens.Candidate{Token: lens.Token{ID: id, Bytes: text}, Logit: logit, Prob: 0.5}
	}
	g := &lens.Grid{
		Rows:      []string{"layers.2.resid_post", "layers.11.resid_post"},
		Positions: []int{0, 3},
		Cells: [][]lens.Cell{
			{{Top: []lens.Candidate{candidate(7, " <a>", 1.5), candidate(8, "\xff", 1)}}, {Top: []lens.Candidate{candidate(1, "b", -2)}}},
			{{Top: []lens.Candidate{candidate(9, "é", 3)}}, {Top: []lens.Candidate{candidate(0, "\n", 0)}}},
		},
	}
	var b strings.Builder
	require.NoError(t, render.MLXTerp(&b, g))
	assert.Equal(t, `{"11":[[[9,3,"é"]],[[0,0,"\n"]]],"2":[[[7,1.5," <a>"],[8,1,"�"]],[[1,-2,"b"]]]}`+"\n", b.String())
	g.Rows[0] = "layers.2.resid_mid"
	require.ErrorContains(t, render.MLXTerp(&b, g), "no place for row layers.2.resid_mid")
}

func TestLogitLensKitHasACurveForEveryCandidate(t *testing.T) {
	top := func(text string) []lens.Candidate { return []lens.Candidate{{Token: lens.Token{Bytes: text}}} }
	curve := func(id int, text string, probs ...float64) lens.Trajectory {
		return lens.Trajectory{Token: lens.Token{ID: id, Bytes: text}, Prob: probs}
	}
	g := &lens.Grid{
		Model: lens.ModelInfo{Ref: "m"}, Tokens: []lens.Token{{Bytes: "x"}, {Bytes: " y"}},
		Rows: []string{"layers.0.resid_post", "layers.7.resid_post"}, Positions: []int{1},
		Cells:   [][]lens.Cell{{{Top: top("a")}}, {{Top: top("\xff")}}},
		Tracked: [][]lens.Trajectory{{curve(1, "a", 0.123456, 0.5), curve(2, "\xff", 0, 1e-6), curve(3, "\xfe", 1, 1)}},
	}
	var b strings.Builder
	require.NoError(t, render.LogitLensKit(&b, g))
	assert.Equal(t, `{"meta":{"version":2,"model":"m"},"layers":[0,7],"input":[" y"],"tracked":[{"a":[0.12346,0.5],"�":[0,0]}],"topk":[[["a"]],[["�"]]]}`+"\n", b.String())
	g.Tracked[0] = g.Tracked[0][1:]
	require.ErrorContains(t, render.LogitLensKit(&b, g), `"a", a candidate of layers.0.resid_post at position 1, was not tracked`)
	g.Rows[0] = "embed"
	require.ErrorContains(t, render.LogitLensKit(&b, g), "no place for row embed")
}
