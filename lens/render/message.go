package render

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dustin/go-humanize/english"
)

// maxMessage is how many characters of a message are shown.
const maxMessage = 4000

// Message returns a message, which may have text of a file or a server in it, as it is safe
// to print: what [Visible] shows is shown here too. A line feed stays only where two spaces
// follow it, so that no line of the text can pass for one of the program. Of a long message
// the middle is left out, with a note of how much.
func Message(text string) string {
	if len(text) > utf8.UTFMax*maxMessage || utf8.RuneCountInString(text) > maxMessage {
		text = shorten(text)
	}
	lines := strings.Split(text, continued)
	for i, line := range lines {
		var b strings.Builder
		for _, g := range glyphs(line) { // no isolate: it would be around all, and separate nothing
			b.WriteString(g.text)
		}
		lines[i] = b.String()
	}
	return strings.Join(lines, continued)
}

// continued begins a further line of a message.
const continued = "\n  "

// shorten leaves out the middle: where it is and what to do stand at the ends.
func shorten(text string) string {
	const head, tail = maxMessage * 3 / 4, maxMessage / 4
	from, to := 0, len(text)
	for range head {
		_, n := utf8.DecodeRuneInString(text[from:])
		from += n
	}
	for range tail {
		_, n := utf8.DecodeLastRuneInString(text[:to])
		to -= n
	}
	return fmt.Sprintf("%s … (%s left out) … %s", text[:from], english.Plural(to-from, "byte", ""), text[to:])
}

// Safe returns running text as it can be sent to a terminal: characters that would control
// it, change the order of what is read or have no shape are shown as [Visible] shows them. Line feeds and
// tabs stay, and so does all that is written: letters of any script, joiners, marks.
func Safe(text string) string {
	if strings.IndexFunc(text, controls) < 0 && utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, "<0x%02X>", text[i])
		case r == '\r':
			b.WriteString("␍")
		case controls(r) && r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		case controls(r):
			b.WriteString(escape(r))
		default:
			b.WriteString(text[i : i+n])
		}
		i += n
	}
	return b.String()
}

// controls reports whether r controls a terminal (C0 but for line feed and tab, DEL, C1), ends a
// line or paragraph as no line feed does (U+2028, U+2029), or is a format character (Cf), which
// has no shape: it may turn the order of what is read (UAX #9, section 2) or hide a text. Joiners
// stay, which emoji and many scripts need, and the Arabic marks that are shown.
func controls(r rune) bool {
	switch {
	case r == '\n', r == '\t':
		return false
	case r < ' ', r >= 0x7f && r <= 0x9f:
		return true
	}
	const nonJoiner, joiner = 0x200c, 0x200d
	switch {
	case r == nonJoiner, r == joiner:
		return false
	case unicode.In(r, unicode.Zl, unicode.Zp):
		return true
	}
	return unicode.Is(unicode.Cf, r) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}
