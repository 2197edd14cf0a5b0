package render

import (
	"fmt"
	"image"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/lens"
)

// withTargets adds two targets and a contrast.
func withTargets(g *lens.Grid) *lens.Grid {
	paris, london := lens.Token{ID: 900, Bytes: " Paris"}, lens.Token{ID: 901, Bytes: " London"}
	g.Contrasts = []lens.Contrast{{Target: paris, Versus: london}}
	for r := range g.Cells {
		for p := range g.Cells[r] {
			x := float64(r)
			g.Cells[r][p].Targets = []lens.Target{
				{Token: paris, Logit: x, Prob: x / 10, Rank: 1000 - 100*r},
				{Token: london, Logit: -x, Prob: 0, Rank: 2000},
			}
			g.Cells[r][p].Contrasts = []float64{2*x - 3}
		}
	}
	return g
}

// testCharts lays curves out.
func testCharts(t *testing.T, g *lens.Grid, o PictureOptions) *charts {
	t.Helper()
	p, err := newPainter(g, o)
	require.NoError(t, err)
	d, err := p.charts()
	require.NoError(t, err)
	return d.(*charts)
}

func TestCurvesFollowTrackedTokensThroughAllRows(t *testing.T) {
	g := wideGrid(3, 2)
	g.Tracked = [][]lens.Trajectory{nil, {{Token: lens.Token{ID: 7, Bytes: " x"}, Logit: []float64{1, 2, 3}, Prob: []float64{0.1, 0.2, 0.3}, Rank: []int{30, 2, 1}}}}
	c := testCharts(t, g, PictureOptions{Kind: Curves})
	require.Equal(t, []panel{
		{title: "probability", of: "token", share: true, curves: []curve{{"·x", []float64{0.1, 0.2, 0.3}}}},
		{title: "rank", of: "token", rank: true, curves: []curve{{"·x", []float64{30, 2, 1}}}},
	}, c.panels)
}

func TestCurvesOfCandidatesHaveGapsWhereARowDoesNotListThem(t *testing.T) {
	g := wideGrid(3, 2)
	candidate := func(id int, p float64) lens.Candidate {
		return lens.Candidate{Token: lens.Token{ID: id, Bytes: string(rune('A' + id))}, Prob: p}
	}
	for r, top := range [][]lens.Candidate{{candidate(3, 0.9)}, {candidate(2, 0.5), candidate(1, 0.4)}, {candidate(1, 0.8), candidate(2, 0.1)}} {
		g.Cells[r][1].Top = top
		g.Cells[r][1].Answer = lens.Target{Token: lens.Token{ID: 1}, Prob: 0.01 * float64(r+1), Rank: 50 - r}
	}
	c := testCharts(t, g, PictureOptions{Kind: Curves})
	probs, ranks := c.panels[0].curves, c.panels[1].curves
	require.Equal(t, curve{"B", []float64{0.01, 0.4, 0.8}}, probs[0], "the answer's own numbers fill its gaps")
	require.Equal(t, []float64{50, 2, 1}, ranks[0].values)
	require.True(t, math.IsNaN(probs[1].values[0]) && math.IsNaN(ranks[1].values[0]))
	require.Equal(t, []float64{0.5, 0.1}, probs[1].values[1:])
	require.Equal(t, []float64{1, 2}, ranks[1].values[1:])
}

func TestRankAxisIsLogarithmicWithOneOnTop(t *testing.T) {
	p := panel{rank: true, curves: []curve{{"x", []float64{1, 345, math.NaN(), 0, math.Inf(1)}}}}
	lo, hi := p.bounds()
	require.Equal(t, [2]float64{1, 1000}, [2]float64{lo, hi})
	require.InDeltaSlice(t, []float64{0, 1.0 / 3, 1}, []float64{p.height(1), p.height(10), p.height(1000)}, 1e-12)
	require.False(t, p.drawable(0) || p.drawable(math.NaN()) || p.drawable(math.Inf(1)))
	share := panel{share: true, curves: []curve{{"x", []float64{0.2}}}}
	require.Equal(t, []float64{0, 1}, []float64{share.height(1), share.height(0)})
}

