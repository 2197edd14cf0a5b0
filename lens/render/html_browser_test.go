package render

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/lens"
)

// chromium finds a browser to drive.
func chromium(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes seconds to start, and longer under the race detector")
	}
	for _, name := range []string{os.Getenv("MLXLENS_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	t.Skip("there is no Chromium: install it, or name it in $MLXLENS_CHROMIUM")
	return ""
}

// browsed is an open page.
type browsed struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	requests []string
	problems []string // exceptions, and what the console warns of
}

// browse opens the grid's page in a window of the given size. When the test ends the page
// must have asked for nothing and complained of nothing.
func browse(t *testing.T, g *lens.Grid, width, height int) *browsed {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.NoSandbox, chromedp.WindowSize(width, height), chromedp.WSURLReadTimeout(3*time.Minute),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("force-color-profile", "srgb"))
	alloc, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	if end, ok := t.Deadline(); ok { // what hangs is named before go test ends everything
		limited, limit := context.WithDeadline(ctx, end.Add(-10*time.Second))
		t.Cleanup(limit)
		ctx = limited
	}

	b := &browsed{t: t, ctx: ctx}
	chromedp.ListenTarget(ctx, func(event any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			b.requests = append(b.requests, e.Request.URL)
		case *runtime.EventExceptionThrown:
			b.problems = append(b.problems, e.ExceptionDetails.Error())
		case *runtime.EventConsoleAPICalled:
			b.problems = append(b.problems, fmt.Sprint(e.Type, e.Args))
		}
	})
	file := filepath.Join(t.TempDir(), "lens.html")
	var text bytes.Buffer
	require.NoError(t, HTML(&text, g, HTMLOptions{}))
	require.NoError(t, os.WriteFile(file, text.Bytes(), 0o600))
	b.do(network.Enable(), chromedp.EmulateViewport(int64(width), int64(height)), chromedp.Navigate("file://"+file), chromedp.WaitVisible("#canvas", chromedp.ByQuery))
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		assert.Equal(t, []string{"file://" + file}, b.requests)
		assert.Empty(t, b.problems)
	})
	return b
}

func (b *browsed) do(actions ...chromedp.Action) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Run(b.ctx, actions...))
}

// js evaluates an expression.
func js[T any](b *browsed, expression string) T {
	b.t.Helper()
	var out T
	b.do(chromedp.Evaluate(expression, &out))
	return out
}

func (b *browsed) text(selector string) string {
	b.t.Helper()
	return js[string](b, fmt.Sprintf("document.querySelector(%q).innerText", selector))
}

// place returns where the middle of a cell is in the window.
func (b *browsed) place(row, position int) (x, y float64) {
	b.t.Helper()
	at := js[[]float64](b, fmt.Sprintf(`(() => { const box = canvas.getBoundingClientRect();
		return [box.left + GUTTER + (%d + 0.5) * zoom - scroll.scrollLeft, box.top + BAND + (R - 1 - %d + 0.5) * height() - scroll.scrollTop]; })()`, position, row))
	return at[0], at[1]
}

func (b *browsed) click(row, position int) {
	b.t.Helper()
	x, y := b.place(row, position)
	b.do(chromedp.MouseClickXY(x, y))
}

// shot keeps a picture of the window where $MLXLENS_SCREENSHOTS names a folder.
func (b *browsed) shot(name string) {
	b.t.Helper()
	dir := os.Getenv("MLXLENS_SCREENSHOTS")
	if dir == "" {
		return
	}
	var png []byte
	b.do(chromedp.Sleep(100*time.Millisecond), chromedp.CaptureScreenshot(&png))
	require.NoError(b.t, os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600))
}

func TestPointerShowsTheCellUnderIt(t *testing.T) {
	b := browse(t, large(6, 4, 2), 1300, 950)
	require.Contains(t, b.text("#cell"), "layers.29.resid_post", "the last row and position, at first")
	x, y := b.place(10, 3)
	b.do(chromedp.MouseEvent(input.MouseMoved, x, y))
	said := b.text("#cell")
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
	b.do(chromedp.MouseEvent(input.MouseMoved, 5, 5))
	require.Contains(t, b.text("#cell"), "layers.29.resid_post", "back to the focused cell")
}

