package render

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/browsertest"
	"github.com/mlxlens/mlxlens/lens"
)

// browsed is an open page of a grid.
type browsed struct{ *browsertest.Page }

// browse opens the grid's page in a window of the given size. When the test ends the page
// must have asked for nothing and complained of nothing.
func browse(t *testing.T, g *lens.Grid, width, height int) *browsed {
	t.Helper()
	file := filepath.Join(t.TempDir(), "lens.html")
	var text bytes.Buffer
	require.NoError(t, HTML(&text, g, HTMLOptions{Command: "mlxlens trace 'a b'"}))
	require.NoError(t, os.WriteFile(file, text.Bytes(), 0o600))
	b := &browsed{browsertest.Open(t, "file://"+file, "#canvas", width, height)}
	t.Cleanup(func() {
		for _, request := range b.Requests() {
			assert.Regexp(t, "^(blob:|file://"+file+"$)", request, "what the page made itself, or the page")
		}
	})
	return b
}

// place returns where the middle of a cell is in the window.
func (b *browsed) place(row, position int) (x, y float64) {
	at := browsertest.JS[[]float64](b.Page, fmt.Sprintf(`(() => { const box = canvas.getBoundingClientRect();
		return [box.left + GUTTER + (%d + 0.5) * zoom - scroll.scrollLeft, box.top + BAND + (R - 1 - %d + 0.5) * height() - scroll.scrollTop]; })()`, position, row))
	return at[0], at[1]
}

func (b *browsed) click(row, position int) {
	x, y := b.place(row, position)
	b.Do(chromedp.MouseClickXY(x, y))
}

func TestPointerShowsTheCellUnderIt(t *testing.T) {
	b := browse(t, large(6, 4, 2), 1300, 950)
	require.Contains(t, b.Text("#cell"), "layers.29.resid_post", "the last row and position, at first")
	x, y := b.place(10, 3)
	b.Do(chromedp.MouseEvent(input.MouseMoved, x, y))
	said := b.Text("#cell")
	g := large(6, 4, 2)
	require.Contains(t, said, "layers.10.resid_post")
	require.Contains(t, said, "position 3")
	for _, c := range g.Cells[10][3].Top {
		require.Contains(t, said, strings.TrimSpace(c.Bytes))
		require.Contains(t, said, fmt.Sprintf("%.2f", c.Logit))
		require.Contains(t, said, fmt.Sprint(c.ID))
	}
	require.Contains(t, said, "36.79 %") // e^(19 − 20)
	require.Contains(t, said, fmt.Sprintf("%.2f", g.Cells[10][3].Entropy))
	b.Do(chromedp.MouseEvent(input.MouseMoved, 5, 5))
	require.Contains(t, b.Text("#cell"), "layers.29.resid_post", "back to the focused cell")
}

func TestClickPinsATokenAndDrawsItsCurves(t *testing.T) {
	g := large(6, 4, 2)
	for r := range g.Cells {
		g.Cells[r][2].Top[0].Token = g.Tracked[2][1].Token // a tracked token is the best
	}
	b := browse(t, g, 1300, 950)
	require.Empty(t, b.Text("#pins"))
	b.click(20, 2)
	require.Contains(t, b.Text("#pins"), strings.TrimSpace(g.Tracked[2][1].Bytes))
	require.Contains(t, b.Text("#pins"), "after position 2")
	require.NotContains(t, b.Text("#pins"), "gaps")
	require.Equal(t, 2, browsertest.JS[int](b.Page, `document.querySelectorAll("#pins svg path").length`))
	require.Equal(t, 60, browsertest.JS[int](b.Page, `document.querySelectorAll("#pins svg circle").length`), "30 rows, probability and rank")
	require.Equal(t, []int{100, 99, 98}, browsertest.JS[[]int](b.Page, `curve(pins[0].token, 2).ranks.slice(0, 3)`))
	require.InDelta(t, math.Exp(19-1-20), browsertest.JS[float64](b.Page, `curve(pins[0].token, 2).probs[19]`), 1e-6)

	b.click(5, 0) // not tracked: the rows that list it
	require.Equal(t, 2, browsertest.JS[int](b.Page, `document.querySelectorAll("#pins .pin").length`))
	b.Do(chromedp.Click("#pins details summary", chromedp.ByQuery))
	require.Equal(t, 31, browsertest.JS[int](b.Page, `document.querySelectorAll("#pins details tr").length`))
	b.Shot("pinned")
	b.click(20, 2)
	require.Equal(t, 1, browsertest.JS[int](b.Page, `document.querySelectorAll("#pins .pin").length`), "a second click takes it off")
	b.Do(chromedp.Click("#pins .pin button", chromedp.ByQuery))
	require.Empty(t, b.Text("#pins"))
	b.Do(chromedp.Click("#candidates tr:nth-child(3) button", chromedp.ByQuery))
	require.Contains(t, b.Text("#pins"), strings.TrimSpace(g.Cells[20][2].Top[1].Bytes), "a candidate of the panel")
}

