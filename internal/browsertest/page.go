// Package browsertest opens pages in Chromium for tests, and gathers what they complain of.
package browsertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Environment variables: the browser, an axe.min.js of axe-core (which is not part of the repository),
// and a folder that keeps pictures of windows.
const (
	EnvChromium    = "MLXLENS_CHROMIUM"
	EnvAxe         = "MLXLENS_AXE"
	EnvScreenshots = "MLXLENS_SCREENSHOTS"
)

// Page is an open page.
type Page struct {
	t   testing.TB
	ctx context.Context

	mu       sync.Mutex
	requests []string
	problems []string // exceptions, and what the console and the policy tell
}

// chromium finds a browser to drive.
func chromium(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes seconds to start, and longer under the race detector")
	}
	for _, name := range []string{os.Getenv(EnvChromium), "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	t.Skip("there is no Chromium: install it, or name it in $" + EnvChromium)
	return ""
}

// Open opens url in a window of the given size, and waits until the element of a selector is seen.
// When the test ends the page must have complained of nothing.
func Open(t testing.TB, url, selector string, width, height int) *Page {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.NoSandbox, chromedp.WindowSize(width, height), chromedp.WSURLReadTimeout(3*time.Minute),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("force-color-profile", "srgb"))
	alloc, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	limited, limit := context.WithTimeout(ctx, 4*time.Minute) // what hangs is named before go test ends everything
	t.Cleanup(limit)

	p := &Page{t: t, ctx: limited}
	chromedp.ListenTarget(ctx, p.happened)
	p.Do(network.Enable(), log.Enable(), chromedp.EmulateViewport(int64(width), int64(height)), chromedp.Navigate(url), chromedp.WaitVisible(selector, chromedp.ByQuery))
	t.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		assert.Empty(t, p.problems)
	})
	return p
}

func (p *Page) happened(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		p.requests = append(p.requests, e.Request.URL)
	case *runtime.EventExceptionThrown:
		p.problems = append(p.problems, e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		p.problems = append(p.problems, fmt.Sprint(e.Type, e.Args))
	case *log.EventEntryAdded: // what the policy refuses is told here
		if e.Entry.Level == log.LevelError {
			p.problems = append(p.problems, e.Entry.Text+" "+e.Entry.URL)
		}
	}
}

// Expect takes back the one complaint that has a text, which belongs to what is tested.
func (p *Page) Expect(text string) {
	p.t.Helper()
	require.Eventually(p.t, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		i := slices.IndexFunc(p.problems, func(problem string) bool { return strings.Contains(problem, text) })
		if i >= 0 {
			p.problems = slices.Delete(p.problems, i, i+1)
		}
		return i >= 0
	}, time.Minute, 10*time.Millisecond, "no complaint has %q", text)
}

// Requests are the addresses that the page has asked for.
func (p *Page) Requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.requests...)
}

// Do runs actions.
func (p *Page) Do(actions ...chromedp.Action) {
	p.t.Helper()
	require.NoError(p.t, chromedp.Run(p.ctx, actions...))
}

// JS evaluates an expression.
func JS[T any](p *Page, expression string) T {
	p.t.Helper()
	var out T
	p.Do(chromedp.Evaluate(expression, &out))
	return out
}

// Text is what an element shows.
func (p *Page) Text(selector string) string {
	p.t.Helper()
	return JS[string](p, fmt.Sprintf("document.querySelector(%q).innerText", selector))
}

// Until waits until an expression is true; if it does not become so, the test says what told shows.
func (p *Page) Until(expression, told string) {
	p.t.Helper()
	err := chromedp.Run(p.ctx, chromedp.Poll(expression, nil, chromedp.WithPollingTimeout(2*time.Minute)))
	if err != nil {
		p.Shot("failed")
	}
	require.NoError(p.t, err, "%s: %s", expression, JS[string](p, fmt.Sprintf("document.querySelector(%q).textContent", told)))
}

// Press clicks on a button by its text.
func (p *Page) Press(text string) {
	p.t.Helper()
	p.Do(chromedp.Click(fmt.Sprintf(`//button[contains(., %q)]`, text), chromedp.BySearch))
}

// Shot keeps a picture of the window where $MLXLENS_SCREENSHOTS names a folder.
func (p *Page) Shot(name string) {
	p.t.Helper()
	dir := os.Getenv(EnvScreenshots)
	if dir == "" {
		return
	}
	var png []byte
	p.Do(chromedp.Sleep(200*time.Millisecond), chromedp.CaptureScreenshot(&png))
	require.NoError(p.t, os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600))
}

// Axe returns what axe-core finds wrong, a line each; nothing where $MLXLENS_AXE names no file of it.
func (p *Page) Axe() []string {
	p.t.Helper()
	path := os.Getenv(EnvAxe)
	if path == "" {
		return nil
	}
	source, err := os.ReadFile(path)
	require.NoError(p.t, err)
	JS[any](p, string(source)+";null")
	JS[any](p, `window.violations = null; axe.run(document, { resultTypes: ["violations"] }).then(r => { window.violations = r.violations.flatMap(v => v.nodes.map(n => v.id + ": " + n.html.slice(0, 160) + " " + n.any.map(a => a.message).join("; ").slice(0, 200))); }); null`)
	p.Until(`window.violations !== null`, "body")
	return JS[[]string](p, `window.violations`)
}
