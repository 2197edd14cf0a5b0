package render

import (
	"strings"
	"testing"

	"github.com/rivo/uniseg"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/lens"
)

func TestNumberOfTheAnswerIsMarkedInACellOfAnotherToken(t *testing.T) {
	for _, view := range []View{Prob, Logit, Rank} {
		text := terminal(t, grid(), TerminalOptions{Width: 400, View: view})
		require.Contains(t, text, "→ where that is not the cell's own token")
		for line := range strings.Lines(text) {
			switch {
			case strings.HasPrefix(line, "1 "): // says the answer at each position
				require.NotContains(t, line, "→")
			case strings.HasPrefix(line, "0 mid"), strings.HasPrefix(line, "embed"):
				require.Equal(t, len(awkward), strings.Count(line, "→"), line)
			}
		}
	}
	for _, view := range []View{KL, Entropy, Margin, Own, Token} {
		require.NotContains(t, terminal(t, grid(), TerminalOptions{Width: 400, View: view}), "→", "these are of the row itself")
	}
	require.NotContains(t, terminal(t, grid(), TerminalOptions{Width: 400, View: Prob, Color: TrueColor}), "→", "no number, no mark")
}

func TestNumbersStandOnTheirColours(t *testing.T) {
	plain := terminal(t, grid(), TerminalOptions{Width: 400, View: KL})
	painted := terminal(t, grid(), TerminalOptions{Width: 400, View: KL, Color: Color256, Numbers: NumbersShown})
	require.Contains(t, painted, "\x1b[")
	rows := func(text string) []string {
		var out []string
		for line := range strings.Lines(bare(text)) {
			if strings.HasPrefix(line, "0 mid") || strings.HasPrefix(line, "embed") {
				out = append(out, line)
			}
		}
		return out
	}
	require.Equal(t, rows(plain)[:2], rows(painted)[:2])
}

func TestNoLineOfALegendIsWiderThanTheTerminal(t *testing.T) {
	for _, width := range []int{40, 80} {
		for _, color := range []Color{NoColor, TrueColor} {
			for view := range views {
				text := bare(terminal(t, grid(), TerminalOptions{Width: width, Color: color, View: View(view), Numbers: NumbersShown}))
				for line := range strings.Lines(text) {
					require.LessOrEqual(t, uniseg.StringWidth(strings.TrimSuffix(line, "\n")), width, line)
				}
			}
		}
	}
}

func TestSentencesForProgramsAreLines(t *testing.T) {
	text := terminal(t, grid(), TerminalOptions{Width: 40, View: Prob, OneLine: true})
	require.Contains(t, text, "\nprobability that the row gives to the final answer; → where that is not the cell's own token; * the token that came next; ")
}

func TestEndOfALongPromptStandsAloneWhereTheRestIsNamed(t *testing.T) {
	text := terminal(t, grid(), TerminalOptions{Width: 60, Color: TrueColor, View: Prob, Rest: "--positions 0: shows them"})
	require.Equal(t, 1, strings.Count(text, "input"))
	require.True(t, strings.HasPrefix(text, "positions 11–13 of 14\n"))
	require.Contains(t, text, "\nthe 11 positions before are left out:\n--positions 0: shows them\n")
	require.NotContains(t, terminal(t, grid(), TerminalOptions{Width: 400, View: Prob, Rest: "x"}), "left out", "all fit")
}

func TestCellsAreNarrowerWhereAllPositionsFitThen(t *testing.T) {
	wide := 0 // the width at which all fit
	for wide = 300; !strings.Contains(terminal(t, grid(), TerminalOptions{Width: wide, View: Own}), "positions 0"); wide-- {
	}
	full := terminal(t, grid(), TerminalOptions{Width: 400, View: Own})
	narrow := terminal(t, grid(), TerminalOptions{Width: wide + 1, View: Own})
	line := func(text string) int { first, _, _ := strings.Cut(bare(text), "\n"); return uniseg.StringWidth(first) }
	require.Less(t, line(narrow), line(full))
	require.GreaterOrEqual(t, line(narrow), line(full)*7/10, "tokens stay readable")
}

