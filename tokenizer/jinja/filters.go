package jinja

import (
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// filterFunction is what a filter makes of a value and its arguments.
type filterFunction func(in *interp, x any, a *args) any

var filters map[string]filterFunction

func init() {
	filters = map[string]filterFunction{
		"abs": absolute, "attr": attrFilter, "batch": batch, "capitalize": textFilter("capitalize", capitalize), "center": centerFilter,
		"count": length, "d": defaultFilter, "default": defaultFilter, "dictsort": dictSort, "e": escapeFilter, "escape": escapeFilter,
		"filesizeformat": fileSize, "first": first, "float": floatFilter, "forceescape": forceEscape, "format": formatFilter, "groupby": groupBy,
		"indent": indent, "int": intFilter, "items": itemsFilter, "join": joinFilter, "last": last, "length": length, "list": list,
		"lower": textFilter("lower", lower), "map": mapFilter, "max": extreme("max", ">"), "min": extreme("min", "<"),
		"reject": choose("reject", false, false), "rejectattr": choose("rejectattr", true, false), "select": choose("select", false, true),
		"selectattr": choose("selectattr", true, true), "replace": replaceFilter, "reverse": reverse, "round": round, "safe": safe,
		"slice": sliceFilter, "sort": sortFilter, "string": soft, "sum": sum, "title": textFilter("title", titleFilter), "tojson": toJSON, "trim": trim,
		"truncate": truncate, "unique": unique, "upper": textFilter("upper", upper), "urlencode": urlEncode, "wordcount": wordCount, "xmlattr": xmlAttr,
	}
	for name, instead := range map[string]string{
		"pprint": "use tojson(indent=2)", "random": "what it prints is chance", "striptags": "take tags out with split or replace",
		"urlize": "write the link yourself", "wordwrap": "break lines with batch or slices",
	} {
		filters[name] = func(*interp, any, *args) any {
			refuse("the filter "+name, instead)
			return nil
		}
	}
}

// softText is markupsafe's soft_str: a text stays what it is, and anything else is written as one.
func (in *interp) softText(x any) any {
	if _, ok := isString(x); ok {
		return x
	}
	return in.str(x)
}

func soft(in *interp, x any, a *args) any {
	a.bind("string")
	return in.softText(x)
}

// textFilter is a filter that maps the text of any value.
func textFilter(name string, f func(string) string) filterFunction {
	return func(in *interp, x any, a *args) any {
		a.bind(name)
		s := in.softText(x)
		text, _ := isString(s)
		in.made(4 * len(text))
		in.step(len(text) / 4)
		if _, safe := s.(markup); safe {
			return markup(f(text))
		}
		return f(text)
	}
}

var wordBeginnings = regexp.MustCompile(`[-\s\x1c-\x1f\x85\p{Z}({\[<]+`)

// titleFilter is the filter title, whose words begin behind white space and - ( { [ <.
func titleFilter(s string) string {
	var b strings.Builder
	word := func(s string) {
		if s != "" {
			r, n := utf8.DecodeRuneInString(s)
			b.WriteString(upperRune(r) + lower(s[n:]))
		}
	}
	for s != "" {
		at := wordBeginnings.FindStringIndex(s)
		if at == nil {
			at = []int{len(s), len(s)}
		}
		word(s[:at[0]])
		word(s[at[0]:at[1]])
		s = s[at[1]:]
	}
	return b.String()
}

func length(_ *interp, x any, a *args) any {
	a.bind("length")
	n, ok := lengthOf(x)
	if !ok {
		fail(typeError, "object of type '%s' has no len()", typeName(x))
	}
	return n
}

func defaultFilter(in *interp, x any, a *args) any {
	v := a.bind("default", "default_value?", "boolean?")
	if isUndefined(x) || in.truth(or(v[1], false)) && !in.truth(x) {
		return or(v[0], "")
	}
	return x
}

func attrFilter(in *interp, x any, a *args) any {
	name := textArg("attr", a.bind("attr", "name")[0])
	if u, ok := x.(*undefined); ok {
		u.fail()
	}
	if v := in.attr(x, name); v != missing {
		return v
	}
	return &undefined{object: x, name: name}
}

func escapeFilter(in *interp, x any, a *args) any {
	a.bind("escape")
	s := markup(escapeHTML(in.softText(x)))
	in.made(len(s))
	return s
}

func forceEscape(in *interp, x any, a *args) any {
	a.bind("forceescape")
	s := markup(escapeHTML(in.str(x)))
	in.made(len(s))
	return s
}

func safe(in *interp, x any, a *args) any {
	a.bind("safe")
	return markup(in.str(x))
}

func trim(in *interp, x any, a *args) any {
	chars := or(a.bind("trim", "chars?")[0], nil)
	return in.call(textMethod(in.softText(x), "strip"), &args{pos: []any{chars}})
}

func centerFilter(in *interp, x any, a *args) any {
	width := or(a.bind("center", "width?")[0], 80)
	return in.call(textMethod(in.softText(x), "center"), &args{pos: []any{width}})
}

func replaceFilter(in *interp, x any, a *args) any {
	v := a.bind("replace", "old", "new", "count?")
	n := -1
	if c := or(v[2], nil); c != nil {
		n = intArg("replace", c)
	}
	return in.replaced(in.str(x), in.str(v[0]), in.str(v[1]), n)
}

func formatFilter(in *interp, x any, a *args) any {
	if len(a.pos) > 0 && a.named.Len() > 0 {
		fail(argumentError, "can't handle positional and keyword arguments at the same time")
	}
	var values any = &Tuple{Items: a.pos}
	if a.named.Len() > 0 {
		values = &a.named
	}
	return in.binary("%", in.softText(x), values)
}

func indent(in *interp, x any, a *args) any {
	v := a.bind("indent", "width?", "first?", "blank?")
	s, ok := isString(x)
	if u, isUndefined := x.(*undefined); isUndefined {
		u.fail()
	}
	if _, isList := x.(*List); isList {
		fail("AttributeError", "'list' object has no attribute 'splitlines'")
	}
	if !ok {
		fail(typeError, "indent: want a text, not %s", typeName(x))
	}
	if _, safe := x.(markup); safe {
		refuse("indent of text that is marked as safe", "apply it before the filter safe or escape")
	}
	space, ok := isString(or(v[0], 4))
	if !ok {
		repeated, ok := in.binary("*", " ", or(v[0], 4)).(string)
		if !ok {
			fail(typeError, "indent: want a width")
		}
		space = repeated
	}
	blank := in.truth(or(v[2], false))
	var b strings.Builder
	if in.truth(or(v[1], false)) {
		b.WriteString(space)
	}
	for i, line := range splitlines(s+"\n", false) {
		if i > 0 {
			b.WriteByte('\n')
			if line != "" || blank {
				in.made(len(space))
				b.WriteString(space)
			}
		}
		b.WriteString(line)
	}
	in.made(b.Len())
	return b.String()
}

func truncate(in *interp, x any, a *args) any {
	v := a.bind("truncate", "length?", "killwords?", "end?", "leeway?")
	end := textArg("truncate", or(v[2], "..."))
	n, leeway := intArg("truncate", or(v[0], 255)), 5
	if l := or(v[3], nil); l != nil {
		leeway = intArg("truncate", l)
	}
	room := n - utf8.RuneCountInString(end)
	switch {
	case room < 0:
		fail("AssertionError", "expected length >= %d, got %d", utf8.RuneCountInString(end), n)
	case leeway < 0:
		fail("AssertionError", "expected leeway >= 0, got %d", leeway)
	}
	length, ok := lengthOf(x)
	switch s, isText := isString(x); {
	case !ok:
		fail(typeError, "object of type '%s' has no len()", typeName(x))
	case length <= n+leeway:
		return x
	case !isText && (in.truth(or(v[1], false)) || !sliceable(x)):
		fail(typeError, "truncate: want a text, not %s", typeName(x))
	case !isText:
		fail("AttributeError", "'%s' object has no attribute 'rsplit'", typeName(x))
	default:
		return in.truncated(s, room, end, in.truth(or(v[1], false)))
	}
	return nil
}

// truncated cuts a text, at a space unless words may be cut, and puts end behind it.
func (in *interp) truncated(s string, room int, end string, killWords bool) string {
	s = substring(s, 0, room)
	if i := strings.LastIndexByte(s, ' '); i >= 0 && !killWords {
		s = s[:i]
	}
	in.made(len(s) + len(end))
	return s + end
}

func wordCount(in *interp, x any, a *args) any {
	a.bind("wordcount")
	s, _ := isString(in.softText(x))
	words, inside := 0, false
	for _, r := range s {
		is := r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r)
		if is && !inside {
			words++
		}
		inside = is
	}
	return words
}