func TestClickPinsATokenAndDrawsItsCurves(t *testing.T) {
	g := large(6, 4, 2)
	for r := range g.Cells {
		g.Cells[r][2].Top[0].Token = g.Tracked[2][1].Token // a tracked token is the best
	}
	b := browse(t, g, 1300, 950)
	require.Empty(t, b.text("#pins"))
	b.click(20, 2)
	require.Contains(t, b.text("#pins"), strings.TrimSpace(g.Tracked[2][1].Bytes))
	require.Contains(t, b.text("#pins"), "after position 2")
	require.NotContains(t, b.text("#pins"), "gaps")
	require.Equal(t, 2, js[int](b, `document.querySelectorAll("#pins svg path").length`))
	require.Equal(t, 60, js[int](b, `document.querySelectorAll("#pins svg circle").length`), "30 rows, probability and rank")
	require.Equal(t, []int{100, 99, 98}, js[[]int](b, `curve(pins[0].token, 2).ranks.slice(0, 3)`))
	require.InDelta(t, math.Exp(19-1-20), js[float64](b, `curve(pins[0].token, 2).probs[19]`), 1e-6)

	b.click(5, 0) // not tracked: the rows that list it
	require.Equal(t, 2, js[int](b, `document.querySelectorAll("#pins .pin").length`))
	b.do(chromedp.Click("#pins details summary", chromedp.ByQuery))
	require.Equal(t, 31, js[int](b, `document.querySelectorAll("#pins details tr").length`))
	b.shot("pinned")
	b.click(20, 2)
	require.Equal(t, 1, js[int](b, `document.querySelectorAll("#pins .pin").length`), "a second click takes it off")
	b.do(chromedp.Click("#pins .pin button", chromedp.ByQuery))
	require.Empty(t, b.text("#pins"))
	b.do(chromedp.Click("#candidates tr:nth-child(3) button", chromedp.ByQuery))
	require.Contains(t, b.text("#pins"), strings.TrimSpace(g.Cells[20][2].Top[1].Bytes), "a candidate of the panel")
}

func TestKeyboardReachesEverything(t *testing.T) {
	b := browse(t, large(40, 4, 2), 1300, 950)
	b.do(chromedp.Focus("#scroll", chromedp.ByQuery))
	cell := func() []string {
		return js[[]string](b, `[document.getElementById("active").getAttribute("aria-colindex"), document.getElementById("active").parentElement.getAttribute("aria-rowindex")]`)
	}
	require.Equal(t, []string{"41", "2"}, cell(), "the last position in the last row")
	for _, c := range []struct {
		key  string
		want []string
	}{
		{kb.ArrowLeft, []string{"40", "2"}}, {kb.ArrowDown, []string{"40", "3"}}, {kb.ArrowUp, []string{"40", "2"}}, {kb.ArrowUp, []string{"40", "2"}},
		{kb.Home, []string{"2", "2"}}, {kb.PageDown, []string{"2", "12"}}, {kb.End, []string{"41", "12"}}, {kb.ArrowRight, []string{"41", "12"}}, {kb.PageUp, []string{"41", "2"}},
	} {
		b.do(chromedp.KeyEvent(c.key))
		require.Equal(t, c.want, cell(), "%q", c.key)
	}
	require.Contains(t, b.text("#live"), "layer row 29")
	require.Contains(t, js[string](b, `document.getElementById("live").textContent`), "position 39")
	b.do(chromedp.KeyEvent(kb.Enter))
	require.Contains(t, b.text("#pins"), "after position 39")
	b.do(chromedp.KeyEvent("4"))
	require.Equal(t, ViewNames()[3], js[string](b, `document.getElementById("view").value`))
	b.do(chromedp.KeyEvent("/"))
	require.Equal(t, "search", js[string](b, `document.activeElement.id`))
	b.do(chromedp.KeyEvent(kb.Escape))
	require.Equal(t, "scroll", js[string](b, `document.activeElement.id`))
	b.do(chromedp.KeyEvent(kb.Escape))
	require.Empty(t, b.text("#pins"))
}

