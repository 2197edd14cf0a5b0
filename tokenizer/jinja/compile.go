package jinja

// compiler gives each scope of a template its symbols, and finds what jinja2's compiler refuses.
type compiler struct{}

// place is where a statement stands.
type place struct {
	symbols *symbols
	soft    bool // in an if: an unknown filter or test is an error only when it is reached
	loop    bool // in a loop of the same function: break and continue have a meaning
}

func (at place) inner() place { return place{newSymbols(at.symbols), false, at.loop} }

func (c compiler) statements(body []stmt, at place) {
	for _, n := range body {
		c.statement(n, at)
	}
}

func (c compiler) statement(n stmt, at place) {
	switch n := n.(type) {
	case *outputNode:
		c.check(at.soft, n.line, n.items...)
	case *assign:
		c.check(at.soft, n.line, n.value)
	case *setBlock:
		in := at.inner()
		in.symbols.visit(n.body)
		n.frame = in.symbols
		c.statements(n.body, in)
		if n.filter != nil {
			c.check(false, n.line, n.filter)
		}
	case *forNode:
		c.loop(n, at)
	case *ifNode:
		at.soft = true
		for _, part := range append([]*ifNode{n}, n.elifs...) {
			c.check(true, part.line, part.test)
			c.statements(part.body, at)
		}
		c.statements(n.orElse, at)
	case *withNode:
		in := at.inner()
		for _, t := range n.targets {
			in.symbols.target(t, in.symbols.parameter)
		}
		in.symbols.visit(n.body)
		n.frame = in.symbols
		c.check(at.soft, n.line, n.values...)
		c.statements(n.body, in)
	case *macroNode:
		c.macro(n, at)
	case *callBlock:
		c.macro(n.macro, at)
		if n.call != nil {
			c.check(at.soft, n.line, n.call)
		}
	case *filterBlock:
		in := at.inner()
		in.symbols.visit(n.body)
		n.frame = in.symbols
		c.statements(n.body, in)
		c.check(false, n.line, n.filter)
	case *breakNode:
		if !at.loop {
			failAt(n.line, syntaxError, "'break' outside loop")
		}
	case *continueNode:
		if !at.loop {
			failAt(n.line, syntaxError, "'continue' not properly in loop")
		}
	}
}

func (c compiler) loop(n *forNode, at place) {
	body, test, orElse := at.inner(), at.inner(), at.inner()
	body.loop, test.loop, orElse.loop = true, false, at.loop && !n.recursive
	n.extended = n.recursive || reads(n.body, "loop")["loop"]
	if n.extended {
		body.symbols.parameter("loop")
	}
	body.symbols.target(n.target, body.symbols.parameter)
	body.symbols.visit(n.body)
	orElse.symbols.visit(n.orElse)
	test.symbols.target(n.target, test.symbols.parameter)
	if n.test != nil {
		test.symbols.expressions(n.test)
	}
	n.bodyFrame, n.testFrame, n.elseFrame = body.symbols, test.symbols, orElse.symbols
	if writes([]stmt{n}, "loop") {
		failAt(n.line, assertionError, "Can't assign to special loop variable in for-loop target")
	}
	c.check(at.soft, n.line, n.iter)
	c.check(false, n.line, n.test)
	c.statements(n.body, body)
	c.statements(n.orElse, orElse)
}

func (c compiler) macro(n *macroNode, at place) {
	in := at.inner()
	in.loop = false
	for _, p := range n.params {
		in.symbols.parameter(p)
	}
	special := reads(n.body, "caller", "kwargs", "varargs")
	explicit := map[string]bool{}
	for i, p := range n.params {
		explicit[p] = true
		if p == "caller" && special["caller"] && i < len(n.params)-len(n.defaults) {
			failAt(n.line, assertionError, `When defining macros or call blocks the special "caller" argument must be omitted or be given a default.`)
		}
	}
	n.caller = special["caller"] && !explicit["caller"]
	n.kwargs = special["kwargs"] && !explicit["kwargs"]
	n.varargs = special["varargs"] && !explicit["varargs"]
	for name, has := range map[string]bool{"caller": n.caller, "kwargs": n.kwargs, "varargs": n.varargs} {
		if has {
			in.symbols.parameter(name)
		}
	}
	in.symbols.expressions(n.defaults...)
	in.symbols.visit(n.body)
	n.frame = in.symbols
	c.check(false, n.line, n.defaults...)
	c.statements(n.body, in)
}

