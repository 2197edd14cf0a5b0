package cli

import (
	"maps"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/browsertest"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/serve"
)

// listened keeps what the page asks the API for in a window's variable.
const listened = `{ window.bodies = []; const real = window.fetch; window.fetch = (path, o) => { if (o && o.body) bodies.push({ path: path.replace("/api/v1/", "").replace(/\?.*/, ""), ...JSON.parse(o.body) }); return real(path, o); }; } null`

// asks presses an action of a cell, and returns what it asked for.
func asks(b *tab, action string) map[string]any {
	browsertest.JS[any](b.Page, `bodies.length = 0; null`)
	b.Press(action)
	b.until(`bodies.length > 0`)
	b.done()
	return browsertest.JS[map[string]any](b.Page, `bodies[0]`)
}

// shownTab is the page when what a fragment asks for is shown.
func shownTab(t *testing.T, values map[string]string) *tab {
	q := url.Values{}
	for key, value := range values {
		q.Set(key, value)
	}
	b := openTab(t, serve.Door{}, "#"+q.Encode(), 1440, 800)
	b.done()
	browsertest.JS[any](b.Page, listened)
	return b
}

const clickCell = `document.querySelector("#figure td").click(); null`

func TestALensOfASideHasThisSidesRequest(t *testing.T) {
	b := shownTab(t, map[string]string{"mode": "compare", "prompt": "The capital of France is", "prompt_b": "The capital of Italy is", "edit": "layers.3.mlp_out=zero", "edit_b": "layers.29.mlp_out=zero", "layers": "20:22", "top": "3"})
	browsertest.JS[any](b.Page, `{ const e = document.getElementById("f-prompt_b"); e.value = ""; e.dispatchEvent(new Event("input", { bubbles: true })); } null`)
	b.Do(chromedp.Click("#run", chromedp.ByQuery))
	b.until(`bodies.length === 1 && !("prompt_b" in bodies[0])`)
	b.done()
	browsertest.JS[any](b.Page, clickCell)
	require.Equal(t, map[string]any{"path": "trace", "prompt": "The capital of France is", "edit": []any{"layers.3.mlp_out=zero", "layers.29.mlp_out=zero"}, "layers": "20:22", "top": 3.0}, asks(b, "lens of side b"))
	require.Empty(t, b.Text("#notes"))

	b = shownTab(t, map[string]string{"mode": "compare", "prompt": "a b", "prompt_b": "a c", "edit_b": "layers.29.mlp_out=zero", "positions": "1", "no_bos": "true"})
	browsertest.JS[any](b.Page, `{ const e = document.getElementById("f-prompt"); e.value = "not run"; e.dispatchEvent(new Event("input", { bubbles: true })); } null`)
	browsertest.JS[any](b.Page, clickCell)
	require.Equal(t, map[string]any{"path": "trace", "prompt": "a c", "edit": []any{"layers.29.mlp_out=zero"}, "no_bos": true}, asks(b, "lens of side b"))
	require.Equal(t, "Lens was asked without: positions", b.Text("#notes"), "they are those of the first side")
}

func TestAViewThatACellLeadsToHasTheEdits(t *testing.T) {
	edit := "layers.0.mlp_out=zero"
	lens := map[string]string{"mode": "lens", "prompt": "a b a", "edit": edit, "top": "3", "no_bos": "true"}
	b := shownTab(t, lens)
	require.Equal(t, map[string]any{"path": "attn", "prompt": "a b a", "edit": []any{edit}, "layers": "29", "positions": "2", "no_bos": true, "format": "html"}, asks(b, "attention of this layer"))
	require.Equal(t, "Attention was asked without: top", b.Text("#notes"))

	b = shownTab(t, lens)
	b.Press("patch here from another prompt")
	require.Equal(t, edit, browsertest.JS[string](b.Page, `document.getElementById("f-edit").value`))
	require.Equal(t, "Patch was asked without: top", b.Text("#notes"))
	browsertest.JS[any](b.Page, `{ const e = document.getElementById("f-corrupted"); e.value = "a c a"; e.dispatchEvent(new Event("input", { bubbles: true })); } null`)
	require.Equal(t, map[string]any{"path": "patch", "clean": "a b a", "corrupted": "a c a", "edit": []any{edit}, "layers": "29", "positions": "2", "no_bos": true, "format": "html"}, asks(b, "Run"))

	browsertest.JS[any](b.Page, clickCell)
	place := asks(b, "lens of the clean prompt without it")
	require.Equal(t, "a b a", place["prompt"])
	require.Len(t, place["edit"], 2)
	require.Equal(t, edit, place["edit"].([]any)[0])

	b = shownTab(t, map[string]string{"mode": "patch", "clean": "a b a", "corrupted": "a c a", "edit": edit, "sites": "mlp_out", "layers": "20"})
	browsertest.JS[any](b.Page, clickCell)
	require.Equal(t, map[string]any{"path": "trace", "prompt": "a c a", "edit": []any{edit}}, asks(b, "lens of the corrupted prompt"))
}

