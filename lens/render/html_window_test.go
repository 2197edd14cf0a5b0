package render

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"image/png"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	printer "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/browsertest"
	"github.com/mlxlens/mlxlens/lens"
)

// seen is true where an element is wholly in the window.
const seen = `(id => { const b = document.getElementById(id).getBoundingClientRect(); return b.width > 0 && b.top >= 0 && b.bottom <= innerHeight && b.left >= 0 && b.right <= innerWidth; })`

func TestBarsAndLegendAreInTheWindowWithoutScrolling(t *testing.T) {
	b := browse(t, large(10, 4, 2), 1440, 800)
	for _, size := range [][2]int64{{1440, 800}, {1920, 1080}, {390, 844}} {
		b.Do(chromedp.EmulateViewport(size[0], size[1]))
		for _, id := range []string{"tools", "scroll", "legend", "bar"} {
			require.True(t, browsertest.JS[bool](b.Page, fmt.Sprintf("%s(%q)", seen, id)), "%s at %v", id, size)
		}
		require.Zero(t, browsertest.JS[int](b.Page, `document.documentElement.scrollHeight - innerHeight + scrollY`), "%v", size)
		if size[0] > 860 {
			require.LessOrEqual(t, browsertest.JS[int](b.Page, `scroll.scrollHeight - scroll.clientHeight`), 0, "all 30 rows are in the window of %v", size)
			require.GreaterOrEqual(t, browsertest.JS[int](b.Page, `height()`), 12)
		} else {
			require.GreaterOrEqual(t, browsertest.JS[int](b.Page, `Math.min(height(), zoom)`), 24, "a finger hits a cell (WCAG 2.5.8)")
		}
		for _, theme := range []string{"light", "dark"} {
			browsertest.JS[any](b.Page, fmt.Sprintf(`theme(%q)`, theme))
			require.Empty(t, b.Axe(), "%v %s", size, theme)
			b.Shot(fmt.Sprintf("page-%d-%s", size[0], theme))
		}
	}
}

func TestNoWindowScrollsThePageSideways(t *testing.T) {
	b := browse(t, large(40, 4, 2), 1440, 800)
	for _, width := range []int64{320, 390, 860, 861, 900, 1024, 1150, 1151} {
		b.Do(chromedp.EmulateViewport(width, 800))
		require.LessOrEqual(t, browsertest.JS[int64](b.Page, `document.documentElement.scrollWidth`), width)
	}
}

