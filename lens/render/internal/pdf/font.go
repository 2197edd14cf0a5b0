package pdf

import (
	"fmt"
	"hash/fnv"
	"strings"
)

// Font is a font that text is written in. It collects the characters that it is asked for.
type Font interface {
	// code is what stands for r in the page's content, in hexadecimal, and the name of the font
	// there.
	code(r rune) (name, hex string)
	// embed adds the font to a document and returns its entries in the page's resources.
	embed(d *document) string
}

// chars are the characters that a font was asked for, in that order.
type chars struct {
	runes []rune
	index map[rune]int
}

// number is the place of r, from 0.
func (c *chars) number(r rune) int {
	n, ok := c.index[r]
	if !ok {
		if c.index == nil {
			c.index = map[rune]int{}
		}
		n = len(c.runes)
		c.index[r] = n
		c.runes = append(c.runes, r)
	}
	return n
}

// subsetTag is the six letters before the name of a font that is not whole (ISO 32000-1, 9.6.4),
// here of the characters that it has.
func subsetTag(runes []rune) string {
	h := fnv.New64a()
	h.Write([]byte(string(runes)))
	n, tag := h.Sum64(), make([]byte, 6)
	for i := range tag {
		tag[i] = 'A' + byte(n%26)
		n /= 26
	}
	return string(tag)
}

// toUnicode is a stream that maps codes of some digits to characters. Text says what a character
// is when it is copied, where that is not the character itself.
func toUnicode(d *document, digits, first int, runes []rune, text func(rune) string) int {
	var b strings.Builder
	b.WriteString("/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def\n" +
		"/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n")
	fmt.Fprintf(&b, "1 begincodespacerange\n<%s> <%s>\nendcodespacerange\n", strings.Repeat("0", digits), strings.Repeat("F", digits))
	const most = 100 // entries in a part
	for from := 0; from < len(runes); from += most {
		part := runes[from:min(from+most, len(runes))]
		fmt.Fprintf(&b, "%d beginbfchar\n", len(part))
		for i, r := range part {
			fmt.Fprintf(&b, "<%0*X> <%s>\n", digits, first+from+i, utf16Hex([]rune(text(r))))
		}
		b.WriteString("endbfchar\n")
	}
	b.WriteString("endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n")
	return d.stream("", []byte(b.String()))
}
