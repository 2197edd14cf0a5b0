package mlx

import (
	"fmt"
	"slices"
	"sync"
)

// MLX replays a trace for other shapes without a look at lengths: a matrix product reads beyond its
// operands when their inner axes differ, and a reshape, a repetition or a mask keeps the lengths of the
// first call. So a trace for other shapes is written down here too, as what each operation makes of the
// lengths of its operands, and is worked through with the lengths of each call before MLX replays it.
// Of an operation without a rule, and where the function looks at a shape, the lengths must be those
// of the trace.

// lengthsTape is a trace as lengths: arrays are numbers, the arguments first.
type lengthsTape struct {
	Types []Dtype      `json:"types"` // of the arguments
	Names []string     `json:"names"` // of the last arguments, in order
	Was   [][]int      `json:"was"`   // the shape of each array in the trace
	Steps []lengthStep `json:"steps"`

	mu       sync.Mutex
	began    bool
	numbers  map[*Array]int // while the function is traced
	made     map[int]int    // the step that makes each array
	checked  map[int]bool   // arrays whose lengths are fixed
	accepted [][]int        // the last shapes for which it holds
	fused    bool           // what had one shape in the trace must have one shape: MLX fuses it
}

// lengthStep is one operation, or without a result a condition.
type lengthStep struct {
	Op   string `json:"op"`
	Rule string `json:"rule,omitempty"` // of lengthRules; none: as in the trace
	Axes []int  `json:"axes,omitempty"`
	In   []int  `json:"in"`
	Out  int    `json:"out"` // -1 for a condition
}

// begin numbers the arguments of the function.
func (t *lengthsTape) begin(args []*Array) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.began = true
	t.Types, t.Was, t.Steps = nil, nil, nil
	t.numbers, t.made, t.checked = map[*Array]int{}, map[int]int{}, map[int]bool{}
	for _, a := range args {
		t.Types = append(t.Types, a.Dtype())
		t.number(a, a.lengths())
	}
}

// finish notes that the function has returned these arrays.
func (t *lengthsTape) finish(results []*Array) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, a := range results {
		if a != nil && a.err == nil {
			t.operand(a)
		}
	}
	t.numbers, t.made, t.checked = nil, nil, nil
}

func (t *lengthsTape) number(a *Array, shape []int) int {
	n := len(t.Was)
	t.numbers[a], t.Was = n, append(t.Was, shape)
	return n
}

// operand is the number of a: a constant where it is from outside, and where nothing is known of how it
// was made the arguments must have the lengths that they have now.
func (t *lengthsTape) operand(a *Array) int {
	if n, ok := t.numbers[a]; ok {
		return n
	}
	if tapeOf(a) == t {
		t.fixAll(a.scope.Load().traced)
	}
	n := t.number(a, a.lengths())
	t.Steps = append(t.Steps, lengthStep{Op: "constant", Out: n})
	return n
}

// fixAll holds every argument to the lengths that it has.
func (t *lengthsTape) fixAll(op string) {
	for n := range t.Types {
		t.fix(op, n)
	}
}

func (t *lengthsTape) fix(op string, n int) {
	if !t.checked[n] {
		t.checked[n] = true
		t.Steps = append(t.Steps, lengthStep{Op: op, In: []int{n}, Out: -1})
	}
}

// tapeOf is the tape of the trace that a is made in, nil outside any.
func tapeOf(a *Array) *lengthsTape {
	if a == nil {
		return nil
	}
	s := a.scope.Load()
	if s == nil {
		return nil
	}
	return s.tape
}

// taping calls f with the tape of the trace that a is made in, while it is under way.
func taping(a *Array, f func(t *lengthsTape)) {
	if t := tapeOf(a); t != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.numbers != nil {
			f(t)
		}
	}
}

// noted writes down that op made r of operands, of whatever lengths they have in the trace.
func (r *Array) noted(op string, operands []*Array) *Array {
	if r.err != nil || tapeOf(r) == nil {
		return r
	}
	taping(r, func(t *lengthsTape) {
		var in []int
		for _, a := range operands {
			if a != nil {
				in = append(in, t.operand(a))
			}
		}
		n := t.number(r, r.lengths())
		t.made[n] = len(t.Steps)
		t.Steps = append(t.Steps, lengthStep{Op: op, In: in, Out: n})
	})
	return r
}

// follows says by what rule the lengths of r follow from those of its operands. A rule that does not
// give the lengths of the trace itself is none.
func (r *Array) follows(rule string, axes ...int) *Array {
	if r.err != nil || tapeOf(r) == nil {
		return r
	}
	taping(r, func(t *lengthsTape) {
		n, ok := t.numbers[r]
		if !ok || slices.Contains(t.Was[n], 0) {
			return
		}
		step := t.Steps[t.made[n]]
		step.Rule, step.Axes = rule, axes
		if out, holds := step.lengths(t.Was, t.Was); holds && slices.Equal(out, t.Was[n]) {
			t.Steps[t.made[n]] = step
		}
	})
	return r
}