func TestOnePositionHasItsCandidatesSideBySide(t *testing.T) {
	g := large(5, 4, 2)
	g.Positions = g.Positions[4:]
	for r := range g.Cells {
		g.Cells[r] = g.Cells[r][4:]
	}
	g.Tracked = g.Tracked[4:]
	g.Cells[29][0].Answer.Token = g.Cells[29][0].Top[0].Token
	for r := range g.Cells {
		g.Cells[r][0].Answer.Token = g.Cells[29][0].Answer.Token
	}
	b := browse(t, g, 1440, 800)
	rows := browsertest.JS[[][]string](b.Page, `[...document.querySelectorAll("#ranks tr")].map(tr => [...tr.cells].map(c => c.textContent))`)
	require.Len(t, rows, 31)
	require.Equal(t, []string{"rank", "1", "2", "3", "4"}, rows[0])
	for i, row := range rows[1:] {
		top := g.Cells[29-i][0].Top
		require.Equal(t, label(g.Rows[29-i]), row[0])
		for k := range top {
			require.Equal(t, fmt.Sprintf("·%s %.3f", strings.TrimSpace(top[k].Bytes), math.Exp(top[k].Logit-g.Cells[29-i][0].LogSumExp)), row[k+1])
		}
	}
	require.Equal(t, 1, browsertest.JS[int](b.Page, `document.querySelectorAll("#ranks tr:nth-child(2) td.answer").length`))
	require.Equal(t, browsertest.JS[float64](b.Page, `canvas.getBoundingClientRect().top + BAND`), browsertest.JS[float64](b.Page, `document.querySelector("#ranks tr:nth-child(2) td").getBoundingClientRect().top`), "they stand beside their rows")
	require.InDelta(t, browsertest.JS[float64](b.Page, `R * height()`), browsertest.JS[float64](b.Page, `(t => t.rows[30].getBoundingClientRect().bottom - t.rows[1].getBoundingClientRect().top)(document.querySelector("#ranks table"))`), 1)
	for _, size := range [][2]int64{{1440, 800}, {1920, 1080}, {390, 844}, {1000, 700}} {
		b.Do(chromedp.EmulateViewport(size[0], size[1]))
		require.LessOrEqual(t, browsertest.JS[int64](b.Page, `document.documentElement.scrollWidth`), size[0])
		require.True(t, browsertest.JS[bool](b.Page, seen+`("ranks") && `+seen+`("legend")`), "%v", size)
		require.Empty(t, b.Axe())
		b.Shot(fmt.Sprintf("ranks-%d", size[0]))
		if size[0] == 390 {
			browsertest.JS[any](b.Page, `$("ranks").scrollTop = 100; null`)
			b.Until(`scroll.scrollTop === 100 && $("ranks").scrollTop === 100`, "#live")
		}
	}
	browsertest.JS[any](b.Page, `document.querySelector("#ranks tr:nth-child(3) td:nth-child(3) button").click(); null`)
	require.Equal(t, 1, browsertest.JS[int](b.Page, `pins.length`))
	require.Equal(t, "at the left: "+views[Prob].means, b.Text("#means"))
	browsertest.JS[any](b.Page, `turnTo("rank"); null`)
	require.Equal(t, "at the left: "+views[Rank].means, b.Text("#means"))
	require.Regexp(t, `^at the right: each candidate's own probability\s*0\.000\s*1\.000\s*framed: the model's answer$`, b.Text("#ranks-legend"), "whatever the grid's colours are")
	require.Equal(t, []bool{true, true}, browsertest.JS[[]bool](b.Page, `[$("ranks-legend").getBoundingClientRect().left >= $("ranks").getBoundingClientRect().left, $("legend").getBoundingClientRect().right <= $("ranks").getBoundingClientRect().left]`), "each stands under its own")
	texts := browsertest.JS[[]string](b.Page, `[...drawn().querySelectorAll("text")].map(t => t.textContent)`)
	require.Len(t, slices.DeleteFunc(slices.Clone(texts), func(s string) bool { return !regexp.MustCompile(`^0\.\d{3}$`).MatchString(s) }), 120+1, "so is the picture that it saves, and its scale begins at 0.000")
	for _, says := range []string{views[Rank].means, "each candidate's own probability", "the candidates of each layer; framed: the model's answer"} {
		require.True(t, slices.ContainsFunc(texts, func(s string) bool { return strings.HasSuffix(s, says) }), says)
	}
	b.Shot("ranks-rank")
	require.True(t, browsertest.JS[bool](browse(t, large(5, 4, 2), 1440, 800).Page, `$("ranks").hidden && $("ranks-legend").hidden`))

	g.Rows, g.Cells, g.Tracked = g.Rows[29:], g.Cells[29:], nil
	b = browse(t, g, 390, 844)
	require.Less(t, browsertest.JS[float64](b.Page, `$("legend").getBoundingClientRect().bottom - $("scroll").getBoundingClientRect().top`), 300.0, "one row takes the room of one")
	b.Shot("ranks-one-390")
}

