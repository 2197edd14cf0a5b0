package render

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/rivo/uniseg"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/lens"
)

// awkward are tokens that terminals and files trip over.
var awkward = []string{"The", " capital", "東京", "🚀", " العربية", "\n", "\x1b[31m", "\xe2\x82", "e\u0301", "\u200d", "", " a,\"b\"", "\u202e", "very long token indeed"}

// grid is a lens of three rows over the awkward tokens; row r says at position p
// token p+r.
func grid() *lens.Grid {
	g := &lens.Grid{Schema: lens.TraceSchema, Model: lens.ModelInfo{Layers: 2}, Edits: []string{}}
	token := func(i int) lens.Token { return lens.Token{ID: 100 + i%len(awkward), Bytes: awkward[i%len(awkward)]} }
	for i := range awkward {
		g.Tokens = append(g.Tokens, token(i))
		g.Positions = append(g.Positions, i)
	}
	for r, name := range []string{"embed", "layers.0.resid_mid", "layers.1.resid_post"} {
		g.Rows = append(g.Rows, name)
		var row []lens.Cell
		for p := range awkward {
			row = append(row, lens.Cell{
				Top:     []lens.Candidate{{Token: token(p + r), Logit: 9.5, Prob: 0.75}, {Token: token(p + r + 1), Logit: 8, Prob: 0.125}},
				Entropy: float64(r), KL: float64(2 - r), LogSumExp: 10, Norm: 3,
				Answer:  lens.Target{Token: token(p + 2), Logit: float64(r), Prob: float64(r) / 2, Rank: []int{1000, 30, 1}[r]},
				Targets: []lens.Target{{Token: lens.Token{ID: 5, Bytes: " x"}, Logit: 1, Prob: 0.01, Rank: 42}},
			})
		}
		g.Cells = append(g.Cells, row)
	}
	first := "layers.1.resid_post"
	g.Final = lens.Final{Position: -1, Token: token(len(awkward) + 1), FirstTop1: &first, StableFrom: &first}
	return g
}

func terminal(t *testing.T, g *lens.Grid, o TerminalOptions) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, Terminal(&b, g, o))
	return b.String()
}

var escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")

// bare is text without what has no width.
func bare(s string) string {
	return strings.NewReplacer(firstStrongIsolate, "", popIsolate, "").Replace(escapes.ReplaceAllString(s, ""))
}

func TestColumnsLineUpAtAnyWidth(t *testing.T) {
	for _, width := range []int{24, 40, 80, 200} {
		for _, color := range []Color{NoColor, Color256, TrueColor} {
			text := bare(terminal(t, grid(), TerminalOptions{Width: width, Color: color, View: Prob}))
			rows := 0
			lengths := map[int]bool{}
			for line := range strings.Lines(text) {
				line = strings.TrimSuffix(line, "\n")
				if regexp.MustCompile(`^(next|1|0 mid|embed|input) `).MatchString(line) {
					rows++
					lengths[uniseg.StringWidth(line)] = true
					assert.LessOrEqual(t, uniseg.StringWidth(line), width, "%q", line)
				}
			}
			assert.GreaterOrEqual(t, rows, 5, "a page has five lines")
			assert.LessOrEqual(t, len(lengths), 2, "all lines of a full page are as wide, and those of the first page: %v", lengths)
		}
	}
}

func TestTokensCannotSteerTheTerminal(t *testing.T) {
	for _, color := range []Color{NoColor, TrueColor} {
		text := escapes.ReplaceAllStringFunc(terminal(t, grid(), TerminalOptions{Width: 300, Color: color, View: KL}), func(s string) string {
			if color == NoColor || strings.HasPrefix(s, "\x1b[31m") {
				t.Fatalf("an escape sequence of a token got through: %q", s)
			}
			return ""
		})
		for _, r := range text {
			if r != '\n' && (r < ' ' || r == 0x7f || r == '\u200d' || r == '\u202e' || r == '\ufffd') {
				t.Fatalf("%q was sent", r)
			}
		}
		for _, seen := range []string{"␊", "‹ESC›[31m", "<0xE2><0x82>", "‹ZWJ›", "‹RLO›", "∅", "·capital", "東京", "🚀"} {
			require.Contains(t, text, seen)
		}
	}
}

func TestWidePromptsShowTheLastPositionsFirst(t *testing.T) {
	var pages []string
	for line := range strings.Lines(terminal(t, grid(), TerminalOptions{Width: 60, Color: TrueColor, View: Prob})) {
		if strings.HasPrefix(line, "positions") {
			pages = append(pages, strings.TrimSpace(line))
		}
	}
	require.Greater(t, len(pages), 2)
	require.Contains(t, pages[0], "–13 of 14")
	require.Contains(t, pages[len(pages)-1], "positions 0–")
	require.NotContains(t, terminal(t, grid(), TerminalOptions{Width: 400, View: Prob}), "positions 0", "one page needs no name")
}

func TestFinalRowIsOnTopAndTheAnswerBelow(t *testing.T) {
	text := terminal(t, grid(), TerminalOptions{Width: 400, View: Rank})
	var order []int
	for _, start := range []string{"next ", "\n1 ", "\n0 mid ", "\nembed ", "\ninput "} {
		order = append(order, strings.Index(text, start))
	}
	require.IsIncreasing(t, order)
	require.Contains(t, text, "rank that the row gives to the final answer")
	require.Contains(t, text, "is the likeliest token only in the last row, layer 1")
	require.Contains(t, text, `" x" (id 5) after position 13`)
}

