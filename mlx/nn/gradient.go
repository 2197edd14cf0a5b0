package nn

import (
	"slices"

	"github.com/mlxlens/mlxlens/mlx"
)

// Loss computes a 0-d loss from a batch, by a module's forward pass.
type Loss = func(batch []*mlx.Array) *mlx.Array

// ValueAndGrad returns a function that computes the loss of a batch and its gradients by the
// model's trainable parameters, under their paths. What the forward pass changes (running
// statistics, keys) is the model's afterwards. An error is the loss's and each gradient's.
//
//	loss, grads := model.ValueAndGrad(func(b []*mlx.Array) *mlx.Array {
//		return nn.CrossEntropy(net.Forward(b[0]), b[1])
//	})(x, labels)
func (m *Model) ValueAndGrad(loss Loss) func(batch ...*mlx.Array) (*mlx.Array, Params) {
	return func(batch ...*mlx.Array) (*mlx.Array, Params) {
		slots, err := m.slots(anyRole)
		if err != nil {
			bad := mlx.Failed("value_and_grad", err)
			return bad, Params{"": bad}
		}
		var trained []slot
		var args []*mlx.Array
		var argnums []int
		for _, s := range slots {
			if m.trains(s) {
				argnums = append(argnums, len(trained))
				trained, args = append(trained, s), append(args, s.get())
			}
		}
		if len(trained) == 0 {
			bad := mlx.Failed("value_and_grad", errNoGradient)
			return bad, Params{}
		}
		// what is made of the other arrays alone would have no scope, and wait for the collector
		others := args[0].Scope().NewScope()
		defer others.Close()
		var changed []slot
		inner := func(a []*mlx.Array) []*mlx.Array {
			defer restore(slots)()
			for _, s := range slots {
				s.set(others.Hold(s.get()))
			}
			for i, s := range trained {
				s.set(a[i])
			}
			before := current(slots)
			out := []*mlx.Array{loss(a[len(trained):])}
			changed = nil
			for i, s := range slots {
				if a := s.get(); a != before[i] {
					changed, out = append(changed, s), append(out, a)
				}
			}
			return out
		}
		values, grads := mlx.ValueAndGrad(inner, argnums...)(append(args, batch...)...)
		if values[0].Err() == nil {
			for i, s := range changed {
				// where it was: in a compiled step that is the trace's scope
				replaced(s, s.get().Scope().Hold(values[1+i]))
				values[1+i].Free()
			}
		}
		out := make(Params, len(trained))
		for i, s := range trained {
			out[s.path] = grads[i]
		}
		return values[0], out
	}
}

// replaced puts a in the slot and frees what was there.
func replaced(s slot, a *mlx.Array) {
	old := s.get()
	s.set(a)
	old.Free()
}

func current(slots []slot) []*mlx.Array {
	out := make([]*mlx.Array, len(slots))
	for i, s := range slots {
		out[i] = s.get()
	}
	return out
}

// restore returns a function that puts back what the slots hold now.
func restore(slots []slot) func() {
	before := current(slots)
	return func() {
		for i, s := range slots {
			s.set(before[i])
		}
	}
}

// CheckpointOf returns forward, a forward pass of module, that keeps none of its intermediate
// results for the gradient and computes them again instead (Chen et al. 2016,
// arXiv:1604.06174). The module's parameters are arguments of it, so that they have gradients;
// what else forward uses of a trace must be among args.
func CheckpointOf(module any, forward mlx.Func) mlx.Func {
	return func(args []*mlx.Array) []*mlx.Array {
		w, err := walked(module)
		if err != nil {
			return []*mlx.Array{mlx.Failed("checkpoint", err)}
		}
		float := func(s slot) bool { return s.role != hidden && s.get().Dtype().IsFloat() }
		params := slices.DeleteFunc(slices.Clone(w.slots), func(s slot) bool { return !float(s) })
		at := current(w.slots) // for the second time, when the model has gone on
		var changed []slot
		results := 0
		f := mlx.Checkpoint(func(a []*mlx.Array) []*mlx.Array {
			defer restore(w.slots)()
			for i, s := range w.slots {
				s.set(at[i])
			}
			for i, s := range params {
				s.set(a[i])
			}
			before := current(w.slots)
			out := forward(a[len(params):])
			changed, results = nil, len(out)
			for i, s := range w.slots {
				if a := s.get(); a != before[i] {
					changed, out = append(changed, s), append(out, a)
				}
			}
			return out
		})
		out := f(slices.Concat(current(params), args))
		if out[0].Err() != nil || len(out) < results+len(changed) {
			return out
		}
		for i, s := range changed {
			s.set(s.get().Scope().Hold(out[results+i]))
		}
		return out[:results]
	}
}
