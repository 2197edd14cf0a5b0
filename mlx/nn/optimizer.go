package nn

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/mlxlens/mlxlens/mlx"
)

// Rule is how an optimizer changes one parameter. Its operations are of package mlx and take
// their numbers from g, p, state and tick alone, so that a step can be compiled.
type Rule interface {
	// Check returns what is wrong with the rule's constants.
	Check() error
	// Start returns the state of a parameter before its first step.
	Start(p *mlx.Array) Params
	// Step returns p after a step along its gradient g, and replaces what changes in state.
	Step(g, p *mlx.Array, state Params, tick Tick) *mlx.Array
}

// Tick is what the parameters of a step have in common.
type Tick struct {
	Rate *mlx.Array // λ, the learning rate: 0-d float32
	Step *mlx.Array // the number of the step from 1: 0-d float32
}

// rate returns λ in g's type.
func (t Tick) rate(g *mlx.Array) *mlx.Array { return like(t.Rate, g) }

// like converts a to x's type.
func like(a, x *mlx.Array) *mlx.Array {
	if a.Dtype() == x.Dtype() {
		return a
	}
	return mlx.AsType(a, x.Dtype())
}

// Group is parameters that one rule changes.
type Group struct {
	Of   func(path string, p *mlx.Array) bool // which parameters, nil: all that are left
	Rule Rule
	Rate Schedule // λ; nil for an Adafactor that has its own
}

// rate returns λ of a step, counted from 0.
func (g Group) rate(step int) float64 {
	if g.Rate == nil {
		return 0
	}
	return g.Rate(max(step, 0))
}

// Optimizer changes parameters along their gradients and holds what it needs to know about
// the steps before. One goroutine uses it at a time.
type Optimizer struct {
	groups []Group
	multi  bool
	step   int
	loaded bool                // the states came from SetState and were not yet seen beside parameters
	states []map[string]Params // [group][path]: the state of a parameter by its names in mlx.optimizers
}

// NewOptimizer returns an optimizer of all parameters:
//
//	sgd := nn.NewOptimizer(&nn.SGD{Momentum: 0.9}, nn.CosineDecay(0.1, 1000, 0))
//	adam := nn.NewOptimizer(nn.NewAdamW(), nn.Constant(1e-3))
func NewOptimizer(rule Rule, rate Schedule) *Optimizer {
	o := NewMultiOptimizer(Group{Rule: rule, Rate: rate})
	o.multi = false
	return o
}

// NewMultiOptimizer returns an optimizer with several rules. A parameter belongs to the first
// group that takes it, and without one is an error.
func NewMultiOptimizer(groups ...Group) *Optimizer {
	o := &Optimizer{groups: slices.Clone(groups), multi: true, states: make([]map[string]Params, len(groups))}
	for i := range o.states {
		o.states[i] = map[string]Params{}
	}
	return o
}

// Steps returns how many steps were done.
func (o *Optimizer) Steps() int { return o.step }

// Rate returns λ of the first group at the last step, or before it the first.
func (o *Optimizer) Rate() float64 {
	if len(o.groups) == 0 {
		return 0
	}
	return o.groups[0].rate(o.step - 1)
}

// SetRate replaces the schedules of all groups, which count the steps that were done too.
func (o *Optimizer) SetRate(rate Schedule) {
	for i := range o.groups {
		o.groups[i].Rate = rate
	}
}

// Init starts the state of parameters, which the first step does otherwise: to look at State.
func (o *Optimizer) Init(params Params) error {
	_, err := o.prepare(params)
	return err
}

