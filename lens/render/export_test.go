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
