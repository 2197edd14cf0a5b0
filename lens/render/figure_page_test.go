package render

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/browsertest"
)

// wave is a figure of one grid of numbers.
func wave(rows, columns int) *Figure {
	m := Matrix{Name: "wave", RowsAre: "layer", Are: "position"}
	for c := range columns {
		m.Columns = append(m.Columns, Column{Name: fmt.Sprint(c), Token: fmt.Sprintf(" word%d", c)})
	}
	for r := range rows {
		m.Rows = append(m.Rows, fmt.Sprintf("layers.%d.mlp_out", r))
		row := make([]float64, columns)
		for c := range row {
			row[c] = math.Sin(float64(r*c+r) / 9)
		}
		m.Values = append(m.Values, row)
	}
	return &Figure{Title: "waves", Means: "sine", Digits: 2, Grids: []Matrix{m}, Made: "mlxlens"}
}

func figureTab(t *testing.T, f *Figure) *browsertest.Page { return figureIn(t, f, 1440, 800) }

func figureIn(t *testing.T, f *Figure, width, height int) *browsertest.Page {
	t.Helper()
	file := filepath.Join(t.TempDir(), "figure.html")
	var text bytes.Buffer
	require.NoError(t, FigureHTML(&text, f))
	require.NoError(t, os.WriteFile(file, text.Bytes(), 0o600))
	return browsertest.Open(t, "file://"+file, "table", width, height)
}

// rightmost is how far right a cell or a name ends.
const rightmost = `Math.max(...[...document.querySelectorAll("td, th")].map(e => e.getBoundingClientRect().right))`

func TestAGridOfManyColumnsIsAHeatMapOnItsPage(t *testing.T) {
	b := figureTab(t, wave(30, 200))
	for _, width := range []int64{1440, 1920} {
		b.Do(chromedp.EmulateViewport(width, 800))
		require.LessOrEqual(t, browsertest.JS[float64](b, rightmost), float64(width), "all columns are in the window")
		require.LessOrEqual(t, browsertest.JS[float64](b, `document.querySelector("table").getBoundingClientRect().bottom`), 800.0)
	}
	require.Equal(t, `layer layers.29.mlp_out, position 199 " word199": `+number(math.Sin(float64(29*199+29)/9)), browsertest.JS[string](b, `document.querySelector("tr td:last-child").getAttribute("aria-label")`))
	require.Equal(t, 24, browsertest.JS[int](b, `document.querySelectorAll(".legend i").length`))
	require.Empty(t, b.Axe())
	b.Shot("figure-dense")
}

func TestAFigurePrintsWholeInLightColours(t *testing.T) {
	for _, columns := range []int{1, 3, 30, 200} {
		b := figureTab(t, wave(40, columns))
		b.Do(emulation.SetEmulatedMedia().WithMedia("print").WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}), chromedp.EmulateViewport(700, 990))
		require.Equal(t, "rgb(255, 255, 255)", browsertest.JS[string](b, `getComputedStyle(document.body).backgroundColor`))
		require.LessOrEqual(t, browsertest.JS[float64](b, rightmost), 700.0, "%d columns", columns)
		require.True(t, browsertest.JS[bool](b, `[...document.querySelectorAll("td")].every(e => e.scrollWidth <= e.clientWidth && e.getBoundingClientRect().height < 26)`), "%d columns: each number in a line", columns)
		b.Shot(fmt.Sprintf("figure-print-%d", columns))
	}
}

func TestALongColumnGoesOnBesideItself(t *testing.T) {
	b := figureTab(t, wave(61, 1))
	require.LessOrEqual(t, browsertest.JS[float64](b, `Math.max(...[...document.querySelectorAll("td")].map(e => e.getBoundingClientRect().bottom))`), 800.0, "all 61 rows are in the window")
	require.Empty(t, b.Axe())
	b.Shot("figure-strip")
}

