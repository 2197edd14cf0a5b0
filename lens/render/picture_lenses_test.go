package render

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/browsertest"
	"github.com/mlxlens/mlxlens/lens"
)

func TestCurvesOfSeveralLensesAreALineForEachFromLayerToLayer(t *testing.T) {
	g := severalLenses(2)
	c := testCharts(t, g, PictureOptions{Kind: Curves})
	require.Len(t, c.stops, 30)
	require.Equal(t, []string{"0", "29"}, []string{c.stops[0], c.stops[29]})
	require.Len(t, c.lines, 2)
	for k, l := range c.lines {
		require.Len(t, l.rows, 30)
		require.IsIncreasing(t, l.at)
		for i, r := range l.rows {
			require.Equal(t, c.stops[l.at[i]], label(*placeOf(&g.Rows[r])))
			require.Equal(t, k == 1 && i < 29, strings.HasSuffix(g.Rows[r], " (jacobian)"), "its own rows, and the last, which is both lenses'")
		}
	}
	require.Equal(t, c.look(1, 0).color, c.look(1, 1).color, "colours tell tokens apart")
	require.Equal(t, c.look(0, 1).dashes, c.look(1, 1).dashes, "and dashes lenses")
	require.NotEqual(t, c.look(0, 0).dashes, c.look(0, 1).dashes)
	for _, f := range []Format{PNG, SVG, PDF} {
		for _, style := range []Style{Screen, Paper} {
			require.NotEmpty(t, picture(t, g, PictureOptions{Format: f, Kind: Curves, Style: style}))
		}
	}
	texts, _, _ := svg(t, picture(t, g, PictureOptions{Format: SVG, Kind: Curves}))
	for _, name := range []string{"logit", "jacobian"} {
		require.Len(t, find(texts, name), 2, "in two legends")
	}
	require.Empty(t, find(texts, "28 jacobian"), "layers, and not rows")
}

func TestALensThatReadsFewLayersHasALineWithoutGaps(t *testing.T) {
	g := withTargets(severalLenses(1))
	g.Lenses[1].Rows = []int{1, 21, 58}
	c := testCharts(t, g, PictureOptions{Kind: Targets})
	require.Equal(t, []int{0, 10, 29}, c.lines[1].at)
	drawn := string(picture(t, g, PictureOptions{Format: SVG, Kind: Targets}))
	g.Lenses[1].Rows = []int{58}
	without := string(picture(t, g, PictureOptions{Format: SVG, Kind: Targets}))
	require.Equal(t, 6, strings.Count(drawn, "stroke-dasharray")-strings.Count(without, "stroke-dasharray"), "a line of each target in each panel, but for the ranks below 1, and of the contrast")
}

func TestAPictureSaysWhatItsCurvesLeaveOut(t *testing.T) {
	g := severalLenses(1)
	track := func(n int) {
		for len(g.Tracked[0]) < n {
			more := g.Tracked[0][0]
			more.Token = lens.Token{ID: 1000 + len(g.Tracked[0]), Bytes: fmt.Sprintf(" t%d", len(g.Tracked[0]))}
			g.Tracked[0] = append(g.Tracked[0], more)
		}
	}
	legend := func() (all []string) {
		c := testCharts(t, g, PictureOptions{Kind: Curves})
		for _, e := range c.legendOf(&c.panels[0]) {
			all = append(all, e.text)
		}
		return all
	}
	track(9)
	require.Equal(t, []string{"1 more token is left out", "logit", "jacobian"}, legend()[8:], "a colour each")
	for k := 2; k < 10; k++ {
		g.Lenses = append(g.Lenses, lens.Reading{Name: "x", Kind: fmt.Sprintf("jacobian %d", k), Rows: []int{58}})
	}
	require.Equal(t, "2 more lenses are left out", legend()[17], "and dashes each")
	g.Lenses = nil
	require.Len(t, legend(), 9)
	track(20)
	require.Equal(t, []string{"4 more tokens are left out"}, legend()[16:])
}

func TestDashesAreThoseOfThePage(t *testing.T) {
	b := browse(t, severalLenses(1), 600, 400)
	var want []string
	for _, d := range dashed {
		want = append(want, strings.Trim(fmt.Sprint(d), "[]"))
	}
	want[0] = "none"
	require.Equal(t, want, browsertest.JS[[]string](b.Page, `DASHES`))
}

func TestRowsThatAreLeftOutAreThoseOfAllLenses(t *testing.T) {
	g := severalLenses(2)
	few := everyRow(g, 10)
	require.Equal(t, []string{"layers.9.resid_post", "layers.9.resid_post (jacobian)", "layers.19.resid_post", "layers.19.resid_post (jacobian)", "layers.29.resid_post"}, few.Rows)
	require.Equal(t, [][]int{{0, 2, 4}, {1, 3, 4}}, [][]int{few.Lenses[0].Rows, few.Lenses[1].Rows})
	require.Equal(t, g.Tracked[1][0].Prob[19], few.Tracked[1][0].Prob[1])
	require.Equal(t, g.Cells[58][1], few.Cells[4][1])
	require.Len(t, g.Lenses[0].Rows, 30, "the grid stays as it is")
	require.Len(t, g.Tracked[1][0].Prob, 59)
}

func TestBarsOfATrackedTokenAreALineForEachLens(t *testing.T) {
	g := severalLenses(1)
	for i := range g.Tracked[0] {
		for r := range g.Rows {
			g.Tracked[0][i].Prob[r] = map[bool]float64{true: 0.99, false: 0}[strings.HasSuffix(g.Rows[r], "(jacobian)")]
		}
	}
	g.Lenses[1].Rows = append(g.Lenses[1].Rows[:3:3], 58)
	var b strings.Builder
	require.NoError(t, Terminal(&b, g, TerminalOptions{Width: 120}))
	require.Contains(t, b.String(), "probability by row, from 0 to 29\n")
	require.Contains(t, b.String(), "logit    "+strings.Repeat("▁", 30)+"\n")
	require.Contains(t, b.String(), " jacobian ███"+strings.Repeat("–", 26)+"▁\n", "a dash where it reads no row")
}
