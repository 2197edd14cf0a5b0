package edit

import (
	"slices"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// apply makes the edits of a place: the first of each row together, then the second, as long
// as a row has one. x: [row, …], the positions of the pass being [from, to).
func (b *Batch) apply(at model.Place, x *mlx.Array, from, to int) *mlx.Array {
	if x.Dim(0) == 1 && b.Len() > 1 { // pos_embed, the same for every row
		x = mlx.BroadcastTo(x, append([]int{b.Len()}, x.Shape()[1:]...)...)
	}
	shape := x.Shape()
	keyed := hasKeys(at.Site)
	if keyed { // [row, head, pos, key] → [row, pos, head, key]
		x = model.Swap(x)
	}
	swapped := x.Shape()
	flat := mlx.Reshape(x, append([]int{swapped[0] * swapped[1]}, swapped[2:]...)...) // [row·pos, …]
	for round := 0; ; round++ {
		groups := b.groups(at, round, from, to)
		if groups == nil {
			break
		}
		for _, g := range groups {
			flat = g.change(flat, to)
		}
	}
	x = mlx.Reshape(flat, swapped...)
	if keyed {
		x = mlx.Reshape(model.Swap(x), shape...)
	}
	return x
}

// group is edits of one kind that rows have at a place: one operation on all of them.
type group struct {
	op    *resolved // one of them, which says the operation
	rows  []*resolved
	index [][]int32 // for each of rows, where it changes [row·pos]
	which [][]int   // for each, which of its own positions these are, by number
	pos   [][]int   // for each, these positions
}

// alike reports whether two edits are one operation, but for the numbers of a value or of
// noise, which each row has its own.
func alike(a, b *resolved) bool {
	if a.Op != b.Op {
		return false
	}
	if a.Op != SwapClamped && (a.Op.hasValue() || a.Op == Noise) {
		return true
	}
	return a.Factor == b.Factor && a.Low == b.Low && a.High == b.High && slices.Equal(a.basis, b.basis)
}

// groups returns the edits that rows have at a place in a round, nil after the last.
func (b *Batch) groups(at model.Place, round, from, to int) []*group {
	var groups []*group
	any := false
	for i, r := range b.rows {
		edits := r.of[at]
		if round >= len(edits) {
			continue
		}
		any = true
		e := edits[round]
		var index []int32
		var which, pos []int
		add := func(number, p int) {
			index = append(index, int32(i*(to-from)+p-from))
			which, pos = append(which, number), append(pos, p)
		}
		if e.all {
			for p := from; p < to; p++ {
				add(0, p)
			}
		}
		for n, p := range e.at {
			if p >= from && p < to {
				add(n, p)
			}
		}
		if len(index) == 0 {
			continue
		}
		k := slices.IndexFunc(groups, func(g *group) bool { return alike(g.op, e) })
		if k < 0 {
			k = len(groups)
			groups = append(groups, &group{op: e})
		}
		g := groups[k]
		g.rows, g.index, g.which, g.pos = append(g.rows, e), append(g.index, index), append(g.which, which), append(g.pos, pos)
	}
	if !any {
		return nil
	}
	if groups == nil {
		groups = []*group{} // this round changes nothing in this pass; the next may
	}
	return groups
}

// change returns flat, [row·pos, …], with the group's operation at its places.
func (g *group) change(flat *mlx.Array, to int) *mlx.Array {
	index := slices.Concat(g.index...)
	if len(index) == flat.Dim(0) { // in order then
		return g.operate(flat, to)
	}
	at := mlx.FromSlice(flat.Scope(), index)
	return mlx.IndexUpdate(flat, g.operate(mlx.Take(flat, at, 0), to), at)
}

// operate returns Op(x) for x, [n, …], where an edit changes the head, as x is elsewhere.
func (g *group) operate(x *mlx.Array, to int) *mlx.Array {
	changed := g.operation(x, to)
	if heads := g.headMask(x.Scope(), x); heads != nil {
		changed = mlx.Where(heads, changed, x)
	}
	if hasKeys(g.op.Place.Site) {
		changed = mlx.Where(g.seen(x, to), changed, x)
	}
	return changed
}

// seen returns booleans [n, 1, key], true for the keys that an edit changes, of those that the
// query at each place sees: what is masked stays as it is.
func (g *group) seen(x *mlx.Array, to int) *mlx.Array {
	keys := x.Dim(2)
	mask := make([]bool, 0, x.Dim(0)*keys)
	for i, positions := range g.pos {
		chosen := g.rows[i].keys
		for _, p := range positions {
			for k := to - keys; k < to; k++ {
				mask = append(mask, k <= p && (chosen == nil || slices.Contains(chosen, k)))
			}
		}
	}
	return mlx.FromSlice(x.Scope(), mask, x.Dim(0), 1, keys)
}

func (g *group) operation(x *mlx.Array, to int) *mlx.Array {
	scope := x.Scope()
	switch e := g.op; e.Op {
	case Zero:
		return mlx.Zeros(scope, x.Dtype(), x.Shape()...)
	case Mask:
		return mlx.Masked(x, mlx.Zeros(scope, mlx.Bool, 1))
	case Scale:
		return mlx.Scale(x, e.Factor)
	case Clamp:
		bound := func(v float64) *mlx.Array { return mlx.AsType(mlx.Scalar(scope, float32(v)), x.Dtype()) }
		return mlx.Clip(x, bound(e.Low), bound(e.High))
	case ProjectOut, Swap, SwapClamped:
		return mlx.AsType(g.along(mlx.AsType(x, mlx.Float32), to), x.Dtype())
	case Add, Noise:
		return mlx.Add(x, g.values(x, to))
	}
	return mlx.BroadcastTo(g.values(x, to), x.Shape()...) // Set, Mean
}

// along changes x, [n, …, d] in float32, along directions: their rows are of length 1 and at right
// angles only there.
func (g *group) along(x *mlx.Array, to int) *mlx.Array {
	e, d := g.op, x.Dim(-1)
	rows := mlx.FromSlice(x.Scope(), e.basis, len(e.basis)/d, d) // [k, d]
	if e.Op == Swap {
		row := func(i int) *mlx.Array { return mlx.Slice(rows, 0, mlx.Between(i, i+1)) }
		return mlx.Add(x, mlx.Scale(mlx.Matmul(mlx.MatmulT(x, row(0)), row(1)), e.Factor))
	}
	within := mlx.Matmul(mlx.MatmulT(x, rows), rows)
	if e.Op == ProjectOut {
		return mlx.Subtract(x, within)
	}
	return mlx.Add(x, mlx.Scale(mlx.Subtract(g.values(x, to), within), e.Factor))
}

// values returns what the rows put at their places, in the shape of x [n, …], or [1, …] where
// it is the same for all.
func (g *group) values(x *mlx.Array, to int) *mlx.Array {
	shape := x.Shape()
	size := x.Size() / shape[0]
	if len(g.rows) == 1 && g.op.Op.hasValue() && g.rows[0].rows == nil {
		shape[0] = 1
	}
	data := make([]float32, shape[0]*size)
	n := 0
	for i, e := range g.rows {
		for j, number := range g.which[i] {
			if n == shape[0] {
				break
			}
			dst := data[n*size : (n+1)*size]
			if e.Op == Noise {
				e.noise(dst, g.pos[i][j], to)
			} else {
				e.put(dst, number, to)
			}
			n++
		}
	}
	return mlx.AsType(mlx.FromSlice(x.Scope(), data, shape...), x.Dtype())
}

// headMask returns booleans [n, head, 1], true where an edit changes a head; nil where all
// edits change all heads.
func (g *group) headMask(scope *mlx.Scope, x *mlx.Array) *mlx.Array {
	if !slices.ContainsFunc(g.rows, func(e *resolved) bool { return e.heads != nil }) {
		return nil
	}
	heads := x.Dim(1)
	mask := make([]bool, 0, x.Dim(0)*heads)
	for i, e := range g.rows {
		for range g.index[i] {
			for h := range heads {
				mask = append(mask, e.heads == nil || slices.Contains(e.heads, h))
			}
		}
	}
	return mlx.FromSlice(scope, mask, x.Dim(0), heads, 1)
}
