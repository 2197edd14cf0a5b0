package jacobian

import (
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// matrices are what the derivative of a block at the positions of V is made of. T is their number, n that of all
// positions; heads come by the kv head that serves them.
type matrices struct {
	group, kvHeads, dHead, dValue int

	attnNorm, mlpNorm normal

	gate, up     *mlx.Array // [d_model, d_mlp], with the norm's weight
	down         *mlx.Array // [d_model, d_mlp]
	byGate, byUp *mlx.Array // [T, 1, d_mlp]: r·Act'(g)⊙u and r·Act(g), r being the norm's
	along        *mlx.Array // [T, 1, d_model]: of the MLP's matrix, times the state that enters the norm

	out     *mlx.Array // [d_model, head·d_v], W_O
	q, k, v *mlx.Array // [head·d_head or kv_head·d_v, d_model], with the norm's weight
	own     *mlx.Array // [head, T, d_v, d_head]: from z's cotangent to the query's before it turns, times r
	scores  *mlx.Array // [head, T, d_v, T]: from z's cotangent at t to the score's of t and s
	queries *mlx.Array // [kv_head, group·T, d_head]
	pattern *mlx.Array // [kv_head, T, group·T], by key and query, times the key's r
	back    *mlx.Array // [T, d_head, d_head]: from a turned key's cotangent to the key's, times r
}

// matrices runs a block forward, on work's stream, and takes what its derivative needs. scope owns it.
func (b *backward) matrices(work, scope *mlx.Scope, s *segment) (*matrices, error) {
	p := b.parted[s.from]
	sites := []model.Site{model.ResidMid, model.RotQ, model.RotK, model.V, model.Pattern, model.Z, model.MLPPre, model.MLPPreLinear}
	if p.Rope == nil {
		sites[1], sites[2] = model.Q, model.K
	}
	var places []model.Place
	for _, site := range sites {
		places = append(places, model.Place{Site: site, Layer: s.from})
	}
	pass := work.NewScope()
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
	m.attnNorm = b.normal(mlx.Squeeze(whole, 0), p.AttnNorm.Eps)
	m.mlpNorm = b.normal(at[0], p.MLPNorm.Eps)

	weight := pass.Hold(p.MLPNorm.Weight)
	gate, up := mlx.Multiply(p.MLP.Gate.Dense(pass, mlx.Float32), weight), mlx.Multiply(p.MLP.Up.Dense(pass, mlx.Float32), weight)
	m.gate, m.up, m.down = mlx.Swapaxes(gate, 0, 1), mlx.Swapaxes(up, 0, 1), p.MLP.Down.Dense(pass, mlx.Float32)
	pre, linear := b.in(at[6], 0), b.in(at[7], 0)
	act, slope := mlx.VJP(func(x []*mlx.Array) []*mlx.Array { return []*mlx.Array{p.MLP.Act(x[0])} }, []*mlx.Array{pre}, []*mlx.Array{mlx.OnesLike(pre)})
	byUp, byGate := mlx.Multiply(act[0], m.mlpNorm.r), mlx.Multiply(mlx.Multiply(slope[0], linear), m.mlpNorm.r)
	x := mlx.Squeeze(m.mlpNorm.x, 2)
	along := mlx.Add(mlx.Multiply(mlx.Matmul(x, m.gate), byGate), mlx.Multiply(mlx.Matmul(x, m.up), byUp))
	m.along = mlx.ExpandDims(mlx.Matmul(along, mlx.Swapaxes(m.down, 0, 1)), 1)
	m.byUp, m.byGate = mlx.ExpandDims(byUp, 1), mlx.ExpandDims(byGate, 1)

	weight = pass.Hold(p.AttnNorm.Weight)
	m.out = p.Attention.Out.Dense(pass, mlx.Float32)
	m.q, m.k, m.v = mlx.Multiply(p.Q.Dense(pass, mlx.Float32), weight), mlx.Multiply(p.K.Dense(pass, mlx.Float32), weight), mlx.Multiply(p.V.Dense(pass, mlx.Float32), weight)
	m.back = mlx.Multiply(b.unturn(pass, p.Rope, m.dHead), mlx.ExpandDims(m.attnNorm.r, 2))
	b.attends(m, p, at)
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
	m.pattern = mlx.Multiply(mlx.Swapaxes(seen, 1, 2), m.attnNorm.r)
	m.queries = mlx.Reshape(q, m.kvHeads, m.group*b.kept, -1)
	values := mlx.Subtract(mlx.ExpandDims(v, 1, 2), mlx.ExpandDims(z, 4)) // [kv_head, group, T, d_v, n]
	scores := mlx.Multiply(values, mlx.ExpandDims(mlx.Scale(pattern, p.Attention.Scale), 3))
	own := mlx.Matmul(mlx.Matmul(scores, mlx.ExpandDims(k, 1, 2)), m.back)
	m.own = mlx.Reshape(own, -1, b.kept, m.dValue, m.dHead)
	m.scores = mlx.Reshape(mlx.Slice(scores, 4, mlx.Between(skip, skip+b.kept)), -1, b.kept, m.dValue, b.kept)
}

// in cuts the positions of V out of an axis of all.
func (b *backward) in(x *mlx.Array, axis int) *mlx.Array {
	n := b.all.Dim(1)
	return mlx.Slice(x, axis, mlx.Between(n-b.kept, n))
}

// unturn returns by what a turned head's cotangent is multiplied, [T, d_head, d_head].
func (b *backward) unturn(scope *mlx.Scope, r *model.Rope, head int) *mlx.Array {
	if r == nil {
		return mlx.BroadcastTo(mlx.Identity(scope, head, mlx.Float32), b.kept, head, head)
	}
	return mlx.Swapaxes(b.in(r.Turns(scope, b.tap, b.all.Dim(1), head), 0), 1, 2)
}

// settle evaluates all, and holds it in scope.
func (m *matrices) settle(scope *mlx.Scope) error {
	all := []**mlx.Array{&m.gate, &m.up, &m.down, &m.byGate, &m.byUp, &m.along, &m.out, &m.q, &m.k, &m.v, &m.own, &m.scores, &m.queries, &m.pattern, &m.back}
	for _, n := range []*normal{&m.attnNorm, &m.mlpNorm} {
		all = append(all, &n.r, &n.x, &n.projection)
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

// normal is the derivative of n = w⊙x·r, r = 1/√(mean x² + ε), at each position: a cotangent u of x·r leaves it as that of x,
//
//	r·u − (r·u·x)·x·r²/d
//
// r is part of the matrices that make r·u.
type normal struct {
	r          *mlx.Array // [T, 1]
	x          *mlx.Array // [T, d, 1]
	projection *mlx.Array // [T, 1, d]: −x·r²/d
}

// normal is made of x at all positions, [n, d].
func (b *backward) normal(x *mlx.Array, eps float64) normal {
	x = b.in(x, 0)
	r := mlx.Rsqrt(mlx.Shift(mlx.KeepDims(mlx.Mean, mlx.Square(x), -1), eps))
	return normal{
		r:          r,
		x:          mlx.ExpandDims(x, 2),
		projection: mlx.ExpandDims(mlx.Scale(mlx.Multiply(x, mlx.Square(r)), -1/float64(x.Dim(1))), 1),
	}
}

// mlp takes all rows' cotangents behind the MLP at some positions, [T', row, d_model], to those before its norm: to y + y·M, M being
//
//	W_down·(byGate⊙W_gate + byUp⊙W_up)
//
// with the norm's projection, for each position. It is made transposed, so that one product makes that of all positions of a piece.
func (m *matrices) mlp(y *mlx.Array, at span) *mlx.Array {
	work := y.Scope()
	of := func(x *mlx.Array) *mlx.Array { return at.of(work.Hold(x), 0) }
	n, d := at.to-at.from, y.Dim(2)
	gated := mlx.Add(mlx.Multiply(work.Hold(m.gate), of(m.byGate)), mlx.Multiply(work.Hold(m.up), of(m.byUp))) // [T', d_model, d_mlp]
	along := mlx.Multiply(mlx.Swapaxes(of(m.mlpNorm.projection), 1, 2), of(m.along))
	all := mlx.Addmm(mlx.Reshape(along, n*d, d), mlx.Reshape(gated, n*d, -1), mlx.Swapaxes(work.Hold(m.down), 0, 1), 1, 1)
	return mlx.Addmm(y, y, mlx.Swapaxes(mlx.Reshape(all, n, d, d), 1, 2), 1, 1)
}

// attention takes some rows' cotangents behind the attention at all positions, [T, row, d_model], to those before its norm, which scope owns.
func (m *matrices) attention(scope, work *mlx.Scope, y *mlx.Array) (*mlx.Array, error) {
	t, rows, d := y.Dim(0), y.Dim(1), y.Dim(2)
	flat := func(x *mlx.Array) *mlx.Array { // [head, T, row, d] to [T·row, head·d]
		return mlx.Reshape(mlx.Transpose(x, 1, 2, 0, 3), t*rows, -1)
	}
	z, err := done(work, work, func(w *mlx.Scope) *mlx.Array {
		z := mlx.Reshape(mlx.Matmul(w.Hold(y), w.Hold(m.out)), t, rows, -1, m.dValue)
		return mlx.Contiguous(mlx.Transpose(z, 2, 0, 1, 3)) // [head, T, row, d_v]
	})
	if err != nil {
		return nil, err
	}
	k, err := done(work, work, func(w *mlx.Scope) *mlx.Array {
		scores := mlx.Reshape(mlx.Matmul(w.Hold(z), w.Hold(m.scores)), m.kvHeads, m.group*t, rows*t)
		turned := mlx.Reshape(mlx.Matmul(mlx.Swapaxes(scores, 1, 2), w.Hold(m.queries)), m.kvHeads, rows, t, m.dHead)
		k := mlx.Matmul(mlx.Reshape(mlx.Transpose(turned, 2, 1, 0, 3), t, rows*m.kvHeads, m.dHead), w.Hold(m.back))
		return mlx.Reshape(k, t*rows, -1)
	})
	if err != nil {
		return nil, err
	}
	x, err := done(work, work, func(w *mlx.Scope) *mlx.Array {
		q := flat(mlx.Matmul(w.Hold(z), w.Hold(m.own)))
		v := mlx.Matmul(w.Hold(m.pattern), mlx.Reshape(w.Hold(z), m.kvHeads, m.group*t, rows*m.dValue))
		v = flat(mlx.Reshape(v, m.kvHeads, t, rows, m.dValue))
		x := mlx.Addmm(mlx.Matmul(q, w.Hold(m.q)), v, w.Hold(m.v), 1, 1)
		return mlx.Reshape(mlx.Addmm(x, w.Hold(k), w.Hold(m.k), 1, 1), t, rows, d)
	})
	if err != nil {
		return nil, err
	}
	return done(scope, work, func(w *mlx.Scope) *mlx.Array {
		along := mlx.Matmul(w.Hold(x), w.Hold(m.attnNorm.x))
		return mlx.Add(mlx.Addmm(w.Hold(x), along, w.Hold(m.attnNorm.projection), 1, 1), w.Hold(y))
	})
}
