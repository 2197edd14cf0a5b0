package render

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
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

func figureTab(t *testing.T, f *Figure) *browsertest.Page {
	t.Helper()
	file := filepath.Join(t.TempDir(), "figure.html")
	var text bytes.Buffer
	require.NoError(t, FigureHTML(&text, f))
	require.NoError(t, os.WriteFile(file, text.Bytes(), 0o600))
	return browsertest.Open(t, "file://"+file, "table", 1440, 800)
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
	require.Equal(t, `layer layers.29.mlp_out, position 199 " word199": `+number(math.Sin(float64(29*199+29)/9)), browsertest.JS[string](b, `document.querySelector("tr td:last-child").title`))
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
		b.Shot(fmt.Sprintf("figure-print-%d", columns))
	}
}

func TestALongColumnGoesOnBesideItself(t *testing.T) {
	b := figureTab(t, wave(61, 1))
	require.LessOrEqual(t, browsertest.JS[float64](b, `Math.max(...[...document.querySelectorAll("td")].map(e => e.getBoundingClientRect().bottom))`), 800.0, "all 61 rows are in the window")
	require.Empty(t, b.Axe())
	b.Shot("figure-strip")
}
