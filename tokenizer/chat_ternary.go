package tokenizer

import (
	"strings"
)

// gonja reads Jinja's inline condition only as a whole output, {{ a if c else b }}. In
// parentheses, as in Gemma 3's template, it stands here as a call: (a if c else b)
// becomes (inline_if(a, c, b)). Both values are computed then, so that one that fails is
// an error where Jinja would not have looked at it.

// inlineIf is the function that stands in for the condition.
const inlineIf = "inline_if"

// rewriteInlineIfs replaces conditions in parentheses inside of tags.
func rewriteInlineIfs(template string) string {
	var b strings.Builder
	for {
		start := strings.IndexByte(template, '{')
		if start < 0 || start+1 == len(template) {
			b.WriteString(template)
			return b.String()
		}
		var end string
		switch template[start+1] {
		case '{':
			end = "}}"
		case '%':
			end = "%}"
		case '#': // a comment, in which quotes mean nothing
			n := strings.Index(template[start:], "#}")
			if n < 0 {
				n = len(template) - start
			}
			b.WriteString(template[:start+n])
			template = template[start+n:]
			continue
		default:
			b.WriteString(template[:start+1])
			template = template[start+1:]
			continue
		}
		b.WriteString(template[:start+2])
		template = template[start+2:]
		n := tagEnd(template, end)
		b.WriteString(rewriteExpression(template[:n]))
		template = template[n:]
	}
}

// tagEnd returns where a tag's end stands, outside of strings; the length of the text
// when it has none.
func tagEnd(s, end string) int {
	for i := 0; i < len(s); {
		if strings.HasPrefix(s[i:], end) {
			return i
		}
		i += stringLen(s[i:])
	}
	return len(s)
}

// stringLen returns the length of a quoted string that s begins with, and 1 where it begins with none.
func stringLen(s string) int {
	if s[0] != '"' && s[0] != '\'' {
		return 1
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case s[0]:
			return i + 1
		}
	}
	return len(s)
}

// rewriteExpression rewrites every group in parentheses of an expression, the inner
// ones first.
func rewriteExpression(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		n := stringLen(s[i:])
		if s[i] != '(' {
			b.WriteString(s[i : i+n])
			i += n
			continue
		}
		end := closing(s, i)
		if end < 0 {
			b.WriteString(s[i:]) // gonja says what is wrong with it
			break
		}
		b.WriteByte('(')
		b.WriteString(condition(rewriteExpression(s[i+1 : end])))
		b.WriteByte(')')
		i = end + 1
	}
	return b.String()
}

// closing returns where the parenthesis at open ends, −1 if it does not.
func closing(s string, open int) int {
	depth := 0
	for i := open; i < len(s); {
		switch s[i] {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth--; depth == 0 {
				return i
			}
		}
		i += stringLen(s[i:])
	}
	return -1
}

// condition rewrites "a if c else b" and leaves any other text as it is.
func condition(s string) string {
	at, otherwise := -1, -1
	depth := 0
	for i := 0; i < len(s); {
		switch {
		case strings.IndexByte("([{", s[i]) >= 0:
			depth++
		case strings.IndexByte(")]}", s[i]) >= 0:
			depth--
		case depth == 0 && s[i] == ',':
			return s // arguments, or a tuple
		case depth == 0 && at < 0 && word(s, i, "if"):
			at = i
		case depth == 0 && at >= 0 && otherwise < 0 && word(s, i, "else"):
			otherwise = i
		}
		i += stringLen(s[i:])
	}
	if at < 0 || otherwise < 0 {
		return s
	}
	value, test, rest := s[:at], s[at+len("if"):otherwise], s[otherwise+len("else"):]
	return inlineIf + "(" + strings.TrimSpace(value) + ", " + strings.TrimSpace(test) + ", " + condition(strings.TrimSpace(rest)) + ")"
}

// word reports whether a word stands at i, and is not part of a longer one.
func word(s string, i int, w string) bool {
	letter := func(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' }
	end := i + len(w)
	return strings.HasPrefix(s[i:], w) && (i == 0 || !letter(s[i-1])) && (end == len(s) || !letter(s[end]))
}