func TestANewlineIsInSignsOfAnyFont(t *testing.T) {
	g := large(3, 2, 1)
	g.Tokens[1].Bytes, g.Tokens[2].Bytes, g.Cells[29][1].Top[0].Bytes = "\n\n", "\t", "\r"
	b := browse(t, g, 1440, 800)
	browsertest.JS[any](b.Page, `go(29, 1, false); search("\\n"); null`)
	require.Contains(t, b.Text("#cell"), `‹\r›`)
	require.Equal(t, []string{`‹\n›‹\n›`, `‹\t›`}, browsertest.JS[[]string](b.Page, `[text(D.input[1]), text(D.input[2])]`))
	require.NotRegexp(t, "[␊␉␍]", browsertest.JS[string](b.Page, `D.texts.join()`))
	b.Shot("newline-1440")
	require.Equal(t, "␊", draw(token("␊")), "which is a sign of its own where it is a text")
	require.Equal(t, "␊", onPage(token("␊")))
}

func TestATooltipStandsAtThePointer(t *testing.T) {
	b := browse(t, large(10, 4, 2), 1440, 800)
	x, y := b.place(12, 3)
	b.Do(chromedp.MouseEvent(input.MouseMoved, x, y))
	require.Contains(t, b.Text("#tip"), "position 3")
	require.Contains(t, b.Text("#tip"), "the answer's probability 0.135")
	at := browsertest.JS[[]float64](b.Page, `(() => { const b = $("tip").getBoundingClientRect(); return [b.left, b.top]; })()`)
	require.InDelta(t, x, at[0], 30)
	require.InDelta(t, y, at[1], 30)
	b.Shot("tip")
	x, y = b.place(0, 9)
	b.Do(chromedp.MouseEvent(input.MouseMoved, x, y))
	require.True(t, browsertest.JS[bool](b.Page, seen+`("tip")`), "at the window's end too")
	b.Do(chromedp.MouseEvent(input.MouseMoved, 5, 5))
	require.True(t, browsertest.JS[bool](b.Page, `$("tip").hidden`))
}

func TestATouchOpensASheet(t *testing.T) {
	b := browse(t, large(10, 4, 2), 390, 844)
	b.Do(emulation.SetTouchEmulationEnabled(true))
	require.False(t, browsertest.JS[bool](b.Page, seen+`("side")`))
	browsertest.JS[any](b.Page, `go(3, 8, false); null`) // below the others, which a finger scrolls
	x, y := b.place(3, 8)
	touch := []*input.TouchPoint{{X: x, Y: y}}
	b.Do(input.DispatchTouchEvent(input.TouchStart, touch), input.DispatchTouchEvent(input.TouchEnd, []*input.TouchPoint{}))
	b.Until(`document.body.classList.contains("sheet")`, "#cell")
	require.True(t, browsertest.JS[bool](b.Page, seen+`("side")`))
	require.Contains(t, b.Text("#cell"), "layers.3.resid_post")
	require.True(t, browsertest.JS[bool](b.Page, `$("tip").hidden && pins.length === 0`), "a finger gets no tooltip, and pins by the sheet's buttons")
	require.True(t, browsertest.JS[bool](b.Page, `(() => { const y = canvas.getBoundingClientRect().top + BAND + (R - 1 - 3 + 1) * height() - scroll.scrollTop; return y <= $("side").getBoundingClientRect().top; })()`), "the cell is above the sheet")
	require.Empty(t, b.Axe())
	b.Shot("sheet")
	b.Do(chromedp.Click("#candidates button", chromedp.ByQuery), chromedp.Click("#shut", chromedp.ByQuery))
	require.False(t, browsertest.JS[bool](b.Page, seen+`("side")`))
	require.Equal(t, 1, browsertest.JS[int](b.Page, `pins.length`))
}

