package render

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/browsertest"
	"github.com/mlxlens/mlxlens/lens"
)

// allRanked is a small grid in which the answer has one rank everywhere.
func allRanked(rank int) *lens.Grid {
	g := large(3, 2, 0)
	for r := range g.Cells {
		for p := range g.Cells[r] {
			g.Cells[r][p].Answer.Rank, g.Cells[r][p].KL = rank, 0
		}
	}
	return g
}

func TestTheFirstRankHasTheBrightestColourWhateverTheOthersAre(t *testing.T) {
	for _, ranks := range [][]int{{1}, {1, 2}, {1, 50000}} {
		g := allRanked(1)
		for i, rank := range ranks {
			g.Cells[0][i].Answer.Rank = rank
		}
		require.Equal(t, 1.0, Rank.scale(g).at(1), ranks)
	}
	require.Zero(t, Rank.scale(allRanked(7)).at(7), "the last of those that are shown, of 1 to 7")
	require.Equal(t, 1.0, KL.scale(allRanked(1)).at(0), "no distance anywhere")
	require.Zero(t, Rank.scale(allRanked(1)).at(math.NaN()))

	text := terminal(t, allRanked(1), TerminalOptions{Width: 100, Color: TrueColor, View: Rank})
	bright, dark := TrueColor.paint(ramp(1), false), TrueColor.paint(ramp(0), false)
	require.NotContains(t, text, dark)
	require.Contains(t, text, bright+" 1 "+reset, "the legend is the one colour")
	require.NotContains(t, strings.ReplaceAll(text, bright, ""), TrueColor.paint(ramp(0.2), false))
	img, h := pngOf(t, allRanked(1), PictureOptions{View: Rank}), layout(t, allRanked(1), Rank)
	require.True(t, hasColour(img, h.cellBox(0, 0), ramp(1)))
	require.False(t, hasColour(img, img.Bounds(), ramp(0)), "of the cells and of the bar")
}

func TestThePagesLegendOfOneNumberIsItsColour(t *testing.T) {
	b := browse(t, allRanked(1), 1440, 800)
	browsertest.JS[any](b.Page, `turnTo("rank"); null`)
	require.Equal(t, []string{"true", "1", "1"}, browsertest.JS[[]string](b.Page, `[String($("lo").hidden), $("hi").textContent, String(share(view, view.values[0]))]`))
	require.Equal(t, browsertest.JS[string](b.Page, `RAMP[255]`), "#"+browsertest.JS[string](b.Page, `[...$("bar").getContext("2d").getImageData(2, 2, 1, 1).data].slice(0, 3).map(x => x.toString(16).padStart(2, "0")).join("")`))
}
