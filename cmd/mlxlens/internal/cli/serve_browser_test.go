package cli

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/browsertest"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/serve"
)

// tab is the page of a server, open in a browser.
type tab struct{ *browsertest.Page }

// openTab opens the page of a server of SmolLM2. When the test ends it must have complained of nothing.
func openTab(t testing.TB, door serve.Door, fragment string, width, height int) *tab {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes seconds to start")
	}
	opened := modeltest.SmolLM2(t)
	server := httptest.NewServer(serve.New(newEngine(&served{opened: opened.Kept()}, ""), serve.Options{}).Handler(door))
	t.Cleanup(server.Close)
	return &tab{browsertest.Open(t, server.URL+"/"+fragment, "#run", width, height)}
}

// until waits until an expression is true.
func (b *tab) until(expression string) { b.Until(expression, "#status") }

func (b *tab) done() { b.until(`document.getElementById("status").textContent === "done"`) }

func TestThePageShowsTheLensOfAPrompt(t *testing.T) {
	b := openTab(t, serve.Door{}, "", 1440, 800)
	b.Do(chromedp.Click("#run", chromedp.ByQuery))
	b.done()
	require.Equal(t, []int{30, 5}, browsertest.JS[[]int](b.Page, `[R, P]`))
	require.Contains(t, browsertest.JS[string](b.Page, `document.getElementById("cell").innerText`), "Paris")
	require.Contains(t, browsertest.JS[string](b.Page, `location.hash`), "mode=lens")
	require.Empty(t, b.Axe())
	b.Shot("serve-lens-1440")

	// A cell is edited, and the lens is read again.
	x, y := place(b, 20, 4)
	b.Do(chromedp.MouseClickXY(x, y))
	require.Contains(t, browsertest.JS[string](b.Page, `document.getElementById("spot").innerText`), "layer 20, position 4")
	b.Press("edit and run")
	b.until(`document.getElementById("f-edit").value === "layers.20.resid_post@4=zero"`)
	b.done()
	require.NotContains(t, browsertest.JS[string](b.Page, `text(best(29, 4))`), "Paris", "the stream was zero")
	require.Contains(t, browsertest.JS[string](b.Page, `location.hash`), "edit=layers.20.resid_post")
	require.Equal(t, 2, browsertest.JS[int](b.Page, `document.querySelectorAll("#history li").length`))
	browsertest.JS[any](b.Page, `history.back(); null`)
	b.done()
	b.until(`text(best(29, 4)).includes("Paris")`)
}

// place returns where the middle of a cell is in the window.
func place(b *tab, row, position int) (x, y float64) {
	browsertest.JS[any](b.Page, fmt.Sprintf(`go(%d, %d, false); scroll.scrollIntoView({block: "center"}); null`, row, position))
	at := browsertest.JS[[]float64](b.Page, fmt.Sprintf(`(() => { const box = canvas.getBoundingClientRect();
		return [box.left + GUTTER + (%d + 0.5) * zoom - scroll.scrollLeft, box.top + BAND + (R - 1 - %d + 0.5) * height() - scroll.scrollTop]; })()`, position, row))
	return at[0], at[1]
}

func TestTheViewsOfThePageAnswer(t *testing.T) {
	b := openTab(t, serve.Door{}, "", 1440, 800)
	for _, c := range []struct{ mode, set, shows string }{
		{"Generate", `set("f-max_tokens", "4")`, `P === 4 && document.querySelectorAll("#said .token").length === 4`},
		{"Chat", `set("f-max_tokens", "4")`, `P === 4 && document.querySelectorAll("#said .turn").length === 2`},
		{"Patch", `set("f-layers", "20:22"); set("f-sites", "mlp_out")`, `document.querySelectorAll("#figure td").length === 10`},
		{"Attention", `set("f-prompt", "a b a"); set("f-heads", "15.3")`, `document.querySelectorAll("#figure td").length === 9`},
		{"Attribute", ``, `document.querySelectorAll("#figure td").length > 30`},
		{"Steer", ``, `document.querySelectorAll("#figure td").length >= 10`},
		{"Patchscope", `set("f-into", "cat -> cat; hello -> hello; ?"); set("f-layers", "20:22")`, `document.querySelectorAll("#figure td").length >= 2`},
		{"Compare", `set("f-layers", "20:22")`, `document.querySelectorAll("#figure td").length === 10`},
	} {
		b.Press(c.mode)
		browsertest.JS[any](b.Page, `{ const set = (id, value) => { const e = document.getElementById(id); e.value = value; e.dispatchEvent(new Event("input", { bubbles: true })); }; `+c.set+` } null`)
		b.Do(chromedp.Click("#run", chromedp.ByQuery))
		b.done()
		b.until(c.shows)
		require.Empty(t, b.Axe(), c.mode)
		b.Shot("serve-" + strings.ToLower(c.mode))
	}
}