func TestViewsAreNamedInWordsAndExplained(t *testing.T) {
	b := browse(t, large(10, 4, 2), 1440, 800)
	require.Contains(t, b.Text("#view"), "the answer's rank")
	b.Do(chromedp.Click("#explain", chromedp.ByQuery))
	for _, v := range views {
		if v.name == "expert" { // which the grid does not have
			continue
		}
		require.Regexp(t, `^[A-Z].*\.$`, v.help)
		require.Contains(t, b.Text("#guide"), v.title)
		require.Contains(t, b.Text("#guide"), v.help)
	}
	require.Empty(t, b.Axe())
	b.Shot("guide")
	b.Do(chromedp.Click("#guide-shut", chromedp.ByQuery), chromedp.KeyEvent("?"))
	require.True(t, browsertest.JS[bool](b.Page, `$("guide").open`))
	b.Do(chromedp.KeyEvent(kb.Escape))
	require.False(t, browsertest.JS[bool](b.Page, `$("guide").open`))
}

func TestScreenReadersHearTheViewsNumber(t *testing.T) {
	b := browse(t, large(10, 4, 2), 1440, 800)
	b.Do(chromedp.Focus("#scroll", chromedp.ByQuery), chromedp.KeyEvent("3"))
	require.Equal(t, "colour: the answer's rank. the answer's rank 1", browsertest.JS[string](b.Page, `$("live").textContent`))
	b.Do(chromedp.KeyEvent(kb.ArrowDown))
	require.Contains(t, browsertest.JS[string](b.Page, `$("live").textContent`), "the answer's rank 2, layer row 28")
	require.Contains(t, browsertest.JS[string](b.Page, `$("active").textContent`), "the answer's rank 2")
	b.Do(chromedp.KeyEvent("5"))
	require.Contains(t, browsertest.JS[string](b.Page, `$("active").textContent`), "uncertainty (entropy) 0.17")
}

func TestFitShowsAllOrTheOverviewHasTheRest(t *testing.T) {
	b := browse(t, large(60, 4, 2), 1440, 800)
	require.False(t, browsertest.JS[bool](b.Page, `$("overview").hidden`))
	b.Do(chromedp.Click("#fit", chromedp.ByQuery))
	b.Until(`$("overview").hidden && scroll.scrollWidth <= scroll.clientWidth && scroll.scrollHeight <= scroll.clientHeight`, "#live") // all is in the window
	b.Shot("fit")

	b = browse(t, large(1000, 3, 0), 1440, 800)
	b.Do(chromedp.Click("#fit", chromedp.ByQuery))
	b.Until(`!$("overview").hidden && scroll.scrollHeight <= scroll.clientHeight`, "#live") // cells of 3 pixels do not fit
	at := browsertest.JS[[]float64](b.Page, `(() => { const b = $("overview").getBoundingClientRect(); return [b.left, b.top, b.width, b.height]; })()`)
	b.Do(chromedp.MouseClickXY(at[0]+at[2]/2, at[1]+at[3]/2))
	require.InDelta(t, 500, browsertest.JS[float64](b.Page, `(scroll.scrollLeft + (scroll.clientWidth - GUTTER) / 2) / zoom`), 3, "a click in its middle shows the middle")
	b.Do(chromedp.Focus("#overview", chromedp.ByQuery), chromedp.KeyEvent(kb.Home))
	require.Zero(t, browsertest.JS[int](b.Page, `scroll.scrollLeft`))
	b.Until(`$("overview").getAttribute("aria-valuetext").startsWith("positions 0 to ")`, "#live")
	b.Do(chromedp.KeyEvent(kb.PageUp)) // of a slider: on
	require.Positive(t, browsertest.JS[int](b.Page, `scroll.scrollLeft`))
	b.Shot("overview")
}

