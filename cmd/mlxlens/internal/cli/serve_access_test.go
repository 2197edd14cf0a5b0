package cli

import (
	"fmt"
	"os"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/serve"
)

// envAxe names an axe.min.js of axe-core, which is not part of the repository.
const envAxe = "MLXLENS_AXE"

// nameless are controls that a screen reader has no name for.
const nameless = `[...document.querySelectorAll("button, input, select, textarea, a, [role=grid], [role=region]")].filter(e => !(e.ariaLabel || e.labels && e.labels.length || e.textContent.trim())).map(e => e.outerHTML.slice(0, 100))`

// axe returns what axe-core finds wrong, a line each; nothing where it is not there.
func (b *tab) axe(source []byte) []string {
	b.t.Helper()
	if source == nil {
		return nil
	}
	says[any](b, string(source)+";null")
	says[any](b, `window.found = null; axe.run(document, { resultTypes: ["violations"] }).then(r => { window.found = r.violations.flatMap(v => v.nodes.map(n => v.id + ": " + n.html.slice(0, 160) + " " + n.any.map(a => a.message).join("; ").slice(0, 200))); }); null`)
	b.until(`window.found !== null`)
	return says[[]string](b, `window.found`)
}

func TestThePageFitsItsWindowsAndHasNamesForAll(t *testing.T) {
	var source []byte
	if path := os.Getenv(envAxe); path != "" {
		var err error
		source, err = os.ReadFile(path)
		require.NoError(t, err)
	}
	b := openTab(t, serve.Door{}, "", 1440, 800)
	for _, c := range []struct{ mode, set string }{
		{"Lens", `set("f-layers", "0:30:6")`}, {"Patch", `set("f-layers", "20:22"); set("f-sites", "mlp_out")`}, {"Chat", `set("f-max_tokens", "2")`},
	} {
		b.press(c.mode)
		says[any](b, `{ const set = (id, value) => { const e = document.getElementById(id); e.value = value; e.dispatchEvent(new Event("input", { bubbles: true })); }; `+c.set+` } null`)
		b.do(chromedp.Click("#run", chromedp.ByQuery))
		b.done()
		for _, size := range [][2]int64{{390, 844}, {1440, 800}, {1920, 1080}} {
			b.do(chromedp.EmulateViewport(size[0], size[1]))
			for _, theme := range []string{"light", "dark"} {
				says[any](b, fmt.Sprintf(`theme(%q); window.scrollTo(0, 0); null`, theme))
				name := fmt.Sprintf("%s-%d-%s", c.mode, size[0], theme)
				require.LessOrEqual(t, says[int64](b, `document.documentElement.scrollWidth`), size[0], name)
				require.Empty(t, says[[]string](b, nameless), name)
				require.Empty(t, b.axe(source), name)
				b.shot("serve-" + name)
			}
		}
		b.do(chromedp.EmulateViewport(1440, 800))
	}
}

func TestThePageWorksByKeys(t *testing.T) {
	b := openTab(t, serve.Door{}, "#mode=lens&prompt=The+capital+of+France+is&layers=20%3A", 1440, 800)
	b.done() // a link leads to its result
	require.Equal(t, []int{10, 5}, says[[]int](b, `[R, P]`))
	b.do(chromedp.Focus("#scroll", chromedp.ByQuery), chromedp.KeyEvent(kb.ArrowLeft), chromedp.KeyEvent(kb.ArrowDown))
	require.Contains(t, says[string](b, `document.getElementById("spot").innerText`), "layer 28, position 3")
	require.Contains(t, says[string](b, `document.getElementById("live").textContent`), "position 3")
	b.do(chromedp.Focus("#f-prompt", chromedp.ByQuery), chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(2))) // Ctrl
	b.done()

	b.press("Attention")
	says[any](b, `{ const e = document.getElementById("f-prompt"); e.value = "a b a"; e.dispatchEvent(new Event("input", { bubbles: true })); } null`)
	b.do(chromedp.Click("#run", chromedp.ByQuery))
	b.done()
	b.do(chromedp.Focus("#figure td", chromedp.ByQuery), chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.Enter))
	b.press("pattern of head")
	b.done()
	require.Regexp(t, `heads=28\.1`, says[string](b, `location.hash`))
	require.Equal(t, 9, says[int](b, `document.querySelectorAll("#figure td").length`))
}

func TestACellOfATableLeadsToALensWithoutItsPlace(t *testing.T) {
	b := openTab(t, serve.Door{}, "#mode=patch&sites=mlp_out&layers=20%3A22", 1440, 800)
	b.done()
	b.do(chromedp.Click("#figure tr:first-child td:nth-child(4)", chromedp.ByQuery)) // layer 21, position 2
	b.press("lens of the prompt without it")
	b.done()
	require.Equal(t, "layers.21.mlp_out@2=zero", says[string](b, `document.getElementById("f-edit").value`))
	require.Equal(t, []int{30, 5}, says[[]int](b, `[R, P]`))
	b.press("Attribute")
	says[any](b, `{ const e = document.getElementById("f-by"); e.value = "head"; e.dispatchEvent(new Event("change", { bubbles: true })); } null`)
	b.do(chromedp.Click("#run", chromedp.ByQuery))
	b.done()
	b.do(chromedp.Click("#figure tr:first-child td:nth-child(3)", chromedp.ByQuery)) // head 1 of the last layer
	b.press("lens of the prompt without it")
	b.done()
	require.Equal(t, "layers.29.z#1=zero", says[string](b, `document.getElementById("f-edit").value`))
}

func TestThePageTakesItsTokenOutOfTheAddress(t *testing.T) {
	b := openTab(t, serve.Door{Token: "correct horse battery"}, "#token=correct+horse+battery", 1440, 800)
	b.until(`document.getElementById("model").textContent.includes("SmolLM2")`)
	require.Empty(t, says[string](b, `location.hash`))
	b.do(chromedp.Click("#run", chromedp.ByQuery))
	b.done()
	require.NotContains(t, says[string](b, `location.hash`), "horse")
}