func TestRightAnswersAreMarkedWithoutColour(t *testing.T) {
	text := terminal(t, grid(), TerminalOptions{Width: 400, View: Token})
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "0 mid") { // says token p+1 at position p: always right
			require.Equal(t, len(awkward)-1, strings.Count(line, "*"), "at the last position nothing came next")
		}
		if strings.HasPrefix(line, "embed") {
			require.NotContains(t, line, "*")
		}
	}
}

func TestLastShowsCandidatesSideBySide(t *testing.T) {
	text := terminal(t, grid(), TerminalOptions{Width: 80, View: Prob, Last: true})
	require.Contains(t, text, "after \"very long token indeed\" at position 13")
	require.Regexp(t, `(?m)^1 .* 0\.750 .* 0\.125$`, text)
}

func TestEveryViewDrawsItsNumber(t *testing.T) {
	for _, name := range ViewNames() {
		v, err := ParseView(name)
		require.NoError(t, err)
		text := terminal(t, grid(), TerminalOptions{Width: 400, View: v})
		if v != Token {
			require.Contains(t, text, views[v].means)
			require.Contains(t, text, v.text(v.number(&grid().Cells[2][0])))
		}
	}
	_, err := ParseView("colour")
	require.ErrorContains(t, err, `view "colour" is unknown (have: prob, logit`)
}

func TestTextIsReadableOnEveryBackground(t *testing.T) {
	for i := range 101 {
		c := ramp(float64(i) / 100)
		require.GreaterOrEqual(t, contrast(ink(c), c), 4.5)
		x := xterm(nearest(c))
		require.GreaterOrEqual(t, contrast(ink(x), x), 4.5)
	}
	previous := -1.0
	for i := range 11 {
		l := ramp(float64(i) / 10).luminance()
		require.Greater(t, l, previous, "lightness rises")
		previous = l
	}
}

func TestScaleIsDarkFarFromTheAnswer(t *testing.T) {
	g := grid()
	require.Equal(t, 1.0, KL.scale(g).at(0), "no distance is light")
	require.Equal(t, 0.0, KL.scale(g).at(2))
	require.Equal(t, 1.0, Rank.scale(g).at(1))
	require.InDelta(t, 0.5, Rank.scale(g).at(math.Sqrt(1000)), 1e-9, "ranks are on a log scale")
	require.Equal(t, 0.25, Prob.scale(g).at(0.25), "probabilities are not stretched")
	require.Zero(t, Prob.scale(g).at(math.NaN()))
}

func TestNumbersThatAreNotFiniteAreNullInJSONAndEmptyInCSV(t *testing.T) {
	g := grid()
	g.Cells[0][0].KL, g.Cells[0][0].Entropy = math.Inf(1), math.NaN()
	var b bytes.Buffer
	require.NoError(t, JSON(&b, g))
	require.Equal(t, 1, strings.Count(b.String(), "\n"), "one object, one line")
	var back lens.Grid
	require.NoError(t, json.Unmarshal(b.Bytes(), &back))
	require.True(t, math.IsNaN(back.Cells[0][0].KL))
	require.Equal(t, g.Tokens, back.Tokens, "bytes that are no text survive")

	b.Reset()
	require.NoError(t, CSV(&b, g))
	lines, err := csv.NewReader(&b).ReadAll()
	require.NoError(t, err)
	require.Len(t, lines, 1+3*len(awkward)*3)
	require.Equal(t, []string{"embed", "0", "100", "The", "top", "1", "100", "The", "9.5", "0.75", "10", "", "", "3"}, lines[1])
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestWriterThatFailsIsAnError(t *testing.T) {
	for name, f := range map[string]func() error{
		"terminal": func() error { return Terminal(brokenWriter{}, grid(), TerminalOptions{Width: 80}) },
		"json":     func() error { return JSON(brokenWriter{}, grid()) },
		"csv":      func() error { return CSV(brokenWriter{}, grid()) },
	} {
		require.ErrorContains(t, f(), "disk full", name)
	}
}

func TestVisibleKeepsOrdinaryText(t *testing.T) {
	for in, want := range map[string]string{" Paris": " Paris", "naïve": "naïve", "a\tb": "a␉b", "\u0301": "◌\u0301", "": ""} {
		require.Equal(t, want, Visible(in), fmt.Sprintf("%q", in))
	}
}

func TestJSONIsWhatTheEncoderWritesOfTheWholeGrid(t *testing.T) {
	prompt := `"cells":[ and ,"cells":[]`
	for _, change := range []func(g *lens.Grid){
		func(*lens.Grid) {},
		func(g *lens.Grid) { g.Prompt = &prompt; g.Tokens[0].Bytes = prompt },
		func(g *lens.Grid) { g.Cells, g.Rows = nil, nil },
		func(g *lens.Grid) { g.Tracked = [][]lens.Trajectory{{{Token: g.Tokens[0], Rank: []int{1}}}} },
	} {
		g := grid()
		change(g)
		var got bytes.Buffer
		require.NoError(t, JSON(&got, g))
		if g.Cells == nil {
			g.Cells = [][]lens.Cell{} // the list is there, and empty
		}
		var want bytes.Buffer
		require.NoError(t, WriteJSON(&want, g))
		require.Equal(t, want.String(), got.String())
	}
}