func urlEncode(in *interp, x any, a *args) any {
	a.bind("urlencode")
	if _, ok := isString(x); ok || !iterable(x) {
		return quoteURL(in.str(x), "/")
	}
	pairs := x
	if d, ok := x.(*Dict); ok {
		pairs = &view{d, "dict_items"}
	}
	var parts []any
	for _, pair := range in.all(pairs) {
		kv := in.unpack(pair, 2)
		query := func(v any) string { return strings.ReplaceAll(quoteURL(in.str(v), ""), "%20", "+") }
		parts = append(parts, query(kv[0])+"="+query(kv[1]))
	}
	return in.joined("&", parts, true)
}

// quoteURL is urllib.parse.quote.
func quoteURL(s, keep string) string {
	s = strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
	if keep == "/" {
		s = strings.ReplaceAll(s, "%2F", "/")
	}
	return s
}

func xmlAttr(in *interp, x any, a *args) any {
	v := a.bind("xmlattr", "autospace?")
	d, ok := x.(*Dict)
	if u, isUndefined := x.(*undefined); isUndefined {
		u.fail()
	}
	if !ok {
		fail("AttributeError", "'%s' object has no attribute 'items'", typeName(x))
	}
	var b strings.Builder
	for i, k := range d.keys {
		if d.values[i] == nil || isUndefined(d.values[i]) {
			continue
		}
		key, isText := isString(k)
		if !isText {
			fail(typeError, "expected string or bytes-like object, got '%s'", typeName(k))
		}
		if strings.ContainsAny(key, " \t\n\r\f\v/>=") {
			fail(valueError, "Invalid character in attribute name: %s", quote(key))
		}
		if b.Len() > 0 || in.truth(or(v[0], true)) {
			b.WriteByte(' ')
		}
		b.WriteString(escapeHTML(k) + `="` + escapeHTML(in.softText(d.values[i])) + `"`)
		in.made(b.Len())
	}
	return b.String()
}
