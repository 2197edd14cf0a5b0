package lens_test

import (
	"context"
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/model/load"
)

func compareSides(t *testing.T, a, b lens.Side, o lens.CompareOptions) *lens.Comparison {
	t.Helper()
	c, err := lens.Compare(context.Background(), a, b, o)
	require.NoError(t, err)
	return c
}

func TestNothingDiffersFromItself(t *testing.T) {
	m := tiny(t)
	c := compareSides(t, lens.Side{Model: m, Input: edit.Input{IDs: sixty}}, lens.Side{Model: m, Input: edit.Input{IDs: sixty}}, lens.CompareOptions{Embed: true, Mid: true})
	require.Equal(t, 7, len(c.Rows))
	require.Equal(t, c.Rows, c.RowsB)
	for r := range c.Cells {
		require.Len(t, c.Cells[r], 60)
		for _, d := range c.Cells[r] {
			require.Zero(t, d.KL)
			require.Zero(t, d.JS)
			require.True(t, d.Agree)
			require.Equal(t, d.A, d.B)
		}
	}
	require.Nil(t, c.First)
	require.Equal(t, lens.Average{Agree: 1}, c.ByRow[0])
}

func TestCandidatesAreThoseOfTheLens(t *testing.T) {
	m := tiny(t)
	g := trace(t, m, sixty, lens.Options{Top: 3})
	c := compareSides(t, lens.Side{Model: m, Input: edit.Input{IDs: sixty, Positions: []int{0, 49}}}, lens.Side{Model: m, Input: edit.Input{IDs: sixty[:50]}}, lens.CompareOptions{Top: 3, Align: lens.AlignStart})
	require.Equal(t, [][2]int{{0, 0}, {49, 49}}, c.Positions)
	for r := range c.Cells {
		for i, at := range []int{0, 49} {
			for k, want := range g.Cells[r][at].Top {
				got := c.Cells[r][i].A[k]
				require.Equal(t, want.ID, got.ID)
				require.InDelta(t, want.Prob, got.Prob, 1e-4)
			}
		}
	}
}

func TestAnEditIsWhereTheSidesPart(t *testing.T) {
	m := tiny(t)
	c := compareSides(t, lens.Side{Model: m, Input: edit.Input{IDs: sixty}}, lens.Side{Model: m, Input: edit.Input{IDs: sixty, Edits: []edit.Edit{parsed(t, m, "layers.1.mlp_out@10=scale:-5")}}},
		lens.CompareOptions{Threshold: 1e-9})
	require.Equal(t, &lens.Divergence{Row: "layers.1.resid_post", Position: [2]int{10, 10}}, c.First)
	require.Equal(t, []string{"layers.1.mlp_out@10=scale:-5"}, c.B.Edits)
	for p := range c.Positions {
		require.Zero(t, c.Cells[0][p].JS, "the layer before")
		if p < 10 {
			require.Zero(t, c.Cells[2][p].JS, "the past")
			require.Nil(t, c.FirstAt[p])
		}
	}
	require.Equal(t, "layers.2.resid_post", *c.FirstAt[11], "the edit is seen by attention only after it")
}

func TestSidesChangePlaces(t *testing.T) {
	m := tiny(t)
	other := append([]int{9}, sixty[:40]...)
	o := lens.CompareOptions{Align: lens.AlignEnd}
	ab := compareSides(t, lens.Side{Model: m, Input: edit.Input{IDs: sixty[:40]}}, lens.Side{Model: m, Input: edit.Input{IDs: other}}, o)
	ba := compareSides(t, lens.Side{Model: m, Input: edit.Input{IDs: other}}, lens.Side{Model: m, Input: edit.Input{IDs: sixty[:40]}}, o)
	require.Equal(t, [2]int{0, 1}, ab.Positions[0])
	require.Equal(t, [2]int{1, 0}, ba.Positions[0])
	for r := range ab.Cells {
		for p := range ab.Cells[r] {
			x, y := ab.Cells[r][p], ba.Cells[r][p]
			require.InDelta(t, x.KL, y.KLBA, 1e-9)
			require.InDelta(t, x.JS, y.JS, 1e-9)
			require.LessOrEqual(t, x.JS, math.Ln2)
			require.LessOrEqual(t, x.JS, (x.KL+x.KLBA)/4+1e-9, "Lin 1991: JS ≤ (KL(a‖b) + KL(b‖a))/4")
		}
	}
}