func TestALinkLeadsToTheSameState(t *testing.T) {
	b := browse(t, large(10, 4, 2), 1440, 800)
	b.click(12, 3)
	b.Do(chromedp.KeyEvent("3"))
	b.Until(`location.hash.includes("show=rank") && location.hash.includes("pins=")`, "#live")
	b.Do(chromedp.Reload(), chromedp.WaitVisible("#canvas", chromedp.ByQuery))
	require.Equal(t, "rank", browsertest.JS[string](b.Page, `view.name`))
	require.Equal(t, []int{12, 3, 1}, browsertest.JS[[]int](b.Page, `[active.r, active.p, pins.length]`))
	b.Do(chromedp.Evaluate(`location.hash = "#show=kl&cell=layers.5.resid_post@1"; null`, nil))
	b.Until(`view.name === "kl" && active.r === 5 && active.p === 1`, "#live")
	b.Do(chromedp.Evaluate(`location.hash = "#show=nothing&cell=layers.99.resid_post@77&pins=x"; null`, nil))
	b.Until(`document.getElementById("told").textContent === "the address asks for what this page has not: colour nothing; cell layers.99.resid_post@77; pins x"`, "#told")
	b.Until(`!location.hash.includes("nothing")`, "#told")
	require.Equal(t, []int{5, 1}, browsertest.JS[[]int](b.Page, `[active.r, active.p]`), "what the grid has not is left")
}

func TestThePageSavesPicturesAndCopiesItsCommand(t *testing.T) {
	b := browse(t, large(10, 4, 2), 1440, 800)
	browsertest.JS[any](b.Page, `{ window.blobs = []; const make = URL.createObjectURL; URL.createObjectURL = blob => { blobs.push(blob); return make(blob); };
		window.texts = []; Object.defineProperty(navigator, "clipboard", { value: { writeText: async s => { texts.push(s); } } }); } null`)
	b.Do(chromedp.Click("#share summary", chromedp.ByQuery), chromedp.Click("#save-svg", chromedp.ByQuery))
	b.Until(`$("told").textContent === "saved as lens.svg"`, "#told")
	b.Do(chromedp.Click("#save-png", chromedp.ByQuery))
	b.Until(`$("told").textContent === "saved as lens.png"`, "#told")
	browsertest.JS[any](b.Page, `window.kept = null; Promise.all([blobs[0].text(), createImageBitmap(blobs[blobs.length - 1])]).then(all => { window.kept = all; }); null`)
	b.Until(`window.kept !== null`, "#told")
	require.Equal(t, 1, browsertest.JS[int](b.Page, `(() => { const d = new DOMParser().parseFromString(kept[0], "image/svg+xml"); return d.querySelectorAll("parsererror").length ? 0 : 1; })()`))
	require.Equal(t, 10*30, browsertest.JS[int](b.Page, `[...new DOMParser().parseFromString(kept[0], "image/svg+xml").querySelectorAll("rect")].filter(e => e.getAttribute("height") === "16").length`), "a rectangle a cell")
	require.Equal(t, browsertest.JS[[]int](b.Page, `(d => [2 * d.w, 2 * d.h])(sizeOf(drawn()))`), browsertest.JS[[]int](b.Page, `[kept[1].width, kept[1].height]`))
	for _, id := range []string{"copy-link", "copy-command", "copy-embed"} {
		b.Do(chromedp.Click("#"+id, chromedp.ByQuery))
	}
	b.Until(`texts.length === 3`, "#told")
	texts := browsertest.JS[[]string](b.Page, `texts`)
	require.Regexp(t, `^file:///.*lens\.html#show=prob&cell=layers\.29\.resid_post%409$`, texts[0])
	require.Equal(t, "mlxlens trace 'a b'", texts[1])
	require.Equal(t, `<iframe src="lens.html#show=prob&amp;cell=layers.29.resid_post%409" title="10 tokens – mlxlens" width="100%" height="830" frameborder="0" loading="lazy"></iframe>`, texts[2])
	require.Empty(t, b.Axe())
	b.Shot("share")
}

