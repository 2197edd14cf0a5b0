package render

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/browsertest"
)

// scope is a figure whose rows are layers and whose columns are layers too.
func scope(rows, columns int) *Figure {
	m := Matrix{Name: "next", RowsAre: "from layer", Are: "to layer"}
	for c := range columns {
		m.Columns = append(m.Columns, Column{Name: fmt.Sprint(100 + c)})
	}
	for r := range rows {
		m.Rows = append(m.Rows, fmt.Sprint(r))
		m.Values, m.Texts = append(m.Values, make([]float64, columns)), append(m.Texts, make([]string, columns))
		for c := range columns {
			m.Values[r][c], m.Texts[r][c] = float64(r), fmt.Sprintf("word%d", r)
		}
	}
	return &Figure{Title: "scope", Means: "m", Grids: []Matrix{m}}
}

func TestBothAxesAreNamedWhereBothAreLayers(t *testing.T) {
	var b strings.Builder
	require.NoError(t, FigureTerminal(&b, scope(2, 1), TerminalOptions{Width: 60}))
	require.Contains(t, b.String(), "\nfrom layer\n1        word1 1\n0        word0 0\nto layer     100\n", "in a line of its own, which takes no column's room")
	b.Reset()
	require.NoError(t, FigureHTML(&b, scope(2, 1)))
	require.Contains(t, b.String(), `<th scope="row"><span>from layer</span> 1</th>`)
	require.Contains(t, b.String(), `<th scope="row">to layer</th><th scope="col">100</th>`)
	require.Contains(t, b.String(), `aria-label="from layer 0, to layer 100: 0 &#34;word0&#34;"`)
	texts := figureTexts(t, scope(2, 1), PictureOptions{})
	require.True(t, find(texts, "from layer")[0].vertical)
	require.False(t, find(texts, "to layer")[0].vertical)
}

func TestRowsOfAPageAreNamedOnce(t *testing.T) {
	var b strings.Builder
	require.NoError(t, FigureHTML(&b, wave(3, 2)))
	require.Contains(t, b.String(), `<th scope="row"><span>layer</span> layers.2.mlp_out</th>`)
	require.Contains(t, b.String(), `<th scope="row">layers.1.mlp_out</th>`)
	f := wave(3, 2)
	f.Grids[0].Are = ""
	b.Reset()
	require.NoError(t, FigureHTML(&b, f))
	require.Contains(t, b.String(), `<th scope="row">layer</th>`, "in the corner where columns have no name")
	require.Contains(t, b.String(), `<th scope="row">layers.2.mlp_out</th>`)
}

func TestRowsThatAreLeftOutTakeTheirTextsWithThem(t *testing.T) {
	texts := figureTexts(t, scope(5, 1), PictureOptions{Every: 2})
	for _, r := range []int{0, 2, 4} {
		require.Len(t, find(texts, fmt.Sprintf("word%d %d", r, r)), 1)
	}
	require.Empty(t, find(texts, "word3 3"))
}

func TestEachPartOfALongColumnIsLabelled(t *testing.T) {
	b := figureIn(t, scope(30, 1), 1440, 900)
	require.Equal(t, 3, browsertest.JS[int](b, `new Set([...document.querySelectorAll("td")].map(e => e.getBoundingClientRect().left)).size`), "beside each other")
	parts := browsertest.JS[[]string](b, `[...document.querySelectorAll("tbody")].map(e => e.rows[0].cells[0].textContent + " / " + e.rows[e.rows.length - 1].textContent)`)
	require.Equal(t, []string{"from layer 29 / to layer100", "from layer 19 / to layer100", "from layer 9 / to layer100"}, parts)
	require.True(t, browsertest.JS[bool](b, `[...document.querySelectorAll("tbody")].every(e => new Set([...e.querySelectorAll("td")].map(c => c.getBoundingClientRect().left)).size === 1)`), "no part is broken")
	b.Do(chromedp.Click("tbody:first-child tr:nth-child(10) td", chromedp.ByQuery), chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.Enter))
	require.Equal(t, `from layer 19, to layer 100: 19 "word19"`, b.Text("#sheet"), "arrows go on in the next part")
	require.Empty(t, b.Axe())
	b.Shot("figure-strip-parts")
}

func TestTablesBesideEachOtherAreWholeInTheWindow(t *testing.T) {
	f := wave(30, 3)
	plain := f.Grids[0]
	plain.Plain = true
	f.Grids = append([]Matrix{plain}, f.Grids[0]) // whose legend puts it lower
	b := figureIn(t, f, 1440, 800)
	require.Equal(t, 1, browsertest.JS[int](b, `new Set([...document.querySelectorAll("figure")].map(e => e.getBoundingClientRect().top)).size`))
	require.LessOrEqual(t, browsertest.JS[float64](b, `document.documentElement.scrollHeight`), 800.0, "with what is below them")
}
