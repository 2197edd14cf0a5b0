package nn

import (
	"errors"
	"maps"
	"slices"

	"github.com/mlxlens/mlxlens/mlx"
)

// CompileStep returns a function that does one training step on a batch, compiled: it computes
// the loss and the gradients, changes the model by the optimizer, and returns the loss, in the
// batch's scope. The parameters, the rest of the module's state, the optimizer's state, the
// learning rate and the batch are arguments and results of the compiled function, so that
// nothing of them is a constant of the trace; what else loss uses is. It is traced anew when
// shapes change, or what is frozen. On a CPU, compiling is off until mlx.SetCompileMode.
func CompileStep(m *Model, o *Optimizer, loss Loss) func(batch ...*mlx.Array) (*mlx.Array, error) {
	c := &compiledStep{m: m, o: o, loss: loss}
	return c.step
}

type compiledStep struct {
	m    *Model
	o    *Optimizer
	loss Loss

	f       mlx.Func // of the trace of these paths and names
	trained []string
	all     []string
	names   []stateName
	owners  map[string]int
	slots   []slot
}

type stateName struct{ path, name string }

// step calls the compiled function with everything that changes, and stores its results.
func (c *compiledStep) step(batch ...*mlx.Array) (*mlx.Array, error) {
	params := c.m.Trainable()
	if len(params) == 0 {
		return nil, errNoGradient
	}
	slots, err := c.m.slots(anyRole)
	if err != nil {
		return nil, err
	}
	owners, err := c.o.prepare(params)
	if err != nil {
		return nil, err
	}
	c.retrace(slots, params.Paths(), owners)
	s := slots[0].get().Scope().NewScope()
	defer s.Close()
	var args []*mlx.Array
	for _, t := range c.o.ticks(s) {
		args = append(args, t.Rate, t.Step)
	}
	args = append(args, current(slots)...)
	for _, n := range c.names {
		args = append(args, c.o.states[owners[n.path]][n.path][n.name])
	}
	for i, a := range args {
		args[i] = s.Hold(a)
	}
	out := c.f(append(args, batch...))
	if err := mlx.Eval(out...); err != nil {
		return nil, err
	}
	if len(out) != 1+len(slots)+len(c.names) {
		return nil, errors.New("nn: a compiled step returned another number of arrays than its trace")
	}
	c.o.step++
	place := s.Stream().Scope()
	for i, slot := range slots {
		replaced(slot, place.Hold(out[1+i]))
	}
	for i, n := range c.names {
		state := c.o.states[owners[n.path]][n.path]
		state[n.name].Free()
		state[n.name] = place.Hold(out[1+len(slots)+i])
	}
	if len(batch) > 0 {
		place = batch[0].Scope()
	}
	return place.Hold(out[0]), nil
}

// retrace begins a new function when the trees have changed since the last.
func (c *compiledStep) retrace(slots []slot, trained []string, owners map[string]int) {
	var all []string
	for _, s := range slots {
		all = append(all, s.path)
	}
	c.slots = slots
	if c.f != nil && slices.Equal(trained, c.trained) && slices.Equal(all, c.all) && maps.Equal(owners, c.owners) {
		return
	}
	c.trained, c.all, c.owners, c.names = trained, all, owners, nil
	for _, path := range trained {
		for _, name := range c.o.states[owners[path]][path].Paths() {
			c.names = append(c.names, stateName{path, name})
		}
	}
	c.f = mlx.Compile(c.traced, false)
}

// traced is a step of arrays alone: rate and number for each group, the slots, the optimizer's
// state and the batch, to the loss, the slots and the state.
func (c *compiledStep) traced(args []*mlx.Array) []*mlx.Array {
	take := func(n int) []*mlx.Array {
		head := args[:n]
		args = args[n:]
		return head
	}
	ticks := make([]Tick, len(c.o.groups))
	for i := range ticks {
		pair := take(2)
		ticks[i] = Tick{pair[0], pair[1]}
	}
	defer restore(c.slots)()
	for i, a := range take(len(c.slots)) {
		c.slots[i].set(a)
	}
	states := map[string]Params{}
	for i, a := range take(len(c.names)) {
		n := c.names[i]
		if states[n.path] == nil {
			states[n.path] = Params{}
		}
		states[n.path][n.name] = a
	}
	for _, path := range c.trained {
		if states[path] == nil {
			states[path] = Params{} // of a rule without state
		}
	}
	loss, grads := c.m.ValueAndGrad(c.loss)(args...)
	next := c.o.advance(c.m.Trainable(), grads, states, c.owners, ticks)
	out := []*mlx.Array{loss}
	for _, s := range c.slots {
		if a := next[s.path]; a != nil && s.role == learned {
			out = append(out, a)
		} else {
			out = append(out, s.get())
		}
	}
	for _, n := range c.names {
		out = append(out, states[n.path][n.name])
	}
	return out
}
