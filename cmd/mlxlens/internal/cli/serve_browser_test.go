package cli

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/serve"
)

// tab is the page of a server, open in a browser.
type tab struct {
	t        testing.TB
	ctx      context.Context
	url      string
	mu       sync.Mutex
	problems []string // exceptions, and what the console tells
}

// openTab opens the page of a server of SmolLM2. When the test ends it must have complained of nothing.
func openTab(t testing.TB, door serve.Door, fragment string, width, height int64) *tab {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes seconds to start")
	}
	browser := ""
	for _, name := range []string{os.Getenv("MLXLENS_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			browser = path
			break
		}
	}
	if browser == "" {
		t.Skip("there is no Chromium: install it, or name it in $MLXLENS_CHROMIUM")
	}
	opened := modeltest.SmolLM2(t)
	server := httptest.NewServer(serve.New(newEngine(&served{opened: opened.Kept()}, ""), serve.Options{}).Handler(door))
	t.Cleanup(server.Close)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(browser), chromedp.NoSandbox, chromedp.WindowSize(int(width), int(height)), chromedp.WSURLReadTimeout(3*time.Minute),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("force-color-profile", "srgb"))
	alloc, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	limited, limit := context.WithTimeout(ctx, 4*time.Minute)
	t.Cleanup(limit)
	b := &tab{t: t, ctx: limited, url: server.URL}
	chromedp.ListenTarget(ctx, func(event any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			b.problems = append(b.problems, e.ExceptionDetails.Error())
		case *runtime.EventConsoleAPICalled:
			b.problems = append(b.problems, fmt.Sprint(e.Type, e.Args))
		case *log.EventEntryAdded: // what the policy refuses is told here
			b.problems = append(b.problems, e.Entry.Text+" "+e.Entry.URL)
		}
	})
	b.do(log.Enable(), chromedp.EmulateViewport(width, height), chromedp.Navigate(server.URL+"/"+fragment), chromedp.WaitVisible("#run", chromedp.ByQuery))
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		assert.Empty(t, b.problems)
	})
	return b
}

func (b *tab) do(actions ...chromedp.Action) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Run(b.ctx, actions...))
}

// says evaluates an expression.
func says[T any](b *tab, expression string) T {
	b.t.Helper()
	var out T
	b.do(chromedp.Evaluate(expression, &out))
	return out
}

// until waits until an expression is true.
func (b *tab) until(expression string) {
	b.t.Helper()
	err := chromedp.Run(b.ctx, chromedp.Poll(expression, nil, chromedp.WithPollingTimeout(2*time.Minute)))
	if err != nil {
		b.shot("failed")
	}
	require.NoError(b.t, err, "%s: %s", expression, says[string](b, `document.getElementById("status").textContent`))
}

func (b *tab) done() {
	b.t.Helper()
	b.until(`document.getElementById("status").textContent === "done"`)
}

// shot keeps a picture of the window where $MLXLENS_SCREENSHOTS names a folder.
func (b *tab) shot(name string) {
	b.t.Helper()
	dir := os.Getenv("MLXLENS_SCREENSHOTS")
	if dir == "" {
		return
	}
	var png []byte
	b.do(chromedp.Sleep(200*time.Millisecond), chromedp.CaptureScreenshot(&png))
	require.NoError(b.t, os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600))
}

// press clicks on a button by its text.
func (b *tab) press(text string) {
	b.t.Helper()
	b.do(chromedp.Click(fmt.Sprintf(`//button[contains(., %q)]`, text), chromedp.BySearch))
}

func TestThePageShowsTheLensOfAPrompt(t *testing.T) {
	b := openTab(t, serve.Door{}, "", 1440, 800)
	b.do(chromedp.Click("#run", chromedp.ByQuery))
	b.done()
	require.Equal(t, []int{30, 5}, says[[]int](b, `[R, P]`))
	require.Contains(t, says[string](b, `document.getElementById("cell").innerText`), "Paris")
	require.Contains(t, says[string](b, `location.hash`), "mode=lens")
	b.shot("serve-lens-1440")

	// A cell is edited, and the lens is read again.
	x, y := place(b, 20, 4)
	b.do(chromedp.MouseClickXY(x, y))
	require.Contains(t, says[string](b, `document.getElementById("spot").innerText`), "layer 20, position 4")
	b.press("edit and run")
	b.until(`document.getElementById("f-edit").value === "layers.20.resid_post@4=zero"`)
	b.done()
	require.NotContains(t, says[string](b, `text(best(29, 4))`), "Paris", "the stream was zero")
	require.Contains(t, says[string](b, `location.hash`), "edit=layers.20.resid_post")
	require.Equal(t, 2, says[int](b, `document.querySelectorAll("#history li").length`))
	b.do(chromedp.NavigateBack())
	b.done()
	b.until(`text(best(29, 4)).includes("Paris")`)
}

// place returns where the middle of a cell is in the window.
func place(b *tab, row, position int) (x, y float64) {
	b.t.Helper()
	says[any](b, fmt.Sprintf(`go(%d, %d, false); scroll.scrollIntoView({block: "center"}); null`, row, position))
	at := says[[]float64](b, fmt.Sprintf(`(() => { const box = canvas.getBoundingClientRect();
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
		{"Compare", `set("f-layers", "20:22")`, `document.querySelector("#figure img").naturalWidth > 100`},
	} {
		b.press(c.mode)
		says[any](b, `{ const set = (id, value) => { const e = document.getElementById(id); e.value = value; e.dispatchEvent(new Event("input", { bubbles: true })); }; `+c.set+` } null`)
		b.do(chromedp.Click("#run", chromedp.ByQuery))
		b.done()
		b.until(c.shows)
		b.shot("serve-" + strings.ToLower(c.mode))
	}
}

func TestThePageSavesWhatItShows(t *testing.T) {
	b := openTab(t, serve.Door{}, "#mode=generate&prompt=Once+upon+a+time&max_tokens=3&temperature=0.9&layers=0%3A30%3A10", 1440, 800)
	b.done()
	says[any](b, `{ window.blobs = []; const make = URL.createObjectURL; URL.createObjectURL = blob => { blobs.push(blob); return make(blob); }; } null`)
	drawn := says[string](b, `[...document.querySelectorAll("#said .token")].map(e => e.textContent).join("")`)
	for i, format := range []string{"json", "csv", "png", "pdf"} {
		b.do(chromedp.Click(fmt.Sprintf(`//div[@id="saves"]/button[.=%q]`, strings.ToUpper(format)), chromedp.BySearch))
		b.until(fmt.Sprintf(`blobs.length === %d && document.getElementById("status").textContent === "saved as mlxlens-generate.%s"`, i+1, format))
	}
	says[any](b, `window.texts = null; Promise.all(blobs.map(b => b.text())).then(all => { window.texts = all; }); null`)
	b.until(`window.texts !== null`)
	require.Equal(t, drawn, says[string](b, `texts[0].trim().split("\n").map(l => JSON.parse(l).text).join("")`), "what was drawn by chance is what is saved")
	require.Equal(t, says[[]int](b, `D.next.map(t => D.ids[t])`)[:2], says[[]int](b, `[4, 5].map(p => Number(texts[1].split("\n").find(l => l.startsWith("layers.20.resid_post," + p + ",")).split(",")[2]))`), "its tokens are the columns")
	require.Contains(t, says[string](b, `texts[2].slice(0, 4)`), "PNG")
	require.Contains(t, says[string](b, `texts[3].slice(0, 5)`), "%PDF")
}
