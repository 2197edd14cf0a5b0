package jinja

import (
	"strconv"
	"strings"
)

// getter returns a function that follows an attribute such as "a.b.0" with the items of a value; nil follows nothing.
// Texts are in lower case then, if asked for.
func (in *interp) getter(attribute any, fold bool, otherwise any) func(any) any {
	parts := attributeParts(attribute)
	return func(item any) any {
		for _, part := range parts {
			in.step(1)
			item = in.item(item, part)
			if otherwise != nil && isUndefined(item) {
				item = otherwise
			}
		}
		if s, ok := isString(item); ok && fold {
			return lower(s)
		}
		return item
	}
}

func attributeParts(attribute any) []any {
	s, ok := isString(attribute)
	switch {
	case attribute == nil:
		return nil
	case !ok:
		return []any{attribute}
	}
	var parts []any
	for part := range strings.SplitSeq(s, ".") {
		if n, err := strconv.Atoi(part); err == nil && isDigit(part[0]) {
			parts = append(parts, n)
		} else {
			parts = append(parts, part)
		}
	}
	return parts
}

func list(in *interp, x any, a *args) any {
	a.bind("list")
	return &List{append([]any(nil), in.all(x)...)}
}

func first(in *interp, x any, a *args) any {
	a.bind("first")
	if v, ok := in.iterate(x)(); ok {
		return v
	}
	return &undefined{hint: "No first item, sequence was empty."}
}

// reversed is Python's reversed; ok is false for what it does not take.
func (in *interp) reversed(x any) (v *generator, ok bool) {
	var items []any
	switch t := x.(type) {
	case string, markup, *List, *Tuple, *Dict, *rangeValue, *undefined, *view:
		items = in.all(t)
	default:
		return nil, false
	}
	in.items(len(items))
	i := len(items)
	kind := map[string]string{"list": "list_reverseiterator", "range": "range_iterator"}[typeName(x)]
	if kind == "" {
		kind = "reversed"
	}
	return &generator{func() (any, bool) {
		if i == 0 {
			return nil, false
		}
		i--
		return items[i], true
	}, kind}, true
}

func last(in *interp, x any, a *args) any {
	a.bind("last")
	r, ok := in.reversed(x)
	if !ok {
		fail(typeError, "'%s' object is not reversible", typeName(x))
	}
	if v, ok := r.next(); ok {
		return v
	}
	return &undefined{hint: "No last item, sequence was empty."}
}

func reverse(in *interp, x any, a *args) any {
	a.bind("reverse")
	if _, ok := isString(x); ok {
		return in.slice(x, nil, nil, -1)
	}
	if r, ok := in.reversed(x); ok {
		return r
	}
	defer func() { // as jinja2 takes a TypeError of what is read here
		if r := recover(); r != nil {
			if e, ok := r.(*Error); ok && e.Kind == typeError {
				fail(argumentError, "argument must be iterable")
			}
			panic(r)
		}
	}()
	r, _ := in.reversed(&List{in.all(x)})
	return &List{in.all(r)}
}

func itemsFilter(_ *interp, x any, a *args) any {
	a.bind("items")
	started := false
	var next func() (any, bool)
	return &generator{func() (any, bool) {
		if !started { // as late as Python's generator
			d, ok := x.(*Dict)
			if !ok && !isUndefined(x) {
				fail(typeError, "Can only get item pairs from a mapping.")
			}
			started, next = true, slicing(nil)
			if ok {
				next = slicing((&view{d, "dict_items"}).items())
			}
		}
		return next()
	}, "generator"}
}

func joinFilter(in *interp, x any, a *args) any {
	v := a.bind("join", "d?", "attribute?")
	items := in.all(x)
	if at := or(v[1], nil); at != nil {
		get := in.getter(at, false, nil)
		mapped := make([]any, len(items))
		for i, item := range items {
			mapped[i] = get(item)
		}
		items = mapped
	}
	return in.joined(in.str(or(v[0], "")), items, false)
}

