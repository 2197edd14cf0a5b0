package render

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/lens"
)

// large is a grid of n positions and 30 rows with k candidates, and t tracked tokens at
// each position, over a vocabulary of 3,000 words that come up.
func large(n, k, t int) *lens.Grid {
	g := &lens.Grid{Schema: lens.TraceSchema, Lens: "logit", Model: lens.ModelInfo{Ref: "models/Some-Model", Layers: 30, DModel: 576}, Edits: []string{}}
	token := func(i int) lens.Token {
		i = (i*i*7 + i) % 3000
		return lens.Token{ID: 17 * i, Bytes: fmt.Sprintf(" word%d", i)}
	}
	for p := range n {
		g.Tokens = append(g.Tokens, token(p))
		g.Positions = append(g.Positions, p)
	}
	for r := range 30 {
		g.Rows = append(g.Rows, fmt.Sprintf("layers.%d.resid_post", r))
		row := make([]lens.Cell, n)
		for p := range row {
			c := &row[p]
			*c = lens.Cell{LogSumExp: 20, Entropy: 5 / float64(r+1), KL: 9 / float64(r+1), Norm: float64(r), Answer: lens.Target{Token: token(p + 31), Logit: 18, Prob: math.Exp(-2), Rank: 30 - r}}
			for j := range k {
				c.Top = append(c.Top, lens.Candidate{Token: token(p + r + j), Logit: 19 - float64(j), Prob: math.Exp(float64(-1 - j))})
			}
		}
		g.Cells = append(g.Cells, row)
	}
	for p := range n {
		var all []lens.Trajectory
		for i := range t {
			tr := lens.Trajectory{Token: token(p + i)}
			for r := range 30 {
				tr.Logit, tr.Prob, tr.Rank = append(tr.Logit, float64(r-i)), append(tr.Prob, 0.01*float64(r)), append(tr.Rank, 100-r)
			}
			all = append(all, tr)
		}
		g.Tracked = append(g.Tracked, all)
	}
	last := g.Rows[29]
	g.Final = lens.Final{Position: -1, Token: token(n + 28), FirstTop1: &last, StableFrom: &last}
	return g
}

func html(t *testing.T, g *lens.Grid) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, HTML(&b, g, HTMLOptions{}))
	return b.String()
}

var dataElement = regexp.MustCompile(`(?s)<script type="application/json" id="data">(.*?)</script>`)

func dataOf(t *testing.T, text string) pageData {
	t.Helper()
	m := dataElement.FindStringSubmatch(text)
	require.NotNil(t, m)
	var d pageData
	require.NoError(t, json.Unmarshal([]byte(m[1]), &d))
	return d
}

func (e encoded) at(i int) float64 {
	return float64(math.Float32frombits(binary.LittleEndian.Uint32(e[4*i:])))
}

func TestPageOfThirtyRowsAndTwoHundredPositionsIsSmall(t *testing.T) {
	text := html(t, large(200, 5, 10))
	t.Logf("%d bytes", len(text))
	require.Less(t, len(text), 3_000_000)
}

func TestPageHasTheNumbersOfTheGrid(t *testing.T) {
	g := large(7, 3, 2)
	g.Cells[4][2].KL = math.NaN()
	d := dataOf(t, html(t, g))
	require.Len(t, d.Tokens, 7)
	require.Equal(t, []string{"0", "1"}, d.Rows[:2])
	require.Equal(t, 3, d.K)
	require.True(t, d.Scored)
	for r := range g.Cells {
		for p := range g.Cells[r] {
			c, i := &g.Cells[r][p], r*7+p
			for k, want := range c.Top {
				at := binary.LittleEndian.Uint32(d.Top[4*(i*3+k):])
				require.Equal(t, want.ID, d.IDs[at])
				require.Equal(t, "·"+strings.TrimSpace(want.Bytes), d.Texts[at])
				require.InDelta(t, want.Logit, d.Logits.at(i*3+k), 1e-6)
			}
			require.Equal(t, c.LogSumExp, d.LSE.at(i))
			for _, v := range d.Views {
				if v.Name == "kl" && r == 4 && p == 2 {
					require.True(t, math.IsNaN(v.Values.at(i)))
				} else if v.Name == "kl" {
					require.InDelta(t, c.KL, v.Values.at(i), 1e-6)
				}
			}
		}
	}
	require.Equal(t, slices.DeleteFunc(ViewNames(), func(name string) bool { return name == "expert" }), func() (names []string) {
		for _, v := range d.Views {
			names = append(names, v.Name)
		}
		return
	}())
	require.Equal(t, g.Tracked[3][1].ID, d.IDs[d.Tracked[3][1].Token])
	require.InDelta(t, g.Tracked[3][1].Logit[9], d.Tracked[3][1].Logits.at(9), 1e-6)
	require.Equal(t, -1, d.Next[6])
}

func TestSameGridGivesTheSamePage(t *testing.T) {
	require.Equal(t, html(t, large(20, 3, 4)), html(t, large(20, 3, 4)))
}

func TestPageAsksForNothingAndRunsNothingElse(t *testing.T) {
	text := html(t, grid())
	asking := strings.NewReplacer("<iframe src=", "", "&lt;iframe src=", "", "ObjectURL(", "").Replace(text) // the tag that others embed it with; what it saves
	for _, namespace := range []string{"http://www.w3.org/2000/svg", "http://www.w3.org/1999/02/22-rdf-syntax-ns#", "http://purl.org/dc/elements/1.1/", "http://purl.org/dc/terms/"} {
		asking = strings.ReplaceAll(asking, namespace, "")
	}
	assert.NotRegexp(t, `(?i)https?://[^"]*"|src=|@import|url\(`, asking)
	require.Contains(t, text, "default-src &#39;none&#39;; style-src &#39;"+strings.ReplaceAll(sourceHash(pageCSS), "+", "&#43;")+"&#39;")
	require.Contains(t, text, "<style>"+pageCSS+"</style>")
	require.Contains(t, text, "<script>"+pageJS+"</script>")
}

func TestEveryScriptFileIsInThePageOnce(t *testing.T) {
	files, err := pageFiles.ReadDir("html/script")
	require.NoError(t, err)
	var names []string
	for _, f := range files {
		names = append(names, "script/"+f.Name())
	}
	require.ElementsMatch(t, names, slices.Concat(commonScripts, lensScripts, figureScripts))
}

func TestTokensCannotBreakThePage(t *testing.T) {
	prompt := `</script><img src=x onerror=alert(1)><!-- ` + "\u2028\x00\x1b"
	g := grid()
	g.Prompt = &prompt
	for i := range g.Tokens {
		g.Tokens[i].Bytes = prompt
	}
	g.Cells[0][0].Top[0].Bytes = prompt
	text := html(t, g)
	require.NotContains(t, text, "<img")
	require.Equal(t, 2, strings.Count(text, "</script>"))
	dataOf(t, text)
}

func TestEmptyGridsGiveAPage(t *testing.T) {
	for _, g := range []*lens.Grid{{}, {Rows: []string{"embed"}, Cells: [][]lens.Cell{{}}}, {Tokens: []lens.Token{{}}}} {
		require.Contains(t, html(t, g), "</html>")
	}
}

func TestPageToAWriterThatFailsIsAnError(t *testing.T) {
	require.ErrorContains(t, HTML(brokenWriter{}, grid(), HTMLOptions{}), "render: HTML: ")
}

func BenchmarkPage30x200(b *testing.B) {
	g := large(200, 5, 10)
	for b.Loop() {
		require.NoError(b, HTML(io.Discard, g, HTMLOptions{}))
	}
}
