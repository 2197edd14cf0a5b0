package jinja

import (
	"slices"
	"strings"
)

// args are the arguments of a call.
type args struct {
	pos   []any
	named Dict // by name
}

func (in *interp) arguments(n *arguments, s *scope) *args {
	a := &args{}
	if len(n.pos) > 0 {
		a.pos = in.evalAll(n.pos, s)
	}
	for i, name := range n.names {
		a.named.Set(name, in.eval(n.named[i], s))
	}
	if n.dynamic != nil {
		a.pos = append(a.pos, in.all(in.eval(n.dynamic, s))...)
	}
	if n.dynamicKW != nil {
		more, ok := in.eval(n.dynamicKW, s).(*Dict)
		if !ok {
			fail(typeError, "argument after ** must be a mapping")
		}
		for i, k := range more.keys {
			name, ok := isString(k)
			if !ok {
				fail(typeError, "keywords must be strings")
			}
			if _, ok := a.named.Get(name); ok {
				fail(typeError, "got multiple values for keyword argument %s", quote(name))
			}
			a.named.Set(name, more.values[i])
		}
	}
	return a
}

// bind gives arguments to the parameters of a function, as Python does: "a", "b?" for one that may be left out, and after
// "/" those that have no names to call them by. What is left out is missing.
func (a *args) bind(function string, params ...string) []any {
	out := make([]any, 0, len(params))
	positional := slices.Contains(params, "/")
	params = slices.DeleteFunc(slices.Clone(params), func(p string) bool { return p == "/" })
	if len(a.pos) > len(params) {
		fail(typeError, "%s() takes %d arguments and got %d", function, len(params), len(a.pos))
	}
	used := 0
	for i, p := range params {
		name, optional := strings.CutSuffix(p, "?")
		v, named := a.named.Get(name)
		named = named && !positional
		switch {
		case i < len(a.pos) && named:
			fail(typeError, "%s() got multiple values for argument %s", function, quote(name))
		case i < len(a.pos):
			v = a.pos[i]
		case named:
			used++
		case !optional:
			fail(typeError, "%s() missing a required argument: %s", function, quote(name))
		default:
			v = missing
		}
		out = append(out, v)
	}
	if used < a.named.Len() {
		for _, k := range a.named.keys {
			if !slices.Contains(params, k.(string)) && !slices.Contains(params, k.(string)+"?") || positional {
				fail(typeError, "%s() got an unexpected keyword argument %s", function, quote(k.(string)))
			}
		}
	}
	return out
}

// noNames fails where there are arguments by name.
func (a *args) noNames(function string) {
	if a.named.Len() > 0 {
		fail(typeError, "%s() takes no keyword arguments", function)
	}
}

// or returns v, or what stands for it where it was left out.
func or(v, otherwise any) any {
	if v == missing {
		return otherwise
	}
	return v
}

func (in *interp) call(f any, a *args) any {
	in.step(1)
	defer in.nest()()
	switch f := f.(type) {
	case *function:
		return f.call(in, a)
	case *macro:
		return f.invoke(in, a)
	case *loopValue:
		return f.call(a)
	case *joiner:
		a.bind("joiner")
		if !f.used {
			f.used = true
			return ""
		}
		return f.sep
	case *undefined:
		f.fail()
	}
	fail(typeError, "'%s' object is not callable", typeName(f))
	return nil
}

// macro is a macro or the body of a call block, with the scope in which it was made.
type macro struct {
	node  *macroNode
	scope *scope
	in    *interp
}

func (in *interp) macro(n *macroNode, s *scope) *macro { return &macro{n, s, in} }

// invoke renders the macro.
func (m *macro) invoke(in *interp, a *args) any {
	n := m.node
	named := a.named.clone()
	values := map[string]any{}
	foundCaller := len(a.pos) >= len(n.params) && slices.Contains(n.params, "caller")
	for i, p := range n.params {
		values[p] = missing
		if i < len(a.pos) {
			values[p] = a.pos[i]
			continue
		}
		if v, given := named.Get(p); given {
			values[p] = v
			named.remove(p)
		}
		foundCaller = foundCaller || p == "caller"
	}
	if n.caller && !foundCaller {
		v, ok := named.Get("caller")
		if ok {
			named.remove("caller")
		}
		if !ok || v == nil {
			v = &undefined{hint: "No caller defined", name: "caller"}
		}
		values["caller"] = v
	}
	switch {
	case n.kwargs:
		values["kwargs"] = named
	case named.Len() > 0:
		if _, ok := named.Get("caller"); ok {
			fail(typeError, "macro %s was invoked with two values for the special caller argument. This is most likely a bug.", m.name())
		}
		fail(typeError, "macro %s takes no keyword argument %s", m.name(), quote(named.keys[0].(string)))
	}
	more := a.pos[min(len(a.pos), len(n.params)):]
	if n.varargs {
		values["varargs"] = &Tuple{Items: more}
	} else if len(more) > 0 {
		fail(typeError, "macro %s takes not more than %d argument(s)", m.name(), len(n.params))
	}
	return m.render(in, values)
}

func (m *macro) name() string {
	if m.node.name == "" {
		return "None"
	}
	return quote(m.node.name)
}

func (m *macro) render(in *interp, values map[string]any) any {
	defer in.nest()()
	n := m.node
	s := in.enter(n.frame, m.scope)
	for name, v := range values {
		s.vars[name] = v
	}
	for i, p := range n.params {
		if s.vars[p] != missing {
			continue
		}
		if d := i - (len(n.params) - len(n.defaults)); d >= 0 {
			s.vars[p] = in.eval(n.defaults[d], s)
		} else {
			s.vars[p] = &undefined{hint: "parameter " + quote(p) + " was not provided", name: p}
		}
	}
	out := &writer{in: in}
	in.statements(n.body, &frame{in: in, scope: s, out: out})
	return out.String()
}

// remove takes a key out, which only what no template sees yet may do.
func (d *Dict) remove(key string) {
	i, ok := d.index[key]
	if !ok {
		return
	}
	d.keys, d.values = slices.Delete(d.keys, i, i+1), slices.Delete(d.values, i, i+1)
	delete(d.index, key)
	for k, at := range d.index {
		if at > i {
			d.index[k] = at - 1
		}
	}
}