// batch gives lists of so many items, the last filled up.
func batch(in *interp, x any, a *args) any {
	v := a.bind("batch", "linecount", "fill_with?")
	var next func() (any, bool)
	done := false
	return &generator{func() (any, bool) {
		if next == nil {
			next = in.iterate(x)
		}
		n := v[0]
		var row []any
		for !done && !in.equal(len(row), n) {
			item, ok := next()
			if !ok {
				done = true
				break
			}
			in.step(1)
			row = append(row, item)
		}
		if len(row) == 0 {
			if !done { // rows of no items would not end
				refuse("batch(0)", "give a number of items")
			}
			return nil, false
		}
		if fill := or(v[1], nil); fill != nil && in.ordered("<", len(row), n) {
			rest := in.repeat(&List{[]any{fill}}, clamp(n)-len(row)).(*List)
			row = append(row, rest.Items...)
		}
		in.items(len(row))
		return &List{row}, true
	}, "generator"}
}

// sliceFilter cuts items into so many lists.
func sliceFilter(in *interp, x any, a *args) any {
	v := a.bind("slice", "slices", "fill_with?")
	var items []any
	i, n, offset := -1, 0, 0
	return &generator{func() (any, bool) {
		if i < 0 {
			items, n, i = in.all(x), intArg("slice", v[0]), 0
			if n == 0 {
				fail(zeroDivision, "integer division or modulo by zero")
			}
		}
		if i >= n {
			return nil, false
		}
		each, extra := len(items)/n, len(items)%n
		start := offset + i*each
		if i < extra {
			offset++
		}
		part := append([]any(nil), items[start:offset+(i+1)*each]...)
		if fill := or(v[1], nil); fill != nil && i >= extra {
			part = append(part, fill)
		}
		i++
		in.items(len(part))
		return &List{part}, true
	}, "generator"}
}

func sortFilter(in *interp, x any, a *args) any {
	v := a.bind("sort", "reverse?", "case_sensitive?", "attribute?")
	fold := !in.truth(or(v[1], false))
	var getters []func(any) any
	if s, ok := isString(or(v[2], nil)); ok {
		for at := range strings.SplitSeq(s, ",") {
			getters = append(getters, in.getter(at, fold, nil))
		}
	} else {
		getters = append(getters, in.getter(or(v[2], nil), fold, nil))
	}
	key := func(item any) any {
		out := &List{make([]any, len(getters))}
		for i, get := range getters {
			out.Items[i] = get(item)
		}
		return out
	}
	return &List{in.sorted(in.all(x), key, in.truth(or(v[0], false)))}
}

func dictSort(in *interp, x any, a *args) any {
	v := a.bind("dictsort", "case_sensitive?", "by?", "reverse?")
	at := map[any]int{"key": 0, "value": 1}
	pos, ok := at[or(v[1], "key")]
	if !ok {
		fail(argumentError, `You can only sort by either "key" or "value"`)
	}
	d, ok := x.(*Dict)
	if u, isU := x.(*undefined); isU {
		u.fail()
	}
	if !ok {
		fail("AttributeError", "'%s' object has no attribute 'items'", typeName(x))
	}
	fold := !in.truth(or(v[0], false))
	return &List{in.sorted((&view{d, "dict_items"}).items(), in.getter(pos, fold, nil), in.truth(or(v[2], false)))}
}

func unique(in *interp, x any, a *args) any {
	v := a.bind("unique", "case_sensitive?", "attribute?")
	get := in.getter(or(v[1], nil), !in.truth(or(v[0], false)), nil)
	seen := &Dict{}
	return in.lazy("generator", x, func(item any) (any, bool) {
		key := get(item)
		in.reads(key)
		if _, ok := seen.Get(key); ok {
			return nil, false
		}
		seen.Set(key, nil)
		return item, true
	})
}

