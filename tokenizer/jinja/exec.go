package jinja

// scope is a scope that was entered.
type scope struct {
	symbols *symbols
	vars    map[string]any // missing: a name without a value
	parent  *scope
}

// frame is where a statement runs.
type frame struct {
	in    *interp
	scope *scope
	out   *writer
	top   bool // at the top of the template, where set writes a variable of the context too
}

// in returns a frame of a scope inside.
func (f *frame) inner(s *scope, out *writer) *frame { return &frame{in: f.in, scope: s, out: out} }

// enter makes a scope with the names that it holds at first.
func (in *interp) enter(s *symbols, parent *scope) *scope {
	in.step(1 + len(s.loads))
	sc := &scope{s, make(map[string]any, len(s.loads)), parent}
	for name, how := range s.loads {
		switch how {
		case loadResolve:
			sc.vars[name] = in.resolve(name)
		case loadAlias:
			sc.vars[name] = *parent.ref(name)
		}
	}
	return sc
}

// holder returns the scope that holds a name.
func (s *scope) holder(name string) *scope {
	for ; s != nil; s = s.parent {
		if s.symbols.loads[name] != 0 {
			return s
		}
	}
	fail("AssertionError", "Tried to resolve a name to a reference that was unknown to the frame (%s)", quote(name))
	return nil
}

// ref returns the value of a name, missing if it has none.
func (s *scope) ref(name string) *any {
	v, ok := s.holder(name).vars[name]
	if !ok {
		v = missing
	}
	return &v
}

// signal is how statements ended.
type signal int

const (
	ended signal = iota
	breaks
	continues
)

func (in *interp) statements(body []stmt, f *frame) signal {
	for _, n := range body {
		if s := in.statement(n, f); s != ended {
			return s
		}
	}
	return ended
}

func (in *interp) statement(n stmt, f *frame) signal {
	in.step(1)
	switch n := n.(type) {
	case *outputNode:
		in.output(n, f)
	case *assign:
		in.line = n.line
		in.assign(n, f)
	case *setBlock:
		return in.setBlock(n, f)
	case *forNode:
		return in.loop(n, f)
	case *ifNode:
		return in.condition(n, f)
	case *withNode:
		in.line = n.line
		s := in.enter(n.frame, f.scope)
		for i, t := range n.targets {
			in.store(t, in.eval(n.values[i], f.scope), s)
		}
		return in.statements(n.body, f.inner(s, f.out))
	case *macroNode:
		in.store(&nameNode{n.name}, in.macro(n, f.scope), f.scope)
		if f.top {
			in.vars[n.name] = *f.scope.ref(n.name)
		}
	case *callBlock:
		in.line = n.line
		in.callBlock(n, f)
	case *filterBlock:
		out := &writer{in: in}
		s := in.enter(n.frame, f.scope)
		if sig := in.statements(n.body, f.inner(s, out)); sig != ended {
			return sig // Python leaves the block, and what it wrote is lost
		}
		in.line = n.line
		f.out.write(in.str(in.filter(n.filter, s, out.String())))
	case *breakNode:
		return breaks
	case *continueNode:
		return continues
	}
	return ended
}

func (in *interp) output(n *outputNode, f *frame) {
	for _, item := range n.items {
		if data, ok := item.(*dataNode); ok {
			f.out.write(data.text)
			continue
		}
		in.line = n.line
		f.out.write(in.str(in.eval(item, f.scope)))
	}
}

// store gives a target a value, in a scope that holds its names.
func (in *interp) store(target expr, value any, s *scope) {
	switch t := target.(type) {
	case *nameNode:
		s.holder(t.name).vars[t.name] = value
	case *nsNode:
		ns, ok := (*s.ref(t.name)).(*namespace)
		if !ok {
			fail(runtimeError, "cannot assign attribute on non-namespace object")
		}
		ns.set(t.attr, value)
	case *tupleNode:
		items := in.unpack(value, len(t.items))
		for i, item := range t.items {
			in.store(item, items[i], s)
		}
	}
}

// unpack returns the n items of a value, or fails as Python's assignment to a tuple does.
func (in *interp) unpack(value any, n int) []any {
	if !iterable(value) {
		fail(typeError, "cannot unpack non-iterable %s object", typeName(value))
	}
	next := in.iterate(value)
	var items []any
	for {
		item, ok := next()
		if !ok {
			break
		}
		if items = append(items, item); len(items) > n {
			fail(valueError, "too many values to unpack (expected %d)", n)
		}
	}
	if len(items) < n {
		fail(valueError, "not enough values to unpack (expected %d, got %d)", n, len(items))
	}
	return items
}

func (in *interp) assign(n *assign, f *frame) {
	in.checkNamespaces(n.target, f.scope)
	in.store(n.target, in.eval(n.value, f.scope), f.scope)
	in.export(n.target, f)
}

// checkNamespaces fails where a target ns.attr is of no namespace, before the value is computed.
func (in *interp) checkNamespaces(target expr, s *scope) {
	switch t := target.(type) {
	case *nsNode:
		if _, ok := (*s.ref(t.name)).(*namespace); !ok {
			fail(runtimeError, "cannot assign attribute on non-namespace object")
		}
	case *tupleNode:
		for _, item := range t.items {
			in.checkNamespaces(item, s)
		}
	}
}

// export makes what was set at the top a variable of the context.
func (in *interp) export(target expr, f *frame) {
	if !f.top {
		return
	}
	switch t := target.(type) {
	case *nameNode:
		in.vars[t.name] = *f.scope.ref(t.name)
	case *tupleNode:
		for _, item := range t.items {
			in.export(item, f)
		}
	}
}

func (in *interp) setBlock(n *setBlock, f *frame) signal {
	out := &writer{in: in}
	s := in.enter(n.frame, f.scope)
	if sig := in.statements(n.body, f.inner(s, out)); sig != ended {
		return sig // Python leaves the block, and nothing is set
	}
	in.line = n.line
	var value any = out.String()
	if n.filter != nil {
		value = in.filter(n.filter, s, out.String())
	}
	in.store(n.target, value, f.scope)
	in.export(n.target, f)
	return ended
}

func (in *interp) condition(n *ifNode, f *frame) signal {
	for _, part := range append([]*ifNode{n}, n.elifs...) {
		in.line = part.line
		if in.truth(in.eval(part.test, f.scope)) {
			return in.statements(part.body, f)
		}
	}
	return in.statements(n.orElse, f)
}

func (in *interp) callBlock(n *callBlock, f *frame) {
	caller := in.macro(n.macro, f.scope)
	if n.call == nil {
		f.out.write(in.str(caller.invoke(in, &args{})))
		return
	}
	callee := in.eval(n.call.f, f.scope)
	a := in.arguments(&n.call.args, f.scope)
	if _, ok := a.named.Get("caller"); ok {
		fail(syntaxError, "keyword argument repeated: caller")
	}
	a.named.Set("caller", caller)
	f.out.write(in.str(in.call(callee, a)))
}
