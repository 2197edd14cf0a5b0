package render

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCellsHaveTheColourOfTheRampExactly(t *testing.T) {
	for _, v := range []View{Prob, Logit, Rank, KL, Entropy, Margin, Own} {
		g := wideGrid(5, 7)
		img, h, s := pngOf(t, g, PictureOptions{View: v}), layout(t, g, v), v.scale(g)
		for r := range g.Rows {
			for p := range g.Positions {
				b := h.cellBox(r, p)
				want := ramp(s.at(v.number(&g.Cells[r][p])))
				require.Equal(t, want, rgbAt(img, b.Min.X, b.Min.Y), "%s, row %d, position %d: a corner", views[v].name, r, p)
				require.Equal(t, want, rgbAt(img, b.Max.X-1, b.Max.Y-1), "%s, row %d, position %d: the other", views[v].name, r, p)
			}
		}
	}
}

func TestColourBarRunsFromTheRampsLightEndToItsDarkEnd(t *testing.T) {
	for _, v := range []View{Prob, Rank, KL} {
		g := wideGrid(20, 3)
		img, h := pngOf(t, g, PictureOptions{View: v}), layout(t, g, v)
		x := int(math.Round((snap(h.left()+3*h.cell.w+margin) + barThick/2) / pixel))
		y := int(math.Round(snap(h.painter.top()+h.edgeRows(h.above)) / pixel))
		require.Equal(t, ramp(1), rgbAt(img, x, y), views[v].name)
		require.Equal(t, white, rgbAt(img, x, y-1), "above it is nothing")
		require.Equal(t, ramp(0), rgbAt(img, x, y+int(barLength/pixel)-1), views[v].name)
		require.Equal(t, white, rgbAt(img, x, y+int(barLength/pixel)))
	}
}

func TestRightAnswersAreFramedAndNoOthers(t *testing.T) {
	g := wideGrid(3, 8) // row r says the token rows−r later: the last row, what came next
	img, h := pngOf(t, g, PictureOptions{}), layout(t, g, Prob)
	for r := range g.Rows {
		for p := range g.Positions {
			b := h.cellBox(r, p)
			background := rgbAt(img, b.Min.X, b.Min.Y)
			framed := rgbAt(img, b.Min.X+1, b.Min.Y+1) == ink(background)
			require.Equal(t, r == 2 && p < 7, framed, "row %d, position %d", r, p)
		}
	}
}

func TestCellsWithoutANumberAreHatchedInGreyWithADash(t *testing.T) {
	g := wideGrid(3, 4)
	bad := []float64{math.NaN(), math.Inf(1), math.Inf(-1)}
	for p, x := range bad {
		g.Cells[1][p].KL = x
	}
	img, h := pngOf(t, g, PictureOptions{View: KL}), layout(t, g, KL)
	for p := range bad {
		b := h.cellBox(1, p)
		for y := b.Min.Y; y < b.Max.Y; y++ {
			for x := b.Min.X; x < b.Max.X; x++ {
				c := rgbAt(img, x, y)
				require.True(t, c.r == c.g && c.g == c.b, "%v: a colour", c)
			}
		}
		require.True(t, hasColour(img, b, paper))
		require.True(t, hasColour(img, b, black), "a dash and the token")
		require.Equal(t, "–", string([]rune(h.cellText(1, p, 100))[0]))
	}
	for i := range 101 {
		c := ramp(float64(i) / 100)
		require.False(t, c.r == c.g && c.g == c.b, "the ramp has no grey")
	}
	g.Cells[1][0].Top = nil
	require.Equal(t, "–", h.cellText(1, 0, 100))
	texts, _, _ := svg(t, picture(t, g, PictureOptions{Format: SVG, View: KL}))
	require.NotEmpty(t, find(texts, "hatched, –: no number"))
}

func TestRankThatIsNotKnownIsNoNumber(t *testing.T) {
	g := wideGrid(2, 3)
	g.Cells[0][0].Answer.Rank = 0
	require.True(t, math.IsNaN(Rank.number(&g.Cells[0][0])))
	require.Positive(t, Rank.scale(g).lo)
	h := layout(t, g, Rank)
	require.Equal(t, "–", string([]rune(h.cellText(0, 0, 100))[0]))
	picture(t, g, PictureOptions{View: Rank})
}

func TestWidePromptsBreakIntoBandsWithLegibleText(t *testing.T) {
	for _, n := range []int{5, 40, 200} {
		h := layout(t, wideGrid(30, n), Prob)
		require.GreaterOrEqual(t, h.cell.text, 5.0, "points")
		w, height := h.size()
		require.NoError(t, h.o.bounded(w, height))
		require.LessOrEqual(t, w, max(screen, 1.3*height))
		require.GreaterOrEqual(t, h.bands*h.per, n)
		require.Less(t, (h.bands-1)*h.per, n, "no band is empty")
		require.Equal(t, n > few, h.bands > 1)
	}
}
