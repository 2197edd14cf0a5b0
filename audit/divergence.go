package audit

import (
	"math"

	"github.com/mlxlens/mlxlens/internal/parallel"
	"github.com/mlxlens/mlxlens/mlx"
)

// A head maps normed states [n, d_model], float32, to the logits [n, to−from] of some ids. It says
// which weights a product reads when it is built.
type head func(h *mlx.Array, from, to int) *mlx.Array

// pair is what is measured of two distributions at a position, the reference's p and the
// candidate's q, and of the token that follows.
type pair struct {
	kl         float64 // Σ p·(ln p − ln q)
	lnP, lnQ   float64 // of the token that follows
	agree      bool    // the best ids are the same, the lowest where several are best
	finiteness bool
}

// accumulator gathers a pair over slices of the vocabulary, in float64. Exponentials are relative to
// the greatest logit so far.
type accumulator struct {
	p, q   side
	cross  float64 // Σ e^(a − p.max)·(a − b)
	target int
}

// side is one of the two distributions.
type side struct {
	max   float64
	sum   float64 // Σ e^(x − max)
	best  int
	logit float64 // of the target
}

func newAccumulator(target int) accumulator {
	least := side{max: math.Inf(-1), best: -1}
	return accumulator{p: least, q: least, target: target}
}

// raise takes in the greatest of a slice, and returns by what the sums so far are multiplied.
func (s *side) raise(xs []float32, from int) float64 {
	at, greatest := -1, float32(math.Inf(-1))
	for i, x := range xs {
		if x > greatest {
			at, greatest = i, x
		}
	}
	if at < 0 || float64(greatest) <= s.max {
		return 1
	}
	scale := math.Exp(s.max - float64(greatest))
	s.max, s.best = float64(greatest), from+at
	s.sum *= scale
	return scale
}

// add takes in the logits of the ids from, from+1, …: the reference's a, and the candidate's b.
func (c *accumulator) add(a, b []float32, from int) {
	c.cross *= c.p.raise(a, from)
	c.q.raise(b, from)
	var sumP, sumQ, cross float64
	for i, x := range a {
		x, y := float64(x), float64(b[i])
		e := math.Exp(x - c.p.max)
		sumP += e
		cross += e * (x - y)
		sumQ += math.Exp(y - c.q.max)
	}
	c.p.sum += sumP
	c.q.sum += sumQ
	c.cross += cross
	if at := c.target - from; at >= 0 && at < len(a) {
		c.p.logit, c.q.logit = float64(a[at]), float64(b[at])
	}
}

// pair returns what was gathered:
//
//	KL = Σ p·(a − b) − (ln Σ e^a − ln Σ e^b)
func (c *accumulator) pair() pair {
	lseP, lseQ := c.p.max+math.Log(c.p.sum), c.q.max+math.Log(c.q.sum)
	kl := c.cross/c.p.sum - (lseP - lseQ)
	r := pair{kl: max(0, kl), lnP: c.p.logit - lseP, lnQ: c.q.logit - lseQ, agree: c.p.best == c.q.best}
	r.finiteness = finite(kl) && finite(r.lnP) && finite(r.lnQ)
	return r
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// vocabSlice is how many logits of each state are held at once on a CPU: enough for the product to
// be efficient, few enough for a row of both sides to stay in the first-level cache.
const vocabSlice = 4096

// pairs measures the positions of normed states a and b, [n, d_model], each through its head;
// next are the tokens that follow them.
func (a *Audit) pairs(scope *mlx.Scope, reference, candidate head, p, q *mlx.Array, next []int) ([]pair, error) {
	out := make([]pair, 0, len(next))
	for from := 0; from < len(next); from += a.room.block {
		to := min(from+a.room.block, len(next))
		part := scope.NewScope()
		cut := func(h *mlx.Array) *mlx.Array { return mlx.Slice(part.Hold(h), 0, mlx.Between(from, to)) }
		measure := a.scan
		if a.onDevice {
			measure = a.reduce
		}
		got, err := measure(part, reference, candidate, cut(p), cut(q), next[from:to])
		part.Close()
		if err != nil {
			return nil, err
		}
		out = append(out, got...)
	}
	return out, nil
}

// scan computes logits slice by slice, and reads them in Go.
func (a *Audit) scan(scope *mlx.Scope, reference, candidate head, p, q *mlx.Array, next []int) ([]pair, error) {
	accs := make([]accumulator, len(next))
	for i, id := range next {
		accs[i] = newAccumulator(id)
	}
	for from := 0; from < a.vocab; from += vocabSlice {
		to := min(from+vocabSlice, a.vocab)
		part := scope.NewScope()
		x := mlx.AsType(reference(part.Hold(p), from, to), mlx.Float32)
		y := mlx.AsType(candidate(part.Hold(q), from, to), mlx.Float32)
		err := mlx.Eval(x, y)
		if err == nil {
			err = mlx.Borrow(x, func(xs []float32) error {
				return mlx.Borrow(y, func(ys []float32) error {
					n := to - from
					parallel.For(len(accs), func(i int) { accs[i].add(xs[i*n:(i+1)*n], ys[i*n:(i+1)*n], from) })
					return nil
				})
			})
		}
		part.Close()
		if err != nil {
			return nil, err
		}
	}
	out := make([]pair, len(accs))
	for i := range accs {
		out[i] = accs[i].pair()
	}
	return out, nil
}

// reduce lets MLX reduce the logits where it computes them, in float32. With d = ln q − ln p
//
//	KL = Σ p·(e^d − 1 − d)
//
// which is the same, as Σ p·(e^d − 1) is 0, and has no terms that cancel each other.
func (a *Audit) reduce(scope *mlx.Scope, reference, candidate head, p, q *mlx.Array, next []int) ([]pair, error) {
	x := mlx.AsType(reference(p, 0, a.vocab), mlx.Float32)
	y := mlx.AsType(candidate(q, 0, a.vocab), mlx.Float32)
	lnP := mlx.Subtract(x, mlx.ExpandDims(mlx.LogSumExp(x, -1), -1))
	lnQ := mlx.Subtract(y, mlx.ExpandDims(mlx.LogSumExp(y, -1), -1))
	// beyond e^80 p is 0 in float32
	d := mlx.Minimum(mlx.Subtract(lnQ, lnP), mlx.Scalar[float32](scope, 80))
	kl := mlx.Sum(mlx.Multiply(mlx.Exp(lnP), mlx.Subtract(mlx.Expm1(d), d)), -1)
	ids := make([]int32, len(next))
	for i, id := range next {
		ids[i] = int32(id)
	}
	at := mlx.FromSlice(scope, ids, len(ids), 1)
	of := func(ln *mlx.Array) *mlx.Array { return mlx.Reshape(mlx.TakeAlongAxis(ln, at, -1), -1) }
	agree := mlx.AsType(mlx.Equal(mlx.Argmax(x, -1), mlx.Argmax(y, -1)), mlx.Float32)
	data, err := mlx.Data[float32](mlx.Stack(0, kl, of(lnP), of(lnQ), agree))
	if err != nil {
		return nil, err
	}
	n := len(next)
	out := make([]pair, n)
	for i := range out {
		r := pair{kl: max(0, float64(data[i])), lnP: float64(data[n+i]), lnQ: float64(data[2*n+i]), agree: data[3*n+i] != 0}
		r.finiteness = finite(float64(data[i])) && finite(r.lnP) && finite(r.lnQ)
		out[i] = r
	}
	return out, nil
}
