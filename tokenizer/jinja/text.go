package jinja

import (
	"fmt"
	"html"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode"
)

// str is Python's str of a value.
func (in *interp) str(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case markup:
		return string(v)
	case *undefined:
		return ""
	}
	return in.repr(v)
}

// repr is Python's repr of a value.
func (in *interp) repr(v any) string {
	in.step(1)
	defer in.nest()()
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case int:
		return strconv.Itoa(v)
	case *big.Int:
		s := v.String()
		if len(strings.TrimPrefix(s, "-")) > maxDigits {
			fail(valueError, "Exceeds the limit (%d digits) for integer string conversion", maxDigits)
		}
		return s
	case float64:
		return floatRepr(v)
	case string:
		in.made(len(v))
		return quote(v)
	case markup:
		in.made(len(v))
		return "Markup(" + quote(string(v)) + ")"
	case *undefined:
		return "Undefined"
	}
	return in.reprOf(v)
}

// reprOf is repr of what holds other values.
func (in *interp) reprOf(v any) string {
	switch v := v.(type) {
	case *List:
		return "[" + in.reprs(v.Items, nil) + "]"
	case *Tuple:
		if len(v.Items) == 1 {
			return "(" + in.repr(v.Items[0]) + ",)"
		}
		return "(" + in.reprs(v.Items, nil) + ")"
	case *Dict:
		return "{" + in.reprs(v.keys, v.values) + "}"
	case *view:
		return v.kind + "([" + in.reprs(v.items(), nil) + "])"
	case *rangeValue:
		if v.step != 1 {
			return fmt.Sprintf("range(%d, %d, %d)", v.start, v.stop, v.step)
		}
		return fmt.Sprintf("range(%d, %d)", v.start, v.stop)
	case *namespace:
		return "<Namespace " + in.repr(v.attrs) + ">"
	case *macro:
		if v.node.name == "" {
			return "<Macro anonymous>"
		}
		return "<Macro " + quote(v.node.name) + ">"
	case *loopValue:
		return fmt.Sprintf("<LoopContext %d/%d>", v.index0+1, v.length())
	}
	refuse("the text of a "+typeName(v), "Python would print the address of an object; use its items, or call it")
	return ""
}

// reprs writes items, or keys with values.
func (in *interp) reprs(items, values []any) string {
	var b strings.Builder
	for i, item := range items {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(in.repr(item))
		if values != nil {
			b.WriteString(": " + in.repr(values[i]))
		}
		if b.Len() > maxText {
			in.made(b.Len())
		}
	}
	in.made(b.Len())
	return b.String()
}

// quote is Python's repr of a str.
func quote(s string) string {
	mark := byte('\'')
	if strings.IndexByte(s, '\'') >= 0 && strings.IndexByte(s, '"') < 0 {
		mark = '"'
	}
	var b strings.Builder
	b.WriteByte(mark)
	for _, r := range s {
		switch {
		case r == rune(mark) || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteByte(mark)
	return b.String()
}

// floatRepr is Python's repr of a float: the shortest digits that give it back.
func floatRepr(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case f == 0 || math.Abs(f) >= 1e-4 && math.Abs(f) < 1e16:
		s := strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	return strconv.FormatFloat(f, 'e', -1, 64)
}

// parseInt is Python's int of a text in a base; ok is false where it raises ValueError.
func parseInt(s string, base int) (v any, ok bool) {
	s = strings.TrimFunc(s, isSpace)
	sign := ""
	if s != "" && (s[0] == '-' || s[0] == '+') {
		sign, s = s[:1], s[1:]
	}
	if len(s) > 1 && s[0] == '0' {
		if b := map[byte]int{'b': 2, 'o': 8, 'x': 16}[s[1]|0x20]; b != 0 && (base == b || base == 0) {
			base, s = b, strings.TrimPrefix(s[2:], "_")
		} else if base == 0 && strings.Trim(s, "0_") != "" {
			return nil, false
		}
	}
	if base == 0 {
		base = 10
	}
	if s == "" || s[0] == '_' || s[len(s)-1] == '_' || strings.Contains(s, "__") || s[0] == '-' || s[0] == '+' {
		return nil, false
	}
	s = strings.ReplaceAll(ascii(s), "_", "")
	if len(s) > maxDigits && base&(base-1) != 0 || len(s) > 4*maxDigits {
		return nil, false
	}
	i, ok := new(big.Int).SetString(sign+s, base)
	if !ok {
		return nil, false
	}
	return norm(i), true
}

// ascii writes decimal digits of other scripts as 0 to 9.
func ascii(s string) string {
	return strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII && unicode.IsDigit(r) {
			return '0' + digitOf(r)
		}
		return r
	}, s)
}

// digitOf returns the value of a decimal digit: they stand in rows of ten.
func digitOf(r rune) rune {
	for _, row := range unicode.Nd.R16 {
		if rune(row.Lo) <= r && r <= rune(row.Hi) {
			return (r - rune(row.Lo)) % 10
		}
	}
	for _, row := range unicode.Nd.R32 {
		if rune(row.Lo) <= r && r <= rune(row.Hi) {
			return (r - rune(row.Lo)) % 10
		}
	}
	return 0
}

// parseFloat is Python's float of a text.
func parseFloat(s string) (float64, bool) {
	s = ascii(strings.TrimFunc(s, isSpace))
	if strings.ContainsAny(s, "xXpP") {
		return 0, false
	}
	for i := range s { // an underscore stands between digits
		if s[i] == '_' && (i == 0 || i+1 == len(s) || !isDigit(s[i-1]) || !isDigit(s[i+1])) {
			return 0, false
		}
	}
	if strings.EqualFold(strings.TrimLeft(s, "+-"), "nan") && len(s) <= 4 {
		return math.NaN(), true
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	if err != nil && !math.IsInf(f, 0) {
		return 0, false
	}
	return f, true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// escapeHTML is markupsafe's escape of a text; what is marked as safe stays as it is.
func escapeHTML(v any) string {
	if s, ok := v.(markup); ok {
		return string(s)
	}
	return html.EscapeString(v.(string)) // of < > & ' " in the same words
}