func TestCandidatesThatDoNotFitAreSaidToBeLeftOut(t *testing.T) {
	require.Contains(t, terminal(t, grid(), TerminalOptions{Width: 30, View: Prob, Last: true}), "the first 1 candidate of 2:")
	require.NotContains(t, terminal(t, grid(), TerminalOptions{Width: 80, View: Prob, Last: true}), "fit the width")
}

func texts(gs []glyph) string { return draw(gs) }

func TestPartsOfACharacterSayWhichTheyAre(t *testing.T) {
	prompt := []lens.Token{{Bytes: "a \xe6"}, {Bytes: "\x97"}, {Bytes: "\xa5\xe6"}, {Bytes: "\x9c\xacb"}, {Bytes: "\xf0\x9f"}}
	p := pieces{tokens: prompt, at: []int{0, 1, 2, 3, 4}}
	for i, want := range []string{"a 日‹1/3›", "日‹2/3›", "日‹3/3›本‹1/3›", "本‹2–3/3›b", "‹F09F----›"} {
		require.Equal(t, want, texts(p.given(i)))
		require.Equal(t, want, Piece(prompt, i))
	}
	for _, c := range []struct {
		column     int
		raw, shown string
	}{
		{0, "\x97\xa5", "日‹2–3/3›"}, {0, "\x97", "‹--97--›"}, {0, "x", "x"}, {1, "\xa5!", "日‹3/3›!"}, {3, "\xa5", "<0xA5>"}, {4, "\x98\x80", "😀‹3–4/4›"},
		{4, "\x98", "‹----98--›"}, {3, "\xc3", "‹C3--›"}, {3, "\xff", "<0xFF>"}, {0, "\xe6", "‹E6----›"}, {3, " \xe2\x82", "·‹E282--›"},
	} {
		require.Equal(t, c.shown, texts(p.candidate(c.column, c.raw)), "%q", c.raw)
	}
	require.Len(t, p.explained(), 2)
	require.Empty(t, (&pieces{}).explained())
}

func TestInvisibleCharactersStandInFrames(t *testing.T) {
	for raw, want := range map[string]string{
		"\u00a0": "‹NBSP›", "a\u200db": "a‹ZWJ›b", "\x00": "‹NUL›", "\x01": "‹U+0001›", "\U000e0041": "‹U+E0041›", "\ufeff": "‹BOM›", `\u00a0`: `\u00a0`, " \n": "·␊",
	} {
		require.Equal(t, want, draw(token(raw)), "%q", raw)
	}
}

func TestSentenceOnWhereTheAnswerComesOutOnTop(t *testing.T) {
	at := func(layer string) *string { return new("layers." + layer + ".resid_post") }
	for _, c := range []struct {
		first, stable *string
		want          string
	}{
		{at("2"), at("2"), `" b" is the likeliest token only in the last of 3 layers`},
		{at("1"), at("1"), `" b" is the likeliest token from layer 1 on, of 3 layers`},
		{at("0"), at("2"), `" b" is the likeliest token first at layer 0, and for good only in the last of 3 layers`},
		{at("0"), at("1"), `" b" is the likeliest token first at layer 0, and for good from layer 1 on, of 3 layers`},
		{nil, nil, `" b", the model's answer, is the likeliest token of no row shown`},
		{at("0"), nil, `" b", the model's answer, is the likeliest token first at layer 0, of 3 layers, and does not stay so in the rows shown`},
	} {
		g := &lens.Grid{Model: lens.ModelInfo{Layers: 3}, Rows: []string{*at("0"), *at("1"), *at("2")}, Final: lens.Final{FirstTop1: c.first, StableFrom: c.stable}}
		require.Equal(t, c.want, strings.ReplaceAll(crystallisation(g, said(" b"), shown), noBreak, " "))
	}
}

