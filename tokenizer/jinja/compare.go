package jinja

import (
	"cmp"
	"math"
	"math/big"
)

// asInt returns a bool as the number that it is.
func asInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// number returns an int, *big.Int or float64 of a number, and false for anything else.
func number(v any) (any, bool) {
	switch v := v.(type) {
	case bool:
		return asInt(v), true
	case int, *big.Int, float64:
		return v, true
	}
	return nil, false
}

// compareNumbers compares two numbers exactly; ok is false for a NaN.
func compareNumbers(a, b any) (sign int, ok bool) {
	if x, isInt := a.(int); isInt {
		if y, isInt := b.(int); isInt {
			return cmp.Compare(x, y), true
		}
	}
	x, y := exact(a), exact(b)
	if x == nil || y == nil {
		return 0, false
	}
	return x.Cmp(y), true
}

// exact returns a number with all its digits; nil for a NaN.
func exact(v any) *big.Float {
	switch v := v.(type) {
	case int:
		return new(big.Float).SetInt64(int64(v))
	case *big.Int:
		return new(big.Float).SetPrec(uint(v.BitLen() + 1)).SetInt(v)
	case float64:
		if math.IsNaN(v) {
			return nil
		}
		return new(big.Float).SetFloat64(v)
	}
	return nil
}

// equal is Python's ==.
func (in *interp) equal(a, b any) bool {
	in.step(1)
	defer in.nest()()
	if x, ok := number(a); ok {
		y, ok := number(b)
		if !ok {
			return false
		}
		sign, ok := compareNumbers(x, y)
		return ok && sign == 0
	}
	if x, ok := isString(a); ok {
		y, ok := isString(b)
		in.step(min(len(x), len(y)) / 256)
		return ok && x == y
	}
	switch x := a.(type) {
	case *List:
		y, ok := b.(*List)
		return ok && (x == y || in.equalItems(x.Items, y.Items))
	case *Tuple:
		y, ok := b.(*Tuple)
		return ok && (x == y || in.equalItems(x.Items, y.Items))
	case *Dict:
		y, ok := b.(*Dict)
		return ok && (x == y || in.equalDicts(x, y))
	case *undefined:
		return isUndefined(b)
	case *rangeValue:
		y, ok := b.(*rangeValue)
		return ok && x.n == y.n && (x.n == 0 || x.start == y.start && (x.n == 1 || x.step == y.step))
	case *view:
		if y, ok := b.(*view); ok && a != b && x.kind != "dict_values" && y.kind != "dict_values" {
			refuse("== of the keys or items of dicts", "compare lists of them")
		}
	}
	return a == b
}

func (in *interp) equalItems(a, b []any) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] && !in.equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

func (in *interp) equalDicts(a, b *Dict) bool {
	if a.Len() != b.Len() {
		return false
	}
	for i, k := range a.keys {
		v, ok := b.Get(k)
		if !ok || v != a.values[i] && !in.equal(a.values[i], v) {
			return false
		}
	}
	return true
}

// ordered is <, <=, > or >=.
func (in *interp) ordered(op string, a, b any) bool {
	in.step(1)
	defer in.nest()()
	for _, v := range []any{a, b} {
		if u, ok := v.(*undefined); ok {
			u.fail()
		}
	}
	holds := func(sign int) bool {
		switch op {
		case "<":
			return sign < 0
		case "<=":
			return sign <= 0
		case ">":
			return sign > 0
		}
		return sign >= 0
	}
	x, okX := number(a)
	if y, ok := number(b); ok && okX {
		sign, ok := compareNumbers(x, y)
		return ok && holds(sign)
	}
	s, okS := isString(a)
	if t, ok := isString(b); ok && okS {
		in.step(min(len(s), len(t)) / 256)
		return holds(cmp.Compare(s, t)) // UTF-8 sorts as its code points do
	}
	if typeName(a) == typeName(b) {
		if p, ok := sequence(a); ok {
			q, _ := sequence(b)
			for i := range min(len(p), len(q)) {
				if p[i] != q[i] && !in.equal(p[i], q[i]) {
					return in.ordered(op, p[i], q[i])
				}
			}
			return holds(cmp.Compare(len(p), len(q)))
		}
	}
	if x, ok := a.(*view); ok && x.kind != "dict_values" {
		refuse("the order of the keys or items of dicts", "compare lists of them")
	}
	fail(typeError, "'%s' not supported between instances of '%s' and '%s'", op, typeName(a), typeName(b))
	return false
}

// sorted returns items in the order of keys, which Python compares by < alone.
func (in *interp) sorted(items []any, key func(any) any, reverse bool) []any {
	in.items(len(items))
	keys := make([]any, len(items))
	order := make([]int, len(items))
	for i, item := range items {
		keys[i], order[i] = key(item), i
	}
	less := func(i, j int) bool { return in.ordered("<", keys[i], keys[j]) }
	if reverse { // stable too: of equals the first stays first
		less = func(i, j int) bool { return in.ordered("<", keys[j], keys[i]) }
	}
	mergeSort(order, make([]int, len(order)), less)
	out := make([]any, len(items))
	for i, at := range order {
		out[i] = items[at]
	}
	return out
}

func mergeSort(a, spare []int, less func(i, j int) bool) {
	if len(a) < 2 {
		return
	}
	half := len(a) / 2
	mergeSort(a[:half], spare[:half], less)
	mergeSort(a[half:], spare[half:], less)
	copy(spare, a)
	left, right := spare[:half], spare[half:len(a)]
	for i := range a {
		if len(right) == 0 || len(left) > 0 && !less(right[0], left[0]) {
			a[i], left = left[0], left[1:]
		} else {
			a[i], right = right[0], right[1:]
		}
	}
}
