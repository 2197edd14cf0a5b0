package render

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
	"golang.org/x/text/unicode/bidi"
)

// Unicode's isolates keep a right-to-left token from reordering its neighbours
// (UAX #9, section 2.4.2). They have no width.
const (
	firstStrongIsolate = "\u2068"
	popIsolate         = "\u2069"
)

// glyph is what is drawn of one character, with the marks that combine with it.
type glyph struct {
	text  string
	width int  // terminal columns
	rtl   bool // needs an isolate

	page string // instead of text on a page, whose reader's fonts may lack the sign; "": none
}

// glyphs turns a token's bytes into what can be shown. Every byte leads to
// something that is seen:
//
//   - newline, tab, carriage return: ␊ ␉ ␍; other control characters \x1b
//   - a byte that is not text: <0xE2>
//   - characters without width or of unknown width, blanks other than the space,
//     bidi controls, variation selectors, private use: \u200d
//   - a combining mark without a base: on a dotted circle, ◌́
//
// so no two terminals disagree about the width of what is left.
func glyphs(raw string) []glyph { return spelled(raw, escape) }

// spelled is glyphs with a spelling of its own for characters that are not seen.
func spelled(raw string, spell func(rune) string) []glyph {
	var out []glyph
	for i := 0; i < len(raw); {
		r, n := utf8.DecodeRuneInString(raw[i:])
		lone := r == utf8.RuneError && n == 1
		text := raw[i : i+n]
		i += n
		switch {
		case lone:
			out = append(out, plain(fmt.Sprintf("<0x%02X>", text[0])))
		case r == '\n':
			out = append(out, glyph{text: "␊", width: 1, page: `‹\n›`})
		case r == '\t':
			out = append(out, glyph{text: "␉", width: 1, page: `‹\t›`})
		case r == '\r':
			out = append(out, glyph{text: "␍", width: 1, page: `‹\r›`})
		case r < 0x80 && (r < ' ' || r == 0x7f):
			out = append(out, plain(spell(r)))
		case unseen(r):
			out = append(out, plain(spell(r)))
		case unicode.In(r, unicode.Mn, unicode.Me):
			if len(out) == 0 || out[len(out)-1].width == 0 {
				out = append(out, glyph{text: "◌", width: 1})
			}
			last := &out[len(out)-1]
			last.text += text
			last.rtl = last.rtl || rightToLeft(r)
		case emojiModifier(r) && len(out) > 0:
			// two columns wide on its own, and drawn into the hand or face before it
			out = append(out, plain(spell(r)))
		default:
			w := uniseg.StringWidth(text)
			if w == 0 {
				out = append(out, plain(spell(r)))
				continue
			}
			out = append(out, glyph{text: text, width: w, rtl: rightToLeft(r)})
		}
	}
	return out
}

func plain(s string) glyph { return glyph{text: s, width: utf8.RuneCountInString(s)} }

func escape(r rune) string {
	if r < 0x80 {
		return fmt.Sprintf(`\x%02x`, r)
	}
	if r > 0xffff {
		return fmt.Sprintf(`\U%08x`, r)
	}
	return fmt.Sprintf(`\u%04x`, r)
}

// unseen reports whether r leaves no mark of its own, or one of unknown shape.
func unseen(r rune) bool {
	return !unicode.IsPrint(r) ||
		unicode.In(r, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point) ||
		unicode.Is(unicode.Regional_Indicator, r) // two are a flag on one terminal and two letters on the next
}

func emojiModifier(r rune) bool { return r >= 0x1f3fb && r <= 0x1f3ff }

func rightToLeft(r rune) bool {
	p, _ := bidi.LookupRune(r)
	return p.Class() == bidi.R || p.Class() == bidi.AL || p.Class() == bidi.AN
}

// Visible returns a token's bytes as text that is safe to print: control
// characters, invisible characters and bytes that are not text are shown (␊, \x1b,
// \u200d, <0xE2>), right-to-left text is isolated. Spaces stay spaces.
func Visible(raw string) string { return draw(glyphs(raw)) }

// onPage is draw in signs that the fonts of any reader have: of a newline ‹\n›, and not ␊.
func onPage(gs []glyph) string {
	gs = slices.Clone(gs)
	for i := range gs {
		if gs[i].page != "" {
			gs[i].text = gs[i].page
		}
	}
	return draw(gs)
}

// draw joins glyphs, in an isolate where one runs from right to left.
func draw(gs []glyph) string {
	var b strings.Builder
	rtl := false
	for _, g := range gs {
		b.WriteString(g.text)
		rtl = rtl || g.rtl
	}
	if rtl {
		return firstStrongIsolate + b.String() + popIsolate
	}
	return b.String()
}

var isolates = strings.NewReplacer(firstStrongIsolate, "", popIsolate, "")

// laid are the glyphs of a text that [Visible] has made, whose isolates are no characters of it.
func laid(visible string) []glyph { return glyphs(isolates.Replace(visible)) }

// dotted shows spaces at the ends of a token, where a column would hide them, as ·.
func dotted(gs []glyph) []glyph {
	dot := glyph{text: "·", width: 1}
	for i := 0; i < len(gs) && gs[i].text == " "; i++ {
		gs[i] = dot
	}
	for i := len(gs) - 1; i >= 0 && gs[i].text == " "; i-- {
		gs[i] = dot
	}
	return gs
}

func columns(gs []glyph) int {
	n := 0
	for _, g := range gs {
		n += g.width
	}
	return n
}

// fit draws glyphs in exactly width columns: filled with spaces on the right, cut
// with … where they are wider.
func fit(gs []glyph, width int) string {
	n := columns(gs)
	if n > width {
		gs, n = cut(gs, width-1)
		gs, n = append(gs, glyph{text: "…", width: 1}), n+1
	}
	return draw(gs) + strings.Repeat(" ", max(0, width-n))
}

// cut returns the glyphs that go into width columns, in a slice of their own.
func cut(gs []glyph, width int) ([]glyph, int) {
	var out []glyph
	n := 0
	for _, g := range gs {
		if n+g.width > width {
			break
		}
		out, n = append(out, g), n+g.width
	}
	return out, n
}

// token returns a token's glyphs for a cell: a character that is not seen is its name in a frame. Of the
// tokens around it nothing is known.
func token(raw string) []glyph {
	switch {
	case raw == "":
		return []glyph{plain("∅")} // a token without bytes
	case !utf8.ValidString(raw):
		return (&pieces{}).parts("", raw, "")
	}
	return dotted(spelled(raw, framed))
}

// quote puts a token between quotation marks for a sentence.
func quote(raw string) string { return `"` + Visible(raw) + `"` }
