package cli

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/browsertest"
	"github.com/mlxlens/mlxlens/serve"
)

// onCell goes to a cell of the grid, as a key does.
func onCell(b *tab, row, position int) {
	browsertest.JS[any](b.Page, fmt.Sprintf(`go(%d, %d, false); scroll.dispatchEvent(new KeyboardEvent("keyup", { bubbles: true })); null`, row, position))
}

const actions = `[...document.querySelectorAll("#spot button")].map(e => e.textContent).join()`

func TestAnEditOfANewTokenIsALensOfTheWholeText(t *testing.T) {
	b := shownTab(t, map[string]string{"mode": "generate", "prompt": "The capital of France is", "max_tokens": "3", "layers": "20:", "edit": "layers.20.mlp_out@-3=scale:0.5\nlayers.3.mlp_out=mean"})
	require.Equal(t, []int{4, 5, 6}, browsertest.JS[[]int](b.Page, `D.positions`))
	onCell(b, 9, 0)
	require.Contains(t, browsertest.JS[string](b.Page, actions), "edit and run", "the prompt's last token is of the prompt")
	onCell(b, 9, 2)
	require.NotContains(t, browsertest.JS[string](b.Page, actions), "edit and run")
	require.Contains(t, b.Text("#spot"), "the text stays, and the edit holds while its token is read")
	b.Shot("serve-whole-1440")
	ids, said := browsertest.JS[string](b.Page, `D.tokens.map(t => D.ids[t]).join(",")`), browsertest.JS[string](b.Page, `text(D.input[1])`)
	require.Len(t, strings.Split(ids, ","), 8)

	require.Equal(t, map[string]any{"path": "trace", "ids": ids, "layers": "20:", "positions": "4:",
		"edit": []any{"layers.20.mlp_out@2=scale:0.5", "layers.3.mlp_out=mean:@0:5", "layers.29.resid_post@6=zero"}}, asks(b, "lens of the whole text with this edit"))
	require.Empty(t, b.Text("#notes"))
	require.Equal(t, []int{4, 5, 6, 7}, browsertest.JS[[]int](b.Page, `D.positions`))
	require.Equal(t, said, browsertest.JS[string](b.Page, `text(D.input[1])`), "it is the same text")
}

func TestNewTokensAreReadByTheLensThatIsNamed(t *testing.T) {
	for mode, field := range map[string]string{"generate": "prompt", "chat": "say"} {
		b := openTab(t, serve.Door{}, "#max_tokens=2&layers=28:&lens=negated&mode="+mode, 1440, 800)
		b.until(`document.getElementById("f-lens").value === "negated"`)
		if mode == "generate" {
			b.done()
		}
		browsertest.JS[any](b.Page, listened)
		fill(b, field, "One two")
		require.Equal(t, "negated", asks(b, "Run")["lens"], mode)
		require.Contains(t, b.Text("#caption"), "negated logit lens", mode)
		if mode == "generate" {
			b.Shot("serve-read-by-1440")
			onCell(b, 1, 1)
			require.Equal(t, "negated", asks(b, "lens of the whole text with this edit")["lens"], "as the tokens were")
			require.Contains(t, b.Text("#caption"), "negated logit lens")
			b.Press("Generate")
		}
		browsertest.JS[any](b.Page, `{ const e = document.getElementById("f-lens"); e.value = ""; e.dispatchEvent(new Event("change", { bubbles: true })); } null`)
		fill(b, field, "Three four")
		require.Equal(t, true, asks(b, "Run")["lens"], mode)
		require.NotContains(t, b.Text("#caption"), "negated", mode)
	}
}

