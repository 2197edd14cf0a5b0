package jinja

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// formatSpec is how a value is written: [[fill]align][sign][#][0][width][,][.precision][type].
type formatSpec struct {
	fill      rune
	align     byte // < > ^ =, 0 if not said
	sign      byte // + or space, else only a minus
	alternate bool
	zero      bool
	width     int
	group     byte // , or _
	precision int  // −1 if not said
	kind      byte
}

// parseSpec reads a format specification.
func parseSpec(text string) formatSpec {
	s := formatSpec{fill: ' ', precision: -1}
	rest := text
	if r, n := utf8.DecodeRuneInString(rest); n > 0 && len(rest) > n && strings.IndexByte("<>^=", rest[n]) >= 0 {
		s.fill, s.align, rest = r, rest[n], rest[n+1:]
	} else if rest != "" && strings.IndexByte("<>^=", rest[0]) >= 0 {
		s.align, rest = rest[0], rest[1:]
	}
	next := func(set string) byte {
		if rest == "" || strings.IndexByte(set, rest[0]) < 0 {
			return 0
		}
		c := rest[0]
		rest = rest[1:]
		return c
	}
	number := func() int {
		n := 0
		for rest != "" && isDigit(rest[0]) {
			if n = n*10 + int(rest[0]-'0'); n > maxText {
				fail(valueError, "Too many decimal digits in format string")
			}
			rest = rest[1:]
		}
		return n
	}
	s.sign = next("+- ")
	s.alternate = next("#") != 0
	if next("0") != 0 {
		if s.zero = s.align == 0; s.align == 0 || s.fill == ' ' && text[0] != ' ' {
			s.fill = '0'
		}
	}
	s.width = number()
	s.group = next(",_")
	if next(".") != 0 {
		if rest == "" || !isDigit(rest[0]) {
			fail(valueError, "Format specifier missing precision")
		}
		s.precision = number()
	}
	s.kind = next("bcdeEfFgGnosxX%")
	if rest != "" {
		fail(valueError, "Invalid format specifier '%s'", text)
	}
	if s.sign == '-' {
		s.sign = 0
	}
	return s
}

// pad fills a text to the width; a sign or prefix stands before zeros.
func (s *formatSpec) pad(in *interp, text, prefix string) string {
	n := s.width - utf8.RuneCountInString(text) - utf8.RuneCountInString(prefix)
	if n <= 0 {
		return prefix + text
	}
	in.made(n * utf8.RuneLen(s.fill))
	fill := func(n int) string { return strings.Repeat(string(s.fill), n) }
	switch {
	case s.zero:
		return prefix + strings.Repeat("0", n) + text
	case s.align == '=':
		return prefix + fill(n) + text
	case s.align == '<':
		return prefix + text + fill(n)
	case s.align == '^':
		return fill(n/2) + prefix + text + fill(n-n/2)
	}
	return fill(n) + prefix + text
}

// cut is the text up to the precision.
func (s *formatSpec) cut(text string) string {
	if s.precision < 0 {
		return text
	}
	return substring(text, 0, s.precision)
}

func (s *formatSpec) signOf(negative bool) string {
	switch {
	case negative:
		return "-"
	case s.sign != 0:
		return string(s.sign)
	}
	return ""
}

// digits writes a whole number without its sign, and the prefix of its base where # asks for it.
func (s *formatSpec) digits(x *big.Int, c byte) (digits, prefix string) {
	base := map[byte]int{'b': 2, 'o': 8, 'x': 16, 'X': 16}[c]
	if base == 0 {
		base = 10
	}
	digits = new(big.Int).Abs(x).Text(base)
	if base == 10 && len(digits) > maxDigits {
		fail(valueError, "Exceeds the limit (%d digits) for integer string conversion", maxDigits)
	}
	if c == 'X' {
		digits = strings.ToUpper(digits)
	}
	if s.alternate && base != 10 {
		prefix = "0" + string(c)
	}
	return digits, prefix
}

