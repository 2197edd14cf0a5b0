package render

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/mlxlens/mlxlens/lens"
)

// pieces are the tokens of a prompt, of which some may be parts of a character: a tokenizer of
// bytes cuts 日 into three, and a token of a cell goes on with what the prompt's last one began.
type pieces struct {
	tokens []lens.Token
	at     []int // the position of each column

	known, unknown bool // parts were drawn of a character that is known, or not
}

// given are the glyphs of a token of the prompt.
func (p *pieces) given(i int) []glyph {
	if utf8.ValidString(p.tokens[i].Bytes) {
		return token(p.tokens[i].Bytes)
	}
	after := ""
	for _, t := range p.tokens[i+1:] {
		if after += t.Bytes; len(after) >= utf8.UTFMax {
			break
		}
	}
	return p.parts(p.begun(i), p.tokens[i].Bytes, after)
}

// Piece returns a token of a text as it is shown: of one that is a part of a character which of
// its bytes that is, such as 日‹2/3›.
func Piece(tokens []lens.Token, i int) string {
	p := pieces{tokens: tokens}
	return draw(p.given(i))
}

// Part returns a token of a text for [Figure]: its bytes, or of a part of a character which of its bytes that is.
func Part(tokens []lens.Token, i int) string {
	if utf8.ValidString(tokens[i].Bytes) {
		return tokens[i].Bytes
	}
	return Piece(tokens, i)
}

// PartAfter is Part for a token that would come after position at of a text.
func PartAfter(tokens []lens.Token, at int, raw string) string {
	p := pieces{tokens: tokens, at: []int{at}}
	if utf8.ValidString(raw) {
		return raw
	}
	return draw(p.candidate(0, raw))
}

// candidate are the glyphs of a token that would come after a column.
func (p *pieces) candidate(column int, raw string) []glyph {
	if utf8.ValidString(raw) {
		return token(raw)
	}
	return p.parts(p.begun(p.at[column]+1), raw, "")
}

// begun are the bytes of a character that the tokens before i have begun, and not ended.
func (p *pieces) begun(i int) string {
	before := ""
	for i--; i >= 0 && len(before) < utf8.UTFMax; i-- {
		before = p.tokens[i].Bytes + before
	}
	for k := 1; k < utf8.UTFMax && k <= len(before); k++ {
		if tail := before[len(before)-k:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRuneInString(tail) {
				return ""
			}
			return tail
		}
	}
	return ""
}

// parts are the glyphs of raw between what stands before and after it. A character of which raw
// has a part is followed by the numbers of the part's bytes: 日‹2/3›. Where the others
// are not known, the part's own stand among dashes: ‹E6----›.
func (p *pieces) parts(before, raw, after string) []glyph {
	text, from, to := before+raw+after, len(before), len(before)+len(raw)
	var out []glyph
	for i := 0; i < to; {
		r, n := utf8.DecodeRuneInString(text[i:])
		whole := text[i : i+n]
		lacking := r == utf8.RuneError && n == 1 && !utf8.FullRuneInString(text[i:])
		if lacking {
			n = len(text) - i
		}
		first, last := max(i, from)-i, min(i+n, to)-i // the part's bytes
		switch {
		case first >= last: // none
		case lacking:
			p.unknown = true
			out = append(out, letters(partUnknown(text[i], text[i+first:i+last], first))...)
		case last-first < n:
			p.known = true
			out = append(append(out, spelled(whole, framed)...), letters("‹"+span(first, last)+fmt.Sprintf("/%d›", n))...)
		default:
			out = append(out, spelled(whole, framed)...)
		}
		i += n
	}
	return dotted(out)
}

// span names some bytes, counted from 1.
func span(first, last int) string {
	if last-first == 1 {
		return fmt.Sprint(last)
	}
	return fmt.Sprintf("%d–%d", first+1, last)
}

// partUnknown is a part of a character of which other bytes are not known; lead is its first.
func partUnknown(lead byte, part string, first int) string {
	size := 2
	switch {
	case lead >= 0xf0:
		size = 4
	case lead >= 0xe0:
		size = 3
	}
	return "‹" + strings.Repeat("--", first) + fmt.Sprintf("%X", part) + strings.Repeat("--", size-first-len(part)) + "›"
}

// sidesOf are those of the two sides of a comparison.
func sidesOf(c *lens.Comparison) (sides [2]pieces) {
	for side, of := range []*lens.Compared{&c.A, &c.B} {
		sides[side].tokens = of.Tokens
		for _, at := range c.Positions {
			sides[side].at = append(sides[side].at, at[side])
		}
	}
	return sides
}

// explainedOf says once what parts mean that several drew.
func explainedOf(all []pieces) []string {
	var both pieces
	for i := range all {
		both.known, both.unknown = both.known || all[i].known, both.unknown || all[i].unknown
	}
	return both.explained()
}

// letters are glyphs of one column each, which can be cut.
func letters(text string) []glyph {
	var out []glyph
	for _, r := range text {
		out = append(out, plain(string(r)))
	}
	return out
}

// explained says what parts mean, when some were drawn.
func (p *pieces) explained() []string {
	var out []string
	if p.known {
		out = append(out, "‹2/3› the second of a character's 3 bytes, which tokens cut")
	}
	if p.unknown {
		out = append(out, "‹E6----› the first of 3 bytes, of a character that is not known")
	}
	return out
}

// abbreviations of characters that are not seen, in Unicode's own abbreviations.
var abbreviations = map[rune]string{
	0x00: "NUL", 0x07: "BEL", 0x08: "BS", 0x1b: "ESC", 0x7f: "DEL",
	0xa0: "NBSP", 0xad: "SHY", 0x200b: "ZWSP", 0x200c: "ZWNJ", 0x200d: "ZWJ", 0x200e: "LRM", 0x200f: "RLM", 0x2028: "LSEP", 0x2029: "PSEP",
	0x202a: "LRE", 0x202b: "RLE", 0x202c: "PDF", 0x202d: "LRO", 0x202e: "RLO", 0x202f: "NNBSP", 0x2060: "WJ",
	0x2066: "LRI", 0x2067: "RLI", 0x2068: "FSI", 0x2069: "PDI", 0x3000: "IDSP", 0xfe0f: "VS16", 0xfeff: "BOM", 0xfffd: "U+FFFD",
}

// framed shows a character that is not seen by its name, in a frame that tells it from text.
func framed(r rune) string {
	if name := abbreviations[r]; name != "" {
		return "‹" + name + "›"
	}
	return fmt.Sprintf("‹U+%04X›", r)
}

// saidGiven is a token of the prompt in a sentence, saidAfter one that would come after a column.
func (p *pieces) saidGiven(i int) string {
	if raw := p.tokens[i].Bytes; utf8.ValidString(raw) {
		return said(raw)
	}
	return unbroken(`"` + draw(p.given(i)) + `"`)
}

func (p *pieces) saidAfter(column int, raw string) string {
	if utf8.ValidString(raw) {
		return said(raw)
	}
	return unbroken(`"` + draw(p.candidate(column, raw)) + `"`)
}

// answerOf is the model's answer in a sentence of a page or a picture's description.
func answerOf(g *lens.Grid) string {
	raw := g.Final.Token.Bytes
	if utf8.ValidString(raw) || len(g.Positions) == 0 {
		return quote(raw)
	}
	p := pieces{tokens: g.Tokens, at: g.Positions}
	return `"` + draw(p.candidate(len(g.Positions)-1, raw)) + `"`
}

// said is a token in a sentence on a terminal.
func said(raw string) string { return unbroken(`"` + draw(spelled(raw, framed)) + `"`) }
