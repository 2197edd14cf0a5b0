package jinja

import (
	"fmt"
	"math"
	"math/big"
	"strings"
)

// A List is a Python list.
type List struct{ Items []any }

// A Tuple is a Python tuple. Those of the filter groupby have names for their two items.
type Tuple struct {
	Items []any
	group bool
}

// markup is text that is marked as safe in HTML, which what is added to it is escaped for.
type markup string

// Undefined is what a name or an item that does not exist gives: it prints nothing, is false and empty, and fails in
// most operations.
type undefined struct {
	hint   string // the whole message, if not empty
	object any    // has no such item; missing if it is a name
	name   any
	kind   string // of the error; "" is UndefinedError
}

type namespace struct{ attrs *Dict }

// rangeValue is a Python range.
type rangeValue struct{ start, stop, step, n int }

// view is what a dict's keys, values and items return.
type view struct {
	of   *Dict
	kind string // dict_keys, dict_values, dict_items
}

// generator is an iterator, which is read once. next returns false at its end.
type generator struct {
	next func() (any, bool)
	kind string // Python's name of its type
}

// function is what can be called. What a template defines is a *macro.
type function struct {
	name string
	call func(in *interp, a *args) any
}

type (
	cycler struct {
		items []any
		pos   int
	}
	joiner struct {
		sep  any
		used bool
	}
)

// missing stands where there is no value.
type missingType struct{}

var missing = missingType{}

// A Dict is a Python dict: it keeps the order in which keys came.
type Dict struct {
	keys, values []any
	index        map[any]int
}

// NewDict returns a dict of keys and values by turns.
func NewDict(pairs ...any) *Dict {
	d := &Dict{}
	for i := 0; i < len(pairs); i += 2 {
		d.Set(pairs[i], pairs[i+1])
	}
	return d
}

// Set gives a key a value. A key that is there keeps its place.
func (d *Dict) Set(key, value any) {
	h := hashOf(key)
	if i, ok := d.index[h]; ok {
		d.values[i] = value
		return
	}
	if d.index == nil {
		d.index = map[any]int{}
	}
	d.index[h] = len(d.keys)
	d.keys, d.values = append(d.keys, key), append(d.values, value)
}

// Get returns the value of a key.
func (d *Dict) Get(key any) (any, bool) {
	i, ok := d.index[hashOf(key)]
	if !ok {
		return nil, false
	}
	return d.values[i], true
}

// Keys returns the keys in their order.
func (d *Dict) Keys() []any { return append([]any(nil), d.keys...) }

// Len returns the number of keys.
func (d *Dict) Len() int { return len(d.keys) }

func (d *Dict) clone() *Dict {
	out := &Dict{}
	for i, k := range d.keys {
		out.Set(k, d.values[i])
	}
	return out
}

// Keys of Go's map that stand for values of Python: equal values have equal ones (1, 1.0 and true).
type (
	noneKey      struct{}
	undefinedKey struct{}
	bigKey       string
	tupleKey     string
)

// hashOf returns the key of a value, or fails where Python's hash does.
func hashOf(v any) any {
	switch v := v.(type) {
	case nil:
		return noneKey{}
	case bool:
		return asInt(v)
	case int, string:
		return v
	case markup:
		return string(v)
	case *big.Int:
		return bigKey(v.String())
	case float64:
		if v == math.Trunc(v) && !math.IsInf(v, 0) {
			i, _ := big.NewFloat(v).Int(nil)
			return hashOf(norm(i))
		}
		return v
	case *undefined:
		return undefinedKey{}
	case *Tuple:
		var b strings.Builder
		v.key(&b)
		return tupleKey(b.String())
	case *rangeValue:
		return *v
	case *List, *Dict, *view:
		fail(typeError, "unhashable type: '%s'", typeName(v))
	}
	return v
}

// key writes what tells a tuple from others; one in which few tuples stand very often would not end.
func (t *Tuple) key(b *strings.Builder) {
	fmt.Fprintf(b, "(%d", len(t.Items))
	for _, item := range t.Items {
		if inner, ok := item.(*Tuple); ok {
			inner.key(b)
		} else {
			h := hashOf(item)
			fmt.Fprintf(b, " %T %#v", h, h)
		}
		if b.Len() > maxKey {
			fail(limitReached, "a tuple that is a key has more than %d bytes", maxKey)
		}
	}
	b.WriteByte(')')
}

// hashable reports whether a value can be a key.
func hashable(v any) bool {
	left := maxKey
	return hashableWithin(v, &left)
}

// hashableWithin looks at so many values at most: in a tuple one can stand very often.
func hashableWithin(v any, left *int) bool {
	if *left--; *left < 0 {
		fail(limitReached, "a tuple that is a key holds more than %d values", maxKey)
	}
	switch v := v.(type) {
	case *List, *Dict, *view:
		return false
	case *Tuple:
		for _, item := range v.Items {
			if !hashableWithin(item, left) {
				return false
			}
		}
	}
	return true
}

// typeName is Python's name of a value's type.
func typeName(v any) string {
	switch v := v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case int, *big.Int:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case markup:
		return "Markup"
	case *List:
		return "list"
	case *Tuple:
		return "tuple"
	case *Dict:
		return "dict"
	case *undefined:
		return "Undefined"
	case *namespace:
		return "TemplateNamespace"
	case *rangeValue:
		return "range"
	case *view:
		return v.kind
	case *generator:
		return v.kind
	case *macro:
		return "Macro"
	case *loopValue:
		return "LoopContext"
	case *cycler:
		return "Cycler"
	case *joiner:
		return "Joiner"
	case *function:
		return "function"
	}
	return fmt.Sprintf("%T", v)
}

// isString returns the text of a str, marked as safe or not.
func isString(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case markup:
		return string(v), true
	}
	return "", false
}

func isUndefined(v any) bool {
	_, ok := v.(*undefined)
	return ok
}

// fail raises the error of an operation on something that does not exist.
func (u *undefined) fail() {
	kind := u.kind
	if kind == "" {
		kind = undefinedError
	}
	if u.hint != "" {
		fail(kind, "%s", u.hint)
	}
	name, isName := u.name.(string)
	switch {
	case u.object == missing:
		fail(kind, "%s is undefined", quote(name))
	case !isName:
		fail(kind, "%s has no element %s", objectType(u.object), short(u.name))
	}
	fail(kind, "'%s' has no attribute %s", objectType(u.object), quote(name))
}

// objectType is jinja2's object_type_repr.
func objectType(v any) string {
	switch v.(type) {
	case nil:
		return "None"
	case *macro, *loopValue, *undefined:
		return "jinja2.runtime." + typeName(v) + " object"
	case *cycler, *joiner:
		return "jinja2.utils." + typeName(v) + " object"
	case markup:
		return "markupsafe.Markup object"
	}
	return typeName(v) + " object"
}

// short is what a message shows of a value.
func short(v any) string {
	switch v := v.(type) {
	case string:
		return quote(v)
	case nil, bool, int, float64:
		return (&interp{}).repr(v)
	}
	return "of type " + typeName(v)
}

func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = quote(name)
	}
	return strings.Join(quoted, " or ")
}
