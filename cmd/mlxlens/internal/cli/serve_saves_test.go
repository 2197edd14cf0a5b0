package cli

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/browsertest"
)

// saved presses "save as" and returns the text of the file.
func saved(b *tab, format, endpoint string) string {
	browsertest.JS[any](b.Page, `{ window.savedText = null; const make = URL.createObjectURL; URL.createObjectURL = blob => { blob.text().then(text => { window.savedText = text; }); return make(blob); }; } null`)
	b.Do(chromedp.Click(fmt.Sprintf(`//div[@id="saves"]/button[.=%q]`, strings.ToUpper(format)), chromedp.BySearch))
	b.until(fmt.Sprintf(`savedText !== null && document.getElementById("status").textContent === "saved as mlxlens-%s.%s"`, endpoint, format))
	return browsertest.JS[string](b.Page, `savedText`)
}

func TestAGenerationIsSavedAsItWasStreamed(t *testing.T) {
	// The template and the edit, whose position is of the prompt, change what the lens shows.
	b := shownTab(t, map[string]string{"mode": "generate", "prompt": "Name three rivers.", "chat": "true", "edit": "layers.20.mlp_out@-3=zero", "max_tokens": "3", "layers": "10,-1", "top": "2"})
	shown := browsertest.JS[[]string](b.Page, `D.sites.flatMap((site, r) => D.positions.map((position, p) => site + "," + position + "," + D.ids[D.input[p]] + "," + D.ids[best(r, p)]))`)
	require.Len(t, shown, 6)
	var have []string
	text := saved(b, "csv", "generate")
	for _, line := range strings.Split(text, "\n") {
		if f := strings.Split(line, ","); len(f) > 8 && f[4] == "top" && f[5] == "1" {
			have = append(have, strings.Join([]string{f[0], f[1], f[2], f[6]}, ","))
		}
	}
	require.Equal(t, shown, have)
	require.Contains(t, text, ",2,", "as many candidates as were asked for")
	require.Empty(t, browsertest.JS[[]string](b.Page, `bodies.map(b => b.path).filter(path => path !== "draw")`), "nothing is computed again")
	require.Contains(t, saved(b, "html", "generate"), "layers.20.mlp_out@-3=zero", "its command names the edit")
}

func TestAGridIsSavedInTheColourThatIsShown(t *testing.T) {
	for endpoint, values := range map[string]map[string]string{
		"trace":    {"mode": "lens", "prompt": "a b", "layers": "20:"},
		"generate": {"mode": "generate", "prompt": "a b", "layers": "20:", "max_tokens": "2"},
	} {
		b := shownTab(t, values)
		require.Contains(t, saved(b, "svg", endpoint), "probability that the row gives")
		browsertest.JS[any](b.Page, `{ const e = document.getElementById("view"); e.value = "rank"; e.dispatchEvent(new Event("change", { bubbles: true })); } null`)
		picture := saved(b, "svg", endpoint)
		require.Contains(t, picture, "rank that the row gives")
		require.NotContains(t, picture, "probability that the row gives")
		require.Contains(t, saved(b, "html", endpoint), `"view":"rank"`)
		require.NotEmpty(t, saved(b, "csv", endpoint), "a table has no colour")
	}
	b := shownTab(t, map[string]string{"mode": "lens", "prompt": "a b", "layers": "20:", "last": "true", "view": "rank"})
	saved(b, "svg", "trace")
	require.Contains(t, b.Text("#notes"), `"view" rank colours a grid`, "and the file has candidates")
}
