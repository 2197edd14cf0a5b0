package cli

import (
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
