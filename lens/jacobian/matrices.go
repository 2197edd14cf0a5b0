package jacobian

import (
	"slices"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// matrices are what the derivative of a block at the positions of V is made of. T is their number, n that of all
// positions; heads come by the kv head that serves them.
type matrices struct {
	group, kvHeads, dHead, dValue int

	attnNorm, mlpNorm normal

	gate, up, down *mlx.Array // as they are stored
	byGate, byUp   *mlx.Array // [T, d_mlp, 1]: Act'(g)⊙u and Act(g)

	q       *mlx.Array   // [head, d_head, d_model]
	heads   *mlx.Array   // [kv_head, group, d_model, d_v], of W_O
	kv      *mlx.Array   // [T, kv_head·(d_head + d_v), d_model], from the cotangents of keys and values to those of n
	own     *mlx.Array   // [kv_head, group, T, d_v, d_head]: from z's cotangent to the query's before it turns
	scores  []*mlx.Array // by kv head: [group, T, d_v, T], from z's cotangent at t to the score's of t and s
	queries *mlx.Array   // [kv_head, d_head, group·T]
	pattern *mlx.Array   // [kv_head, T, group·T], by key and query
}

// matrices runs a block forward and takes what its derivative needs.
func (b *backward) matrices(scope *mlx.Scope, s *segment) (*matrices, error) {
	p := b.parted[s.from]
	sites := []model.Site{model.ResidMid, model.RotQ, model.RotK, model.V, model.Pattern, model.Z, model.MLPPre, model.MLPPreLinear}
	if p.Rope == nil {
		sites[1], sites[2] = model.Q, model.K
	}
	var places []model.Place
	for _, site := range sites {
		places = append(places, model.Place{Site: site, Layer: s.from})
	}
	pass := scope.NewScope()
	defer pass.Close()
	keep, at := model.Keep(pass, places)
	whole := pass.Hold(s.whole)
	if out := b.m.Resume(whole, pass.Hold(b.all), nil, (&model.Tap{Lengths: b.tap.Lengths}).Then(keep), s.from, s.to); out.Err() != nil {
		return nil, out.Err()
	}
	for i, x := range at {
		at[i] = mlx.Squeeze(x, 0)
	}
	m := &matrices{group: p.Attention.Heads / p.Attention.KVHeads, kvHeads: p.Attention.KVHeads, dHead: at[2].Dim(-1), dValue: at[3].Dim(-1)}
	m.attnNorm = b.normal(mlx.Squeeze(whole, 0), p.AttnNorm.Weight, p.AttnNorm.Eps)
	m.mlpNorm = b.normal(at[0], p.MLPNorm.Weight, p.MLPNorm.Eps)

	m.gate, m.up, m.down = p.MLP.Gate.Dense(pass, mlx.Float32), p.MLP.Up.Dense(pass, mlx.Float32), p.MLP.Down.Dense(pass, mlx.Float32)
	pre, linear := b.in(at[6], 0), b.in(at[7], 0)
	act, slope := mlx.VJP(func(x []*mlx.Array) []*mlx.Array { return []*mlx.Array{p.MLP.Act(x[0])} }, []*mlx.Array{pre}, []*mlx.Array{mlx.OnesLike(pre)})
	m.byUp, m.byGate = mlx.ExpandDims(act[0], 2), mlx.ExpandDims(mlx.Multiply(slope[0], linear), 2)

	wq, wk, wv := p.Q.Dense(pass, mlx.Float32), p.K.Dense(pass, mlx.Float32), p.V.Dense(pass, mlx.Float32)
	d := wq.Dim(1)
	m.q = mlx.Reshape(wq, -1, m.dHead, d)
	out := p.Attention.Out.Dense(pass, mlx.Float32)
	m.heads = mlx.Transpose(mlx.Reshape(out, d, m.kvHeads, m.group, m.dValue), 1, 2, 0, 3)
	b.attends(m, p, at)
	keys := mlx.BroadcastTo(mlx.Reshape(wk, 1, m.kvHeads, m.dHead, d), b.kept, m.kvHeads, m.dHead, d)
	if back := b.unturn(pass, p.Rope, m.dHead); back != nil {
		keys = mlx.Matmul(mlx.ExpandDims(back, 1), keys)
		m.own = mlx.Matmul(m.own, back)
	}
	m.kv = mlx.Concatenate(1, mlx.Reshape(keys, b.kept, -1, d), mlx.BroadcastTo(mlx.ExpandDims(wv, 0), b.kept, wv.Dim(0), d))
	return m, m.settle(scope)
}

// attends makes what the scores, the softmax and the sum over values do to cotangents:
//
//	dS[t, s] = P[t, s]·dz[t]·(v[s] − z[t]),   dq[t] = scale·Σ_s dS[t, s]·k[s],   dk[s] = scale·Σ_t dS[t, s]·q[t],   dv[s] = Σ_t P[t, s]·dz[t]
func (b *backward) attends(m *matrices, p *model.Parts, at []*mlx.Array) {
	skip := b.all.Dim(1) - b.kept
	byHead := func(x *mlx.Array) *mlx.Array { // [T, head, d] to [kv_head, group, T, d]
		return mlx.Transpose(mlx.Reshape(b.in(x, 0), b.kept, m.kvHeads, m.group, -1), 1, 2, 0, 3)
	}
	q, z := byHead(at[1]), byHead(at[5])
	k, v := mlx.Transpose(at[2], 1, 0, 2), mlx.Transpose(at[3], 1, 2, 0)                                      // [kv_head, n, d_head], [kv_head, d_v, n]
	pattern := mlx.Reshape(b.in(at[4], 1), m.kvHeads, m.group, b.kept, -1)                                    // [kv_head, group, T, n]
	seen := mlx.Slice(mlx.Reshape(pattern, m.kvHeads, m.group*b.kept, -1), 2, mlx.Between(skip, skip+b.kept)) // [kv_head, group·T, T]
	m.pattern, m.queries = mlx.Swapaxes(seen, 1, 2), mlx.Swapaxes(mlx.Reshape(q, m.kvHeads, m.group*b.kept, -1), 1, 2)
	weights := mlx.ExpandDims(mlx.Scale(pattern, p.Attention.Scale), 3) // [kv_head, group, T, 1, n]
	var own []*mlx.Array
	for h := range m.kvHeads {
		one := func(x *mlx.Array) *mlx.Array { return mlx.Squeeze(mlx.Slice(x, 0, mlx.Between(h, h+1)), 0) }
		values := mlx.Subtract(one(v), mlx.ExpandDims(one(z), 3)) // [group, T, d_v, n]
		scores := mlx.Multiply(values, one(weights))
		own = append(own, mlx.ExpandDims(mlx.Matmul(scores, one(k)), 0))
		m.scores = append(m.scores, mlx.Slice(scores, 3, mlx.Between(skip, skip+b.kept)))
	}
	m.own = mlx.Concatenate(0, own...)
}

// in cuts the positions of V out of an axis of all.
func (b *backward) in(x *mlx.Array, axis int) *mlx.Array {
	n := b.all.Dim(1)
	return mlx.Slice(x, axis, mlx.Between(n-b.kept, n))
}

// unturn returns by what a turned head's cotangent is multiplied, [T, d_head, d_head]; nil: nothing turns.
func (b *backward) unturn(scope *mlx.Scope, r *model.Rope, head int) *mlx.Array {
	if r == nil {
		return nil
	}
	return mlx.Swapaxes(b.in(r.Turns(scope, b.tap, b.all.Dim(1), head), 0), 1, 2)
}

// settle evaluates all, and holds it in scope.
func (m *matrices) settle(scope *mlx.Scope) error {
	all := []**mlx.Array{&m.gate, &m.up, &m.down, &m.byGate, &m.byUp, &m.q, &m.heads, &m.kv, &m.own, &m.queries, &m.pattern}
	for _, n := range []*normal{&m.attnNorm, &m.mlpNorm} {
		all = append(all, &n.scale, &n.weighed, &n.along)
	}
	for i := range m.scores {
		all = append(all, &m.scores[i])
	}
	values := make([]*mlx.Array, len(all))
	for i, a := range all {
		*a = mlx.Contiguous(*a)
		values[i] = *a
	}
	if err := mlx.Eval(values...); err != nil {
		return err
	}
	for _, a := range all {
		*a = scope.Hold(*a)
	}
	return nil
}

// normal is the derivative of n = w⊙x·r, r = 1/√(mean x² + ε), at each position:
//
//	∂n_i/∂x_j = w_i·r·δ_ij − w_i·x_i·x_j·r³/d
type normal struct {
	scale   *mlx.Array // [T, 1, d]: w·r
	weighed *mlx.Array // [T, d, 1]: w⊙x
	along   *mlx.Array // [T, 1, d]: x·r³/d
}

// normal is made of x at all positions, [n, d].
func (b *backward) normal(x, w *mlx.Array, eps float64) normal {
	x = b.in(x, 0)
	r := mlx.Rsqrt(mlx.Shift(mlx.KeepDims(mlx.Mean, mlx.Square(x), -1), eps))
	return normal{
		scale:   mlx.ExpandDims(mlx.Multiply(r, w), 1),
		weighed: mlx.ExpandDims(mlx.Multiply(x, w), 2),
		along:   mlx.ExpandDims(mlx.Scale(mlx.Multiply(x, mlx.Multiply(r, mlx.Square(r))), 1/float64(x.Dim(1))), 1),
	}
}

// after is [T', m, d] times the derivative.
func (n normal) after(work *mlx.Scope, x *mlx.Array, at span) *mlx.Array {
	of := func(a *mlx.Array) *mlx.Array { return at.of(work.Hold(a), 0) }
	return mlx.Subtract(mlx.Multiply(x, of(n.scale)), mlx.Multiply(mlx.Matmul(x, of(n.weighed)), of(n.along)))
}

// mlp is what the MLP and its norm do to a position's cotangents, [T', d_model, d_model].
func (m *matrices) mlp(work *mlx.Scope, at span) *mlx.Array {
	gate := mlx.Multiply(at.of(work.Hold(m.byGate), 0), m.gate)
	up := mlx.Multiply(at.of(work.Hold(m.byUp), 0), m.up)
	return m.mlpNorm.after(work, mlx.Matmul(work.Hold(m.down), mlx.Add(gate, up)), at)
}

// attention is what the cotangents of z, keys and values at positions do to those of what enters the block,
// [T', kv_head·(group·d_v + d_head + d_v), d_model]: z's through the queries.
func (m *matrices) attention(work *mlx.Scope, at span) *mlx.Array {
	n, d := at.to-at.from, m.kv.Dim(2)
	each := mlx.Reshape(mlx.Transpose(at.of(work.Hold(m.own), 2), 2, 0, 1, 3, 4), n, -1, m.dValue, m.dHead) // [T', head, d_v, d_head]
	query := mlx.Reshape(mlx.Matmul(each, m.q), n, -1, d)                                                   // [T', head·d_v, d_model]
	return m.attnNorm.after(work, mlx.Concatenate(1, query, at.of(work.Hold(m.kv), 0)), at)
}

// seen maps cotangents [T, row, d_model] behind the attention to those of z, and of the keys and values that it saw, [T, row,
// kv_head·(group·d_v + d_head + d_v)].
func (m *matrices) seen(work *mlx.Scope, y *mlx.Array) *mlx.Array {
	t, rows, d := y.Dim(0), y.Dim(1), y.Dim(2)
	y = mlx.Reshape(y, 1, t*rows, d)
	var all, keys, values []*mlx.Array
	for h := range m.kvHeads {
		one := func(x *mlx.Array) *mlx.Array { return mlx.Squeeze(mlx.Slice(work.Hold(x), 0, mlx.Between(h, h+1)), 0) }
		z := mlx.Reshape(mlx.Matmul(y, one(m.heads)), m.group, t, rows, m.dValue)
		all = append(all, mlx.Reshape(mlx.Transpose(z, 1, 2, 0, 3), t, rows, -1))
		scores := mlx.Matmul(z, m.scores[h])                                      // [group, T, row, T]
		k := mlx.Matmul(one(m.queries), mlx.Reshape(scores, m.group*t, rows*t))   // [d_head, row·T]
		v := mlx.Matmul(one(m.pattern), mlx.Reshape(z, m.group*t, rows*m.dValue)) // [T, row·d_v]
		keys = append(keys, mlx.Transpose(mlx.Reshape(k, m.dHead, rows, t), 2, 1, 0))
		values = append(values, mlx.Reshape(v, t, rows, m.dValue))
	}
	return mlx.Concatenate(2, slices.Concat(all, keys, values)...)
}