func TestKeyboardReachesEverything(t *testing.T) {
	b := browse(t, large(40, 4, 2), 1300, 950)
	b.Do(chromedp.Focus("#scroll", chromedp.ByQuery))
	cell := func() []string {
		return browsertest.JS[[]string](b.Page, `[document.getElementById("active").getAttribute("aria-colindex"), document.getElementById("active").parentElement.getAttribute("aria-rowindex")]`)
	}
	require.Equal(t, []string{"41", "2"}, cell(), "the last position in the last row")
	for _, c := range []struct {
		key  string
		want []string
	}{
		{kb.ArrowLeft, []string{"40", "2"}}, {kb.ArrowDown, []string{"40", "3"}}, {kb.ArrowUp, []string{"40", "2"}}, {kb.ArrowUp, []string{"40", "2"}},
		{kb.Home, []string{"2", "2"}}, {kb.PageDown, []string{"2", "12"}}, {kb.End, []string{"41", "12"}}, {kb.ArrowRight, []string{"41", "12"}}, {kb.PageUp, []string{"41", "2"}},
	} {
		b.Do(chromedp.KeyEvent(c.key))
		require.Equal(t, c.want, cell(), "%q", c.key)
	}
	require.Contains(t, b.Text("#live"), "layer row 29")
	require.Contains(t, browsertest.JS[string](b.Page, `document.getElementById("live").textContent`), "position 39")
	b.Do(chromedp.KeyEvent(kb.Enter))
	require.Contains(t, b.Text("#pins"), "after position 39")
	b.Do(chromedp.KeyEvent("4"))
	require.Equal(t, ViewNames()[3], browsertest.JS[string](b.Page, `document.getElementById("view").value`))
	b.Do(chromedp.KeyEvent("/"))
	require.Equal(t, "search", browsertest.JS[string](b.Page, `document.activeElement.id`))
	b.Do(chromedp.KeyEvent(kb.Escape))
	require.Equal(t, "scroll", browsertest.JS[string](b.Page, `document.activeElement.id`))
	b.Do(chromedp.KeyEvent(kb.Escape))
	require.Empty(t, b.Text("#pins"))
}

func TestPageSaysToScreenReadersWhatItIs(t *testing.T) {
	b := browse(t, large(9, 4, 2), 1300, 950)
	require.Equal(t, []string{"grid", "31", "10", "active"}, browsertest.JS[[]string](b.Page, `["role", "aria-rowcount", "aria-colcount", "aria-activedescendant"].map(a => scroll.getAttribute(a))`))
	require.Equal(t, []string{"row", "columnheader", "row", "rowheader", "gridcell"}, browsertest.JS[[]string](b.Page, `[...document.querySelectorAll("#spoken [role]")].map(e => e.getAttribute("role"))`))
	require.Zero(t, browsertest.JS[int](b.Page, `[...document.querySelectorAll("button, input, select")].filter(e => !(e.ariaLabel || e.labels && e.labels.length || e.textContent.trim())).length`), "every control has a name")
	// WCAG 2.1: 4.5 between text and what is behind it, in both themes
	for _, theme := range []string{"light", "dark"} {
		browsertest.JS[any](b.Page, fmt.Sprintf(`theme(%q)`, theme))
		worst := browsertest.JS[float64](b.Page, `(() => {
			const lum = c => { const p = c.match(/[0-9a-f]{2}/gi).map(x => parseInt(x, 16) / 255).map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
				return 0.2126 * p[0] + 0.7152 * p[1] + 0.0722 * p[2]; };
			const ratio = (a, b) => { const [x, y] = [lum(a), lum(b)].sort((a, b) => b - a); return (x + 0.05) / (y + 0.05); };
			return Math.min(...["ink", "soft", "accent", "found"].flatMap(f => ["paper", "panel"].map(g => ratio(css[f], css[g]))), ratio(css.ink, css.none));
		})()`)
		require.GreaterOrEqual(t, worst, 4.5, theme)
	}
	require.GreaterOrEqual(t, browsertest.JS[float64](b.Page, `Math.min(...RAMP.map((c, i) => { const p = c.match(/[0-9a-f]{2}/gi).map(x => parseInt(x, 16) / 255).map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
		const l = 0.2126 * p[0] + 0.7152 * p[1] + 0.0722 * p[2]; return D.light[i] === "1" ? (l + 0.05) / 0.05 : 1.05 / (l + 0.05); }))`), 4.5)
}

