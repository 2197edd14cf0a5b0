package golden

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/render"
)

const recorded = "../../testdata/golden/tiny-llama-b-4bit-mixed.json.gz"

// faithful is a grid that holds exactly what the case does.
func faithful(c *Case) *lens.Grid {
	g := &lens.Grid{}
	for _, id := range c.IDs {
		g.Tokens = append(g.Tokens, lens.Token{ID: id})
	}
	for l := range c.Lens.IDs {
		g.Rows = append(g.Rows, "row")
		var row []lens.Cell
		for p := range c.IDs {
			cell := lens.Cell{LogSumExp: c.Lens.LSE[l][p], Entropy: c.Lens.Entropy[l][p], KL: c.Lens.KL[l][p], Norm: c.Lens.ResidNorm[l][p]}
			for k, id := range c.Lens.IDs[l][p] {
				cell.Top = append(cell.Top, lens.Candidate{Token: lens.Token{ID: id}, Logit: c.Lens.Logits[l][p][k]})
			}
			row = append(row, cell)
		}
		g.Cells = append(g.Cells, row)
	}
	return g
}

func TestOneChangedNumberIsADifference(t *testing.T) {
	cases, err := Load(recorded)
	require.NoError(t, err)
	c := &cases[1]
	require.NoError(t, c.Compare(faithful(c)))
	for name, change := range map[string]func(g *lens.Grid){
		"an id of the prompt": func(g *lens.Grid) { g.Tokens[2].ID++ },
		"a missing token":     func(g *lens.Grid) { g.Tokens = g.Tokens[1:] },
		"a missing row":       func(g *lens.Grid) { g.Cells = g.Cells[1:] },
		"a logit":             func(g *lens.Grid) { g.Cells[1][3].Top[2].Logit += 2 * LogitTolerance },
		"a candidate":         func(g *lens.Grid) { g.Cells[0][0].Top[0].ID++ },
		"two candidates swapped": func(g *lens.Grid) {
			top := g.Cells[2][1].Top
			top[0].ID, top[1].ID = top[1].ID, top[0].ID
		},
		"a missing candidate": func(g *lens.Grid) { g.Cells[2][6].Top = g.Cells[2][6].Top[:4] },
		"a norm":              func(g *lens.Grid) { g.Cells[1][4].Norm *= 1 + 2*RelativeNormDiff },
		"a logsumexp":         func(g *lens.Grid) { g.Cells[1][4].LogSumExp += 2 * MetricTolerance },
		"an entropy":          func(g *lens.Grid) { g.Cells[0][5].Entropy -= 2 * MetricTolerance },
		"a KL":                func(g *lens.Grid) { g.Cells[1][4].KL += 2 * MetricTolerance },
	} {
		g := faithful(c)
		change(g)
		require.Error(t, c.Compare(g), name)
	}
}

func TestFirstDifferenceInForwardOrderIsNamed(t *testing.T) {
	cases, err := Load(recorded)
	require.NoError(t, err)
	c := &cases[1]
	g := faithful(c)
	g.Rows = []string{"layers.0.resid_post", "layers.1.resid_post", "layers.2.resid_post"}
	g.Cells[2][0].Norm = 0
	g.Cells[1][5].KL = -1
	require.ErrorContains(t, c.Compare(g), "layers.1.resid_post position 5: kl -1")
}

func TestOneChangedNumberOfAnExportIsADifference(t *testing.T) {
	cases, err := Load(recorded)
	require.NoError(t, err)
	c := &cases[1]
	for name, change := range map[string]func(g *lens.Grid){
		"":                    func(*lens.Grid) {},
		"a logit":             func(g *lens.Grid) { g.Cells[1][3].Top[2].Logit += 2 * LogitTolerance },
		"a candidate":         func(g *lens.Grid) { g.Cells[0][0].Top[0].ID++ },
		"a missing candidate": func(g *lens.Grid) { g.Cells[2][6].Top = g.Cells[2][6].Top[:4] },
		"a missing layer":     func(g *lens.Grid) { g.Cells, g.Rows = g.Cells[1:], g.Rows[1:] },
		"a missing position":  func(g *lens.Grid) { g.Positions = g.Positions[1:] },
	} {
		g := faithful(c)
		for l := range g.Rows {
			g.Rows[l] = fmt.Sprintf("layers.%d.resid_post", l)
		}
		for p := range c.IDs {
			g.Positions = append(g.Positions, p)
		}
		change(g)
		var export bytes.Buffer
		require.NoError(t, render.MLXTerp(&export, g))
		if err := c.CompareExport(&export); name == "" {
			require.NoError(t, err)
		} else {
			require.Error(t, err, name)
		}
	}
}

func TestTiesAreComparedAsSets(t *testing.T) {
	candidates := func(ids ...int) (out []lens.Candidate) {
		for i, id := range ids {
			out = append(out, lens.Candidate{Token: lens.Token{ID: id}, Logit: []float64{5, 4, 4, 3}[i]})
		}
		return out
	}
	ids, logits := []int{1, 2, 3, 4}, []float64{5, 4, 4, 3}
	require.NoError(t, compareTop(candidates(1, 3, 2, 4), ids, logits, 2))
	require.Error(t, compareTop(candidates(1, 3, 9, 4), ids, logits, 2))
	require.Error(t, compareTop(candidates(2, 1, 3, 4), ids, logits, 2))
	require.Error(t, compareTop(candidates(1, 2, 3, 9), ids, logits, 2))
	require.NoError(t, compareTop(candidates(1, 2, 3, 9), ids, logits, 3), "the list cuts a tie: its other members are as good")
}

func TestUnknownSchemaIsAnError(t *testing.T) {
	_, err := Load("golden_test.go")
	var syntax *json.SyntaxError
	require.ErrorAs(t, err, &syntax)
	_, err = Load("../../testdata/models/tiny-llama-b-4bit-mixed/config.json")
	require.ErrorContains(t, err, "schema")
}
