package jinja

// sequenceMethod returns count or index of a list, tuple or range, and a range's parts.
func sequenceMethod(x any, name string) any {
	switch v := x.(type) {
	case *rangeValue:
		switch name {
		case "start":
			return v.start
		case "stop":
			return v.stop
		case "step":
			return v.step
		}
	case *List:
		if name == "copy" {
			return &function{name, func(in *interp, a *args) any {
				a.bind(name)
				in.items(len(v.Items))
				return &List{append([]any(nil), v.Items...)}
			}}
		}
	case *Tuple:
		if v.group && name == "grouper" {
			return v.Items[0]
		}
		if v.group && name == "list" {
			return v.Items[1]
		}
	}
	switch name {
	case "count":
		return &function{name, func(in *interp, a *args) any {
			want, n := a.bind(name, "value", "/")[0], 0
			for _, item := range in.all(x) {
				if item == want || in.equal(item, want) {
					n++
				}
			}
			return n
		}}
	case "index":
		return &function{name, func(in *interp, a *args) any { return in.indexOf(x, a) }}
	}
	return missing
}

func (in *interp) indexOf(x any, a *args) any {
	v := a.bind("index", "value", "start?", "stop?", "/")
	items := in.all(x)
	from, to, _ := sliceBounds(len(items), or(v[1], 0), or(v[2], len(items)), nil)
	for i := from; i < to; i++ {
		if items[i] == v[0] || in.equal(items[i], v[0]) {
			return i
		}
	}
	fail(valueError, "%s is not in %s", short(v[0]), typeName(x))
	return nil
}

func dictMethod(d *Dict, name string) any {
	switch name {
	case "keys", "values", "items":
		return &function{name, func(_ *interp, a *args) any {
			a.bind(name)
			return &view{d, "dict_" + name}
		}}
	case "get":
		return &function{name, func(in *interp, a *args) any {
			v := a.bind(name, "key", "default?", "/")
			in.reads(v[0])
			if value, ok := d.Get(v[0]); ok {
				return value
			}
			return or(v[1], nil)
		}}
	case "copy":
		return &function{name, func(in *interp, a *args) any {
			a.bind(name)
			in.items(sizeOfEntry * d.Len())
			return d.clone()
		}}
	case "fromkeys":
		return &function{name, fromKeys}
	}
	return missing
}

func fromKeys(in *interp, a *args) any {
	v := a.bind("fromkeys", "iterable", "value?", "/")
	out := &Dict{}
	for _, k := range in.all(v[0]) {
		in.reads(k)
		out.Set(k, or(v[1], nil))
	}
	return out
}