func TestAllRowsOfAFigureAreInTheWindow(t *testing.T) {
	b := figureTab(t, wave(30, 5))
	for _, size := range [][2]int64{{1440, 800}, {1920, 1080}} {
		b.Do(chromedp.EmulateViewport(size[0], size[1]))
		b.Until(fmt.Sprintf(`document.querySelector("table").getBoundingClientRect().bottom <= %d`, size[1]), "h1")
		require.GreaterOrEqual(t, browsertest.JS[float64](b, `document.querySelector("td").getBoundingClientRect().height`), 14.0)
		for _, theme := range []string{"light", "dark"} {
			browsertest.JS[any](b, fmt.Sprintf(`theme(%q)`, theme))
			require.Empty(t, b.Axe(), "%v %s", size, theme)
			b.Shot(fmt.Sprintf("figure-%d-%s", size[0], theme))
		}
	}
}

func TestALinkLeadsToTheChosenCell(t *testing.T) {
	b := figureTab(t, wave(30, 5))
	b.Do(chromedp.Click("tr:nth-child(3) td:nth-child(4)", chromedp.ByQuery)) // layer 27, position 2
	b.Until(`location.hash === "#cell=0.2.3"`, "h1")
	require.Contains(t, browsertest.JS[string](b, `document.getElementById("sheet").textContent`), "layer layers.27.mlp_out, position 2")
	b.Do(chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.Enter))
	b.Until(`location.hash === "#cell=0.3.3"`, "h1")
	b.Do(chromedp.Reload(), chromedp.WaitVisible("table", chromedp.ByQuery))
	require.Equal(t, "layer layers.26.mlp_out, position 2", browsertest.JS[string](b, `document.querySelector("td.chosen").getAttribute("aria-label").split(' "')[0]`))
	b.Do(chromedp.KeyEvent(kb.Escape))
	b.Until(`location.hash === "" && !document.querySelector("td.chosen")`, "h1")
	for _, nothing := range []string{"0.99.1", "7.0.1", "0.0.0", "x"} { // which the figure has not, or which are names
		b.Do(chromedp.Evaluate(fmt.Sprintf(`location.hash = "#cell=%s"; null`, nothing), nil))
	}
	require.Zero(t, browsertest.JS[int](b, `document.querySelectorAll("td.chosen").length`))
}

func TestACellOfAFigureSpeaksAtThePointerAndUnderAFinger(t *testing.T) {
	b := figureTab(t, wave(30, 5))
	middle := `(() => { const b = document.querySelector("tr:nth-child(3) td:nth-child(4)").getBoundingClientRect(); return [(b.left + b.right) / 2, (b.top + b.bottom) / 2]; })()`
	at := browsertest.JS[[]float64](b, middle)
	b.Do(chromedp.MouseEvent(input.MouseMoved, at[0], at[1]))
	require.Contains(t, b.Text("#tip"), `layer layers.27.mlp_out, position 2 " word2": `)
	b = figureIn(t, wave(30, 5), 390, 844)
	b.Do(emulation.SetTouchEmulationEnabled(true))
	at = browsertest.JS[[]float64](b, middle)
	b.Do(input.DispatchTouchEvent(input.TouchStart, []*input.TouchPoint{{X: at[0], Y: at[1]}}), input.DispatchTouchEvent(input.TouchEnd, []*input.TouchPoint{}))
	b.Until(`document.getElementById("sheet").getBoundingClientRect().height > 20`, "h1")
	require.True(t, browsertest.JS[bool](b, `document.getElementById("tip").hidden`))
	require.Empty(t, b.Axe())
	b.Shot("figure-sheet")
}