func TestEditsOfAPromptKeepTheirPlacesInTheWholeText(t *testing.T) {
	b := openTab(t, serve.Door{}, "", 1440, 800)
	b.Press("Generate")
	// The server hears nothing of edits that are only to be moved, and nothing of where they go.
	browsertest.JS[any](b.Page, `{ window.moved = null; const real = window.fetch; window.fetch = (path, o) => {
		const { edit, ...rest } = JSON.parse(o.body);
		if (path.includes("trace")) { window.moved = edit; return Promise.resolve(new Response("")); }
		return real(path, { ...o, body: JSON.stringify(rest) });
	}; } null`)
	var from, to []string
	for _, c := range [][2]string{
		{"layers.1.mlp_out=zero", "layers.1.mlp_out=zero"},
		{"layers.1.mlp_out@1,-1=zero", "layers.1.mlp_out@1,4=zero"},
		{"layers.1.z@-2:#3,-1=scale:-1", "layers.1.z@3:5#3,-1=scale:-1"},
		{"layers.1.z@:-1=scale:-1", "layers.1.z@:4=scale:-1"},
		{"layers.1.attn_scores@-1/-2#3=mask", "layers.1.attn_scores@4/3#3=mask"},
		{"layers.1.mlp_out=mean:@-2:", "layers.1.mlp_out=mean:@3:5"},
		{"layers.1.mlp_out=mean:texts.txt", "layers.1.mlp_out=mean:texts.txt"},
		{"layers.1.resid_post=swap-clamped:a", "layers.1.resid_post@0:5=swap-clamped:a"},
	} {
		from, to = append(from, c[0]), append(to, c[1])
	}
	fill(b, "prompt", "The capital of France is")
	fill(b, "max_tokens", "2")
	fill(b, "edit", strings.Join(from, "\n"))
	b.Do(chromedp.Click("#run", chromedp.ByQuery))
	b.done()
	onCell(b, 0, 1)
	b.Press("lens of the whole text with this edit")
	b.until(`window.moved !== null`)
	require.Equal(t, append(to, "layers.0.resid_post@5=zero"), browsertest.JS[[]string](b.Page, `window.moved`))
}

func TestWhatFailsLeavesWhatIsShown(t *testing.T) {
	for _, values := range []map[string]string{
		{"mode": "generate", "prompt": "The capital of France is", "max_tokens": "2", "layers": "29"},
		{"mode": "chat", "say": "Name a river.", "max_tokens": "2", "layers": "29"},
	} {
		b := shownTab(t, values)
		const asked = `String([...new URLSearchParams(location.hash.slice(1))].filter(([key]) => !["show", "cell", "pins"].includes(key)).sort())`
		before := []string{b.Text("#said"), browsertest.JS[string](b.Page, asked)}
		fill(b, "edit", "layers.99.mlp_out=zero")
		if values["mode"] == "chat" {
			fill(b, "say", "Another?")
		}
		b.Do(chromedp.Click("#run", chromedp.ByQuery))
		b.until(`document.getElementById("status").classList.contains("wrong")`)
		b.Expect("400 (Bad Request)")
		require.Contains(t, b.Text("#status"), "layers.99")
		require.Equal(t, before[0], b.Text("#said"))
		require.Equal(t, before[1], browsertest.JS[string](b.Page, asked), "so is its address")
		require.True(t, browsertest.JS[bool](b.Page, `!document.getElementById("lens").hidden && !document.getElementById("saves").hidden && !document.getElementById("result").hasAttribute("aria-busy")`))
		onCell(b, 0, 0)
		b.Press("edit and run") // of what is shown, and not of what failed
		b.until(`document.getElementById("f-edit").value === "layers.29.resid_post@" + D.positions[0] + "=zero"`)
		b.done()
		if values["mode"] == "chat" {
			require.Equal(t, 2, browsertest.JS[int](b.Page, `document.querySelectorAll("#said .turn").length`), "the same message was asked again")
			said := b.Text("#said")
			onCell(b, 0, 0)
			browsertest.JS[any](b.Page, `{ const z = document.querySelector('#spot select'); z.value = "z"; document.querySelector('#spot input').value = "99"; } null`)
			b.Press("edit and run")
			b.until(`document.getElementById("status").classList.contains("wrong")`)
			b.Expect("400 (Bad Request)")
			require.Equal(t, said, b.Text("#said"))
			require.Empty(t, browsertest.JS[string](b.Page, `document.getElementById("f-say").value`))
		}
	}
}

