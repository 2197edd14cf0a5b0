package jinja

import (
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// textFunction is a method of str: what it makes of a text and its arguments.
type textFunction func(in *interp, s string, a *args) any

var textMethods map[string]textFunction

func init() {
	textMethods = map[string]textFunction{
		"lower": plain("lower", lower), "upper": plain("upper", upper), "title": plain("title", title), "capitalize": plain("capitalize", capitalize),
		"swapcase": plain("swapcase", swapcase), "casefold": plain("casefold", casefold),
		"islower": property("islower", func(s string) bool { return hasCase(s, isLowerRune, isUpperRune) }),
		"isupper": property("isupper", func(s string) bool { return hasCase(s, isUpperRune, isLowerRune) }),
		"istitle": property("istitle", isTitle),
		"isspace": property("isspace", func(s string) bool { return every(s, isSpace) }),
		"isalpha": property("isalpha", func(s string) bool { return every(s, unicode.IsLetter) }),
		"isdigit": property("isdigit", func(s string) bool { return every(s, isDigitRune) }),
		"isascii": property("isascii", func(s string) bool { return s == "" || every(s, func(r rune) bool { return r < utf8.RuneSelf }) }),
		"isalnum": property("isalnum", func(s string) bool {
			return every(s, func(r rune) bool { return unicode.IsLetter(r) || isNumericRune(r) })
		}),
		"isdecimal":    property("isdecimal", func(s string) bool { return every(s, unicode.IsDigit) }),
		"isnumeric":    property("isnumeric", func(s string) bool { return every(s, isNumericRune) }),
		"isidentifier": property("isidentifier", isIdentifier),
		"isprintable":  property("isprintable", func(s string) bool { return s == "" || every(s, unicode.IsPrint) }),
		"strip":        strip("strip", true, true), "lstrip": strip("lstrip", true, false), "rstrip": strip("rstrip", false, true),
		"split": split("split", false), "rsplit": split("rsplit", true), "splitlines": lines,
		"startswith": affix("startswith", strings.HasPrefix), "endswith": affix("endswith", strings.HasSuffix),
		"removeprefix": remove("removeprefix", strings.TrimPrefix), "removesuffix": remove("removesuffix", strings.TrimSuffix),
		"partition": partition("partition", strings.Index), "rpartition": partition("rpartition", strings.LastIndex),
		"find": find("find", strings.Index), "rfind": find("rfind", strings.LastIndex), "index": find("index", strings.Index), "rindex": find("rindex", strings.LastIndex),
		"count": count, "replace": replace, "join": join, "format": format, "zfill": zfill, "expandtabs": expandTabs,
		"center": justify("center", '^'), "ljust": justify("ljust", '<'), "rjust": justify("rjust", '>'),
	}
	for _, name := range []string{"encode", "format_map", "maketrans", "translate"} {
		textMethods[name] = func(*interp, string, *args) any {
			refuse("the method "+name+" of a text", "use replace, format or a filter")
			return nil
		}
	}
}

// textMethod returns a method of a text. Of text that is marked as safe it gives such text again.
func textMethod(x any, name string) any {
	f, ok := textMethods[name]
	if !ok {
		return missing
	}
	s, _ := isString(x)
	_, safe := x.(markup)
	return &function{name, func(in *interp, a *args) any {
		in.step(1 + len(s)/64)
		if !safe {
			return f(in, s, a)
		}
		if name == "format" || name == "replace" || name == "join" || name == "partition" || name == "rpartition" {
			refuse("the method "+name+" of text that is marked as safe", "apply it before the filter safe or escape")
		}
		return marked(f(in, s, a))
	}}
}

// marked marks the texts of a method's result as safe.
func marked(v any) any {
	switch v := v.(type) {
	case string:
		return markup(v)
	case *List:
		out := &List{}
		for _, item := range v.Items {
			out.Items = append(out.Items, marked(item))
		}
		return out
	}
	return v
}

func plain(name string, f func(string) string) textFunction {
	return func(in *interp, s string, a *args) any {
		a.bind(name)
		in.made(4 * len(s))
		in.step(len(s) / 4) // Unicode's tables are slow
		return f(s)
	}
}

func property(name string, f func(string) bool) textFunction {
	return func(_ *interp, s string, a *args) any {
		a.bind(name)
		return f(s)
	}
}

// textArg returns an argument that must be a text.
func textArg(function string, v any) string {
	s, ok := isString(v)
	if !ok {
		fail(typeError, "%s: must be str, not %s", function, typeName(v))
	}
	return s
}

// intArg returns an argument that must be a whole number.
func intArg(function string, v any) int {
	x, ok := number(v)
	if _, isFloat := x.(float64); !ok || isFloat {
		fail(typeError, "%s: '%s' object cannot be interpreted as an integer", function, typeName(v))
	}
	return clamp(x)
}

func strip(name string, left, right bool) textFunction {
	return func(in *interp, s string, a *args) any {
		drop := isSpace
		if v := or(a.bind(name, "chars?", "/")[0], nil); v != nil {
			set := textArg(name, v)
			drop = func(r rune) bool { in.step(1 + len(set)/64); return strings.ContainsRune(set, r) }
		}
		if left {
			s = strings.TrimLeftFunc(s, drop)
		}
		if right {
			s = strings.TrimRightFunc(s, drop)
		}
		return s
	}
}

func texts(in *interp, parts []string) *List {
	in.items(len(parts))
	out := make([]any, len(parts))
	for i, p := range parts {
		out[i] = p
	}
	return &List{out}
}

// split is split and, from the right, rsplit.
func split(name string, fromRight bool) textFunction {
	return func(in *interp, s string, a *args) any {
		v := a.bind(name, "sep?", "maxsplit?")
		n := intArg(name, or(v[1], -1))
		if n < 0 {
			n = math.MaxInt - 1
		}
		if or(v[0], nil) == nil {
			return texts(in, splitSpace(s, n, fromRight))
		}
		sep := textArg(name, v[0])
		if sep == "" {
			fail(valueError, "empty separator")
		}
		total := strings.Count(s, sep)
		if !fromRight || n >= total {
			return texts(in, strings.SplitN(s, sep, min(n, total)+1))
		}
		parts := make([]string, n+1)
		for ; n > 0; n-- {
			i := strings.LastIndex(s, sep)
			s, parts[n] = s[:i], s[i+len(sep):]
		}
		parts[0] = s
		return texts(in, parts)
	}
}

// splitSpace splits at white space, at most n times.
func splitSpace(s string, n int, fromRight bool) []string {
	var out []string
	if !fromRight {
		for s = strings.TrimLeftFunc(s, isSpace); s != ""; s = strings.TrimLeftFunc(s, isSpace) {
			i := strings.IndexFunc(s, isSpace)
			if n == 0 || i < 0 {
				return append(out, s)
			}
			out, s, n = append(out, s[:i]), s[i:], n-1
		}
		return out
	}
	for s = strings.TrimRightFunc(s, isSpace); s != ""; s = strings.TrimRightFunc(s, isSpace) {
		i := strings.LastIndexFunc(s, isSpace)
		if n == 0 || i < 0 {
			out = append(out, s)
			break
		}
		_, width := utf8.DecodeRuneInString(s[i:])
		out, s, n = append(out, s[i+width:]), s[:i+width], n-1
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out
}

func lines(in *interp, s string, a *args) any {
	return texts(in, splitlines(s, in.truth(or(a.bind("splitlines", "keepends?")[0], false))))
}

// within returns the part of s that start and end bound, by code points, and where it begins; ok is false where start
// stands behind the end of s, where not even an empty text is found.
func within(s string, start, end any) (part string, from int, ok bool) {
	n := utf8.RuneCountInString(s)
	from, to, _ := sliceBounds(n, or(start, nil), or(end, nil), nil)
	if x, isInt := or(start, 0).(int); isInt && x > n || from > to {
		return "", 0, false
	}
	return substring(s, from, to), from, true
}

func affix(name string, has func(s, affix string) bool) textFunction {
	return func(in *interp, s string, a *args) any {
		v := a.bind(name, "affix", "start?", "end?", "/")
		part, _, ok := within(s, v[1], v[2])
		list := []any{v[0]}
		if t, isTuple := v[0].(*Tuple); isTuple {
			list = t.Items
		}
		for _, x := range list {
			in.step(1)
			text, isText := isString(x)
			if !isText {
				fail(typeError, "%s first arg must be str or a tuple of str, not %s", name, typeName(x))
			}
			if ok && has(part, text) {
				return true
			}
		}
		return false
	}
}

func remove(name string, trim func(s, affix string) string) textFunction {
	return func(_ *interp, s string, a *args) any { return trim(s, textArg(name, a.bind(name, "affix", "/")[0])) }
}

func partition(name string, index func(s, sep string) int) textFunction {
	return func(_ *interp, s string, a *args) any {
		sep := textArg(name, a.bind(name, "sep", "/")[0])
		if sep == "" {
			fail(valueError, "empty separator")
		}
		i := index(s, sep)
		switch {
		case i >= 0:
			return &Tuple{Items: []any{s[:i], sep, s[i+len(sep):]}}
		case name == "partition":
			return &Tuple{Items: []any{s, "", ""}}
		}
		return &Tuple{Items: []any{"", "", s}}
	}
}

// find is find, rfind, index and rindex.
func find(name string, index func(s, sub string) int) textFunction {
	return func(_ *interp, s string, a *args) any {
		v := a.bind(name, "sub", "start?", "end?", "/")
		sub := textArg(name, v[0])
		part, from, ok := within(s, v[1], v[2])
		i := -1
		if ok {
			i = index(part, sub)
		}
		if i >= 0 {
			return from + utf8.RuneCountInString(part[:i])
		}
		if strings.HasSuffix(name, "index") {
			fail(valueError, "substring not found")
		}
		return -1
	}
}

func count(_ *interp, s string, a *args) any {
	v := a.bind("count", "sub", "start?", "end?", "/")
	sub := textArg("count", v[0])
	part, _, ok := within(s, v[1], v[2])
	if !ok {
		return 0
	}
	return strings.Count(part, sub)
}