func TestASentenceSaysWhereEachOfSeveralLensesFindsTheAnswer(t *testing.T) {
	at := func(row string) *string { return new("layers." + row) }
	g := grid()
	g.Model.Layers = 3
	g.Rows = []string{*at("0.resid_post"), *at("0.resid_post (tuned)"), *at("1.resid_post"), *at("1.resid_post (tuned)"), *at("2.resid_post")}
	g.Cells = append(g.Cells, g.Cells[1], g.Cells[2])
	g.Final = lens.Final{Position: -1, Token: lens.Token{ID: 9, Bytes: " b"}}
	g.Lenses = []lens.Reading{
		{Name: "logit", Kind: "logit", Rows: []int{0, 2, 4}},
		{Name: "tuned: d", Kind: "tuned", Rows: []int{1, 3, 4}, FirstTop1: at("1.resid_post (tuned)"), StableFrom: at("1.resid_post (tuned)")},
		{Name: "jacobian: j", Kind: "jacobian", Rows: []int{4}, FirstTop1: at("2.resid_post"), StableFrom: at("2.resid_post")},
	}
	want := `" b" is the likeliest token by the logit lens of no row that it reads; by the tuned from layer 1 on, of 3 layers; by the jacobian at layer 2, the only row that it reads`
	require.Contains(t, terminal(t, g, TerminalOptions{Width: 200}), want+"\n")
	for name, write := range map[string]func(w *strings.Builder) error{
		"page":    func(w *strings.Builder) error { return HTML(w, g, HTMLOptions{}) },
		"picture": func(w *strings.Builder) error { return Picture(w, g, PictureOptions{Format: SVG}) },
	} {
		var b strings.Builder
		require.NoError(t, write(&b))
		require.Contains(t, strings.NewReplacer("&#34;", `"`, "&#39;", "'", "&quot;", `"`).Replace(b.String()), want, name)
	}
	tuned := &g.Lenses[1]
	for _, c := range []struct{ first, stable, says string }{
		{"2.resid_post", "2.resid_post", "only in the last of 3 layers"},
		{"0.resid_post (tuned)", "2.resid_post", "first at layer 0, and for good only in the last of 3 layers"},
		{"0.resid_post (tuned)", "1.resid_post (tuned)", "first at layer 0, and for good from layer 1 on, of 3 layers"},
		{"0.resid_post (tuned)", "", "first at layer 0, and not for good, of 3 layers"},
	} {
		if tuned.FirstTop1, tuned.StableFrom = at(c.first), at(c.stable); c.stable == "" {
			tuned.StableFrom = nil
		}
		require.Contains(t, terminal(t, g, TerminalOptions{Width: 200}), "; by the tuned "+c.says+"; by the jacobian")
	}
	tuned.FirstTop1, tuned.StableFrom = at("1.resid_post (tuned)"), at("2.resid_post")
	g.Lenses[0].FirstTop1, g.Lenses[0].StableFrom = at("2.resid_post"), at("2.resid_post")
	g.Lenses[2] = lens.Reading{Kind: "jacobian", Rows: []int{0, 2, 4}, FirstTop1: at("2.resid_post"), StableFrom: at("2.resid_post")}
	require.Contains(t, terminal(t, g, TerminalOptions{Width: 200}), `" b" is the likeliest token by the logit and jacobian lenses only in the last of 3 layers; by the tuned first at layer 1, and for good only in the last`+"\n", "what is alike is said once")
}

func TestMarksOfTheTerminalStayThere(t *testing.T) {
	g := grid()
	for name, write := range map[string]func(w *strings.Builder) error{
		"page":     func(w *strings.Builder) error { return HTML(w, g, HTMLOptions{}) },
		"picture":  func(w *strings.Builder) error { return Picture(w, g, PictureOptions{Format: SVG}) },
		"terminal": func(w *strings.Builder) error { return Terminal(w, g, TerminalOptions{Width: 80}) },
	} {
		var b strings.Builder
		require.NoError(t, write(&b))
		require.NotContains(t, b.String(), noBreak, name)
		require.Contains(t, b.String(), "is the likeliest token", name)
	}
}
