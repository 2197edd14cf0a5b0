package cli

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/browsertest"
	"github.com/mlxlens/mlxlens/serve"
)

// nameless are controls that a screen reader has no name for.
const nameless = `[...document.querySelectorAll("button, input, select, textarea, a, [role=grid], [role=region]")].filter(e => !(e.ariaLabel || e.labels && e.labels.length || e.textContent.trim())).map(e => e.outerHTML.slice(0, 100))`

func TestThePageFitsItsWindowsAndHasNamesForAll(t *testing.T) {
	b := openTab(t, serve.Door{}, "", 1440, 800)
	for _, c := range []struct{ mode, set string }{
		{"Lens", `set("f-layers", "0:30:6")`}, {"Patch", `set("f-layers", "20:22"); set("f-sites", "mlp_out")`}, {"Chat", `set("f-max_tokens", "2")`},
	} {
		b.Press(c.mode)
		browsertest.JS[any](b.Page, `{ const set = (id, value) => { const e = document.getElementById(id); e.value = value; e.dispatchEvent(new Event("input", { bubbles: true })); }; `+c.set+` } null`)
		b.Do(chromedp.Click("#run", chromedp.ByQuery))
		b.done()
		for _, size := range [][2]int64{{390, 844}, {1440, 800}, {1920, 1080}} {
			b.Do(chromedp.EmulateViewport(size[0], size[1]))
			for _, theme := range []string{"light", "dark"} {
				browsertest.JS[any](b.Page, fmt.Sprintf(`theme(%q); window.scrollTo(0, 0); null`, theme))
				name := fmt.Sprintf("%s-%d-%s", c.mode, size[0], theme)
				require.LessOrEqual(t, browsertest.JS[int64](b.Page, `document.documentElement.scrollWidth`), size[0], name)
				require.Empty(t, browsertest.JS[[]string](b.Page, nameless), name)
				require.Empty(t, b.Axe(), name)
				b.Shot("serve-" + name)
			}
		}
		b.Do(chromedp.EmulateViewport(1440, 800))
	}
}

func TestThePageWorksByKeys(t *testing.T) {
	b := openTab(t, serve.Door{}, "#mode=lens&prompt=The+capital+of+France+is&layers=20%3A", 1440, 800)
	b.done() // a link leads to its result
	require.Equal(t, []int{10, 5}, browsertest.JS[[]int](b.Page, `[R, P]`))
	b.Do(chromedp.Focus("#scroll", chromedp.ByQuery), chromedp.KeyEvent(kb.ArrowLeft), chromedp.KeyEvent(kb.ArrowDown))
	require.Contains(t, browsertest.JS[string](b.Page, `document.getElementById("spot").innerText`), "layer 28, position 3")
	require.Contains(t, browsertest.JS[string](b.Page, `document.getElementById("live").textContent`), "position 3")
	b.Do(chromedp.Focus("#f-prompt", chromedp.ByQuery), chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(2))) // Ctrl
	b.done()

	b.Press("Attention")
	browsertest.JS[any](b.Page, `{ const e = document.getElementById("f-prompt"); e.value = "a b a"; e.dispatchEvent(new Event("input", { bubbles: true })); } null`)
	b.Do(chromedp.Click("#run", chromedp.ByQuery))
	b.done()
	b.Do(chromedp.Focus("#figure td", chromedp.ByQuery), chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.Enter))
	b.Press("pattern of head")
	b.done()
	require.Regexp(t, `heads=28\.1`, browsertest.JS[string](b.Page, `location.hash`))
	require.Equal(t, 9, browsertest.JS[int](b.Page, `document.querySelectorAll("#figure td").length`))
}

