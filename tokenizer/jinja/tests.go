package jinja

import (
	"math/big"
	"unicode/utf8"
)

var tests map[string]filterFunction

func init() {
	kind := func(name string, is func(x any) bool) filterFunction {
		return func(_ *interp, x any, a *args) any {
			a.bind(name)
			return is(x)
		}
	}
	compare := func(op string) filterFunction {
		return func(in *interp, x any, a *args) any { return in.compare(op, x, a.bind("is "+op, "other", "/")[0]) }
	}
	isBool := func(x any) bool { _, ok := x.(bool); return ok }
	tests = map[string]filterFunction{
		"defined":   kind("defined", func(x any) bool { return !isUndefined(x) }),
		"undefined": kind("undefined", isUndefined),
		"none":      kind("none", func(x any) bool { return x == nil }),
		"boolean":   kind("boolean", isBool),
		"true":      kind("true", func(x any) bool { return x == true }),
		"false":     kind("false", func(x any) bool { return x == false }),
		"integer":   kind("integer", isWhole),
		"float":     kind("float", func(x any) bool { _, ok := x.(float64); return ok }),
		"number":    kind("number", func(x any) bool { _, ok := number(x); return ok }),
		"string":    kind("string", func(x any) bool { _, ok := isString(x); return ok }),
		"mapping":   kind("mapping", func(x any) bool { _, ok := x.(*Dict); return ok }),
		"iterable":  kind("iterable", iterable),
		"sequence":  kind("sequence", isSequence),
		"callable":  kind("callable", isCallable),
		"escaped":   kind("escaped", func(x any) bool { _, ok := x.(markup); return ok }),
		"lower":     caseTest("lower", "islower"),
		"upper":     caseTest("upper", "isupper"),
		"odd":       remainder("odd", 1), "even": remainder("even", 0), "divisibleby": divisible,
		"filter": known("filter", func(name string) bool { return filters[name] != nil }),
		"test":   known("test", func(name string) bool { return tests[name] != nil }),
		"sameas": sameAs,
		"in":     func(in *interp, x any, a *args) any { return in.contains(a.bind("in", "seq")[0], x) },
	}
	for op, names := range map[string][]string{
		"==": {"==", "eq", "equalto"}, "!=": {"!=", "ne"}, ">": {">", "gt", "greaterthan"}, ">=": {">=", "ge"}, "<": {"<", "lt", "lessthan"}, "<=": {"<=", "le"},
	} {
		for _, name := range names {
			tests[name] = compare(op)
		}
	}
}

func isWhole(x any) bool {
	switch x.(type) {
	case int, *big.Int:
		return true
	}
	return false
}

func isSequence(x any) bool {
	switch x.(type) {
	case string, markup, *List, *Tuple, *Dict, *rangeValue, *undefined:
		return true
	}
	return false
}

func isCallable(x any) bool {
	switch x.(type) {
	case *function, *macro, *loopValue, *joiner, *undefined:
		return true
	}
	return false
}

func caseTest(name, method string) filterFunction {
	return func(in *interp, x any, a *args) any {
		a.bind(name)
		return in.call(textMethod(in.str(x), method), &args{})
	}
}

// remainder tests x % 2.
func remainder(name string, want int) filterFunction {
	return func(in *interp, x any, a *args) any {
		a.bind(name)
		return in.equal(in.binary("%", x, 2), want)
	}
}

func divisible(in *interp, x any, a *args) any {
	return in.equal(in.binary("%", x, a.bind("divisibleby", "num")[0]), 0)
}

func known(name string, is func(string) bool) filterFunction {
	return func(_ *interp, x any, a *args) any {
		a.bind(name)
		if !hashable(x) {
			fail(typeError, "unhashable type: '%s'", typeName(x))
		}
		s, ok := isString(x)
		return ok && is(s)
	}
}

// sameAs is Python's is, of which numbers and texts beyond the smallest are a matter of its implementation.
func sameAs(in *interp, x any, a *args) any {
	other := a.bind("sameas", "other")[0]
	if typeName(x) != typeName(other) || x == nil {
		return x == nil && other == nil
	}
	switch v := x.(type) {
	case int:
		if v == other && (v < -5 || v > 256) {
			refuse("sameas of large numbers", "compare with ==")
		}
	case string:
		if v == other && utf8.RuneCountInString(v) > 1 {
			refuse("sameas of texts", "compare with ==")
		}
	case float64, *big.Int, markup, *Tuple:
		if in.equal(x, other) {
			refuse("sameas of such values", "compare with ==")
		}
	}
	return x == other
}