func TestViewsSwitch(t *testing.T) {
	g := large(9, 4, 2)
	for r := range g.Cells {
		for p := range g.Cells[r] {
			g.Cells[r][p].Experts = []lens.Expert{{ID: r, Weight: float64(p+1) / 10}, {ID: 3, Weight: 0.05}}
		}
	}
	b := browse(t, g, 1300, 950)
	pixel := func() []int {
		return browsertest.JS[[]int](b.Page, `(() => { draw(); const d = devicePixelRatio, c = pen.getImageData((GUTTER + 2.5 * zoom) * d, (BAND + 25.15 * height()) * d, 1, 1).data; return [...c.slice(0, 3)]; })()`)
	}
	seen := map[string]bool{}
	for i, v := range views {
		b.Do(chromedp.SetValue("#view", v.name, chromedp.ByQuery))
		browsertest.JS[any](b.Page, `document.getElementById("view").dispatchEvent(new Event("change"))`)
		if View(i) == Token {
			require.Contains(t, b.Text("#means"), "tokens alone")
			continue
		}
		require.Equal(t, v.means, b.Text("#means"))
		s := View(i).scale(g)
		want := ramp(float64(int(255*s.at(View(i).number(&g.Cells[4][2]))+0.5)) / 255)
		require.Equal(t, []int{int(want.r), int(want.g), int(want.b)}, pixel(), v.name)
		seen[fmt.Sprint(pixel())] = true
		b.Shot("view-" + v.name)
	}
	require.Greater(t, len(seen), 3)
}

func TestSearchFindsTokensAndIDs(t *testing.T) {
	g := large(40, 4, 2)
	b := browse(t, g, 1300, 950)
	word := strings.TrimSpace(g.Cells[12][7].Top[0].Bytes)
	cells, tops := 0, 0
	for r := range g.Cells {
		for p := range g.Cells[r] {
			for k, c := range g.Cells[r][p].Top {
				if strings.Contains(c.Bytes, word) {
					cells++
					if k == 0 {
						tops++
					}
					break
				}
			}
		}
	}
	b.Do(chromedp.SendKeys("#search", word, chromedp.ByQuery))
	require.Equal(t, fmt.Sprintf("%d cells, %d on top", cells, tops), b.Text("#matches"))
	b.Shot("search")
	b.Do(chromedp.KeyEvent(kb.Enter))
	require.Equal(t, fmt.Sprintf("1 of %d", cells), b.Text("#matches"))
	require.Contains(t, b.Text("#cell"), word)
	b.Do(chromedp.Click("#previous", chromedp.ByQuery))
	require.Equal(t, fmt.Sprintf("%d of %d", cells, cells), b.Text("#matches"))
	clear := func() { browsertest.JS[any](b.Page, `document.getElementById("search").value = ""`) }
	clear()
	b.Do(chromedp.SendKeys("#search", "no such token", chromedp.ByQuery))
	require.Regexp(t, "^no candidate has “.+”$", b.Text("#matches"))
	browsertest.JS[any](b.Page, `step(1); null`)
	require.Regexp(t, "^no candidate has “.+”$", browsertest.JS[string](b.Page, `$("live").textContent`), "who presses Enter hears it too")
	clear()
	b.Do(chromedp.SendKeys("#search", fmt.Sprint(g.Cells[0][0].Top[0].ID), chromedp.ByQuery))
	require.Contains(t, b.Text("#matches"), "on top")
}