// TestThePagePrintsWhole prints a dark page of 23 positions, whose columns do not fit a sheet side by side.
func TestThePagePrintsWhole(t *testing.T) {
	g, prompt := large(23, 4, 2), strings.Repeat("as long as a page ", 300)
	g.Prompt = &prompt
	b := browse(t, g, 1440, 800)
	browsertest.JS[any](b.Page, `theme("dark"); null`)
	browsertest.JS[any](b.Page, `dispatchEvent(new Event("beforeprint")); null`)
	b.Do(emulation.SetEmulatedMedia().WithMedia("print"), chromedp.EmulateViewport(700, 990))
	require.Equal(t, "rgb(255, 255, 255)", browsertest.JS[string](b.Page, `getComputedStyle(document.body).backgroundColor`))
	require.Equal(t, 3, browsertest.JS[int](b.Page, `document.querySelectorAll("#print svg").length`))
	require.Equal(t, 30*23, browsertest.JS[int](b.Page, `[...document.querySelectorAll("#print rect")].filter(e => e.getAttribute("height") === "16").length`), "every cell")
	require.True(t, browsertest.JS[bool](b.Page, `[...document.querySelectorAll("#print rect, #print text")].every(e => { const x = e.getBoundingClientRect(); return x.left >= 0 && x.right <= innerWidth; })`), "no column is cut")
	require.LessOrEqual(t, browsertest.JS[int](b.Page, `document.documentElement.scrollWidth`), 700)
	require.Less(t, browsertest.JS[float64](b.Page, `document.querySelector("h1").getBoundingClientRect().height`), 180.0, "six lines of the prompt, whose tokens are in the grid")
	require.Equal(t, 3, browsertest.JS[int](b.Page, `[...document.querySelectorAll("#print text")].filter(e => e.textContent === "framed: the token that came next").length`), "a sheet says what its frames are")
	b.Shot("print")
	browsertest.JS[any](b.Page, `dispatchEvent(new Event("afterprint")); null`)
	require.Zero(t, browsertest.JS[int](b.Page, `$("print").childElementCount`))

	var pdf []byte // the browser's own printing fills the sheets too
	b.Do(emulation.SetEmulatedMedia(), chromedp.ActionFunc(func(ctx context.Context) (err error) {
		pdf, _, err = printer.PrintToPDF().Do(ctx)
		return err
	}))
	require.GreaterOrEqual(t, bytes.Count(pdf, []byte("/Type /Page\n")), 2)
}

// TestThePageFitsTheFrameOfAnother embeds a page by its tag, in one whose policy allows frames of its own alone.
func TestThePageFitsTheFrameOfAnother(t *testing.T) {
	var text bytes.Buffer
	require.NoError(t, HTML(&text, large(10, 4, 2), HTMLOptions{}))
	blog := `<!doctype html><title>blog</title><script src="blog.js"></script><h1>A post</h1><iframe src="lens.html#show=rank" title="lens" width="100%" height="830" frameborder="0"></iframe>`
	script := `addEventListener("message", e => { if (e.data.mlxlens === "size") window.told = e.data.height; });`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-src 'self'; script-src 'self'")
		switch r.URL.Path {
		case "/blog.html":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprint(w, blog)
		case "/blog.js":
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprint(w, script)
		case "/lens.html": // served without a policy of the server's: the page has its own
			w.Header().Del("Content-Security-Policy")
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write(text.Bytes())
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	}))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "lens.html"), text.Bytes(), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "blog.js"), []byte(script), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "blog.html"), []byte(blog), 0o600))
	for _, url := range []string{server.URL + "/blog.html", "file://" + filepath.Join(dir, "blog.html")} {
		b := browsertest.Open(t, url, "iframe", 900, 1000)
		b.Until(`window.told === 830`, "h1")
		require.Zero(t, browsertest.JS[int](b, `document.documentElement.scrollWidth - innerWidth`))
		b.Shot("embed-" + strings.SplitN(url, ":", 2)[0])
		if strings.HasPrefix(url, "http") { // of one origin: it can be looked into
			require.Equal(t, []bool{true, true, true}, browsertest.JS[[]bool](b, `(() => { const d = document.querySelector("iframe").contentDocument, l = d.getElementById("legend").getBoundingClientRect(), s = d.getElementById("scroll");
				return [l.bottom <= 830, s.scrollHeight <= s.clientHeight, d.getElementById("view").value === "rank"]; })()`))
		}
	}
}

