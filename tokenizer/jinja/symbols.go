package jinja

import "maps"

// symbols are the names that a scope holds, and how it gets each when it is entered. They are jinja2's (idtracking.py):
// a name is held by the outermost scope that reads it first, a scope that writes a name has a copy of its own, and a
// branch of an if is no scope.
type symbols struct {
	parent *symbols
	loads  map[string]load // by name
	stores map[string]bool
}

// load says what a name of a scope is at first.
type load int

const (
	loadParameter load = iota + 1 // whoever enters the scope sets it
	loadResolve                   // a variable of the template's context
	loadAlias                     // a copy of the name in the scope around it
	loadUndefined
)

func newSymbols(parent *symbols) *symbols {
	return &symbols{parent: parent, loads: map[string]load{}, stores: map[string]bool{}}
}

// find reports whether s or a scope around it holds a name.
func (s *symbols) find(name string) bool {
	for ; s != nil; s = s.parent {
		if s.loads[name] != 0 {
			return true
		}
	}
	return false
}

// read notes that a name is read.
func (s *symbols) read(name string) {
	if !s.find(name) {
		s.loads[name] = loadResolve
	}
}

// store notes that a name is written.
func (s *symbols) store(name string) {
	s.stores[name] = true
	if s.loads[name] != 0 {
		return
	}
	s.loads[name] = loadUndefined
	if s.parent.find(name) {
		s.loads[name] = loadAlias
	}
}

// parameter makes name one that is set from outside.
func (s *symbols) parameter(name string) {
	s.stores[name] = true
	s.loads[name] = loadParameter
}

// branch visits one way through an if, with a copy of s.
func (s *symbols) branch(visit func(*symbols)) *symbols {
	b := &symbols{parent: s.parent, loads: maps.Clone(s.loads), stores: maps.Clone(s.stores)}
	visit(b)
	return b
}

// join takes over what the branches of an if found: a name that only they write is what it was outside before.
func (s *symbols) join(branches ...*symbols) {
	written := map[string]bool{}
	for _, b := range branches {
		for name := range b.stores {
			if !s.stores[name] {
				written[name] = true
			}
		}
	}
	for _, b := range branches {
		maps.Copy(s.loads, b.loads)
		maps.Copy(s.stores, b.stores)
	}
	for name := range written {
		s.loads[name] = loadResolve
		if s.parent.find(name) {
			s.loads[name] = loadAlias
		}
	}
}

// visit notes the names of statements that belong to the scope itself: it stops at scopes inside.
func (s *symbols) visit(body []stmt) {
	for _, n := range body {
		s.statement(n)
	}
}

func (s *symbols) statement(n stmt) {
	switch n := n.(type) {
	case *outputNode:
		s.expressions(n.items...)
	case *assign:
		s.expressions(n.value)
		s.target(n.target, s.store)
	case *setBlock:
		s.target(n.target, s.store)
	case *forNode:
		s.expressions(n.iter)
	case *ifNode:
		s.expressions(n.test)
		s.join(
			s.branch(func(b *symbols) { b.visit(n.body) }),
			s.branch(func(b *symbols) {
				for _, elif := range n.elifs {
					b.statement(elif)
				}
			}),
			s.branch(func(b *symbols) { b.visit(n.orElse) }))
	case *withNode:
		s.expressions(n.values...)
	case *macroNode:
		s.store(n.name)
	case *callBlock:
		if n.call != nil {
			s.expressions(n.call)
		}
	case *filterBlock:
		s.expressions(n.filter)
	}
}

// target notes the names that an assignment writes.
func (s *symbols) target(n expr, note func(string)) {
	switch n := n.(type) {
	case *nameNode:
		note(n.name)
	case *nsNode:
		s.read(n.name)
	case *tupleNode:
		for _, item := range n.items {
			s.target(item, note)
		}
	}
}

// expressions notes the names that expressions read.
func (s *symbols) expressions(list ...expr) {
	for _, n := range list {
		walk(n, func(n expr) {
			if name, ok := n.(*nameNode); ok {
				s.read(name.name)
			}
		})
	}
}

// walk calls f for an expression and all in it.
func walk(n expr, f func(expr)) {
	if n == nil {
		return
	}
	f(n)
	for _, child := range children(n) {
		walk(child, f)
	}
}

// children returns the expressions that n is made of; nil may be among them.
func children(n expr) []expr {
	switch n := n.(type) {
	case *listNode:
		return n.items
	case *tupleNode:
		return n.items
	case *concatNode:
		return n.items
	case *dictNode:
		return append(append([]expr(nil), n.keys...), n.values...)
	case *condNode:
		return []expr{n.test, n.yes, n.orElse}
	case *logicNode:
		return []expr{n.left, n.right}
	case *notNode:
		return []expr{n.x}
	case *binaryNode:
		return []expr{n.left, n.right}
	case *unaryNode:
		return []expr{n.x}
	case *compareNode:
		return append([]expr{n.first}, n.rest...)
	case *attrNode:
		return []expr{n.x}
	case *itemNode:
		return []expr{n.x, n.index}
	case *sliceNode:
		return []expr{n.start, n.stop, n.step}
	case *callNode:
		return append([]expr{n.f}, n.args.all()...)
	case *filterNode:
		return append([]expr{n.x}, n.args.all()...)
	case *testNode:
		return append([]expr{n.x}, n.args.all()...)
	}
	return nil
}

func (a *arguments) all() []expr {
	return append(append(append([]expr(nil), a.pos...), a.named...), a.dynamic, a.dynamicKW)
}
