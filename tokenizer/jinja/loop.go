package jinja

// loopValue is the variable loop.
type loopValue struct {
	in        *interp
	source    any // what is iterated
	next      func() (any, bool)
	index0    int
	depth0    int
	n         int // its length, −1 while unknown
	after     any // the next item, where it was looked at
	ended     bool
	before    any
	current   any
	changed   *Tuple
	recursive func(iter any, depth int) string
}

func newLoop(in *interp, source any, depth int) *loopValue {
	return &loopValue{in: in, source: source, next: in.iterate(source), index0: -1, depth0: depth, n: -1, after: missing, before: missing, current: missing}
}

// advance goes to the next item.
func (l *loopValue) advance() bool {
	v := l.peek()
	if v == missing {
		return false
	}
	l.after = missing
	l.index0++
	l.before, l.current = l.current, v
	return true
}

// peek returns the next item without going to it, missing at the end.
func (l *loopValue) peek() any {
	if l.after == missing && !l.ended {
		v, ok := l.next()
		if !ok {
			l.ended = true
			return missing
		}
		l.after = v
	}
	return l.after
}

func (l *loopValue) length() int {
	if l.n >= 0 {
		return l.n
	}
	if n, ok := lengthOf(l.source); ok {
		l.n = n
		return n
	}
	rest := l.in.drain(l.next)
	l.next = slicing(rest)
	l.n = len(rest) + l.index0 + 1
	if l.after != missing {
		l.n++
	}
	return l.n
}

// attr returns an attribute, missing if there is none of this name.
func (l *loopValue) attr(name string) any {
	switch name {
	case "index0":
		return l.index0
	case "index":
		return l.index0 + 1
	case "length":
		return l.length()
	case "revindex0":
		return l.length() - l.index0 - 1
	case "revindex":
		return l.length() - l.index0
	case "first":
		return l.index0 == 0
	case "last":
		return l.peek() == missing
	case "depth0":
		return l.depth0
	case "depth":
		return l.depth0 + 1
	case "previtem":
		if l.index0 == 0 {
			return &undefined{hint: "there is no previous item"}
		}
		return l.before
	case "nextitem":
		if v := l.peek(); v != missing {
			return v
		}
		return &undefined{hint: "there is no next item"}
	case "cycle":
		return &function{"cycle", func(_ *interp, a *args) any {
			a.noNames("cycle")
			if len(a.pos) == 0 {
				fail(typeError, "no items for cycling given")
			}
			return a.pos[l.index0%len(a.pos)]
		}}
	case "changed":
		return &function{"changed", func(in *interp, a *args) any {
			a.noNames("changed")
			now := &Tuple{Items: a.pos}
			if l.changed != nil && in.equal(l.changed, now) {
				return false
			}
			l.changed = now
			return true
		}}
	}
	return missing
}

// call renders the body of a recursive loop with other items.
func (l *loopValue) call(a *args) any {
	v := a.bind("loop", "iterable")
	if l.recursive == nil {
		fail(typeError, "The loop must have the 'recursive' marker to be called recursively.")
	}
	defer l.in.nest()()
	return l.recursive(v[0], l.depth0+1)
}

// loop runs a for loop.
func (in *interp) loop(n *forNode, f *frame) signal {
	in.line = n.line
	items := in.eval(n.iter, f.scope)
	if !n.recursive {
		return in.iterations(n, f, items, 0, nil)
	}
	var render func(iter any, depth int) string
	render = func(iter any, depth int) string {
		out := &writer{in: in}
		in.iterations(n, f.inner(f.scope, out), iter, depth, render)
		return out.String()
	}
	f.out.write(render(items, 0))
	return ended
}

// iterations runs the body of a loop for each item. A break or continue of a loop around it, which its else may have,
// is returned.
func (in *interp) iterations(n *forNode, f *frame, items any, depth int, render func(any, int) string) signal {
	l := newLoop(in, in.filtered(n, items, f.scope), depth)
	l.recursive = render
	whole := false // the body came to its end once; jinja2 goes by that, so that else follows a break in the first round
	for l.advance() {
		in.step(1)
		in.line = n.line
		s := in.enter(n.bodyFrame, f.scope)
		if n.extended {
			s.vars["loop"] = l
		}
		in.store(n.target, l.current, s)
		sig := in.statements(n.body, f.inner(s, f.out))
		if sig == breaks {
			break
		}
		whole = whole || sig == ended
	}
	if whole || len(n.orElse) == 0 {
		return ended
	}
	return in.statements(n.orElse, f.inner(in.enter(n.elseFrame, f.scope), f.out))
}

// filtered is the items that the loop's own if leaves, tested when each is asked for.
func (in *interp) filtered(n *forNode, items any, outer *scope) any {
	if n.test == nil {
		return items
	}
	s := in.enter(n.testFrame, outer)
	next := in.iterate(items)
	return &generator{func() (any, bool) {
		for {
			in.step(1)
			item, ok := next()
			if !ok {
				return nil, false
			}
			in.store(n.target, item, s)
			if in.truth(in.eval(n.test, s)) {
				return in.packed(n.target, s), true
			}
		}
	}, "generator"}
}

// packed is the value of a target, as jinja2 yields it from a loop's filter.
func (in *interp) packed(target expr, s *scope) any {
	t, ok := target.(*tupleNode)
	if !ok {
		return *s.ref(target.(*nameNode).name)
	}
	items := make([]any, len(t.items))
	for i, item := range t.items {
		items[i] = in.packed(item, s)
	}
	return &Tuple{Items: items}
}