func TestACellOfATableLeadsToALensWithoutItsPlace(t *testing.T) {
	b := openTab(t, serve.Door{}, "#mode=patch&sites=mlp_out&layers=20%3A22", 1440, 800)
	b.done()
	b.Do(chromedp.Click("#figure tr:first-child td:nth-child(4)", chromedp.ByQuery)) // layer 21, position 2
	b.Press("lens of the clean prompt without it")
	b.done()
	require.Equal(t, "layers.21.mlp_out@2=zero", browsertest.JS[string](b.Page, `document.getElementById("f-edit").value`))
	require.Equal(t, []int{30, 5}, browsertest.JS[[]int](b.Page, `[R, P]`))
	b.Press("Attribute")
	browsertest.JS[any](b.Page, `{ const e = document.getElementById("f-by"); e.value = "head"; e.dispatchEvent(new Event("change", { bubbles: true })); } null`)
	b.Do(chromedp.Click("#run", chromedp.ByQuery))
	b.done()
	b.Do(chromedp.Click("#figure tr:first-child td:nth-child(3)", chromedp.ByQuery)) // head 1 of the last layer
	b.Press("lens of the prompt without it")
	b.done()
	require.Equal(t, "layers.29.z@4#1=zero", browsertest.JS[string](b.Page, `document.getElementById("f-edit").value`))
}

func TestATokenStandsBesideAState(t *testing.T) {
	for _, fragment := range []string{"#mode=lens&prompt=a+b&layers=29&token=correct+horse", "#token=correct+horse&mode=lens&prompt=a+b&layers=29"} {
		b := openTab(t, serve.Door{Token: "correct horse"}, fragment, 1440, 800)
		b.done()
		require.Equal(t, []int{1, 2}, browsertest.JS[[]int](b.Page, `[R, P]`))
		require.Regexp(t, `^#mode=lens&prompt=a\+b&layers=29`, browsertest.JS[string](b.Page, `location.hash`))
		require.NotContains(t, browsertest.JS[string](b.Page, `location.hash`), "token")
	}
}

func TestThePageTakesItsTokenOutOfTheAddress(t *testing.T) {
	b := openTab(t, serve.Door{Token: "correct horse battery"}, "#token=correct+horse+battery", 1440, 800)
	b.until(`document.getElementById("model").textContent.includes("SmolLM2")`)
	require.Empty(t, browsertest.JS[string](b.Page, `location.hash`))
	b.Do(chromedp.Click("#run", chromedp.ByQuery))
	b.done()
	require.NotContains(t, browsertest.JS[string](b.Page, `location.hash`), "horse")
}

func TestACellOfAComparisonLeadsOn(t *testing.T) {
	b := openTab(t, serve.Door{}, "#mode=compare&layers=20%3A", 1440, 800)
	b.done()
	require.Contains(t, b.Text("#figure tr:first-child"), "·Paris≠·Rome")
	b.Do(chromedp.Click("#figure tr:nth-child(3) td:nth-child(6)", chromedp.ByQuery)) // layer 27, position 4
	require.Contains(t, b.Text("#spot"), "layer 27, position 4")
	b.Press("compare with b's layer 27, position 4 zeroed")
	b.until(`document.getElementById("f-edit_b").value === "layers.27.resid_post@4=zero"`)
	b.done()
	b.Do(chromedp.Click("#figure tr:first-child td:nth-child(6)", chromedp.ByQuery))
	b.Press("lens of side b")
	b.done()
	require.Equal(t, []int{10, 5}, browsertest.JS[[]int](b.Page, `[R, P]`))
	require.Contains(t, browsertest.JS[string](b.Page, `text(best(9, 4))`), "ensuring") // with the edit of side b, as trace --edit has it
}

func TestBarsLegendAndCellOfTheServersPageAreInOneWindowAndInItsAddress(t *testing.T) {
	b := openTab(t, serve.Door{}, "#mode=lens&prompt=The+quick+brown+fox+jumps+over+the+lazy+dog+again", 1440, 800)
	b.done()
	require.Equal(t, []int{30, 10}, browsertest.JS[[]int](b.Page, `[R, P]`))
	b.until(`scroll.scrollHeight <= scroll.clientHeight`) // all rows
	require.True(t, browsertest.JS[bool](b.Page, `["tools", "scroll", "legend"].every(id => { const b = document.getElementById(id).getBoundingClientRect(); return b.top >= 0 && b.bottom <= innerHeight; })`))
	b.Shot("serve-ten")
	b.Do(chromedp.Focus("#scroll", chromedp.ByQuery), chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent("3"))
	b.until(`location.hash.includes("&show=rank&cell=layers.28.resid_post%409")`)
	b.Do(chromedp.Reload())
	b.until(`document.getElementById("status").textContent === "done"`)
	b.until(`view.name === "rank" && active.r === 28 && active.p === 9`)
	require.Empty(t, b.Axe())
}