// float writes a float by e, f or g, of upper case too.
func (s *formatSpec) float(in *interp, f float64, c byte) string {
	lower := c | 0x20
	if s.precision > 2000 {
		refuse("a precision of more than 2000 digits", "give fewer")
	}
	text := ""
	switch {
	case math.IsInf(f, 0) || math.IsNaN(f):
		text = strings.TrimPrefix(floatRepr(f), "-")
	case lower == 'g':
		text = general(math.Abs(f), max(s.precision, 1), s.alternate)
	default:
		text = strconv.FormatFloat(math.Abs(f), lower, s.precision, 64)
		if s.alternate && s.precision == 0 {
			head, tail, ok := strings.Cut(text, "e")
			if text = head + "."; ok {
				text += "e" + tail
			}
		}
	}
	if c != lower {
		text = strings.ToUpper(text)
	}
	return s.pad(in, text, s.signOf(math.Signbit(f) && !math.IsNaN(f)))
}

// general is the format g: precision significant digits, without zeros at the end.
func general(f float64, precision int, alternate bool) string {
	e := strconv.FormatFloat(f, 'e', precision-1, 64)
	mantissa, exponent, _ := strings.Cut(e, "e")
	x, _ := strconv.Atoi(exponent)
	if x >= -4 && x < precision {
		text := strconv.FormatFloat(f, 'f', precision-1-x, 64)
		if alternate {
			if !strings.Contains(text, ".") {
				text += "."
			}
			return text
		}
		if strings.Contains(text, ".") {
			text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
		}
		return text
	}
	if alternate {
		if !strings.Contains(mantissa, ".") {
			mantissa += "."
		}
	} else if strings.Contains(mantissa, ".") {
		mantissa = strings.TrimRight(strings.TrimRight(mantissa, "0"), ".")
	}
	return mantissa + "e" + exponent
}

// formatValue is Python's format(v, spec).
func (in *interp) formatValue(v any, text string) string {
	if text == "" {
		return in.str(v)
	}
	if s, ok := isString(v); ok {
		return parseSpec(text).formatText(in, s)
	}
	x, ok := number(v)
	if !ok {
		fail(typeError, "unsupported format string passed to %s.__format__", typeName(v))
	}
	spec := parseSpec(text)
	if spec.align == 0 && !spec.zero {
		spec.align = '>'
	}
	if f, ok := x.(float64); ok {
		return spec.formatFloat(in, f)
	}
	return spec.formatInt(in, x)
}

func (s formatSpec) formatText(in *interp, text string) string {
	switch {
	case s.kind != 0 && s.kind != 's':
		fail(valueError, "Unknown format code '%c' for object of type 'str'", s.kind)
	case s.sign != 0:
		fail(valueError, "Sign not allowed in string format specifier")
	case s.alternate:
		fail(valueError, "Alternate form (#) not allowed in string format specifier")
	case s.align == '=':
		fail(valueError, "'=' alignment not allowed in string format specifier")
	case s.group != 0:
		fail(valueError, "Cannot specify '%c' with 's'.", s.group)
	}
	if s.zero {
		s.zero, s.fill = false, '0'
	}
	if s.align == 0 {
		s.align = '<'
	}
	return s.pad(in, s.cut(text), "")
}

func (s formatSpec) formatInt(in *interp, x any) string {
	if s.kind != 0 && strings.IndexByte("eEfFgG%", s.kind) >= 0 {
		return s.formatFloat(in, toFloat(x))
	}
	switch {
	case s.precision >= 0:
		fail(valueError, "Precision not allowed in integer format specifier")
	case s.kind == 's':
		fail(valueError, "Unknown format code 's' for object of type 'int'")
	case s.kind == 'c':
		n, ok := x.(int)
		if !ok {
			fail(overflowError, "Python int too large to convert to C long")
		}
		if s.sign != 0 || s.alternate || s.group != 0 {
			fail(valueError, "Sign not allowed with integer format specifier 'c'")
		}
		return s.pad(in, character(n), "")
	}
	i := whole(x)
	digits, prefix := s.digits(i, s.kind)
	size := 3
	if s.kind != 0 && strings.IndexByte("boxX", s.kind) >= 0 {
		if size = 4; s.group == ',' {
			fail(valueError, "Cannot specify ',' with '%c'.", s.kind)
		}
	}
	return s.grouped(in, digits, "", s.signOf(i.Sign() < 0)+prefix, size)
}

