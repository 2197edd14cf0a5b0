package render

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/browsertest"
	"github.com/mlxlens/mlxlens/lens"
)

// severalLenses is a grid whose layers two lenses read, but for the last, which both read as it is.
func severalLenses(positions int) *lens.Grid {
	g := large(positions, 4, 2)
	rows, cells, tracked := g.Rows, g.Cells, g.Tracked
	g.Rows, g.Cells = nil, nil
	g.Tracked = make([][]lens.Trajectory, positions)
	for p := range tracked {
		for _, t := range tracked[p] {
			g.Tracked[p] = append(g.Tracked[p], lens.Trajectory{Token: t.Token})
		}
	}
	g.Lens = "logit, jacobian: j.pt"
	g.Lenses = []lens.Reading{{Name: "logit", Kind: "logit"}, {Name: "jacobian: j.pt", Kind: "jacobian"}}
	for r, row := range rows {
		for k, by := range []string{"", " (jacobian)"} {
			if r < len(rows)-1 || k == 0 {
				g.Rows, g.Cells = append(g.Rows, row+by), append(g.Cells, cells[r])
				for p := range tracked {
					for i, t := range tracked[p] {
						to := &g.Tracked[p][i]
						to.Logit, to.Prob, to.Rank = append(to.Logit, t.Logit[r]-float64(k)), append(to.Prob, t.Prob[r]), append(to.Rank, t.Rank[r]+k)
					}
				}
			}
			g.Lenses[k].Rows = append(g.Lenses[k].Rows, len(g.Rows)-1)
		}
	}
	return g
}

func TestNamesOfRowsHaveTheRoomThatTheyTake(t *testing.T) {
	for _, positions := range []int{1, 6} {
		for _, width := range []int{1440, 390} {
			b := browse(t, severalLenses(positions), width, 844)
			room := browsertest.JS[[]float64](b.Page, `(() => { pen.font = SMALL; return [GUTTER - 8, Math.max(...D.rows.map(name => pen.measureText(name).width))]; })()`)
			require.GreaterOrEqual(t, room[0], room[1], "the longest is not cut at its left")
			require.Less(t, browsertest.JS[float64](b.Page, `namesRoom(0)`), 120.0)
			x, _ := b.place(57, positions-1)
			left := browsertest.JS[float64](b.Page, `canvas.getBoundingClientRect().left`)
			require.Greater(t, x-left, room[1], "cells begin behind the names")
			b.click(57, positions-1)
			require.Contains(t, b.Text("#spoken"), "layer row 28 jacobian", "a click finds the cell that is drawn there")
			drawn := browsertest.JS[float64](b.Page, `Math.min(...[...drawn().querySelectorAll("text")].filter(t => t.textContent === "28 jacobian").map(t => t.getAttribute("x") - pen.measureText("28 jacobian").width))`)
			require.GreaterOrEqual(t, drawn, 0.0, "nor in the picture that is saved")
			b.Shot(fmt.Sprintf("lenses-%d-%d", positions, width))
		}
	}
}

func TestEachOfSeveralLensesHasItsLineInACurve(t *testing.T) {
	g := severalLenses(6)
	b := browse(t, g, 1440, 900)
	b.Do(chromedp.Evaluate(`toggle(D.tracked[5][1].token, 5)`, nil))
	require.Equal(t, 4, browsertest.JS[int](b.Page, `document.querySelectorAll("#pins svg path").length`), "two lenses, probability and rank")
	for k, shape := range browsertest.JS[[]string](b.Page, `[...document.querySelectorAll("#pins > svg:nth-of-type(2) path")].map(p => p.getAttribute("d"))`) {
		require.Equal(t, 30, strings.Count(shape, "M")+strings.Count(shape, "L"), "a point a layer of lens %d", k)
		require.Equal(t, 1, strings.Count(shape, "M"), "without gaps")
	}
	xs := browsertest.JS[[]float64](b.Page, `[...document.querySelectorAll("#pins > svg:nth-of-type(2) path")][1].getAttribute("d").slice(1).split("L").map(p => Number(p.split(" ")[0]))`)
	for i := range xs[1:] {
		require.Greater(t, xs[i+1], xs[i], "from layer to layer")
	}
	text := b.Text("#pins")
	require.Contains(t, text, "logit")
	require.Contains(t, text, "jacobian")
	ticks := browsertest.JS[[]string](b.Page, `[...document.querySelectorAll("#pins > svg:nth-of-type(2) text.stop")].map(t => t.textContent)`)
	require.Equal(t, "0", ticks[0])
	require.NotContains(t, strings.Join(ticks, " "), "jacobian", "layers, and not rows")
	b.Shot("lenses-pinned")
}

func TestPictureOfSeveralLensesNamesTheFileOfEach(t *testing.T) {
	g := severalLenses(1)
	long := "examples/lenses/smollm2-135m-instruct-q4_1.safetensors"
	g.Lenses = append(g.Lenses, lens.Reading{Name: "tuned: " + long, Kind: "tuned", Rows: []int{58}}, lens.Reading{Name: "jacobian: k.pt", Kind: "jacobian 2", Rows: []int{58}})
	g.Lens = "logit, jacobian: j.pt, tuned: " + long + ", jacobian: k.pt"
	require.Equal(t, []string{"1 token id", "Some-Model · logit, jacobian, tuned, jacobian 2 lens", "jacobian: j.pt", "tuned: " + long, "jacobian 2: k.pt"}, Headline(g))
	for _, kind := range []Kind{Heatmap, Candidates, Curves} {
		var b strings.Builder
		require.NoError(t, Picture(&b, g, PictureOptions{Format: SVG, Kind: kind}))
		require.Contains(t, b.String(), ">tuned: "+long+"<", "a line of its own, not cut")
		require.Contains(t, b.String(), ">jacobian 2: k.pt<")
	}
	g.Lenses, g.Lens = nil, "jacobian: j.pt"
	require.Equal(t, []string{"1 token id", "Some-Model · jacobian: j.pt lens"}, Headline(g), "one lens stands beside the model")
}

func TestFootOfAPageNamesThePapersOfItsLenses(t *testing.T) {
	logit, tuned, jacobian := " · logit lens: nostalgebraist 2020", " · tuned lens: Belrose et al. 2023", " · Jacobian lens: Gurnee et al. 2026"
	g := large(1, 2, 0)
	for name, want := range map[string]string{"logit": logit, "negated logit": logit, "tuned: a, b": tuned, "jacobian: j.pt": jacobian, "embedding": "", "sparse #7: d": ""} {
		g.Lens = name
		require.Contains(t, html(t, g), "<footer>mlxlens"+want+"</footer>", name)
	}
	g = severalLenses(1)
	g.Lenses = append(g.Lenses, lens.Reading{Name: "tuned: d", Kind: "tuned", Rows: []int{58}}, lens.Reading{Name: "tuned: e", Kind: "tuned 2", Rows: []int{58}})
	require.Contains(t, html(t, g), "<footer>mlxlens"+logit+jacobian+tuned+"</footer>")
}