func TestDivergencesFollowTheirDefinitions(t *testing.T) {
	a, b := []float32{1, -2, 0.5, -40}, []float32{0.1, 3, -1, -90}
	var pa, pb [4]float64
	for i := range a {
		var sumA, sumB float64
		for j := range a {
			sumA += math.Exp(float64(a[j]))
			sumB += math.Exp(float64(b[j]))
		}
		pa[i], pb[i] = math.Exp(float64(a[i]))/sumA, math.Exp(float64(b[i]))/sumB
	}
	var kl, klBA, js float64
	for i := range pa {
		m := (pa[i] + pb[i]) / 2
		kl += pa[i] * math.Log(pa[i]/pb[i])
		klBA += pb[i] * math.Log(pb[i]/pa[i])
		js += pa[i]*math.Log(pa[i]/m)/2 + pb[i]*math.Log(pb[i]/m)/2
	}
	d := lens.DifferenceOf(a, b)
	assert.InDelta(t, kl, d.KL, 1e-12)
	assert.InDelta(t, klBA, d.KLBA, 1e-12)
	assert.InDelta(t, js, d.JS, 1e-12)

	minus := float32(math.Inf(-1))
	apart := lens.DifferenceOf([]float32{0, minus}, []float32{minus, 0})
	assert.InDelta(t, math.Ln2, apart.JS, 1e-15)
	assert.True(t, math.IsInf(apart.KL, 1))
	nan := lens.DifferenceOf([]float32{0, float32(math.NaN())}, []float32{0, 0})
	assert.True(t, math.IsNaN(nan.JS))
	raw, err := json.Marshal(nan)
	require.NoError(t, err)
	assert.Contains(t, string(raw), `"kl":null`)
}

func TestPackedWeightsDifferFromTheirUnpackedSelvesByRounding(t *testing.T) {
	dense := open(t, tinyLlama, auto.Options{Weights: load.Dense}).Model
	packed := open(t, tinyLlama, auto.Options{Weights: load.Packed}).Model
	c := compareSides(t, lens.Side{Model: dense, Input: edit.Input{IDs: sixty}}, lens.Side{Model: packed, Input: edit.Input{IDs: sixty}}, lens.CompareOptions{})
	for _, row := range c.ByRow {
		require.Less(t, row.JS, 1e-8)
		require.InDelta(t, 1, row.Agree, 1e-9)
	}
}

func TestModelsOfOtherDepthArePairedByDepth(t *testing.T) {
	require.Equal(t, []int{0, 1, 4, 7}, lens.AtDepth([]int{0, 1, 4, 7}, 8, 8))
	require.Equal(t, []int{1, 3, 9, 15}, lens.AtDepth([]int{0, 1, 4, 7}, 8, 16))
	require.Equal(t, []int{0, 0, 1, 1}, lens.AtDepth([]int{0, 1, 2, 3}, 4, 2))
}

func TestWhatCannotBeComparedIsAnError(t *testing.T) {
	m := tiny(t)
	a := lens.Side{Model: m, Input: edit.Input{IDs: sixty}}
	for says, run := range map[string]func() error{
		"have 60 and 3 tokens": func() error {
			_, err := lens.Compare(context.Background(), a, lens.Side{Model: m, Input: edit.Input{IDs: sixty[:3]}}, lens.CompareOptions{})
			return err
		},
		"1 have a partner": func() error {
			_, err := lens.Compare(context.Background(), lens.Side{Model: m, Input: edit.Input{IDs: sixty, Positions: []int{0, -1}}}, lens.Side{Model: m, Input: edit.Input{IDs: sixty[:3]}}, lens.CompareOptions{Align: lens.AlignEnd})
			return err
		},
		"distributions over them cannot be compared": func() error {
			other := open(t, "../testdata/models/tiny-llama-a-llama3rope", auto.Options{}).Model
			if other.Shape().DVocab == m.Shape().DVocab {
				t.Skip("the models have one vocabulary")
			}
			_, err := lens.Compare(context.Background(), a, lens.Side{Model: other, Input: edit.Input{IDs: sixty[:3]}}, lens.CompareOptions{})
			return err
		},
		"prompt is empty": func() error {
			_, err := lens.Compare(context.Background(), lens.Side{Model: m}, lens.Side{Model: m}, lens.CompareOptions{})
			return err
		},
	} {
		require.ErrorContains(t, run(), says)
	}
}

func TestTargetsAreThoseOfEachSidesLens(t *testing.T) {
	m := tiny(t)
	a, b := edit.Input{IDs: sixty[:9]}, edit.Input{IDs: sixty[1:10]}
	o := lens.CompareOptions{Targets: []int{7, 100}, Contrasts: [][2]int{{7, 100}}, Attn: true}
	c := compareSides(t, lens.Side{Model: m, Input: a}, lens.Side{Model: m, Input: b}, o)
	lo := lens.Options{Targets: o.Targets, Contrasts: o.Contrasts, Attn: true}
	for side, g := range []*lens.Grid{traceIn(t, m, a, lo), traceIn(t, m, b, lo)} {
		require.Equal(t, g.Rows, c.Rows)
		for r := range c.Cells {
			for p := range c.Cells[r] {
				want, got := g.Cells[r][p], c.Cells[r][p]
				for i := range want.Targets {
					require.Equal(t, want.Targets[i].Rank, got.Targets[i][side].Rank)
					require.InDelta(t, want.Targets[i].Logit, got.Targets[i][side].Logit, 1e-4)
					require.InDelta(t, want.Targets[i].Prob, got.Targets[i][side].Prob, 1e-4)
				}
				require.InDelta(t, want.Contrasts[0], got.Contrasts[0][side], 1e-4)
			}
		}
	}
}
