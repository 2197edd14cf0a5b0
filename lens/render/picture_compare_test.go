package render

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/lens"
)

// twoSides compares two prompts of three tokens, in two rows.
func twoSides() *lens.Comparison {
	a, b := "x y z", "x y w"
	tokens := func(s string) []lens.Token {
		return []lens.Token{{ID: 1, Bytes: "x"}, {ID: 2, Bytes: " y"}, {ID: 3, Bytes: s}}
	}
	c := &lens.Comparison{
		A:    lens.Compared{Lens: "logit", Prompt: &a, Tokens: tokens(" z"), Model: lens.ModelInfo{Ref: "m"}},
		B:    lens.Compared{Lens: "logit", Prompt: &b, Tokens: tokens(" w"), Model: lens.ModelInfo{Ref: "m"}, Edits: []string{"layers.0.z=zero"}},
		Rows: []string{"layers.0.resid_post", "layers.1.resid_post"}, RowsB: []string{"layers.0.resid_post", "layers.3.resid_post"},
		Positions: [][2]int{{0, 0}, {1, 1}, {2, 2}},
	}
	for range c.Rows {
		var row []lens.Difference
		for i := range c.Positions {
			one := func(s string) []lens.Candidate {
				return []lens.Candidate{{Token: lens.Token{Bytes: s}, Prob: 0.25}, {Token: lens.Token{Bytes: s + s}, Prob: 0.125}}
			}
			row = append(row, lens.Difference{JS: 0.1 * float64(i), KL: float64(i), Agree: i == 0, A: one("p"), B: one("q")})
		}
		c.Cells = append(c.Cells, row)
	}
	return c
}

func comparePicture(t *testing.T, kl bool, o PictureOptions) []svgText {
	t.Helper()
	var b bytes.Buffer
	o.Format = SVG
	require.NoError(t, ComparePicture(&b, twoSides(), kl, o))
	texts, title, _ := svg(t, b.Bytes())
	require.Contains(t, title, "layers.0.z=zero")
	return texts
}

func TestPictureOfAComparisonNamesBothSides(t *testing.T) {
	texts := comparePicture(t, false, PictureOptions{Numbers: NumbersShown})
	for _, want := range []string{`"x y z" and "x y w"`, "p≠q", "p", "0.200", "input a", "input b", "1 : 3", "JS, nats", "x≠y: a says x, b says y"} {
		require.NotEmpty(t, find(texts, want), want)
	}
	require.NotEmpty(t, find(comparePicture(t, true, PictureOptions{}), "KL, nats"))
}

func TestPictureOfAComparisonsCandidatesHasTheSidesBesideEachOther(t *testing.T) {
	texts := comparePicture(t, false, PictureOptions{Kind: Candidates})
	require.Len(t, find(texts, "pp"), 2)
	require.Less(t, find(texts, "pp")[0].x, find(texts, "q")[0].x)
	require.Len(t, find(texts, "a"), 2)
	require.Len(t, find(texts, "0.250"), 4)
}

func TestPictureOfAComparisonThatCannotBe(t *testing.T) {
	require.ErrorContains(t, ComparePicture(io.Discard, twoSides(), false, PictureOptions{Kind: Curves}), "none of a comparison's (have: Heatmap, Candidates)")
	require.ErrorContains(t, ComparePicture(io.Discard, twoSides(), false, PictureOptions{Back: 3}), "3 before the last was not compared: 3 were (0–2)")
	empty := twoSides()
	empty.Rows, empty.Cells = nil, nil
	require.NoError(t, ComparePicture(io.Discard, empty, false, PictureOptions{}))
}
