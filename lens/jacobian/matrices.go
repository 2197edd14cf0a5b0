package jacobian

import (
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// matrices are what the derivative of a block at the positions of V is made of. T is their number; heads come by the kv head that
// serves them. Values have d_head numbers, as keys do.
type matrices struct {
	group, kvHeads, dHead int

	attnNorm, mlpNorm normal

	in    *mlx.Array // [d_mlp, 2, d_model], W_gate and W_up, with the norm's weight
	by    *mlx.Array // [d_mlp, T, 2]: r·Act'(g)⊙u and r·Act(g), r being the norm's
	down  *mlx.Array // [d_model, d_mlp]
	along *mlx.Array // [T, 1, d_model]: of the MLP's matrix, times the state that enters the norm

	out  *mlx.Array // [d_model, head·d_head], W_O
	q    *mlx.Array // [head, d_head, d_model], W_Q with the norm's weight
	vk   *mlx.Array // [2·kv_head·d_head, d_model], W_V and W_K, with the norm's weight
	own  *mlx.Array // [T, head, d_head, d_head]: from z's cotangent to the query's before it turns, times r
	back *mlx.Array // [T, d_head, d_head]: from a turned key's cotangent to the key's, times r

	skip       int        // positions before V
	scale      float64    // of scores
	queries, z *mlx.Array // [kv_head, group, T, d_head], z times −1
	v          *mlx.Array // [kv_head, n, d_head]
	pattern    *mlx.Array // [kv_head, group, T, n]
	at         []span     // of the positions, runs
	runs       []pairs    // of those that were seen

	// of what z's cotangent gives to x·r by the position's own query, and of vk, times the state that enters the norm
	alongOwn *mlx.Array // [T, 1, head·d_head]
	alongVK  *mlx.Array // [T, 1, 2·kv_head·d_head]
}

// pairs are what runs of positions t, T' each, do to cotangents of all positions s up to their last, S.
type pairs struct {
	scores  *mlx.Array // [kv_head, group, T', S, d_head]: from z's cotangent at t to the score's of t and s
	queries *mlx.Array // [kv_head, group·T', d_head]
	pattern *mlx.Array // [kv_head, S, group·T'], by key and query, times the key's r
}

// matrices runs a block forward, on work's stream, and takes what its derivative needs, without the pairs of runs. scope owns it.
func (b *backward) matrices(work, scope *mlx.Scope, s *segment, runs []span) (*matrices, error) {
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
	m := &matrices{at: runs, runs: make([]pairs, len(runs)), skip: b.all.Dim(1) - b.kept, scale: p.Attention.Scale, group: p.Attention.Heads / p.Attention.KVHeads, kvHeads: p.Attention.KVHeads, dHead: at[2].Dim(-1)}
	m.attnNorm = b.normal(mlx.Squeeze(whole, 0), p.AttnNorm.Eps)
	m.mlpNorm = b.normal(at[0], p.MLPNorm.Eps)

	d, weight := b.m.Shape().DModel, pass.Hold(p.MLPNorm.Weight)
	gate, up := mlx.Multiply(p.MLP.Gate.Dense(pass, mlx.Float32), weight), mlx.Multiply(p.MLP.Up.Dense(pass, mlx.Float32), weight)
	m.in, m.down = mlx.Stack(1, gate, up), p.MLP.Down.Dense(pass, mlx.Float32)
	pre, linear := b.in(at[6], 0), b.in(at[7], 0)
	act, slope := mlx.VJP(func(x []*mlx.Array) []*mlx.Array { return []*mlx.Array{p.MLP.Act(x[0])} }, []*mlx.Array{pre}, []*mlx.Array{mlx.OnesLike(pre)})
	byGate, byUp := mlx.Multiply(mlx.Multiply(slope[0], linear), m.mlpNorm.r), mlx.Multiply(act[0], m.mlpNorm.r) // [T, d_mlp]
	m.by = mlx.Transpose(mlx.Stack(0, byGate, byUp), 2, 1, 0)
	x := mlx.Swapaxes(mlx.Squeeze(m.mlpNorm.x, 2), 0, 1) // [d_model, T]
	along := mlx.Add(mlx.Multiply(mlx.Swapaxes(mlx.Matmul(gate, x), 0, 1), byGate), mlx.Multiply(mlx.Swapaxes(mlx.Matmul(up, x), 0, 1), byUp))
	m.along = mlx.ExpandDims(mlx.Matmul(along, mlx.Swapaxes(m.down, 0, 1)), 1)

	weight = pass.Hold(p.AttnNorm.Weight)
	m.out = p.Attention.Out.Dense(pass, mlx.Float32)
	m.q = mlx.Reshape(mlx.Multiply(p.Q.Dense(pass, mlx.Float32), weight), -1, m.dHead, d)
	m.vk = mlx.Multiply(mlx.Concatenate(0, p.V.Dense(pass, mlx.Float32), p.K.Dense(pass, mlx.Float32)), weight)
	m.back = mlx.Multiply(b.unturn(pass, p.Rope, m.dHead), mlx.ExpandDims(m.attnNorm.r, 2))
	b.attends(m, at)
	x = mlx.Squeeze(m.attnNorm.x, 2) // [T, d_model]
	ofQ := mlx.Reshape(mlx.Matmul(x, mlx.Swapaxes(mlx.Reshape(m.q, -1, d), 0, 1)), b.kept, -1, m.dHead, 1)
	m.alongOwn = mlx.Reshape(mlx.Matmul(m.own, ofQ), b.kept, 1, -1)
	m.alongVK = mlx.ExpandDims(mlx.Matmul(x, mlx.Swapaxes(m.vk, 0, 1)), 1)
	return m, m.settle(scope)
}

// attends makes what the scores, the softmax and the sum over values do to cotangents:
//
//	dS[t, s] = P[t, s]·dz[t]·(v[s] − z[t]),   dq[t] = scale·Σ_s dS[t, s]·k[s],   dk[s] = scale·Σ_t dS[t, s]·q[t],   dv[s] = Σ_t P[t, s]·dz[t]
//
// From dz[t] to dq[t] it is scale·(Σ_s P[t, s]·v[s]·k[s]ᵀ − z[t]·(Σ_s P[t, s]·k[s])ᵀ). Sums and differences are products where they can be.
//
// The former is made for all positions, and what scores take of dz for a run, by see.
func (b *backward) attends(m *matrices, at []*mlx.Array) {
	byHead := func(x *mlx.Array) *mlx.Array { // [T, head, d] to [kv_head, group, T, d]
		return mlx.Transpose(mlx.Reshape(b.in(x, 0), b.kept, m.kvHeads, m.group, -1), 1, 2, 0, 3)
	}
	m.queries, m.z = byHead(at[1]), mlx.Negative(byHead(at[5]))
	k := mlx.Transpose(at[2], 1, 0, 2) // [kv_head, n, d_head]
	m.v = mlx.Transpose(at[3], 1, 0, 2)
	m.pattern = mlx.Reshape(b.in(at[4], 1), m.kvHeads, m.group, b.kept, -1)
	scaled := mlx.Scale(m.pattern, m.scale)

	both := mlx.Matmul(mlx.ExpandDims(m.v, 3), mlx.ExpandDims(k, 2)) // [kv_head, n, d_head, d_head]
	own := mlx.Matmul(mlx.Flatten(scaled, 1, 2), mlx.Flatten(both, 2, 3))
	own = mlx.Reshape(own, m.kvHeads, m.group, b.kept, m.dHead, m.dHead)
	own = mlx.Addmm(own, mlx.ExpandDims(m.z, 4), mlx.ExpandDims(mlx.Matmul(scaled, mlx.ExpandDims(k, 1)), 3), 1, 1)
	m.own = mlx.Matmul(mlx.Swapaxes(mlx.Flatten(own, 0, 1), 0, 1), mlx.ExpandDims(m.back, 1))
}

// see makes the pairs of a run, on work's stream. scope owns them.
func (m *matrices) see(work, scope *mlx.Scope, run int) error {
	pass := work.NewScope()
	defer pass.Close()
	at := m.at[run]
	seen := span{m.skip, m.skip + at.to}
	pattern := seen.of(at.of(pass.Hold(m.pattern), 2), 3) // [kv_head, group, T', S]
	by := mlx.ExpandDims(mlx.Scale(pattern, m.scale), 4)  // [kv_head, group, T', S, 1]
	v := mlx.ExpandDims(seen.of(pass.Hold(m.v), 1), 1, 2) // [kv_head, 1, 1, S, d_head]
	z := mlx.ExpandDims(at.of(pass.Hold(m.z), 2), 3)      // [kv_head, group, T', 1, d_head]
	r := span{0, at.to}.of(pass.Hold(m.attnNorm.r), 0)    // [S, 1]
	queries := mlx.Flatten(at.of(pass.Hold(m.queries), 2), 1, 2)
	p := &m.runs[run]
	p.scores = mlx.Addmm(mlx.Multiply(by, v), by, z, 1, 1)
	p.queries = queries
	p.pattern = mlx.Multiply(mlx.Swapaxes(mlx.Flatten(pattern, 1, 2), 1, 2), r)
	return settle(scope, &p.scores, &p.queries, &p.pattern)
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

// settle evaluates all but the pairs, and holds it in scope.
func (m *matrices) settle(scope *mlx.Scope) error {
	all := []**mlx.Array{&m.in, &m.by, &m.down, &m.along, &m.out, &m.q, &m.vk, &m.own, &m.back, &m.alongOwn, &m.alongVK, &m.queries, &m.z, &m.v, &m.pattern}
	for _, n := range []*normal{&m.attnNorm, &m.mlpNorm} {
		all = append(all, &n.r, &n.x, &n.projection)
	}
	return settle(scope, all...)
}

// settle evaluates arrays, and holds them in scope.
func settle(scope *mlx.Scope, all ...**mlx.Array) error {
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

// last are those that keys needs, which scope owns.
func (m *matrices) last(scope *mlx.Scope) *matrices {
	return &matrices{vk: scope.Hold(m.vk), alongVK: scope.Hold(m.alongVK), attnNorm: normal{projection: scope.Hold(m.attnNorm.projection)}}
}

// normal is the derivative of n = w⊙x·r, r = 1/√(mean x² + ε), at each position: a cotangent u of x·r leaves it as that of x,
//
//	r·u − (r·u·x)·x·r²/d
//
// r is part of the matrices that make r·u, of which the product with x is known before.
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

// mlp takes all rows' cotangents behind the MLP at some positions, [T', d_model, row], to those before its norm: to y + Mᵀ·y, M being
//
//	W_down·(byGate⊙W_gate + byUp⊙W_up)
//
// with the norm's projection, for each position. One product makes that of all positions of a piece. The sum in
// brackets is a product too, [T', 2]·[2, d_model] for each of d_mlp: a BLAS has wider instructions than MLX's operations by elements.
func (m *matrices) mlp(y *mlx.Array, at span) *mlx.Array {
	work := y.Scope()
	of := func(x *mlx.Array, axis int) *mlx.Array { return at.of(work.Hold(x), axis) }
	n, d := at.to-at.from, y.Dim(1)
	gated := mlx.Reshape(mlx.Matmul(of(m.by, 1), work.Hold(m.in)), -1, n*d) // [d_mlp, T'·d_model]
	along := mlx.Matmul(mlx.Swapaxes(of(m.mlpNorm.projection, 0), 1, 2), of(m.along, 0))
	all := mlx.Addmm(mlx.Reshape(along, n*d, d), mlx.Swapaxes(gated, 0, 1), mlx.Swapaxes(work.Hold(m.down), 0, 1), 1, 1)
	return mlx.Addmm(y, mlx.Reshape(all, n, d, d), y, 1, 1)
}

// query takes cotangents behind the attention at some positions, [T', d_model, row], to those of z, [T', head, d_head, row], and to
// through, which has what comes by the residual, and what comes to x·r by the positions' own queries; along is the latter, times x, [T', 1, row].
func (m *matrices) query(y *mlx.Array, at span) (through, along, z *mlx.Array) {
	work, n := y.Scope(), at.to-at.from
	z = mlx.Matmul(mlx.Swapaxes(work.Hold(m.out), 0, 1), y)
	q := mlx.Matmul(at.of(work.Hold(m.own), 0), work.Hold(m.q)) // [T', head, d_head, d_model]
	through = mlx.Addmm(y, mlx.Swapaxes(mlx.Reshape(q, n, -1, y.Dim(1)), 1, 2), z, 1, 1)
	return through, mlx.Matmul(at.of(work.Hold(m.alongOwn), 0), z), mlx.Reshape(z, n, -1, m.dHead, y.Dim(2))
}

// pair takes some rows' cotangents of z of one kv head, by runs, [group, T', d_head, row], to those of its values and keys at the positions
// of run at, times r, [T', d_head, row]: from the queries of its own run, and of those behind it.
func (m *matrices) pair(work *mlx.Scope, kv, at int, z []*mlx.Array) (v, k *mlx.Array) {
	of := func(x *mlx.Array) *mlx.Array { return mlx.Squeeze(span{kv, kv + 1}.of(work.Hold(x), 0), 0) }
	keys, rows := m.at[at], z[at].Dim(3)
	for i := at; i < len(z); i++ {
		run := work.Hold(z[i])
		queries, pattern := mlx.Swapaxes(of(m.runs[i].queries), 0, 1), keys.of(of(m.runs[i].pattern), 0)
		pairs := queries.Dim(1)
		scores := mlx.Reshape(mlx.Matmul(keys.of(of(m.runs[i].scores), 2), run), pairs, -1) // [group·T', S·row]
		values := mlx.Reshape(run, pairs, -1)
		if i == at {
			v, k = mlx.Matmul(pattern, values), mlx.Matmul(queries, scores)
		} else {
			v, k = mlx.Addmm(v, pattern, values, 1, 1), mlx.Addmm(k, queries, scores, 1, 1)
		}
	}
	k = mlx.Swapaxes(mlx.Reshape(k, m.dHead, -1, rows), 0, 1)
	return mlx.Reshape(v, -1, m.dHead, rows), mlx.Matmul(mlx.Swapaxes(keys.of(work.Hold(m.back), 0), 1, 2), k)
}

// keys takes cotangents of values and keys, times r, at some positions, [T', 2·kv_head·d_head, row], and what query gives for them, to
// those before the norm, [T', d_model, row].
func (m *matrices) keys(through, along, vk *mlx.Array, at span) *mlx.Array {
	work := vk.Scope()
	y := mlx.Addmm(through, mlx.Swapaxes(work.Hold(m.vk), 0, 1), vk, 1, 1)
	along = mlx.Add(along, mlx.Matmul(at.of(work.Hold(m.alongVK), 0), vk))
	return mlx.Addmm(y, mlx.Swapaxes(at.of(work.Hold(m.attnNorm.projection), 0), 1, 2), along, 1, 1)
}
