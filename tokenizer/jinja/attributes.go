package jinja

import (
	"slices"
	"strings"
)

// attribute is x.name: an attribute of the object, else its item.
func (in *interp) attribute(x any, name string) any {
	if u, ok := x.(*undefined); ok && !slices.Contains(strings.Fields(ofUndefined), name) {
		u.fail()
	}
	if v := in.attr(x, name); v != missing {
		return v
	}
	if d, ok := x.(*Dict); ok {
		if v, ok := d.Get(name); ok {
			return v
		}
	}
	return &undefined{object: x, name: name}
}

// item is x[key]: an item of the object, else its attribute.
func (in *interp) item(x, key any) any {
	in.reads(key)
	switch v := x.(type) {
	case *undefined:
		v.fail()
	case *Dict:
		if hashable(key) {
			if value, ok := v.Get(key); ok {
				return value
			}
		}
	default:
		if i, ok := number(key); ok {
			if value := in.at(x, i); value != missing {
				return value
			}
		}
	}
	if name, ok := isString(key); ok {
		if v := in.attr(x, name); v != missing {
			return v
		}
	}
	return &undefined{object: x, name: key}
}

// at returns the item of a sequence at an index, missing if it has none there.
func (in *interp) at(x, index any) any {
	if _, ok := index.(float64); ok {
		return missing
	}
	n, ok := lengthOf(x)
	switch x.(type) {
	case *view, *loopValue:
		return missing
	}
	i := clamp(index)
	if i < 0 {
		i += n
	}
	if !ok || i < 0 || i >= n {
		return missing
	}
	switch v := x.(type) {
	case string:
		in.step(len(v) / 64)
		return substring(v, i, i+1)
	case markup:
		in.step(len(v) / 64)
		return markup(substring(string(v), i, i+1))
	case *rangeValue:
		return v.start + i*v.step
	}
	items, _ := sequence(x)
	return items[i]
}

// substring is s[from:to] by code points.
func substring(s string, from, to int) string {
	start, n := len(s), 0
	for i := range s {
		if n == from {
			start = i
		}
		if n == to {
			return s[min(start, i):i]
		}
		n++
	}
	return s[start:]
}

// sliceable reports whether a value has slices.
func sliceable(x any) bool {
	switch x.(type) {
	case string, markup, *List, *Tuple, *rangeValue:
		return true
	}
	return false
}

// slice is x[start:stop:step].
func (in *interp) slice(x, start, stop, step any) any {
	if u, ok := x.(*undefined); ok {
		u.fail()
	}
	if _, ok := x.(*Dict); ok {
		fail(typeError, "unhashable type: 'slice'")
	}
	if !sliceable(x) {
		fail(typeError, "'%s' object is not subscriptable", typeName(x))
	}
	n, _ := lengthOf(x)
	from, to, by := sliceBounds(n, start, stop, step)
	if r, ok := x.(*rangeValue); ok {
		return newRange(r.start+from*r.step, r.start+to*r.step, r.step*by)
	}
	count := rangeLen(from, to, by)
	switch v := x.(type) {
	case string:
		return in.sliceText(v, from, by, count)
	case markup:
		return markup(in.sliceText(string(v), from, by, count))
	}
	items, _ := sequence(x)
	in.items(count)
	out := make([]any, count)
	for i := range out {
		out[i] = items[from+i*by]
	}
	if _, ok := x.(*Tuple); ok {
		return &Tuple{Items: out}
	}
	return &List{out}
}

func (in *interp) sliceText(s string, from, by, count int) string {
	in.made(len(s))
	if by == 1 {
		return substring(s, from, from+count)
	}
	runes := []rune(s)
	out := make([]rune, count)
	for i := range out {
		out[i] = runes[from+i*by]
	}
	return string(out)
}

// sliceBounds are Python's slice.indices.
func sliceBounds(n int, start, stop, step any) (from, to, by int) {
	whole := func(v any, otherwise int) int {
		if v == nil {
			return otherwise
		}
		x, ok := number(v)
		if _, isFloat := x.(float64); !ok || isFloat {
			fail(typeError, "slice indices must be integers or None or have an __index__ method")
		}
		return clamp(x)
	}
	by = whole(step, 1)
	if by == 0 {
		fail(valueError, "slice step cannot be zero")
	}
	low, high := 0, n
	if by < 0 {
		low, high = -1, n-1
	}
	bound := func(v any, otherwise int) int {
		if v == nil {
			return otherwise
		}
		i := whole(v, 0)
		if i < 0 {
			i = max(i+n, low)
		}
		return max(low, min(i, high))
	}
	if by > 0 {
		return bound(start, low), bound(stop, high), min(by, n+1)
	}
	return bound(start, high), bound(stop, low), max(by, -n-1)
}

func rangeLen(start, stop, step int) int {
	switch {
	case step > 0 && start < stop:
		return (stop-start-1)/step + 1
	case step < 0 && start > stop:
		return (start-stop-1)/-step + 1
	}
	return 0
}