func (s formatSpec) formatFloat(in *interp, f float64) string {
	kind, suffix := s.kind, ""
	if kind == 0 && s.precision < 0 {
		text := strings.TrimPrefix(floatRepr(f), "-")
		return s.number(in, f, text, "")
	}
	if s.precision < 0 {
		s.precision = 6
	}
	switch kind {
	case 0:
		return s.number(in, f, generalFloat(math.Abs(f), max(s.precision, 1)), "")
	case '%':
		kind, suffix, f = 'f', "%", f*100
	case 'n':
		kind = 'g'
	case 'b', 'c', 'd', 'o', 's', 'x', 'X':
		fail(valueError, "Unknown format code '%c' for object of type 'float'", kind)
	}
	plain := formatSpec{fill: ' ', precision: s.precision, alternate: s.alternate}
	return s.number(in, f, plain.float(in, math.Abs(f), kind), suffix)
}

// generalFloat is g that keeps a digit behind the point, as a float without a type has.
func generalFloat(f float64, precision int) string {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return floatRepr(f)
	}
	_, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', precision-1, 64), "e")
	x, _ := strconv.Atoi(exponent)
	text := general(f, precision, false)
	if x == precision-1 && !strings.Contains(text, "e") && !strings.Contains(text, ".") {
		mantissa := strings.TrimRight(strings.Replace(strconv.FormatFloat(f, 'e', precision-1, 64)[:precision+min(1, precision-1)], ".", "", 1), "0")
		return mantissa[:1] + strings.TrimSuffix("."+mantissa[1:], ".") + "e" + exponent
	}
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return text
}

func (s formatSpec) number(in *interp, f float64, text, suffix string) string {
	n := 0
	for n < len(text) && isDigit(text[n]) {
		n++
	}
	return s.grouped(in, text[:n], text[n:]+suffix, s.signOf(math.Signbit(f) && !math.IsNaN(f)), 3)
}

// grouped writes digits with separators, zeros that fill the width among them.
func (s formatSpec) grouped(in *interp, digits, rest, prefix string, size int) string {
	if s.group == 0 {
		return s.pad(in, digits+rest, prefix)
	}
	separate := func(d string) string {
		var b strings.Builder
		for i := range d {
			if i > 0 && (len(d)-i)%size == 0 {
				b.WriteByte(s.group)
			}
			b.WriteByte(d[i])
		}
		return b.String()
	}
	in.made(2 * max(s.width, len(digits)))
	if s.zero || s.align == '=' && s.fill == '0' {
		for len(separate(digits))+len(rest)+len(prefix) < s.width {
			if grown := "0" + digits; len(separate(grown))+len(rest)+len(prefix) > s.width && (len(grown)-1)%size == 0 {
				digits = grown // Python lets the width grow by one, so that no separator stands first
				break
			} else {
				digits = grown
			}
			in.step(1 + len(digits)/64)
		}
		return prefix + separate(digits) + rest
	}
	return s.pad(in, separate(digits)+rest, prefix)
}

// character is Python's chr.
func character(n int) string {
	if n < 0 || n > utf8.MaxRune {
		fail(overflowError, "%%c arg not in range(0x110000)")
	}
	if n >= 0xd800 && n < 0xe000 {
		refuse("half a character of UTF-16", "give a whole one")
	}
	return string(rune(n))
}

// asciiOnly writes what is not ASCII as escapes.
func asciiOnly(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r < utf8.RuneSelf:
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	return b.String()
}
