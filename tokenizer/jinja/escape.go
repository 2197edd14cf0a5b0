package jinja

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// unescape reads the escapes of a string literal as jinja2 does: what is not ASCII is written as an escape, and
// then Python's codec unicode-escape reads the whole. problem is "" if that works.
func unescape(s string) (text, problem string) {
	s = asciiOnly(s)
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		if i++; i == len(s) {
			return "", `\ at end of string`
		}
		n, problem := escaped(&b, s[i:])
		if problem != "" {
			return "", problem
		}
		i += n - 1
	}
	return b.String(), ""
}

var simpleEscapes = map[byte]string{
	'\n': "", '\\': `\`, '\'': "'", '"': `"`, 'a': "\a", 'b': "\b", 'f': "\f", 'n': "\n", 'r': "\r", 't': "\t", 'v': "\v",
}

// escaped writes what stands for the escape whose text behind the backslash s begins with, and returns its length.
func escaped(b *strings.Builder, s string) (n int, problem string) {
	if text, ok := simpleEscapes[s[0]]; ok {
		b.WriteString(text)
		return 1, ""
	}
	width := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[0]]
	switch {
	case s[0] >= '0' && s[0] <= '7':
		for n < 3 && n < len(s) && s[n] >= '0' && s[n] <= '7' {
			n++
		}
		code, _ := strconv.ParseUint(s[:n], 8, 32)
		b.WriteRune(rune(code))
		return n, ""
	case s[0] == 'N':
		return 0, `\N{…} in a string is not implemented: write the character itself`
	case width == 0:
		b.WriteByte('\\')
		b.WriteByte(s[0])
		return 1, ""
	}
	if len(s) < 1+width {
		return 0, "truncated escape in a string"
	}
	code, err := strconv.ParseUint(s[1:1+width], 16, 32)
	if err != nil {
		return 0, "truncated escape in a string"
	}
	if code > utf8.MaxRune {
		return 0, "illegal Unicode character"
	}
	if code >= 0xd800 && code < 0xe000 {
		return 0, fmt.Sprintf(`the escape \u%04x in a string is half a character: write the whole`, code)
	}
	b.WriteRune(rune(code))
	return 1 + width, ""
}