func newRange(start, stop, step int) *rangeValue {
	return &rangeValue{start, stop, step, rangeLen(start, stop, step)}
}

// The attributes that would change a list or dict: jinja2's sandbox has them, and fails when they are used.
var mutations = map[string][]string{
	"list": {"append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"},
	"dict": {"clear", "pop", "popitem", "setdefault", "update"},
}

// attr returns an attribute of a value, missing if it has none of this name.
func (in *interp) attr(x any, name string) any {
	if ns, ok := x.(*namespace); ok {
		if v, ok := ns.attrs.Get(name); ok {
			return v
		}
		if !isDunder(name) {
			return missing
		}
	}
	if isDunder(name) || slices.Contains(mutations[typeName(x)], name) {
		return &undefined{hint: "access to attribute " + quote(name) + " of '" + typeName(x) + "' object is unsafe.", name: name, kind: securityError}
	}
	switch v := x.(type) {
	case string, markup:
		return textMethod(v, name)
	case *List, *Tuple, *rangeValue:
		return sequenceMethod(v, name)
	case *Dict:
		return dictMethod(v, name)
	case *loopValue:
		return v.attr(name)
	case *macro:
		return v.attr(name)
	case *cycler:
		return v.attr(name)
	case *joiner:
		if name == "sep" {
			return v.sep
		}
		if name == "used" {
			return v.used
		}
		return missing
	}
	return in.unlikely(x, name)
}

// ofUndefined are the attributes that an Undefined of Python has; any other fails.
const ofUndefined = "__add__ __aiter__ __bool__ __call__ __class__ __complex__ __delattr__ __dir__ __div__ __doc__ __eq__ __float__ __floordiv__ " +
	"__format__ __ge__ __getattr__ __getattribute__ __getitem__ __getstate__ __gt__ __hash__ __init__ __init_subclass__ __int__ __iter__ __le__ __len__ " +
	"__lt__ __mod__ __module__ __mul__ __ne__ __neg__ __new__ __pos__ __pow__ __radd__ __rdiv__ __reduce__ __reduce_ex__ __repr__ __rfloordiv__ __rmod__ " +
	"__rmul__ __rpow__ __rsub__ __rtruediv__ __setattr__ __sizeof__ __slots__ __str__ __sub__ __subclasshook__ __truediv__"

// isDunder reports whether every object of Python has an attribute of this name, as a rule.
func isDunder(name string) bool {
	return len(name) > 4 && strings.HasPrefix(name, "__") && strings.HasSuffix(name, "__")
}

// unlikely refuses the attributes of Python's numbers, views and generators, which no template is known to use.
func (in *interp) unlikely(x any, name string) any {
	known := map[string]string{
		"int":   "as_integer_ratio bit_count bit_length conjugate denominator from_bytes imag numerator real to_bytes",
		"float": "as_integer_ratio conjugate fromhex hex imag is_integer real",
		"bool":  "as_integer_ratio bit_count bit_length conjugate denominator from_bytes imag numerator real to_bytes",
		"view":  "isdisjoint mapping", "generator": "close send throw gi_frame gi_code gi_running gi_yieldfrom gi_suspended",
	}
	kind := typeName(x)
	if _, ok := x.(*view); ok {
		kind = "view"
	}
	if slices.Contains(strings.Fields(known[kind]), name) {
		refuse("the attribute "+quote(name)+" of "+typeName(x), "compute it with operators and filters")
	}
	return missing
}

func (m *macro) attr(name string) any {
	switch name {
	case "name":
		if m.node.name == "" {
			return nil
		}
		return m.node.name
	case "arguments":
		t := &Tuple{}
		for _, p := range m.node.params {
			t.Items = append(t.Items, p)
		}
		return t
	case "catch_kwargs":
		return m.node.kwargs
	case "catch_varargs":
		return m.node.varargs
	case "caller":
		return m.node.caller
	case "explicit_caller":
		return slices.Contains(m.node.params, "caller")
	}
	return missing
}

func (c *cycler) attr(name string) any {
	switch name {
	case "items":
		return &Tuple{Items: c.items}
	case "pos":
		return c.pos
	case "current":
		return c.items[c.pos]
	case "next":
		return &function{name, func(_ *interp, a *args) any {
			a.bind(name)
			v := c.items[c.pos]
			c.pos = (c.pos + 1) % len(c.items)
			return v
		}}
	case "reset":
		return &function{name, func(_ *interp, a *args) any {
			a.bind(name)
			c.pos = 0
			return nil
		}}
	}
	return missing
}

// set gives a namespace an attribute.
func (ns *namespace) set(name string, value any) {
	if strings.HasPrefix(name, "_") {
		fail(securityError, "Chat templates cannot store underscore-prefixed attributes on a namespace, but got %s. Please rename the attribute.", quote(name))
	}
	ns.attrs.Set(name, value)
}