// check finds filters and tests that do not exist. In a condition they may be missing until they are reached.
func (c compiler) check(soft bool, line int, list ...expr) {
	if soft {
		return
	}
	for _, n := range list {
		switch n := n.(type) {
		case nil:
			continue
		case *filterNode:
			c.known(filters[n.name] != nil, n.line, "filter", n.name)
		case *testNode:
			c.known(tests[n.name] != nil, n.line, "test", n.name)
		case *condNode:
			continue // a soft place
		case *logicNode:
			if decided(n) {
				c.check(false, line, n.left)
				continue
			}
		}
		c.check(false, line, children(n)...)
	}
}

// decided reports whether the left side of a logical expression, a literal, is its value: jinja2's optimizer then drops
// the other before it looks for filters.
func decided(n *logicNode) bool {
	left, ok := n.left.(*constNode)
	return ok && (*interp)(nil).truth(left.value) == (n.op == "or")
}

func (c compiler) known(ok bool, line int, what, name string) {
	if !ok {
		failAt(line, assertionError, "No %s named %s.", what, quote(name))
	}
}

// reads returns which of the names statements read before they write them, jinja2's find_undeclared.
func reads(body []stmt, names ...string) map[string]bool {
	f := newFinder(names...)
	f.statements(body)
	return f.found
}

// writes reports whether statements assign to a name, parameters apart.
func writes(body []stmt, name string) bool {
	f := newFinder()
	f.statements(body)
	return f.written[name]
}

// finder goes through statements in the order of jinja2's visitor, scopes inside included.
type finder struct{ want, found, written map[string]bool }

func newFinder(names ...string) *finder {
	f := &finder{map[string]bool{}, map[string]bool{}, map[string]bool{}}
	for _, name := range names {
		f.want[name] = true
	}
	return f
}

func (f *finder) expressions(list ...expr) {
	for _, n := range list {
		walk(n, func(n expr) {
			if name, ok := n.(*nameNode); ok && f.want[name.name] {
				f.found[name.name] = true
			}
		})
	}
}

func (f *finder) targets(list ...expr) {
	for _, n := range list {
		switch n := n.(type) {
		case *nameNode:
			f.written[n.name] = true
			delete(f.want, n.name)
		case *tupleNode:
			f.targets(n.items...)
		}
	}
}

func (f *finder) statements(body []stmt) {
	for _, n := range body {
		switch n := n.(type) {
		case *outputNode:
			f.expressions(n.items...)
		case *assign:
			f.targets(n.target)
			f.expressions(n.value)
		case *setBlock:
			f.targets(n.target)
			if n.filter != nil {
				f.expressions(n.filter)
			}
			f.statements(n.body)
		case *forNode:
			f.targets(n.target)
			f.expressions(n.iter)
			f.statements(n.body)
			f.statements(n.orElse)
			f.expressions(n.test)
		case *ifNode:
			f.conditions(n)
		case *withNode:
			for _, t := range n.targets {
				walk(t, func(n expr) {
					if name, ok := n.(*nameNode); ok {
						delete(f.want, name.name)
					}
				})
			}
			f.expressions(n.values...)
			f.statements(n.body)
		case *macroNode:
			f.macro(n)
		case *callBlock:
			if n.call != nil {
				f.expressions(n.call)
			}
			f.macro(n.macro)
		case *filterBlock:
			f.statements(n.body)
			f.expressions(n.filter)
		}
	}
}

func (f *finder) conditions(n *ifNode) {
	f.expressions(n.test)
	f.statements(n.body)
	for _, elif := range n.elifs {
		f.conditions(elif)
	}
	f.statements(n.orElse)
}

func (f *finder) macro(n *macroNode) {
	for _, p := range n.params {
		delete(f.want, p)
	}
	f.expressions(n.defaults...)
	f.statements(n.body)
}