// clickOn clicks on the cell of a figure whose words begin so.
func clickOn(t *testing.T, b *tab, says string) {
	t.Helper()
	require.True(t, browsertest.JS[bool](b.Page, `(c => { if (c) c.click(); return Boolean(c); })([...document.querySelectorAll("#figure td")].find(c => c.getAttribute("aria-label").startsWith(`+quotedJS(says)+`)))`), says)
}

func TestAColumnOfKeysIsNoHead(t *testing.T) {
	b := shownTab(t, map[string]string{"mode": "attn", "prompt": "The capital of France is", "knockout": "key", "layers": "10:14"})
	clickOn(t, b, "layer 13, key 2")
	require.Contains(t, b.Text("#spot"), "layer 13, key 2")
	require.Empty(t, browsertest.JS[string](b.Page, actions))

	b = shownTab(t, map[string]string{"mode": "attn", "prompt": "The capital of France is", "knockout": "head", "layers": "13"})
	clickOn(t, b, "layer 13, head 2")
	require.Equal(t, "13.2", asks(b, "pattern of head 13.2")["heads"])
	clickOn(t, b, "query 1 ·capital, key 2")
	require.Empty(t, browsertest.JS[string](b.Page, actions), "no token looks at those behind it")
	clickOn(t, b, "query 2 ·of, key 1")
	require.Equal(t, []any{"layers.13.attn_scores@2/1#2=mask"}, asks(b, "hide token 1 from token 2 in this head")["edit"])
}

func TestAPlaceIsTakenAwayWhereItsCellSpeaksOfIt(t *testing.T) {
	pair := map[string]string{"clean": "The capital of France is", "corrupted": "The capital of Italy is", "layers": "20"}
	for _, c := range []struct {
		asked      map[string]string
		cell, edit string
	}{
		{map[string]string{"mode": "attribute"}, "layers.9.attn_out, position 4", "layers.9.attn_out@4=zero"},
		{map[string]string{"mode": "attribute", "by": "head"}, "layer 18, head 6", "layers.18.z@4#6=zero"},
		{map[string]string{"mode": "attribute", "corrupted": "The capital of Italy is"}, "layer 9, position 3", "layers.9.resid_pre@3=zero"},
		{map[string]string{"mode": "attribute", "corrupted": "The capital of Italy is", "by": "head"}, "layer 9, head 3", "layers.9.z#3=zero"},
		{map[string]string{"mode": "patch", "sites": "z", "heads": "true"}, "layer 20, head 3", "layers.20.z#3=zero"},
		{map[string]string{"mode": "patch", "sites": "z", "heads": "true", "positions": "-1"}, "layer 20, head 3", "layers.20.z@-1#3=zero"},
	} {
		action := "lens of the prompt without it"
		if c.asked["mode"] == "patch" {
			action = "lens of the clean prompt without it"
			maps.Copy(c.asked, pair)
		}
		b := shownTab(t, c.asked)
		clickOn(t, b, c.cell)
		require.Equal(t, []any{c.edit}, asks(b, action)["edit"], c.cell)
	}
}

func TestTheWayToALayersAttentionLeavesLaterEditsBehind(t *testing.T) {
	early := "layers.28.mlp_out=zero"
	b := shownTab(t, map[string]string{"mode": "lens", "prompt": "a b a", "layers": "28:", "edit": early + "\nlayers.29.attn_out@2=zero"})
	onCell(b, 1, 2)
	require.Equal(t, []any{early}, asks(b, "attention of this layer")["edit"])
	require.Contains(t, b.Text("#notes"), "Attention was asked without: edit layers.29.attn_out@2=zero (behind what attention reads there)")
}

func TestASecondModelsLensIsNotTheFirsts(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser takes seconds to start")
	}
	kept := modeltest.SmolLM2(t).Kept()
	server := httptest.NewServer(serve.New(newEngine(&served{opened: kept, others: map[string]*auto.Opened{"other": kept}}, ""), serve.Options{}).Handler(serve.Door{}))
	t.Cleanup(server.Close)
	b := &tab{browsertest.Open(t, server.URL+"/#mode=compare&prompt=a+b&prompt_b=a+c&model_b=other", "#run", 1440, 800)}
	b.done()
	browsertest.JS[any](b.Page, clickCell)
	require.Contains(t, b.Text("#spot"), "side b is of other: its lens is that of a server with this model (mlxlens serve -m)")
	require.NotContains(t, browsertest.JS[string](b.Page, `[...document.querySelectorAll("#spot button")].map(e => e.textContent).join()`), "lens of side b")
}
