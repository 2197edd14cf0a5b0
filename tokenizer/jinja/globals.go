package jinja

// globals are the functions of jinja2 and of transformers.
var globals = map[string]any{
	"range":           &function{"range", makeRange},
	"dict":            &function{"dict", makeDict},
	"namespace":       &function{"namespace", makeNamespace},
	"raise_exception": &function{"raise_exception", raiseException},
	"strftime_now":    &function{"strftime_now", strftimeNow},
	"cycler": &function{"cycler", func(_ *interp, a *args) any {
		a.noNames("cycler")
		if len(a.pos) == 0 {
			fail("RuntimeError", "at least one item has to be provided")
		}
		return &cycler{items: a.pos}
	}},
	"joiner": &function{"joiner", func(_ *interp, a *args) any {
		return &joiner{sep: or(a.bind("joiner", "sep?")[0], ", ")}
	}},
	"lipsum": &function{"lipsum", func(*interp, *args) any {
		refuse("lipsum", "it prints words by chance")
		return nil
	}},
}

func makeRange(_ *interp, a *args) any {
	v := a.bind("range", "start", "stop?", "step?", "/")
	var n [3]int
	for i, x := range v {
		if x == missing {
			continue
		}
		if u, ok := x.(*undefined); ok {
			fail(typeError, "'%s' object cannot be interpreted as an integer", typeName(u))
		}
		y, ok := number(x)
		if _, isFloat := y.(float64); !ok || isFloat {
			fail(typeError, "'%s' object cannot be interpreted as an integer", typeName(x))
		}
		n[i] = clamp(y)
		if n[i] > 1<<40 || n[i] < -1<<40 {
			fail(overflowError, "range is given the number %s: want less than 2**40", short(y))
		}
	}
	start, stop, step := n[0], n[1], 1
	if v[1] == missing {
		start, stop = 0, n[0]
	}
	if v[2] != missing {
		if step = n[2]; step == 0 {
			fail(valueError, "range() arg 3 must not be zero")
		}
	}
	r := newRange(start, stop, step)
	if r.n > maxRange {
		fail(overflowError, "Range too big. The sandbox blocks ranges larger than MAX_RANGE (%d).", maxRange)
	}
	return r
}

// dictOf is Python's dict of an optional mapping or pairs, and names.
func dictOf(in *interp, function string, a *args) *Dict {
	if len(a.pos) > 1 {
		fail(typeError, "%s expected at most 1 argument, got %d", function, len(a.pos))
	}
	out := &Dict{}
	if len(a.pos) == 1 {
		if d, ok := a.pos[0].(*Dict); ok {
			out = d.clone()
		} else {
			for i, pair := range in.all(a.pos[0]) {
				if !iterable(pair) {
					fail(typeError, "cannot convert dictionary update sequence element #%d to a sequence", i)
				}
				items := in.all(pair)
				if len(items) != 2 {
					fail(valueError, "dictionary update sequence element #%d has length %d; 2 is required", i, len(items))
				}
				in.reads(items[0])
				out.Set(items[0], items[1])
			}
		}
	}
	for i, k := range a.named.keys {
		out.Set(k, a.named.values[i])
	}
	in.items(sizeOfEntry * out.Len())
	return out
}

func makeDict(in *interp, a *args) any { return dictOf(in, "dict", a) }

func makeNamespace(in *interp, a *args) any {
	ns := &namespace{&Dict{}}
	d := dictOf(in, "namespace", a)
	for i, k := range d.keys {
		name, ok := isString(k)
		if !ok {
			ns.attrs.Set(k, d.values[i])
			continue
		}
		ns.set(name, d.values[i])
	}
	return ns
}

func raiseException(in *interp, a *args) any {
	text := a.bind("raise_exception", "message")[0]
	fail("TemplateError", "the template does not accept these messages: %s", in.str(text))
	return nil
}

func strftimeNow(in *interp, a *args) any {
	v := a.bind("strftime_now", "format")[0]
	format, ok := isString(v)
	if !ok {
		fail(typeError, "strftime() argument 1 must be str, not %s", typeName(v))
	}
	out := strftime(in.now(), format)
	in.made(len(out))
	return out
}
