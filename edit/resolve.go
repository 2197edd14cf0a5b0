package edit

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/mlxlens/mlxlens/model"
)

// resolved is an edit of a prompt of known length.
type resolved struct {
	*Edit
	all   bool  // at every position, also at those of tokens to come
	at    []int // the positions otherwise, ascending
	rows  []int // which row of the value each position gets; nil: the value has one for all
	heads []int // in the order in which a value has them; nil: all
	keys  []int // nil: all
	shape model.Shape
	basis []float32 // rows: of ProjectOut and SwapClamped orthonormal, of Swap two
}

// resolve finds out which positions the edit changes, and what it puts there. The edit was
// checked.
func (e *Edit) resolve(m model.Model, tokens int) (*resolved, error) {
	given := e
	e, err := e.made()
	if err != nil {
		return nil, err
	}
	r := &resolved{Edit: e, shape: m.Shape().In(e.Place.Layer)}
	switch {
	case e.Positions != nil:
		if r.at, err = once(e.Positions, tokens, "position"); err != nil {
			return nil, e.wrong("it would never run: %w", err)
		}
	case e.Op.hasValue() && e.Value.Positions != nil:
		r.at = slices.Clone(e.Value.Positions)
		if last := slices.Max(r.at); last >= tokens {
			return nil, e.wrong("the value is of position %d too, and the prompt has %d tokens (0–%d): choose positions with @", last, tokens, tokens-1)
		}
	default:
		r.all = true
	}
	if e.Heads != nil {
		if r.heads, err = once(e.Heads, headsOf(e.Place.Site, r.shape), "head"); err != nil {
			return nil, e.wrong("%w", err)
		}
	}
	if e.Keys != nil {
		if r.keys, err = once(e.Keys, tokens, "key"); err != nil {
			return nil, e.wrong("%w", err)
		}
		if first := slices.Min(r.keys); !r.all && slices.Max(r.at) < first {
			return nil, e.wrong("it would change nothing: position %d sees no key behind itself, and the first named is %d", slices.Max(r.at), first)
		}
	}
	switch {
	case e.Op.hasValue():
		err = r.chooseRows(tokens)
	case e.Op == ProjectOut:
		r.basis = orthonormal(e.Value.Data, e.Value.last())
	case e.Op == Swap:
		r.basis = e.exchange()
	}
	if e.Op == SwapClamped {
		r.basis = orthonormal(given.Value.Data, given.Value.last())
	}
	r.sort()
	return r, err
}

// sort puts the positions in ascending order, each with its row.
func (r *resolved) sort() {
	order := make([]int, len(r.at))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(r.at[a], r.at[b]) })
	at, rows := r.at, r.rows
	r.at = make([]int, len(at))
	if rows != nil {
		r.rows = make([]int, len(rows))
	}
	for to, from := range order {
		r.at[to] = at[from]
		if rows != nil {
			r.rows[to] = rows[from]
		}
	}
}

// once resolves negative indices of n things called what, in their order, each of which is
// named once.
func once(given []int, n int, what string) ([]int, error) {
	ascending, err := model.Indices(given, n, what)
	if err != nil {
		return nil, err
	}
	if len(ascending) < len(given) {
		return nil, fmt.Errorf("a %s is named twice: %v", what, given)
	}
	out := make([]int, len(given))
	for i, x := range given {
		if out[i] = x; x < 0 {
			out[i] += n
		}
	}
	return out, nil
}

// hidden is what follows at the pattern from a mask of scores: the keys have no weight where softmax
// had no other key to give it to.
func (r *resolved) hidden() *resolved {
	e := *r.Edit
	e.Op, e.Place.Site = Zero, model.Pattern
	zero := *r
	zero.Edit = &e
	return &zero
}