func TestTargetsHaveAPanelForEachNumberAndContrastsOneOfTheirOwn(t *testing.T) {
	g := withTargets(wideGrid(4, 3))
	texts, _, _ := svg(t, picture(t, g, PictureOptions{Format: SVG, Kind: Targets}))
	var ys []float64
	for _, title := range []string{"probability", "logit", "rank", "logit difference", "layer"} {
		require.Len(t, find(texts, title), 1, title)
		ys = append(ys, find(texts, title)[0].y)
	}
	require.IsIncreasing(t, ys)
	require.Len(t, find(texts, "·Paris"), 3, "in three legends")
	require.Len(t, find(texts, "·Paris − ·London"), 1)
	for _, row := range []string{"0", "3"} {
		require.NotEmpty(t, find(texts, row))
	}
	g.Contrasts = nil
	texts, _, _ = svg(t, picture(t, g, PictureOptions{Format: SVG, Kind: Targets}))
	require.Empty(t, find(texts, "logit difference"))
}

func TestBackChoosesThePositionOfCurves(t *testing.T) {
	g := withTargets(wideGrid(3, 4))
	g.Cells[2][1].Targets[0].Prob = 0.77
	require.Equal(t, 0.77, testCharts(t, g, PictureOptions{Kind: Targets, Back: 2}).panels[0].curves[0].values[2])
	require.Equal(t, 0.2, testCharts(t, g, PictureOptions{Kind: Targets}).panels[0].curves[0].values[2])
	texts, _, _ := svg(t, picture(t, g, PictureOptions{Format: SVG, Kind: Targets, Back: 2}))
	require.NotEmpty(t, find(texts, `targets after "`+g.Tokens[1].Bytes+`" at position 1, layer by layer`))
}

func TestPNGHasTheCurveWhereItsNumberIs(t *testing.T) {
	g := withTargets(wideGrid(5, 3))
	o := PictureOptions{Kind: Targets}
	img, c := pngOf(t, g, o), testCharts(t, g, o)
	b := box{snap(margin + c.labels), snap(c.top() + 2*textSize), c.width, panelHeight}
	for r, x := range c.panels[0].curves[0].values {
		at := image.Pt(int(c.stopX(b, r)/pixel), int((b.y+c.panels[0].height(x)*b.h)/pixel))
		require.Equal(t, palette[0], rgbAt(img, at.X, at.Y), "row %d", r)
	}
	w, h := c.size()
	require.Equal(t, image.Pt(int(math.Round(w/pixel)), int(math.Round(h/pixel))), img.Bounds().Size())
}

func TestSixteenCurvesAreToldApart(t *testing.T) {
	for _, style := range []Style{Screen, Paper} {
		seen := map[string]bool{}
		c := &charts{painter: &painter{o: PictureOptions{Style: style}}}
		require.Equal(t, mostCurves, c.most())
		for i := range c.most() {
			s := c.look(i, 0)
			is := fmt.Sprint(s.color, s.dashes)
			require.False(t, seen[is], i)
			seen[is] = true
			require.Greater(t, contrast(white, s.color), 1.9)
		}
	}
}

func TestCurvesWithoutANumberAreDrawn(t *testing.T) {
	g := withTargets(wideGrid(3, 2))
	for r := range g.Cells {
		c := &g.Cells[r][1]
		c.Targets[0] = lens.Target{Token: c.Targets[0].Token, Logit: math.NaN(), Prob: math.NaN()}
		c.Contrasts[0] = math.Inf(1)
		c.Top = nil
	}
	c := testCharts(t, g, PictureOptions{Kind: Targets})
	c.panels[1].curves = c.panels[1].curves[:1] // the one without a logit
	lo, hi := c.panels[1].bounds()
	require.True(t, finite(lo) && finite(hi) && lo < hi)
	for _, f := range []Format{PNG, SVG, PDF} {
		for _, k := range []Kind{Curves, Targets} {
			require.NotEmpty(t, picture(t, g, PictureOptions{Format: f, Kind: k}))
		}
	}
}
