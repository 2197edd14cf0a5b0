package jinja

import (
	"strings"
	"unicode/utf8"
)

// iterable reports whether Python's iter takes a value.
func iterable(v any) bool {
	switch v.(type) {
	case string, markup, *List, *Tuple, *Dict, *rangeValue, *view, *generator, *undefined, *loopValue:
		return true
	}
	return false
}

// iterate returns a function that yields the items of a value, and false after the last.
func (in *interp) iterate(v any) func() (any, bool) {
	switch v := v.(type) {
	case string:
		return characters(v)
	case markup:
		return characters(string(v))
	case *List:
		return slicing(v.Items)
	case *Tuple:
		return slicing(v.Items)
	case *Dict:
		return slicing(v.keys)
	case *view:
		return slicing(v.items())
	case *rangeValue:
		i := 0
		return func() (any, bool) {
			if i == v.n {
				return nil, false
			}
			i++
			return v.start + (i-1)*v.step, true
		}
	case *generator:
		return v.next
	case *undefined:
		return slicing(nil)
	case *loopValue:
		return func() (any, bool) {
			if !v.advance() {
				return nil, false
			}
			return &Tuple{Items: []any{v.current, v}}, true
		}
	}
	fail(typeError, "'%s' object is not iterable", typeName(v))
	return nil
}

func slicing(items []any) func() (any, bool) {
	i := 0
	return func() (any, bool) {
		if i == len(items) {
			return nil, false
		}
		i++
		return items[i-1], true
	}
}

func characters(s string) func() (any, bool) {
	return func() (any, bool) {
		if s == "" {
			return nil, false
		}
		_, n := utf8.DecodeRuneInString(s)
		c := s[:n]
		s = s[n:]
		return c, true
	}
}

// drain returns all that next yields.
func (in *interp) drain(next func() (any, bool)) []any {
	var out []any
	for {
		v, ok := next()
		if !ok {
			return out
		}
		in.items(1)
		out = append(out, v)
	}
}

// all returns the items of a value.
func (in *interp) all(v any) []any { return in.drain(in.iterate(v)) }

// lazy is an iterator over what f makes of each item of a value; f returns false for one to leave out.
func (in *interp) lazy(kind string, v any, f func(any) (any, bool)) *generator {
	var next func() (any, bool)
	return &generator{func() (any, bool) {
		if next == nil {
			next = in.iterate(v)
		}
		for {
			item, ok := next()
			if !ok {
				return nil, false
			}
			in.step(1)
			if out, ok := f(item); ok {
				return out, true
			}
		}
	}, kind}
}

// items returns the items of a view.
func (v *view) items() []any {
	switch v.kind {
	case "dict_keys":
		return v.of.keys
	case "dict_values":
		return v.of.values
	}
	out := make([]any, len(v.of.keys))
	for i, k := range v.of.keys {
		out[i] = &Tuple{Items: []any{k, v.of.values[i]}}
	}
	return out
}

// lengthOf is Python's len; ok is false for what has none.
func lengthOf(v any) (n int, ok bool) {
	switch v := v.(type) {
	case string:
		return utf8.RuneCountInString(v), true
	case markup:
		return utf8.RuneCountInString(string(v)), true
	case *List:
		return len(v.Items), true
	case *Tuple:
		return len(v.Items), true
	case *Dict:
		return v.Len(), true
	case *view:
		return v.of.Len(), true
	case *rangeValue:
		return v.n, true
	case *undefined:
		return 0, true
	case *loopValue:
		return v.length(), true
	}
	return 0, false
}

// sequence returns the items of a list or tuple.
func sequence(v any) ([]any, bool) {
	switch v := v.(type) {
	case *List:
		return v.Items, true
	case *Tuple:
		return v.Items, true
	}
	return nil, false
}

// contains is x in v.
func (in *interp) contains(v, x any) bool {
	in.reads(x)
	switch c := v.(type) {
	case string, markup:
		return in.containsText(v, x)
	case *Dict:
		_, ok := c.Get(x)
		return ok
	case *view:
		if c.kind == "dict_keys" {
			_, ok := c.of.Get(x)
			return ok
		}
	case *namespace, *function, *macro, *cycler, *joiner, nil, bool, int, float64:
		fail(typeError, "argument of type '%s' is not iterable", typeName(v))
	}
	next := in.iterate(v)
	for {
		item, ok := next()
		if !ok {
			return false
		}
		if item == x || in.equal(item, x) {
			return true
		}
	}
}

// containsText is x in a text.
func (in *interp) containsText(v, x any) bool {
	s, _ := isString(v)
	sub, ok := isString(x)
	if !ok {
		fail(typeError, "'in <string>' requires string as left operand, not %s", typeName(x))
	}
	in.step(len(s) / 64)
	return strings.Contains(s, sub)
}