func TestPageSaysToScreenReadersWhatItIs(t *testing.T) {
	b := browse(t, large(9, 4, 2), 1300, 950)
	require.Equal(t, []string{"grid", "31", "10", "active"}, js[[]string](b, `["role", "aria-rowcount", "aria-colcount", "aria-activedescendant"].map(a => scroll.getAttribute(a))`))
	require.Equal(t, []string{"row", "columnheader", "row", "rowheader", "gridcell"}, js[[]string](b, `[...document.querySelectorAll("#spoken [role]")].map(e => e.getAttribute("role"))`))
	require.Zero(t, js[int](b, `[...document.querySelectorAll("button, input, select")].filter(e => !(e.ariaLabel || e.labels && e.labels.length || e.innerText.trim())).length`), "every control has a name")
	// WCAG 2.1: 4.5 between text and what is behind it, in both themes
	for _, theme := range []string{"light", "dark"} {
		js[any](b, fmt.Sprintf(`theme(%q)`, theme))
		worst := js[float64](b, `(() => {
			const lum = c => { const p = c.match(/[0-9a-f]{2}/gi).map(x => parseInt(x, 16) / 255).map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
				return 0.2126 * p[0] + 0.7152 * p[1] + 0.0722 * p[2]; };
			const ratio = (a, b) => { const [x, y] = [lum(a), lum(b)].sort((a, b) => b - a); return (x + 0.05) / (y + 0.05); };
			return Math.min(...["ink", "soft", "accent", "found"].flatMap(f => ["paper", "panel"].map(g => ratio(css[f], css[g]))), ratio(css.ink, css.none));
		})()`)
		require.GreaterOrEqual(t, worst, 4.5, theme)
	}
	require.GreaterOrEqual(t, js[float64](b, `Math.min(...RAMP.map((c, i) => { const p = c.match(/[0-9a-f]{2}/gi).map(x => parseInt(x, 16) / 255).map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
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
		return js[[]int](b, `(() => { draw(); const d = devicePixelRatio, c = pen.getImageData((GUTTER + 2.5 * zoom) * d, (BAND + 25.15 * height()) * d, 1, 1).data; return [...c.slice(0, 3)]; })()`)
	}
	seen := map[string]bool{}
	for i, v := range views {
		b.do(chromedp.SetValue("#view", v.name, chromedp.ByQuery))
		js[any](b, `document.getElementById("view").dispatchEvent(new Event("change"))`)
		if View(i) == Token {
			require.Contains(t, b.text("#means"), "tokens alone")
			continue
		}
		require.Equal(t, v.means, b.text("#means"))
		s := View(i).scale(g)
		want := ramp(float64(int(255*s.at(View(i).number(&g.Cells[4][2]))+0.5)) / 255)
		require.Equal(t, []int{int(want.r), int(want.g), int(want.b)}, pixel(), v.name)
		seen[fmt.Sprint(pixel())] = true
		b.shot("view-" + v.name)
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
	b.do(chromedp.SendKeys("#search", word, chromedp.ByQuery))
	require.Equal(t, fmt.Sprintf("%d cells, %d on top", cells, tops), b.text("#matches"))
	b.shot("search")
	b.do(chromedp.KeyEvent(kb.Enter))
	require.Equal(t, fmt.Sprintf("1 of %d", cells), b.text("#matches"))
	require.Contains(t, b.text("#cell"), word)
	b.do(chromedp.Click("#previous", chromedp.ByQuery))
	require.Equal(t, fmt.Sprintf("%d of %d", cells, cells), b.text("#matches"))
	clear := func() { js[any](b, `document.getElementById("search").value = ""`) }
	clear()
	b.do(chromedp.SendKeys("#search", "no such token", chromedp.ByQuery))
	require.Equal(t, "no match", b.text("#matches"))
	clear()
	b.do(chromedp.SendKeys("#search", fmt.Sprint(g.Cells[0][0].Top[0].ID), chromedp.ByQuery))
	require.Contains(t, b.text("#matches"), "on top")
}

func TestDarkAndLightFollowTheSystemAndTheButton(t *testing.T) {
	b := browse(t, large(9, 4, 2), 1300, 950)
	paper := func() string { return js[string](b, `getComputedStyle(document.body).backgroundColor`) }
	prefer := func(scheme string) {
		b.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}))
	}
	prefer("light")
	light := paper()
	b.shot("light")
	prefer("dark")
	dark := paper()
	b.shot("dark")
	require.NotEqual(t, light, dark)
	b.do(chromedp.Click("#theme", chromedp.ByQuery))
	require.Equal(t, light, paper(), "the button says light")
	b.do(chromedp.Click("#theme", chromedp.ByQuery))
	require.Equal(t, dark, paper())
	b.do(chromedp.Click("#theme", chromedp.ByQuery))
	require.Equal(t, "theme: auto", b.text("#theme"))
}

// oneDraw is what drawing the page once took: the cells drawn, and how many have room.
type oneDraw struct{ Zoom, Drawn, Room float64 }

func TestThousandTokensAreDrawnOnlyWhereTheyAreSeen(t *testing.T) {
	b := browse(t, large(1000, 3, 0), 1300, 950)
	require.Greater(t, js[float64](b, `scroll.scrollLeft`), 50_000.0, "the last positions first")
	// a frame draws the cells that can be seen and no others, at each zoom, wherever it is scrolled to
	for _, f := range js[[]oneDraw](b, `(() => { const out = [], plain = cell; let drawn = 0;
		cell = (...of) => { drawn++; plain(...of); };
		for (const width of [92, 40, 12, 4]) { setZoom(width, GUTTER);
			for (let i = 0; i < 40; i++) { scroll.scrollLeft = i * 83; drawn = 0; draw(); out.push({ zoom, drawn, room: R * (scroll.clientWidth - GUTTER) / zoom }); } }
		cell = plain;
		return out; })()`) {
		require.Positive(t, f.Drawn)
		require.LessOrEqual(t, f.Drawn, f.Room+2*30, "zoom %v: two columns more are cut by the edges", f.Zoom)
	}
	b.do(chromedp.Click("#fit", chromedp.ByQuery))
	require.LessOrEqual(t, js[float64](b, `zoom`), 3.0)
	b.shot("thousand")
	before := js[float64](b, `zoom`)
	b.do(chromedp.Click("#larger", chromedp.ByQuery), chromedp.Click("#larger", chromedp.ByQuery))
	require.Greater(t, js[float64](b, `zoom`), before)
	b.click(15, js[int](b, `Math.floor((scroll.scrollLeft + 300) / zoom)`))
	require.Equal(t, 1, js[int](b, `pins.length`), "cells without text can be clicked")
	require.Less(t, js[int](b, `document.querySelectorAll("*").length`), 600, "the document does not grow with the prompt")
}

func TestTokensAreTextInTheBrowser(t *testing.T) {
	g := grid()
	for i, s := range []string{`<img src=x onerror="document.title='broken'">`, `</script><script>document.title='broken'</script>`, "\u202eevil", "&amp;"} {
		g.Cells[2][i].Top[0].Bytes = s
		g.Tokens[i].Bytes = s
	}
	b := browse(t, g, 420, 800)
	for p := range 4 {
		js[any](b, fmt.Sprintf(`go(2, %d, true)`, p))
		js[any](b, `toggle(best(active.r, active.p), active.p)`)
	}
	require.NotEqual(t, "broken", js[string](b, `document.title`))
	require.Contains(t, b.text("#pins"), `<img src=x`)
	require.Zero(t, js[int](b, `document.querySelectorAll("img").length`))
	require.LessOrEqual(t, js[int](b, `document.documentElement.scrollWidth`), 420, "a narrow window needs no sideways scrolling")
	b.shot("narrow")
}

func TestSmallAndEmptyGridsOpen(t *testing.T) {
	one := large(1, 1, 0)
	one.Rows, one.Cells = one.Rows[29:], one.Cells[29:]
	b := browse(t, one, 800, 600)
	require.Contains(t, b.text("#cell"), "layers.29.resid_post")
	b.click(0, 0)
	require.Contains(t, b.text("#pins"), "after position 0")
}
