package render

import (
	"image"
	"os"
	"path/filepath"
	"testing"

	"codeberg.org/go-fonts/dejavu/dejavusans"
	"github.com/stretchr/testify/require"
)

func testSetter(t *testing.T, fonts ...string) *typesetter {
	t.Helper()
	s, err := newTypesetter(fonts)
	require.NoError(t, err)
	return s
}

// testStamp is a character as a PNG draws it at 8 points.
func testStamp(t *testing.T, r rune) *image.Alpha {
	t.Helper()
	s := &raster{typesetter: testSetter(t)}
	return s.stamp(placed{r, s.find(r).face, 0}, textSize/pixel, 0)
}

func inked(m *image.Alpha) int {
	n := 0
	for _, a := range m.Pix {
		if a > 127 {
			n++
		}
	}
	return n
}

func TestScriptsAreFoundInTheFontsThatHaveThem(t *testing.T) {
	s := testSetter(t)
	for r, want := range map[rune]int{
		'a': 0, 'ñ': 0, 'Ω': 0, 'Ж': 0, 'א': 0, // Liberation Sans
		'م': 1, 'ﺼ': 1, '∅': 1, '😀': 1, // DejaVu Sans
		'東': 2, '国': 2, 'の': 2, '안': 2, // the pixels
		'🚀': missing, '𐎀': missing, '␊': missing,
	} {
		require.Equal(t, want, s.find(r).face, "%c", r)
		require.Greater(t, s.find(r).advance, 0.1, "%c", r)
	}
}

func TestEveryCharacterLeavesInk(t *testing.T) {
	for _, raw := range append([]string{"naïve", "Ωμέγα", "Москва", "שלום", "مصر", "東京都", "한국어", "简体中文", "ひらがな", "🚀𐎀ꙮ", "ไทย", "नमस्ते"}, awkward...) {
		for _, g := range token(raw) {
			for _, r := range g.text {
				if r == ' ' {
					continue // within a token; at its ends it is a dot
				}
				require.Positive(t, inked(testStamp(t, r)), "%q: %q", raw, r)
			}
		}
	}
}

func TestDifferentCharactersLookDifferent(t *testing.T) {
	seen := map[string]rune{}
	for _, r := range "東京中国日本大太犬あア안한🚀🚁🚂𐎀␊␉␍" {
		m := testStamp(t, r)
		key := string(m.Pix) + m.Rect.String()
		require.NotContains(t, seen, key, "%c looks like %c", r, seen[key])
		seen[key] = r
	}
}

func TestCharacterWithoutAGlyphIsFramedWithItsCodePoint(t *testing.T) {
	for r, want := range map[rune][]string{'🚀': {"1F6", "80"}, 'ก': {"0E", "01"}, '␊': {"LF"}} {
		rows, _ := inBox(r)
		require.Equal(t, want, rows)
	}
	m := testStamp(t, '🚀')
	for x := m.Rect.Min.X; x < m.Rect.Max.X; x++ {
		require.Equal(t, uint8(255), m.AlphaAt(x, m.Rect.Min.Y).A, "the frame's upper edge")
		require.Equal(t, uint8(255), m.AlphaAt(x, m.Rect.Max.Y-1).A, "the lower")
	}
	require.Greater(t, inked(m), 2*(m.Rect.Dx()+m.Rect.Dy())*6/5, "and something in it")
}

func TestRightToLeftTextIsPutInOrder(t *testing.T) {
	all := func(rune) bool { return true }
	for text, want := range map[string]string{
		"abc":            "abc",
		"אבג":            "גבא",
		" אבג":           "גבא ",
		"א(ב":            "ב)א",
		"אב 12 גד":       "דג 12 בא",
		"x אב 12 גד y":   "x דג 12 בא y",
		"x אב y 12":      "x בא y 12",
		"אב xy גד":       "דג xy בא",
		"א\u05b8ב":       "בא\u05b8", // a point stays behind its letter
		"\u2068אב\u2069": "בא",
		"1 אב":           "בא 1",
	} {
		got, rtl := visual(text, all)
		require.Equal(t, want, string(got), "%q", text)
		require.Equal(t, !startsLeftToRight(text), rtl)
	}
}

func TestArabicLettersAreJoined(t *testing.T) {
	all := func(rune) bool { return true }
	for text, want := range map[string]string{
		"مصر": "\ufee3\ufebc\ufeae", // initial, medial, final
		"دار": "\ufea9\ufe8d\ufead", // none of these joins to the next
		"بلا": "\ufe91\ufefc",       // lam and alef are one
		"لا":  "\ufefb",             //
		"بَب": "\ufe91\u064e\ufe90", // a vowel sign does not part letters
		"بـب": "\ufe91ـ\ufe90",      // the tatweel joins
		"پی":  "\ufb58\ufbfd",       // Persian
		"ء":   "\ufe80",             //
		"ىء":  "\ufeef\ufe80",       //
	} {
		require.Equal(t, want, string(join([]rune(text), all)), "%q", text)
	}
	require.Equal(t, "مصر", string(join([]rune("مصر"), func(rune) bool { return false })), "a form without a glyph is left")
}

func TestAccentsAreComposed(t *testing.T) {
	s := testSetter(t)
	require.Len(t, s.set("e\u0301").glyphs, 1)
	require.Equal(t, s.set("é").width, s.set("e\u0301").width)
}

func TestFontsOfTheOptionsAreAskedBeforeThePixels(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.ttf")
	require.NoError(t, os.WriteFile(path, dejavusans.TTF, 0o600))
	s := testSetter(t, path)
	require.Len(t, s.faces, 4)
	require.IsType(t, &outlines{}, s.faces[2])
	require.IsType(t, pixels{}, s.faces[3])
	require.Equal(t, 3, s.find('東').face)
}

func TestSVGIsolatesRightToLeftText(t *testing.T) {
	g := wideGrid(1, 2)
	g.Tokens[0].Bytes = "שלום"
	data := string(picture(t, g, PictureOptions{Format: SVG}))
	require.Regexp(t, `<text [^>]*direction="rtl" unicode-bidi="isolate" text-anchor="middle"[^>]*>\x{2068}שלום\x{2069}</text>`, data)
	require.Contains(t, data, "'Noto Sans CJK SC'", "and other fonts are asked for what the first lacks")
}

func TestShortCutsAtGlyphsAndIsNeverEmpty(t *testing.T) {
	p := &painter{pen: pen{typesetter: testSetter(t)}}
	whole := p.wide("capital", 8)
	require.Equal(t, "capital", p.short(glyphs("capital"), 8, whole))
	require.Equal(t, "capi…", p.short(glyphs("capital"), 8, whole-0.1))
	require.Equal(t, "<0x…", p.short(glyphs("\xe2\x82"), 8, p.wide("<0x…", 8)), "a glyph of many letters is cut within")
	require.Equal(t, "…", p.short(glyphs("capital"), 8, 0))
	for _, room := range []float64{20, 30, 50} {
		require.LessOrEqual(t, p.wide(p.short(glyphs("very long token indeed"), 8, room), 8), room)
	}
}

func TestSystemFontsCanBeUsedAsTheyAre(t *testing.T) {
	fonts := SystemFonts() // none on some machines
	require.Len(t, testSetter(t, fonts...).faces, 3+len(fonts))
}
