package lens

import (
	"math"

	"github.com/mlxlens/mlxlens/internal/parallel"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// A Reference is what a model answers at some positions, p, against which other states there are
// held: all of the vocabulary, in float32.
type Reference struct {
	m        model.Model
	probs    *mlx.Array // p: [n, d_vocab]
	entropy  *mlx.Array // −Σ p·ln p: [n]
	onDevice bool       // MLX reduces the logits where it computes them
	scanned  []float64  // else the entropy as scan has it, so that KL of the same logits is 0
	scratch  []float32  // and q − p, [n, d_vocab], made when it is needed
}

// NewReference returns that of the stream behind the last block, [n, d_model], in its scope. It is
// computed at once.
func NewReference(m model.Model, last *mlx.Array) (*Reference, error) {
	z := readout(m, last)
	p := mlx.Softmax(z, -1)
	r := &Reference{m: m, onDevice: m.Device() == mlx.GPU, probs: p, entropy: mlx.Subtract(logSumExp32(z, p), mlx.Vecdot(p, z, -1))}
	if err := mlx.Eval(z, r.probs, r.entropy); err != nil {
		return nil, err
	}
	if r.onDevice {
		return r, nil
	}
	r.scanned = make([]float64, p.Dim(0))
	return r, r.both(z, func(i int, zs, ps []float32) {
		lse, cross := crossed(zs, ps)
		r.scanned[i] = lse - cross
	})
}

// both lends visit the logits and the probabilities of each position, on all cores.
func (r *Reference) both(z *mlx.Array, visit func(i int, zs, ps []float32)) error {
	n, vocab := r.probs.Dim(0), r.probs.Dim(1)
	return mlx.Borrow(z, func(zs []float32) error {
		return mlx.Borrow(r.probs, func(ps []float32) error {
			parallel.For(n, func(i int) { visit(i, zs[i*vocab:(i+1)*vocab], ps[i*vocab:(i+1)*vocab]) })
			return nil
		})
	})
}

// headNumbers is how many numbers of the head are multiplied at once on the CPU: so many a packed one is unpacked
// for (mlx/nn, fewUnpacked), which many positions are worth.
const headNumbers = 16 << 20

// readout returns logits [n, d_vocab] in float32.
func readout(m model.Model, h *mlx.Array) *mlx.Array {
	h = m.FinalNorm(h)
	vocab, width := m.Shape().DVocab, m.Shape().DVocab
	if m.Device() == mlx.CPU {
		width = max(1, headNumbers/m.Shape().DModel)
	}
	var parts []*mlx.Array
	for from := 0; from < vocab; from += width {
		parts = append(parts, mlx.AsType(m.Unembed(h, from, min(from+width, vocab)), mlx.Float32))
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return mlx.Concatenate(-1, parts...)
}

// logSumExp32 returns ln Σ exp z of logits and their softmax q, [n], without a second pass of
// exponentials: z − ln q is the same for every id, and exact at the greatest.
func logSumExp32(z, q *mlx.Array) *mlx.Array {
	return mlx.Subtract(mlx.Max(z, -1), mlx.Log(mlx.Max(q, -1)))
}

// Compare returns KL(p ‖ q) = Σ p·(ln p − ln q) in nats, q being what states h [n, d_model] say of the
// same positions, and whether the likeliest token is the same: [n] each.
func (r *Reference) Compare(h *mlx.Array) (kl, same *mlx.Array) {
	z := readout(r.m, h)
	best := func(x *mlx.Array) *mlx.Array { return mlx.Argmax(x, -1) }
	same = mlx.Equal(best(z), best(r.in(z, r.probs)))
	if r.onDevice {
		return r.divergence(z, mlx.Softmax(z, -1)), same
	}
	kl, _ = r.scan(z, false)
	return kl, same
}

// Gradient returns KL of states h [n, d_model] too, [n], and what it changes by each state: ∂KL_i/∂h_i, [n, d_model].
// By the logits that is q − p, so that one product leads there and one back, and nothing is kept
// between them.
func (r *Reference) Gradient(h *mlx.Array) (kl, gradient *mlx.Array) {
	z := readout(r.m, h)
	var back *mlx.Array // ∂KL/∂z
	if r.onDevice {
		q := mlx.Softmax(z, -1)
		kl, back = r.divergence(z, q), mlx.Subtract(q, r.in(z, r.probs))
	} else {
		kl, back = r.scan(z, true)
	}
	through := func(x []*mlx.Array) []*mlx.Array { return []*mlx.Array{readout(r.m, x[0])} }
	_, products := mlx.VJP(through, []*mlx.Array{h}, []*mlx.Array{back})
	return kl, products[0]
}

// divergence is KL by logits and their softmax: the logarithms cancel to Σ p·ln p − Σ p·z + ln Σ exp z.
func (r *Reference) divergence(z, q *mlx.Array) *mlx.Array {
	cross := mlx.Subtract(logSumExp32(z, q), mlx.Vecdot(r.in(z, r.probs), z, -1))
	return mlx.Subtract(cross, r.in(z, r.entropy))
}

// in is an array of the reference in the scope of another's.
func (r *Reference) in(x, a *mlx.Array) *mlx.Array { return x.Scope().Hold(a) }

// scan is divergence, and with back q − p, in Go: on the CPU, MLX's operations take on one thread each a pass
// over all logits, and four times as long in all.
func (r *Reference) scan(z *mlx.Array, back bool) (kl, difference *mlx.Array) {
	n, vocab := r.probs.Dim(0), r.probs.Dim(1)
	if back && r.scratch == nil {
		r.scratch = make([]float32, n*vocab)
	}
	out := make([]float32, n)
	err := r.both(z, func(i int, zs, ps []float32) {
		lse, cross := crossed(zs, ps)
		out[i] = float32(lse - cross - r.scanned[i])
		if back {
			excess(r.scratch[i*vocab:(i+1)*vocab], zs, ps, float32(lse))
		}
	})
	if err != nil {
		failed := mlx.Failed("kl", err)
		return failed, failed
	}
	kl = mlx.FromSlice(z.Scope(), out, n)
	if back {
		difference = mlx.FromSlice(z.Scope(), r.scratch, n, vocab)
	}
	return kl, difference
}

// crossed returns ln Σ e^z and Σ p·z of logits.
func crossed(zs, ps []float32) (lse, cross float64) {
	greatest := zs[0]
	for _, z := range zs {
		if z > greatest {
			greatest = z
		}
	}
	sum := 0.0
	for at := 0; at < len(zs); at += vocabSlice { // float32 within a slice
		to := min(at+vocabSlice, len(zs))
		s, _ := sums2(zs[at:to], greatest)
		sum += float64(s)
		cross += float64(sumProducts(ps[at:to], zs[at:to]))
	}
	return float64(greatest) + math.Log(sum), cross
}

// excess sets dst to q − p, q being e^(z − lse).
func excess(dst, zs, ps []float32, lse float32) {
	zs, ps = zs[:len(dst)], ps[:len(dst)]
	for i := range dst {
		q := float32(0)
		if d := min(zs[i]-lse, 0); d > negligible {
			q = exp32(d)
		}
		dst[i] = q - ps[i]
	}
}
