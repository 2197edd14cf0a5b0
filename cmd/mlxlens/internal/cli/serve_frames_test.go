package cli

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/browsertest"
	"github.com/mlxlens/mlxlens/serve"
)

// BenchmarkFramesOfAThousandTokens scrolls the grid of a long prompt, 30 rows by 1,000 columns and more, and
// reports how far apart frames are.
func BenchmarkFramesOfAThousandTokens(b *testing.B) {
	prompt := url.Values{"mode": {"lens"}, "prompt": {strings.Repeat("The capital of France is Paris and the river is long. ", 85)}}
	t := openTab(b, serve.Door{}, "#"+prompt.Encode(), 1440, 800)
	t.done()
	require.Greater(b, browsertest.JS[int](t.Page, `P`), 1000)
	browsertest.JS[any](t.Page, `window.times = null; { const all = []; let last = performance.now(), i = 0; const step = now => {
		all.push(now - last); last = now; scroll.scrollLeft = scroll.scrollWidth * (i++ % 60) / 60;
		if (i < 300) requestAnimationFrame(step); else window.times = all.slice(1); }; requestAnimationFrame(step); } null`)
	t.until(`window.times !== null`)
	times := browsertest.JS[[]float64](t.Page, `times`)
	slices.Sort(times)
	b.ReportMetric(times[len(times)/2], "median-ms/frame")
	b.ReportMetric(times[len(times)*95/100], "p95-ms/frame")
	b.ReportMetric(times[len(times)-1], "longest-ms/frame")
	draw := browsertest.JS[float64](t.Page, `(() => { const start = performance.now(); for (let i = 0; i < 60; i++) { scroll.scrollLeft = scroll.scrollWidth * i / 60; draw(); } return (performance.now() - start) / 60; })()`)
	b.ReportMetric(draw, "ms/draw")
	b.ReportMetric(0, "ns/op")
}
