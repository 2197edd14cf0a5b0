package mlx

import "slices"

// Vmap, Compile and the exporters call a function with arrays that have a shape and no elements,
// nor anything that would compute them. MLX finds that out when such an array, kept beyond the
// function, is evaluated, and speaks of one "without a primitive". So they and what is made of
// them carry a mark: a fate whose error is known. (Those of Grad, VJP and JVP are arrays as any.)

// hollow is f whose arguments, or those that which picks, are marked.
func hollow(op string, which func(i int) bool, f Func) Func {
	return func(in []*Array) []*Array {
		mark := newStandIn(op)
		defer mark.over.Store(true)
		list := &fates{mark}
		for i, a := range in {
			if which(i) {
				a.inherit(list)
			}
		}
		return f(in)
	}
}

func all(int) bool { return true }

func newStandIn(op string) *fate {
	f := &fate{standIn: true, err: newError(op, ErrStandIn, "the array comes from inside the function that "+op+
		" traces, where arguments have a shape and no elements: return it from the function, as one more result, and use what the transformed function returns")}
	f.known.Store(true)
	return f
}

// standIns returns the marks among the fates, nil for none.
func (list *fates) standIns() *fates {
	if list == nil {
		return nil
	}
	var marks fates
	for _, f := range *list {
		if f.standIn {
			marks = append(marks, f)
		}
	}
	if marks == nil {
		return nil
	}
	return &marks
}

// leaked is the error of what was kept beyond the function that it was made in, nil for any other.
func (list *fates) leaked() *Error {
	if list == nil {
		return nil
	}
	if i := slices.IndexFunc(*list, func(f *fate) bool { return f.over.Load() }); i >= 0 {
		return (*list)[i].err
	}
	return nil
}

// ended is the error of an array that was made inside a function that a transformation calls, and ended
// when that returned; nil for any other. Where the function is called as it is, as Grad calls it, and
// Compile inside Grad, nothing else tells.
func (a *Array) ended(op, what string) *Error {
	s := a.scope.Load()
	if s == nil || s.traced == "" || !a.freed() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		return nil
	}
	e := newError(op, ErrFreed, what+" comes from inside the function that "+s.traced+
		" calls, and ended with it: return it from the function, as one more result, or have a scope outside hold it")
	e.cause = ErrStandIn
	return e
}