// looked notes that the program sees the lengths of a, and may do anything by them.
func (a *Array) looked() {
	if a == nil || a.err != nil || tapeOf(a) == nil {
		return
	}
	taping(a, func(t *lengthsTape) { t.fix("shape", t.operand(a)) })
}

// requires notes a condition on the lengths of a.
func (a *Array) requires(op, rule string, axes ...int) {
	if a.err != nil || tapeOf(a) == nil {
		return
	}
	taping(a, func(t *lengthsTape) {
		t.Steps = append(t.Steps, lengthStep{Op: op, Rule: rule, Axes: axes, In: []int{t.operand(a)}, Out: -1})
	})
}

// strays notes that what follows is written down no further: the arguments keep their lengths.
func (a *Array) strays(op string) {
	if tapeOf(a) != nil {
		taping(a, func(t *lengthsTape) { t.fixAll(op) })
	}
}

// isAlso notes that r is a, with another handle.
func (r *Array) isAlso(a *Array) {
	if tapeOf(a) != nil && tapeOf(a) != tapeOf(r) {
		a.strays("hold")
		return
	}
	taping(r, func(t *lengthsTape) {
		if r.err == nil {
			t.numbers[r] = t.operand(a)
		}
	})
}

// isFor reports whether MLX would use this trace for arguments of these types, shapes and names.
func (t *lengthsTape) isFor(args []*Array, names []string, shapes [][]int) bool {
	if len(args) != len(t.Types) || !slices.Equal(names, t.Names) {
		return false
	}
	for i, a := range args {
		if a.Dtype() != t.Types[i] || len(shapes[i]) != len(t.Was[i]) {
			return false
		}
	}
	return true
}

// check works through the trace with other shapes of the arguments, and says where it does not hold.
func (t *lengthsTape) check(op string, shapes [][]int) *Error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if slices.EqualFunc(t.accepted, shapes, slices.Equal) {
		return nil
	}
	now := make([][]int, len(t.Was))
	copy(now, shapes)
	for _, step := range t.Steps {
		out, holds := step.lengths(now, t.Was)
		if holds && step.Out >= 0 {
			now[step.Out], holds = out, !slices.Contains(out, 0) || slices.Contains(t.Was[step.Out], 0)
			holds = holds && !(t.fused && step.repeatsMore(now, t.Was))
		}
		if !holds {
			if step.ends(t.Was) {
				return newError(op, ErrShape, fmt.Sprintf("the trace for other shapes was made with %v, where %s reduces %v over axes of length 1, and MLX would end the process: trace it with longer axes, or without shapeless",
					t.Was[:len(t.Types)], step.Op, step.of(t.Was)))
			}
			return newError(op, ErrShape, fmt.Sprintf("for arguments of the shapes %v the trace for other shapes, made with %v, does not hold: its %s had operands %v and gets %v",
				shapes, t.Was[:len(t.Types)], step.Op, step.of(t.Was), step.of(now)))
		}
	}
	t.accepted = shapes
	return nil
}

// of are the shapes of the operands.
func (s lengthStep) of(shapes [][]int) [][]int {
	out := make([][]int, len(s.In))
	for i, n := range s.In {
		out[i] = shapes[n]
	}
	return out
}

// repeatsMore reports whether an operand is broadcast now that had the lengths of the result in the trace.
func (s lengthStep) repeatsMore(now, was [][]int) bool {
	if s.Rule != "broadcast" {
		return false
	}
	for _, n := range s.In {
		front := len(was[s.Out]) - len(was[n])
		for i, length := range was[n] {
			if length == was[s.Out][front+i] && now[n][i] != now[s.Out][front+i] {
				return true
			}
		}
	}
	return false
}

// lengths is the shape of the result for the shapes now, where the trace had others.
func (s lengthStep) lengths(now, was [][]int) (out []int, holds bool) {
	in, then := s.of(now), s.of(was)
	if s.Rule != "" {
		rule, known := lengthRules[s.Rule]
		if !known {
			return nil, false
		}
		return rule(in, then, s.Axes)
	}
	if s.Out >= 0 {
		out = was[s.Out]
	}
	return out, !s.ends(was) && slices.EqualFunc(in, then, slices.Equal)
}

// ends reports whether MLX's trace may reduce over an axis of length 1, whatever it is called with.
func (s lengthStep) ends(was [][]int) bool {
	return s.Rule == "" && s.Out >= 0 && reduces[s.Op] && slices.ContainsFunc(s.of(was), func(shape []int) bool { return slices.Contains(shape, 1) })
}

// argumentShapes are the lengths of the arguments of a call.
func argumentShapes(args []*Array) [][]int {
	out := make([][]int, len(args))
	for i, a := range args {
		out[i] = a.lengths()
	}
	return out
}