func TestAnAnswerThatBreaksOffSaysSo(t *testing.T) {
	b := shownTab(t, map[string]string{"mode": "lens", "prompt": "a b", "layers": "29"})
	browsertest.JS[any](b.Page, `window.fetch = async () => new Response('event: progress\ndata: {"done": 0.5}\n\n', { status: 200 }); null`)
	b.Do(chromedp.Click("#run", chromedp.ByQuery))
	b.until(`document.getElementById("status").textContent.startsWith("the answer broke off before its end")`)
	require.False(t, browsertest.JS[bool](b.Page, `document.getElementById("lens").hidden`), "what was shown stays")
	browsertest.JS[any](b.Page, `window.fetch = async () => { throw new TypeError("Failed to fetch"); }; null`)
	b.Do(chromedp.Click("#run", chromedp.ByQuery))
	b.until(`document.getElementById("status").textContent.startsWith("nobody answers at " + location.origin)`)
}

func TestAFailedRunLeavesTheAddressOfWhatIsShown(t *testing.T) {
	b := shownTab(t, map[string]string{"mode": "lens", "prompt": "a b", "layers": "29"})
	fill(b, "layers", "99")
	b.Do(chromedp.Click("#run", chromedp.ByQuery))
	b.until(`document.getElementById("status").classList.contains("wrong")`)
	b.Expect("400 (Bad Request)")
	b.until(`location.hash.includes("layers=29") && location.hash.includes("show=prob")`)
	require.Equal(t, "99", browsertest.JS[string](b.Page, `document.getElementById("f-layers").value`), "the form keeps what is to be mended")
	b.Do(chromedp.Reload())
	b.done()
	require.Equal(t, []int{1, 2}, browsertest.JS[[]int](b.Page, `[R, P]`))
	browsertest.JS[any](b.Page, `history.back(); null`)
	b.done()
	require.Equal(t, []int{1, 2}, browsertest.JS[[]int](b.Page, `[R, P]`))
}

func TestAStoppedTextCanBeSavedAndLinked(t *testing.T) {
	b := openTab(t, serve.Door{}, "#mode=generate&prompt=Once+upon+a+time&max_tokens=2000&ignore_eos=true&layers=28:&edit=layers.3.mlp_out%3Dscale:0.9", 1440, 800)
	b.until(`document.querySelectorAll("#said .token").length >= 3`)
	b.Do(chromedp.Click("#halt", chromedp.ByQuery))
	b.until(`document.getElementById("status").textContent === "stopped" && !document.getElementById("saves").hidden`)
	require.NotContains(t, b.Text("#saves"), "copy command", "nothing computes it again")
	require.Contains(t, b.Text("#saves"), "copy link")
	tokens := browsertest.JS[[]string](b.Page, `[...document.querySelectorAll("#said .token")].map(e => e.textContent)`)
	b.until(fmt.Sprintf(`document.getElementById("caption").textContent.includes("the last %d its own")`, len(tokens)))
	require.Equal(t, len(tokens), strings.Count(saved(b, "json", "generate"), "\n"))
	csv := saved(b, "csv", "generate")
	require.GreaterOrEqual(t, strings.Count(csv, "layers.29.resid_post,"), 5*len(tokens))
	picture := saved(b, "svg", "generate")
	require.Contains(t, picture, "edited: layers.3.mlp_out=scale:0.9")
	require.Contains(t, picture, "Once upon a time")
	require.Contains(t, browsertest.JS[string](b.Page, `location.hash`), "prompt=Once+upon+a+time")
	b.Shot("serve-stopped")
}