func TestAFiguresPageSavesPicturesAndCopiesItsCommand(t *testing.T) {
	f := wave(30, 5)
	f.Command = "mlxlens patch a b"
	b := figureTab(t, f)
	browsertest.JS[any](b, `{ window.blobs = []; const make = URL.createObjectURL; URL.createObjectURL = blob => { blobs.push(blob); return make(blob); };
		window.texts = []; Object.defineProperty(navigator, "clipboard", { value: { writeText: async s => { texts.push(s); } } }); } null`)
	b.Do(chromedp.Click("#share summary", chromedp.ByQuery), chromedp.Click("#save-svg", chromedp.ByQuery))
	b.Until(`document.getElementById("told").textContent === "saved as figure.svg"`, "#told")
	b.Do(chromedp.Click("#save-png", chromedp.ByQuery))
	b.Until(`document.getElementById("told").textContent === "saved as figure.png"`, "#told")
	browsertest.JS[any](b, `window.kept = null; Promise.all([blobs[0].text(), createImageBitmap(blobs[blobs.length - 1])]).then(all => { window.kept = all; }); null`)
	b.Until(`window.kept !== null`, "#told")
	require.Equal(t, 30*5+24+1, browsertest.JS[int](b, `new DOMParser().parseFromString(kept[0], "image/svg+xml").querySelectorAll("rect").length`), "a rectangle a cell, the scale, and the paper")
	require.Equal(t, 30*5+30+5*2+2+5+1+2, browsertest.JS[int](b, `new DOMParser().parseFromString(kept[0], "image/svg+xml").querySelectorAll("text").length`), "cells, names, numbers of the scale, the grid's name, and two lines")
	require.Equal(t, 2*browsertest.JS[int](b, `Number(new DOMParser().parseFromString(kept[0], "image/svg+xml").documentElement.getAttribute("width"))`), browsertest.JS[int](b, `kept[1].width`))
	for _, id := range []string{"copy-link", "copy-command", "copy-embed"} {
		b.Do(chromedp.Click("#"+id, chromedp.ByQuery))
	}
	b.Until(`texts.length === 3`, "#told")
	texts := browsertest.JS[[]string](b, `texts`)
	require.Regexp(t, `^file:///.*figure\.html$`, texts[0])
	require.Equal(t, "mlxlens patch a b", texts[1])
	require.Equal(t, fmt.Sprintf(`<iframe src="figure.html" title="waves – mlxlens" width="100%%" height="%d" frameborder="0" loading="lazy"></iframe>`, f.embedHeight()), texts[2])
	require.Empty(t, b.Axe())
	b.Shot("figure-share")
}

func TestAFiguresAddressOfACellThatIsNotThereIsTold(t *testing.T) {
	b := figureTab(t, wave(3, 5))
	browsertest.JS[any](b, `location.hash = "#cell=0.99.1"; null`)
	b.Until(`document.getElementById("told").textContent === "the address asks for what this page has not: cell 0.99.1"`, "#told")
	b.Until(`location.hash === ""`, "#told")
	require.True(t, browsertest.JS[bool](b, `document.getElementById("told").getBoundingClientRect().height > 0`))
}

func TestAFigureFitsTheFrameOfItsTag(t *testing.T) {
	wide := wave(30, 9)
	wide.Grids = append(wide.Grids, wide.Grids[0])
	for name, f := range map[string]*Figure{"grid": wave(30, 5), "two": wide, "dense": wave(30, 200), "strip": wave(61, 1)} {
		b := figureIn(t, f, 720, f.embedHeight())
		high := browsertest.JS[int](b, `Math.ceil(document.querySelector(".grids").getBoundingClientRect().bottom)`)
		require.LessOrEqual(t, high, f.embedHeight(), name)
		require.Greater(t, high, f.embedHeight()*3/5, "%s: and is not far too high", name)
		b.Shot("figure-frame-" + name)
	}
}

func TestNoNameOfAFiguresTableIsEmpty(t *testing.T) {
	f := wave(3, 2)
	f.Grids[0].RowsAre, f.Grids[0].Are = "", ""
	b := figureTab(t, f)
	require.Equal(t, "layers.2.mlp_out, 0 \" word0\"", browsertest.JS[string](b, `document.querySelector("td").getAttribute("aria-label").split(":")[0]`))
	require.Empty(t, b.Axe())
}