// Update does one step: it changes the model's parameters that have a gradient, and computes
// them along with the optimizer's and the module's state, and also what else is wanted, such
// as the loss. It frees the arrays that it replaces. On an error nothing has changed.
func (o *Optimizer) Update(m *Model, grads Params, also ...*mlx.Array) error {
	slots, err := m.slots(inFiles)
	if err != nil {
		return err
	}
	params := Params{}
	for _, s := range slots {
		if grads[s.path] != nil {
			params[s.path] = s.get()
		}
	}
	state, err := m.slots(notLearned)
	if err != nil {
		return err
	}
	next, err := o.apply(params, grads, append(current(state), also...))
	if err != nil {
		return err
	}
	for _, s := range slots {
		if a := next[s.path]; a != nil {
			replaced(s, a)
		}
	}
	return nil
}

// Apply does one step of parameters that no module holds: it returns them after it, computed.
// The state that it replaces is freed, the parameters are not.
func (o *Optimizer) Apply(params, grads Params) (Params, error) { return o.apply(params, grads, nil) }

// apply is Apply that computes others too. It works in a scope of its own, out of which the
// results are kept.
func (o *Optimizer) apply(params, grads Params, others []*mlx.Array) (Params, error) {
	if err := o.fit(params, grads); err != nil {
		return nil, err
	}
	owners, err := o.prepare(params)
	if err != nil {
		return nil, err
	}
	if len(params) == 0 { // time goes on
		if err := mlx.Eval(others...); err != nil {
			return nil, err
		}
		o.step++
		return Params{}, nil
	}
	s := params[params.Paths()[0]].Scope().NewScope()
	defer s.Close()
	hold := func(p Params) Params {
		return p.Map(func(_ string, a *mlx.Array) *mlx.Array { return s.Hold(a) })
	}
	states := map[string]Params{}
	for path, g := range owners {
		states[path] = hold(o.states[g][path])
	}
	next := o.advance(hold(params), hold(grads), states, owners, o.ticks(s))
	all := slices.Concat(slices.Collect(maps.Values(next)), others)
	for _, state := range states {
		all = slices.AppendSeq(all, maps.Values(state))
	}
	if err := mlx.Eval(all...); err != nil {
		return nil, err
	}
	o.step++
	place := s.Stream().Scope()
	for path, state := range states {
		old := o.states[owners[path]][path]
		o.states[owners[path]][path] = state.Map(func(_ string, a *mlx.Array) *mlx.Array { return place.Hold(a) })
		for _, a := range old {
			a.Free()
		}
	}
	return next.Map(func(_ string, a *mlx.Array) *mlx.Array { return place.Hold(a) }), nil
}

// fit reports gradients without a parameter, of another shape or with an error.
func (o *Optimizer) fit(params, grads Params) error {
	return compare(slotsOf(params), grads).err("the gradients of a step")
}

// prepare checks the rules, finds each parameter's group and starts its state.
func (o *Optimizer) prepare(params Params) (owners map[string]int, err error) {
	for i, g := range o.groups {
		relative, ok := g.Rule.(interface{ relative() bool })
		if g.Rule == nil || g.Rate == nil && !(ok && relative.relative()) {
			return nil, fmt.Errorf("nn: group %d of the optimizer has no rule or no learning rate", i)
		}
		if err := g.Rule.Check(); err != nil {
			return nil, err
		}
	}
	owners = map[string]int{}
	for _, path := range params.Paths() {
		i := slices.IndexFunc(o.groups, func(g Group) bool { return g.Of == nil || g.Of(path, params[path]) })
		if i < 0 {
			return nil, fmt.Errorf("nn: no group of the optimizer takes %q: give the last one no Of", path)
		}
		owners[path] = i
		if o.states[i][path] != nil && !o.loaded {
			continue
		}
		start := o.groups[i].Rule.Start(params[path])
		if state := o.states[i][path]; state != nil {
			wrong := compare(slotsOf(start), state)
			wrong.extra = nil // mlx.optimizers keeps a v for SGD without momentum
			if err := wrong.err("the optimizer's state of " + path); err != nil {
				return nil, err
			}
			continue
		}
		for _, a := range start {
			kept(a) // where the parameter is in a scope
		}
		o.states[i][path] = start
	}
	o.loaded = false
	return owners, nil
}

