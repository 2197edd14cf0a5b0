package jinja

import "strings"

// eval computes an expression in a scope.
func (in *interp) eval(n expr, s *scope) any {
	in.step(1)
	defer in.nest()()
	switch n := n.(type) {
	case *constNode:
		return n.value
	case *nameNode:
		v := *s.ref(n.name)
		if v == missing {
			return &undefined{object: missing, name: n.name}
		}
		return v
	case *listNode:
		return &List{in.evalAll(n.items, s)}
	case *tupleNode:
		return &Tuple{Items: in.evalAll(n.items, s)}
	case *dictNode:
		d := &Dict{}
		for i, k := range n.keys {
			key := in.eval(k, s)
			value := in.eval(n.values[i], s)
			in.reads(key)
			d.Set(key, value)
		}
		in.items(sizeOfEntry * d.Len())
		return d
	case *logicNode:
		left := in.eval(n.left, s)
		if in.truth(left) == (n.op == "or") {
			return left
		}
		return in.eval(n.right, s)
	case *notNode:
		return !in.truth(in.eval(n.x, s))
	case *compareNode:
		return in.comparison(n, s)
	case *binaryNode:
		left := in.eval(n.left, s)
		return in.binary(n.op, left, in.eval(n.right, s))
	case *unaryNode:
		return in.unary(n.op, in.eval(n.x, s))
	case *concatNode:
		var b strings.Builder
		for _, item := range in.evalAll(n.items, s) {
			text := in.str(item)
			in.made(b.Len() + len(text))
			b.WriteString(text)
		}
		return b.String()
	}
	return in.evalAccess(n, s)
}

// evalAccess computes what reaches into a value, calls or filters it, and conditions.
func (in *interp) evalAccess(n expr, s *scope) any {
	switch n := n.(type) {
	case *condNode:
		switch {
		case in.truth(in.eval(n.test, s)):
			return in.eval(n.yes, s)
		case n.orElse != nil:
			return in.eval(n.orElse, s)
		}
		return &undefined{hint: "the inline if-expression evaluated to false and no else section was defined."}
	case *attrNode:
		x := in.eval(n.x, s)
		in.line = n.line
		return in.attribute(x, n.name)
	case *itemNode:
		x := in.eval(n.x, s)
		if slice, ok := n.index.(*sliceNode); ok {
			if !sliceable(x) && hasConstant(n.x) {
				refuse("a slice of a constant that has none", "what jinja2 makes of it depends on its place")
			}
			return in.slice(x, in.bound(slice.start, s), in.bound(slice.stop, s), in.bound(slice.step, s))
		}
		return in.item(x, in.eval(n.index, s))
	case *callNode:
		f := in.eval(n.f, s)
		a := in.arguments(&n.args, s)
		in.line = n.line
		return in.call(f, a)
	case *filterNode:
		return in.filter(n, s, nil)
	case *testNode:
		x := in.eval(n.x, s)
		a := in.arguments(&n.args, s)
		in.line = n.line
		return in.test(n.name, x, a)
	}
	fail(syntaxError, "a slice stands outside of brackets")
	return nil
}

func (in *interp) evalAll(list []expr, s *scope) []any {
	in.items(len(list))
	out := make([]any, len(list))
	for i, n := range list {
		out[i] = in.eval(n, s)
	}
	return out
}

// bound is a part of a slice, nil without one.
func (in *interp) bound(n expr, s *scope) any {
	if n == nil {
		return nil
	}
	return in.eval(n, s)
}

// filter applies a filter, to text where it stands at the end of a block.
func (in *interp) filter(n *filterNode, s *scope, text any) any {
	x := text
	switch inner := n.x.(type) {
	case nil:
	case *filterNode:
		x = in.filter(inner, s, text)
	default:
		x = in.eval(n.x, s)
	}
	a := in.arguments(&n.args, s)
	in.line = n.line
	return in.callFilter(n.name, x, a)
}

func (in *interp) callFilter(name string, x any, a *args) any {
	f := filters[name]
	if f == nil {
		fail(runtimeError, "No filter named %s found.", quote(name))
	}
	in.step(1)
	in.reads(x)
	defer in.nest()()
	return f(in, x, a)
}

func (in *interp) test(name string, x any, a *args) any {
	f := tests[name]
	if f == nil {
		fail(runtimeError, "No test named %s found.", quote(name))
	}
	in.step(1)
	in.reads(x)
	return f(in, x, a)
}

// comparison computes a chain such as a < b <= c, which ends at the first part that is false.
func (in *interp) comparison(n *compareNode, s *scope) any {
	left := in.eval(n.first, s)
	for i, op := range n.ops {
		right := in.eval(n.rest[i], s)
		if !in.compare(op, left, right) {
			return false
		}
		left = right
	}
	return true
}

func (in *interp) compare(op string, a, b any) bool {
	switch op {
	case "==":
		return in.equal(a, b)
	case "!=":
		return !in.equal(a, b)
	case "in":
		return in.contains(b, a)
	case "not in":
		return !in.contains(b, a)
	}
	return in.ordered(op, a, b)
}

// truth is Python's bool.
func (in *interp) truth(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case int:
		return v != 0
	case float64:
		return v != 0
	case *undefined:
		return false
	}
	if n, ok := lengthOf(v); ok {
		return n > 0
	}
	return true
}

// hasConstant reports whether jinja2 may compute an expression before the template runs: it looks at the parts that
// decide, of which one is a constant then.
func hasConstant(n expr) bool {
	found := false
	walk(n, func(n expr) {
		switch n.(type) {
		case *constNode, *dictNode, *listNode, *tupleNode:
			found = true
		}
	})
	return found
}