// TestASavedPictureSaysWhatItIs opens what the buttons save, which has what the pictures of -o have.
func TestASavedPictureSaysWhatItIs(t *testing.T) {
	prompt := "a <b> & c"
	for _, last := range []bool{false, true} {
		g := large(5, 4, 2)
		g.Prompt, g.Edits, g.Chat, g.Model.Ref, g.Made = &prompt, []string{"layers.29.mlp_out=zero"}, true, "org/model-1b", &lens.Made{Version: "1.2.3", Command: []string{"trace"}}
		if last {
			g.Positions, g.Tracked = g.Positions[4:], nil
			for r := range g.Cells {
				g.Cells[r] = g.Cells[r][4:]
			}
		}
		b := browse(t, g, 1440, 800)
		browsertest.JS[any](b.Page, `{ window.blobs = []; const make = URL.createObjectURL; URL.createObjectURL = blob => { blobs.push(blob); return make(blob); }; turnTo("rank"); } null`)
		b.Do(chromedp.Click("#share summary", chromedp.ByQuery), chromedp.Click("#save-svg", chromedp.ByQuery))
		b.Until(`$("told").textContent === "saved as lens.svg"`, "#told")
		b.Do(chromedp.Click("#save-png", chromedp.ByQuery))
		b.Until(`$("told").textContent === "saved as lens.png"`, "#told")
		browsertest.JS[any](b.Page, `window.kept = null; Promise.all([blobs[0].text(), blobs[blobs.length - 1].arrayBuffer().then(a => Array.from(new Uint8Array(a), c => String.fromCharCode(c)).join(""))]).then(all => { window.kept = all; }); null`)
		b.Until(`window.kept !== null`, "#told")
		svg := browsertest.JS[string](b.Page, `kept[0]`)
		shown := strings.Join(browsertest.JS[[]string](b.Page, `[...new DOMParser().parseFromString(kept[0], "image/svg+xml").querySelectorAll("text")].map(t => t.textContent)`), "")
		for _, part := range []string{prompt, "chat template", "model-1b", "edit layers.29.mlp_out=zero", views[Rank].means, "mlxlens trace 'a b'"} {
			require.Contains(t, shown, part, "in the caption")
		}
		require.Contains(t, svg, "<title>a &lt;b&gt; &amp; c · ")
		for _, part := range []string{"<dc:source[^>]*>org/model-1b<", "<dc:description[^>]*>mlxlens trace 'a b'<", "<dc:subject[^>]*>layers.29.mlp_out=zero<", `<dcterms:provenance[^>]*>{"version":"1.2.3"`} {
			require.True(t, regexp.MustCompile(part).MatchString(svg), "%s, in the file", part)
		}
		raw := []rune(browsertest.JS[string](b.Page, `kept[1]`)) // a rune a byte
		data := make([]byte, len(raw))
		for i, r := range raw {
			data[i] = byte(r)
		}
		_, err := png.Decode(bytes.NewReader(data))
		require.NoError(t, err, "its chunks have the right checks")
		for _, part := range []string{"Title\x00\x00\x00\x00\x00a <b> & c · ", "Source\x00\x00\x00\x00\x00org/model-1b", "Comment\x00\x00\x00\x00\x00mlxlens trace 'a b'", "Edits\x00\x00\x00\x00\x00layers.29.mlp_out=zero", "made\x00\x00\x00\x00\x00{"} {
			require.True(t, strings.Contains(string(data), "iTXt"+part), "%q, in the file", part)
		}
		require.NoError(t, os.WriteFile(filepath.Join(cmp.Or(os.Getenv(browsertest.EnvScreenshots), t.TempDir()), fmt.Sprintf("saved-%v.png", last)), data, 0o600))
	}
}