// slotsOf are places that hold the arrays.
func slotsOf(params Params) []slot {
	var slots []slot
	for path, p := range params {
		slots = append(slots, slot{path: path, get: func() *mlx.Array { return p }})
	}
	return slots
}

// ticks returns what the groups' next step goes by.
func (o *Optimizer) ticks(s *mlx.Scope) []Tick {
	out := make([]Tick, len(o.groups))
	for i, g := range o.groups {
		out[i] = Tick{mlx.Scalar(s, float32(g.rate(o.step))), mlx.Scalar(s, float32(o.step+1))}
	}
	return out
}

// advance builds one step from arrays alone, and replaces what changes in states.
func (o *Optimizer) advance(params, grads Params, states map[string]Params, owners map[string]int, ticks []Tick) Params {
	return params.Map(func(path string, p *mlx.Array) *mlx.Array {
		i := owners[path]
		return o.groups[i].Rule.Step(grads[path], p, states[path], ticks[i])
	})
}

// State returns copies of the handles on what the optimizer knows, under mlx.optimizers'
// paths: "step", "learning_rate" and, for each parameter that has had a step,
// "layers.0.weight.m"; of several rules with "states.0." in front. They belong to s.
func (o *Optimizer) State(s *mlx.Scope) Params {
	out := Params{}
	for i := range o.groups {
		prefix := o.prefix(i)
		out[prefix+"step"] = mlx.Scalar(s, uint64(o.step))
		if o.groups[i].Rate != nil {
			out[prefix+"learning_rate"] = mlx.Scalar(s, float32(o.groups[i].rate(o.step-1)))
		}
		for path, state := range o.states[i] {
			for name, a := range state {
				out[prefix+join(path, name)] = s.Hold(a)
			}
		}
	}
	return out
}

func (o *Optimizer) prefix(group int) string {
	if !o.multi {
		return ""
	}
	return "states." + strconv.Itoa(group) + "."
}

// SetState replaces what the optimizer knows by what State returned. The learning rate is the
// schedule's at the step.
func (o *Optimizer) SetState(state Params) error {
	states := make([]map[string]Params, len(o.groups))
	step := uint64(0)
	seen := 0
	for i := range o.groups {
		prefix := o.prefix(i)
		states[i] = map[string]Params{}
		for path, a := range state {
			rest, ok := strings.CutPrefix(path, prefix)
			if !ok {
				continue
			}
			seen++
			switch at := strings.LastIndexByte(rest, '.'); {
			case rest == "step":
				n, err := mlx.Item[uint64](a)
				if err != nil {
					return fmt.Errorf("nn: the optimizer's state: %q: %w", path, err)
				}
				step = n
			case rest == "learning_rate":
			case at < 0:
				return fmt.Errorf("nn: the optimizer's state has %q, which belongs to no parameter", path)
			default:
				if states[i][rest[:at]] == nil {
					states[i][rest[:at]] = Params{}
				}
				states[i][rest[:at]][rest[at+1:]] = a.Stream().Scope().Hold(a)
			}
		}
		if state[prefix+"step"] == nil {
			return fmt.Errorf("nn: the optimizer's state lacks %q", prefix+"step")
		}
	}
	if seen != len(state) {
		return fmt.Errorf("nn: the optimizer's state is of other groups than its %d", len(o.groups))
	}
	o.states, o.step, o.loaded = states, int(step), true
	return nil
}

// Save computes the state and writes it to a safetensors file, as a dictionary flattened by
// Python's mlx.utils.tree_flatten would be.
func (o *Optimizer) Save(path string) error {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	return mlx.SaveSafetensors(path, o.State(s), map[string]string{"format": "mlx"})
}

// Load replaces the state by that of a file, on d.
func (o *Optimizer) Load(path string, d mlx.Device) error {
	s := mlx.NewScope(d)
	defer s.Close()
	state, _, err := mlx.LoadSafetensors(s, path)
	if err != nil {
		return err
	}
	return o.SetState(state)
}