func TestDarkAndLightFollowTheSystemAndTheButton(t *testing.T) {
	b := browse(t, large(9, 4, 2), 1300, 950)
	paper := func() string {
		return browsertest.JS[string](b.Page, `getComputedStyle(document.body).backgroundColor`)
	}
	prefer := func(scheme string) {
		b.Do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}))
	}
	prefer("light")
	light := paper()
	b.Shot("light")
	prefer("dark")
	dark := paper()
	b.Shot("dark")
	require.NotEqual(t, light, dark)
	b.Do(chromedp.Click("#theme", chromedp.ByQuery))
	require.Equal(t, light, paper(), "the button says light")
	b.Do(chromedp.Click("#theme", chromedp.ByQuery))
	require.Equal(t, dark, paper())
	b.Do(chromedp.Click("#theme", chromedp.ByQuery))
	require.Equal(t, "theme: auto", b.Text("#theme"))
}

// oneDraw is what drawing the page once took: the cells drawn, and how many have room.
type oneDraw struct{ Zoom, Drawn, Room float64 }

func TestThousandTokensAreDrawnOnlyWhereTheyAreSeen(t *testing.T) {
	b := browse(t, large(1000, 3, 0), 1300, 950)
	require.Greater(t, browsertest.JS[float64](b.Page, `scroll.scrollLeft`), 50_000.0, "the last positions first")
	// a frame draws the cells that can be seen and no others, at each zoom, wherever it is scrolled to
	for _, f := range browsertest.JS[[]oneDraw](b.Page, `(() => { const out = [], plain = cell; let drawn = 0;
		cell = (...of) => { drawn++; plain(...of); };
		for (const width of [92, 40, 12, 4]) { setZoom(width, GUTTER);
			for (let i = 0; i < 40; i++) { scroll.scrollLeft = i * 83; drawn = 0; draw(); out.push({ zoom, drawn, room: R * (scroll.clientWidth - GUTTER) / zoom }); } }
		cell = plain;
		return out; })()`) {
		require.Positive(t, f.Drawn)
		require.LessOrEqual(t, f.Drawn, f.Room+2*30, "zoom %v: two columns more are cut by the edges", f.Zoom)
	}
	b.Do(chromedp.Click("#fit", chromedp.ByQuery))
	require.LessOrEqual(t, browsertest.JS[float64](b.Page, `zoom`), 3.0)
	b.Shot("thousand")
	before := browsertest.JS[float64](b.Page, `zoom`)
	b.Do(chromedp.Click("#larger", chromedp.ByQuery), chromedp.Click("#larger", chromedp.ByQuery))
	require.Greater(t, browsertest.JS[float64](b.Page, `zoom`), before)
	b.click(15, browsertest.JS[int](b.Page, `Math.floor((scroll.scrollLeft + 300) / zoom)`))
	require.Equal(t, 1, browsertest.JS[int](b.Page, `pins.length`), "cells without text can be clicked")
	require.Less(t, browsertest.JS[int](b.Page, `document.querySelectorAll("*").length`), 600, "the document does not grow with the prompt")
}

func TestTokensAreTextInTheBrowser(t *testing.T) {
	g := grid()
	for i, s := range []string{`<img src=x onerror="document.title='broken'">`, `</script><script>document.title='broken'</script>`, "\u202eevil", "&amp;"} {
		g.Cells[2][i].Top[0].Bytes = s
		g.Tokens[i].Bytes = s
	}
	b := browse(t, g, 420, 800)
	for p := range 4 {
		browsertest.JS[any](b.Page, fmt.Sprintf(`go(2, %d, true)`, p))
		browsertest.JS[any](b.Page, `toggle(best(active.r, active.p), active.p)`)
	}
	require.NotEqual(t, "broken", browsertest.JS[string](b.Page, `document.title`))
	require.Contains(t, b.Text("#pins"), `<img src=x`)
	require.Zero(t, browsertest.JS[int](b.Page, `document.querySelectorAll("img").length`))
	require.LessOrEqual(t, browsertest.JS[int](b.Page, `document.documentElement.scrollWidth`), 420, "a narrow window needs no sideways scrolling")
	b.Shot("narrow")
}

func TestSmallAndEmptyGridsOpen(t *testing.T) {
	one := large(1, 1, 0)
	one.Rows, one.Cells = one.Rows[29:], one.Cells[29:]
	b := browse(t, one, 1000, 600)
	require.Contains(t, b.Text("#cell"), "layers.29.resid_post")
	b.click(0, 0)
	require.Contains(t, b.Text("#pins"), "after position 0")
}
