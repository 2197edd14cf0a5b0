package jinja

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

func replace(in *interp, s string, a *args) any {
	v := a.bind("replace", "old", "new", "count?", "/")
	return in.replaced(s, textArg("replace", v[0]), textArg("replace", v[1]), intArg("replace", or(v[2], -1)))
}

// replaced is str.replace.
func (in *interp) replaced(s, old, with string, n int) string {
	found := strings.Count(s, old)
	if n >= 0 {
		found = min(n, found)
	}
	if grown := len(with) - len(old); grown > 0 && found > (maxText-len(s))/grown {
		in.made(maxText + 1)
	}
	in.made(len(s) + found*max(0, len(with)-len(old)))
	return strings.Replace(s, old, with, n)
}

func join(in *interp, s string, a *args) any {
	return in.joined(s, in.all(a.bind("join", "iterable", "/")[0]), true)
}

// joined is str.join; if strict, of texts alone.
func (in *interp) joined(sep string, items []any, strict bool) string {
	var b strings.Builder
	for i, item := range items {
		text, ok := isString(item)
		if !ok {
			if strict {
				fail(typeError, "sequence item %d: expected str instance, %s found", i, typeName(item))
			}
			text = in.str(item)
		}
		if i > 0 {
			b.WriteString(sep)
		}
		b.WriteString(text)
		in.step(1)
		if b.Len() > maxText {
			break
		}
	}
	in.made(b.Len())
	return b.String()
}

func zfill(in *interp, s string, a *args) any {
	n := intArg("zfill", a.bind("zfill", "width", "/")[0]) - utf8.RuneCountInString(s)
	if n <= 0 {
		return s
	}
	zeros := in.repeat("0", n).(string)
	if s != "" && (s[0] == '+' || s[0] == '-') {
		return s[:1] + zeros + s[1:]
	}
	return zeros + s
}

func expandTabs(in *interp, s string, a *args) any {
	size := intArg("expandtabs", or(a.bind("expandtabs", "tabsize?")[0], 8))
	var b strings.Builder
	column := 0
	for _, r := range s {
		switch {
		case r == '\t' && size > 0:
			n := size - column%size
			b.WriteString(in.repeat(" ", n).(string))
			column += n
		case r == '\t':
		case r == '\n' || r == '\r':
			b.WriteRune(r)
			column = 0
		default:
			b.WriteRune(r)
			column++
		}
	}
	in.made(b.Len())
	return b.String()
}

func justify(name string, align byte) textFunction {
	return func(in *interp, s string, a *args) any {
		v := a.bind(name, "width", "fillchar?", "/")
		fill := textArg(name, or(v[1], " "))
		if n, _ := lengthOf(fill); n != 1 {
			fail(typeError, "The fill character must be exactly one character long")
		}
		r, _ := utf8.DecodeRuneInString(fill)
		return in.justified(s, intArg(name, v[0]), r, align)
	}
}

// justified pads a text. Python's center puts the odd one left where the width is odd.
func (in *interp) justified(s string, width int, fill rune, align byte) string {
	n := width - utf8.RuneCountInString(s)
	if n <= 0 {
		return s
	}
	left := map[byte]int{'<': 0, '>': n, '^': n/2 + n&width&1}[align]
	pad := in.repeat(string(fill), n).(string)
	width = utf8.RuneLen(fill)
	return pad[:left*width] + s + pad[left*width:]
}

// formatter is str.format.
type formatter struct {
	in     *interp
	a      *args
	auto   int // the next field without a number
	manual bool
}

func format(in *interp, s string, a *args) any {
	f := &formatter{in: in, a: a}
	out := f.text(s, 2)
	in.made(len(out))
	return out
}