// extreme is min and max.
func extreme(name, op string) filterFunction {
	return func(in *interp, x any, a *args) any {
		v := a.bind(name, "case_sensitive?", "attribute?")
		items := in.all(x)
		if len(items) == 0 {
			return &undefined{hint: "No aggregated item, sequence was empty."}
		}
		key := in.getter(or(v[1], nil), !in.truth(or(v[0], false)), nil)
		best, bestKey := items[0], key(items[0])
		for _, item := range items[1:] {
			if k := key(item); in.ordered(op, k, bestKey) {
				best, bestKey = item, k
			}
		}
		return best
	}
}

func sum(in *interp, x any, a *args) any {
	v := a.bind("sum", "attribute?", "start?")
	get := in.getter(or(v[0], nil), false, nil)
	total := or(v[1], 0)
	if _, ok := isString(total); ok {
		fail(typeError, "sum() can't sum strings [use ''.join(seq) instead]")
	}
	for _, item := range in.all(x) {
		total = in.binary("+", total, get(item))
	}
	return total
}

// groupBy gives (value, items) for each value of an attribute, in the order of the values.
func groupBy(in *interp, x any, a *args) any {
	v := a.bind("groupby", "attribute", "default?", "case_sensitive?")
	otherwise := or(v[1], nil)
	fold := !in.truth(or(v[2], false))
	get := in.getter(v[0], fold, otherwise)
	real := in.getter(v[0], false, otherwise)
	out := &List{}
	var current any
	for _, item := range in.sorted(in.all(x), get, false) {
		key := get(item)
		if n := len(out.Items); n == 0 || key != current && !in.equal(key, current) {
			out.Items = append(out.Items, &Tuple{Items: []any{real(item), &List{}}, group: true})
		}
		current = key
		group := out.Items[len(out.Items)-1].(*Tuple).Items[1].(*List)
		group.Items = append(group.Items, item)
	}
	return out
}

// mapFilter applies a filter to each item, or takes an attribute of it.
func mapFilter(in *interp, x any, a *args) any {
	var f func(any) any
	prepare := func() {
		if at, ok := a.named.Get("attribute"); ok && len(a.pos) == 0 {
			otherwise, has := a.named.Get("default")
			if n := a.named.Len(); n > 2 || n == 2 && !has {
				fail(argumentError, "map: Unexpected keyword argument")
			}
			f = in.getter(at, false, otherwise)
			return
		}
		if len(a.pos) == 0 {
			fail(argumentError, "map requires a filter argument")
		}
		name, ok := isString(a.pos[0])
		if !ok {
			fail(runtimeError, "No filter named %s found.", short(a.pos[0]))
		}
		f = func(item any) any { return in.callFilter(name, item, &args{pos: a.pos[1:], named: a.named}) }
	}
	return in.lazyUnlessEmpty(x, func(item any) (any, bool) {
		if f == nil {
			prepare()
		}
		return f(item), true
	})
}

// lazyUnlessEmpty is lazy, without a look at what is false.
func (in *interp) lazyUnlessEmpty(x any, f func(any) (any, bool)) *generator {
	var inner *generator
	return &generator{func() (any, bool) {
		if inner == nil {
			if inner = in.lazy("generator", x, f); !in.truth(x) {
				inner = &generator{next: slicing(nil)}
			}
		}
		return inner.next()
	}, "generator"}
}

// choose is select, selectattr, reject and rejectattr.
func choose(name string, byAttribute, keep bool) filterFunction {
	return func(in *interp, x any, a *args) any {
		get, rest := func(v any) any { return v }, a.pos
		prepared := false
		prepare := func() {
			prepared = true
			if !byAttribute {
				return
			}
			if len(rest) == 0 {
				fail(argumentError, "Missing parameter for attribute name")
			}
			get, rest = in.getter(rest[0], false, nil), rest[1:]
		}
		return in.lazyUnlessEmpty(x, func(item any) (any, bool) {
			if !prepared {
				prepare()
			}
			v := get(item)
			if len(rest) == 0 {
				return item, in.truth(v) == keep
			}
			test, ok := isString(rest[0])
			if !ok {
				fail(runtimeError, "No test named %s found.", short(rest[0]))
			}
			return item, in.truth(in.test(test, v, &args{pos: rest[1:], named: a.named})) == keep
		})
	}
}