func TestThePageSavesWhatItShows(t *testing.T) {
	b := openTab(t, serve.Door{}, "#mode=generate&prompt=Once+upon+a+time&max_tokens=3&temperature=0.9&layers=0%3A30%3A10", 1440, 800)
	b.done()
	browsertest.JS[any](b.Page, `{ window.blobs = []; const make = URL.createObjectURL; URL.createObjectURL = blob => { blobs.push(blob); return make(blob); }; } null`)
	drawn := browsertest.JS[string](b.Page, `[...document.querySelectorAll("#said .token")].map(e => e.textContent).join("")`)
	for i, format := range []string{"json", "csv", "png", "pdf"} {
		b.Do(chromedp.Click(fmt.Sprintf(`//div[@id="saves"]/button[.=%q]`, strings.ToUpper(format)), chromedp.BySearch))
		b.until(fmt.Sprintf(`blobs.length === %d && document.getElementById("status").textContent === "saved as mlxlens-generate.%s"`, i+1, format))
	}
	browsertest.JS[any](b.Page, `window.texts = null; Promise.all(blobs.map(b => b.text())).then(all => { window.texts = all; }); null`)
	b.until(`window.texts !== null`)
	require.Equal(t, drawn, browsertest.JS[string](b.Page, `texts[0].trim().split("\n").map(l => JSON.parse(l).text).join("")`), "what was drawn by chance is what is saved")
	require.Equal(t, browsertest.JS[[]int](b.Page, `D.next.map(t => D.ids[t])`)[:2], browsertest.JS[[]int](b.Page, `[4, 5].map(p => Number(texts[1].split("\n").find(l => l.startsWith("layers.20.resid_post," + p + ",")).split(",")[2]))`), "its tokens are the columns")
	require.Contains(t, browsertest.JS[string](b.Page, `texts[2].slice(0, 4)`), "PNG")
	require.Contains(t, browsertest.JS[string](b.Page, `texts[3].slice(0, 5)`), "%PDF")
}

func TestAllOfALensAndItsButtonsAreInTheWindow(t *testing.T) {
	in := func(id string) string {
		return fmt.Sprintf(`(() => { const b = document.getElementById(%q).getBoundingClientRect(); return b.width > 0 && b.top >= 0 && b.bottom <= innerHeight; })()`, id)
	}
	b := openTab(t, serve.Door{}, "#mode=lens&prompt=The+quick+brown+fox+jumps+over+the+lazy+dog+and", 1440, 800)
	b.done()
	b.until(`P === 10 && document.getElementById("overview").hidden && scroll.scrollWidth <= scroll.clientWidth && scroll.scrollHeight <= scroll.clientHeight`)
	for _, id := range []string{"tools", "legend", "saves", "run"} {
		require.True(t, browsertest.JS[bool](b.Page, in(id)), id)
	}
	b.Press("Chat")
	b.Do(chromedp.Click("#run", chromedp.ByQuery)) // 24 tokens: those that do not fit are in the strip, and none is cut
	b.done()
	b.until(`P === 24 && !document.getElementById("overview").hidden && Math.abs(Math.round(scroll.scrollLeft / zoom) * zoom - scroll.scrollLeft) < 2`)
	for _, id := range []string{"tools", "legend", "saves", "run"} {
		require.True(t, browsertest.JS[bool](b.Page, in(id)), id)
	}
	b.Press("Patch")
	b.Do(chromedp.Click("#run", chromedp.ByQuery))
	b.done()
	b.until(`document.querySelector("#figure table") !== null && document.querySelector("#figure table").getBoundingClientRect().bottom < innerHeight`)
	require.True(t, browsertest.JS[bool](b.Page, in("saves")))
}

func TestThePageEmbedsWhatItShows(t *testing.T) {
	for fragment, tag := range map[string]string{
		"#mode=lens&prompt=a+b": `^<iframe src="mlxlens-trace\.html#show=prob&amp;cell=layers\.29\.resid_post%40\d" title="a b – mlxlens" width="100%" height="830" frameborder="0" loading="lazy"></iframe>$`,
		"#mode=patch&clean=The+capital+of+France+is&corrupted=The+capital+of+Italy+is&sites=mlp_out&layers=20:22": `^<iframe src="mlxlens-patch\.html" title="&quot;The capital of France is&quot; into .* – mlxlens" width="100%" height="\d+" frameborder="0" loading="lazy"></iframe>$`,
	} {
		b := openTab(t, serve.Door{}, fragment, 1440, 800)
		b.done()
		browsertest.JS[any](b.Page, `{ window.blobs = []; const make = URL.createObjectURL; URL.createObjectURL = blob => { blobs.push(blob); return make(blob); }; } null`)
		b.Do(chromedp.Click(`//div[@id="saves"]/button[.="embed"]`, chromedp.BySearch))
		b.until(`document.getElementById("status").textContent.startsWith("saved as mlxlens-") && blobs.length === 1`)
		require.Regexp(t, tag, browsertest.JS[string](b.Page, `document.getElementById("tag").value`))
		require.Empty(t, b.Axe())
		b.Do(emulation.SetEmulatedMedia().WithMedia("print"))
		require.Equal(t, "none", browsertest.JS[string](b.Page, `getComputedStyle(document.getElementById("tag")).display`), "it is no part of a sheet")
	}
}