// text fills in the fields of a format; they may have others in their specification, to a depth.
func (f *formatter) text(s string, depth int) string {
	if depth < 0 {
		fail(valueError, "Max string recursion exceeded")
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case (c == '{' || c == '}') && i+1 < len(s) && s[i+1] == c:
			b.WriteByte(c)
			i++
		case c == '}':
			fail(valueError, "Single '}' encountered in format string")
		case c == '{':
			n := closingBrace(s[i+1:])
			f.field(&b, s[i+1:i+1+n], depth)
			i += n + 1
		default:
			b.WriteByte(c)
		}
		if b.Len() > maxText {
			f.in.made(b.Len())
		}
	}
	return b.String()
}

func closingBrace(s string) int {
	open := 1
	for i := range len(s) {
		switch s[i] {
		case '{':
			open++
		case '}':
			if open--; open == 0 {
				return i
			}
		}
	}
	if s == "" {
		fail(valueError, "Single '{' encountered in format string")
	}
	fail(valueError, "expected '}' before end of string")
	return 0
}

// field writes name!conversion:specification.
func (f *formatter) field(b *strings.Builder, s string, depth int) {
	f.in.step(1)
	end, inBrackets := len(s), false
	for i := range len(s) {
		if s[i] == '[' {
			inBrackets = true
		}
		if s[i] == ']' {
			inBrackets = false
		}
		if !inBrackets && (s[i] == '!' || s[i] == ':') {
			end = i
			break
		}
	}
	name, rest := s[:end], s[end:]
	if strings.ContainsAny(name, "{}") {
		fail(valueError, "unexpected '{' in field name")
	}
	conversion := byte(0)
	if strings.HasPrefix(rest, "!") {
		if len(rest) < 2 || len(rest) > 2 && rest[2] != ':' {
			fail(valueError, "expected ':' after conversion specifier")
		}
		conversion, rest = rest[1], rest[2:]
	}
	v := f.value(name)
	switch conversion {
	case 0:
	case 's':
		v = f.in.str(v)
	case 'r':
		v = f.in.repr(v)
	case 'a':
		v = asciiOnly(f.in.repr(v))
	default:
		fail(valueError, "Unknown conversion specifier %c", conversion)
	}
	spec := f.text(strings.TrimPrefix(rest, ":"), depth-1)
	b.WriteString(f.in.formatValue(v, spec))
}

// value looks up first.attribute[item].
func (f *formatter) value(name string) any {
	end := strings.IndexAny(name, ".[")
	if end < 0 {
		end = len(name)
	}
	v := f.first(name[:end])
	for rest := name[end:]; rest != ""; {
		if rest[0] == '.' {
			end := strings.IndexAny(rest[1:], ".[")
			if end < 0 {
				end = len(rest) - 1
			}
			if end == 0 {
				fail(valueError, "Empty attribute in format string")
			}
			v, rest = f.in.attribute(v, rest[1:1+end]), rest[1+end:]
			continue
		}
		end := strings.IndexByte(rest, ']')
		switch {
		case rest[0] != '[':
			fail(valueError, "Only '.' or '[' may follow ']' in format field specifier")
		case end < 0:
			fail(valueError, "Missing ']' in format string")
		case end == 1:
			fail(valueError, "Empty attribute in format string")
		}
		key := any(rest[1:end])
		if n, err := strconv.Atoi(rest[1:end]); err == nil && isDigit(rest[1]) {
			key = n
		}
		v, rest = f.in.item(v, key), rest[end+1:]
	}
	return v
}

// first is the argument that a field begins with.
func (f *formatter) first(name string) any {
	n, err := strconv.Atoi(name)
	switch {
	case name == "":
		if f.manual {
			fail(valueError, "cannot switch from manual field specification to automatic field numbering")
		}
		n = f.auto
		f.auto++
	case err == nil && isDigit(name[0]):
		if f.auto > 0 {
			fail(valueError, "cannot switch from manual field specification to automatic field numbering")
		}
		f.manual = true
	default:
		v, ok := f.a.named.Get(name)
		if !ok {
			fail(keyError, "%s", quote(name))
		}
		return v
	}
	if n >= len(f.a.pos) {
		fail(indexError, "Replacement index %d out of range for positional args tuple", n)
	}
	return f.a.pos[n]
}