func TestAPromptAndItsAnswerAreToldApart(t *testing.T) {
	b := shownTab(t, map[string]string{"mode": "generate", "prompt": "Hi", "chat": "true", "system": "Be brief.", "max_tokens": "2", "layers": "29"})
	require.Regexp(t, `^system ?Be brief\.\s+you ?Hi\s+model ?\S`, b.Text("#said"))
	require.Contains(t, b.Text("#caption"), "chat template")
	b.Shot("serve-generate-chat")
	b = shownTab(t, map[string]string{"mode": "generate", "prompt": "", "ids": "504,3575,282,4649,314", "max_tokens": "2", "layers": "29"})
	require.Regexp(t, `^The capital of France is\S* `, b.Text("#said"))
}

func TestAGridSaysOfWhichRequestItIs(t *testing.T) {
	b := shownTab(t, map[string]string{"mode": "lens", "prompt": "a b", "layers": "28:", "edit": "layers.29.mlp_out=zero"})
	fill(b, "edit", "")
	fill(b, "prompt", "another")
	require.Regexp(t, `^a b\s+logit lens · .* · 2 tokens · edit layers\.29\.mlp_out=zero$`, b.Text("#caption"))
	b.Press("Generate")
	fill(b, "max_tokens", "2")
	b.Do(chromedp.Click("#run", chromedp.ByQuery))
	b.done()
	require.Regexp(t, `^logit lens · `, strings.TrimSpace(b.Text("#caption")), "the text stands above")
}

func TestATextsGridAndItsPicturesNameTheEdits(t *testing.T) {
	edit := "layers.29.mlp_out=zero"
	for mode, values := range map[string]map[string]string{
		"generate": {"prompt": "The capital of France is"},
		"chat":     {"say": "The capital of France is"},
	} {
		values["mode"], values["edit"], values["max_tokens"], values["layers"] = mode, edit, "3", "28:"
		b := openTab(t, serve.Door{}, "", 1440, 800)
		b.Press(map[string]string{"generate": "Generate", "chat": "Chat"}[mode])
		for key, value := range values {
			if key != "mode" {
				fill(b, key, value)
			}
		}
		b.Do(chromedp.Click("#run", chromedp.ByQuery))
		b.done()
		require.Contains(t, b.Text("#caption"), "the last 3 its own · edit "+edit)
		require.Equal(t, mode == "chat", strings.Contains(b.Text("#caption"), "chat template"))
		picture := saved(b, "svg", mode)
		for _, part := range []string{"<title>", "The capital of France is", "edited: " + edit, "the last 3 of"} {
			require.Contains(t, strings.Split(picture, "<metadata>")[0]+picture[strings.Index(picture, "</metadata>"):], part, mode)
		}
		require.Contains(t, saved(b, "html", mode), "· edit "+edit+"</p>")
	}
}

// small are buttons that a finger may miss (WCAG 2.5.8), but those in a line of text.
const small = `[...document.querySelectorAll("button, select, input")].filter(e => e.getClientRects().length && !e.closest("#said") && e.type !== "checkbox" && (e.offsetHeight < 24 || e.offsetWidth < 24)).map(e => e.outerHTML.slice(0, 80))`

func TestNoWindowScrollsTheServersPageSideways(t *testing.T) {
	b := shownTab(t, map[string]string{"mode": "lens", "prompt": "The quick brown fox jumps over the lazy dog and goes on to run over the hills", "layers": "20:", "edit": "layers.29.mlp_out=scale:0.9"})
	for _, mode := range []string{"lens", "patch"} {
		for _, width := range []int64{320, 390, 860, 861, 900, 1000, 1149, 1151, 1440, 1920} {
			b.Do(chromedp.EmulateViewport(width, 800))
			b.Shot(fmt.Sprintf("serve-%s-%d", mode, width))
			require.LessOrEqual(t, browsertest.JS[int64](b.Page, `document.documentElement.scrollWidth`), width, mode)
			if mode == "lens" && width <= 860 {
				require.Empty(t, browsertest.JS[[]string](b.Page, small), width)
				require.GreaterOrEqual(t, browsertest.JS[float64](b.Page, `height()`), 24.0)
			}
		}
		b.Press("Patch")
		b.Do(chromedp.Click("#run", chromedp.ByQuery))
		b.done()
	}
}
