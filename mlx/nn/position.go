package nn

import (
	"math"

	"github.com/mlxlens/mlxlens/mlx"
)

// SinusoidalPositionalEncoding maps positions to sines and cosines of geometrically falling
// frequencies (Vaswani et al. 2017, arXiv:1706.03762).
type SinusoidalPositionalEncoding struct {
	Sigmas   *mlx.Array `nn:"-"` // [dims/2]: the frequencies
	Scale    float64
	CosFirst bool
}

// NewSinusoidalPositionalEncoding returns mlx.nn's: frequencies from 1 down to 10⁻⁴, a scale of
// √(2/dims), sines first. dims is even.
func NewSinusoidalPositionalEncoding(s *mlx.Scope, dims int) *SinusoidalPositionalEncoding {
	p := &SinusoidalPositionalEncoding{Scale: math.Sqrt(2 / float64(dims))}
	p.SetFrequencies(s, dims, 1e-4, 1)
	return p
}

// SetFrequencies makes the frequencies fall from high to low.
func (p *SinusoidalPositionalEncoding) SetFrequencies(s *mlx.Scope, dims int, low, high float64) {
	s = s.Stream().Scope()
	if dims <= 0 || dims%2 != 0 || low <= 0 || high <= 0 {
		p.Sigmas = failed("sinusoidal_positional_encoding", mlx.ErrShape, "%d dimensions, frequencies %v to %v (want: even, above 0)", dims, low, high)
		return
	}
	n := dims / 2
	sigmas := make([]float32, n)
	for i := range sigmas {
		share := 1.0
		if n > 1 {
			share = 1 - float64(i)/float64(n-1)
		}
		sigmas[i] = float32(math.Exp(share*(math.Log(high)-math.Log(low)) + math.Log(low)))
	}
	p.Sigmas = mlx.FromSlice(s, sigmas)
}

// Forward maps positions [...] to [..., dims].
func (p *SinusoidalPositionalEncoding) Forward(x *mlx.Array) *mlx.Array {
	y := mlx.Multiply(mlx.ExpandDims(x, -1), p.Sigmas)
	first, second := mlx.Sin(y), mlx.Cos(y)
	if p.CosFirst {
		first, second = second, first
	}
	return mlx.Scale(mlx.Concatenate(-1, first, second), p.Scale)
}

// RoPE turns pairs of dimensions by angles proportional to their position (Su et al. 2021,
// arXiv:2104.09864).
type RoPE struct{ mlx.Rotary }

// NewRoPE returns mlx.nn's for heads of dims dimensions: halves, base 10000, scale 1.
func NewRoPE(dims int) *RoPE { return &RoPE{mlx.Rotary{Dims: dims, Base: 10000, Scale: 1}} }

// Forward turns x: [..., pos, d_head], the first position 0.
func (r *RoPE) Forward(x *mlx.Array) *mlx.Array { return r.From(x, 0) }

// From is Forward with another first position.
func (r *RoPE) From(x *mlx.Array, offset int) *mlx.Array { return mlx.RoPE(x, r.Rotary, offset) }

// ALiBi subtracts from attention scores the distance of query and key times a slope of the
// head (Press et al. 2021, arXiv:2108.12409).
type ALiBi struct{}

// Forward maps scores [batch, head, query, key], the first query at position offset, to scores
// of that shape. mask, added too, may be nil.
func (ALiBi) Forward(scores *mlx.Array, offset int, mask *mlx.Array) *mlx.Array {
	if bad := wrong(scores); bad != nil {
		return bad
	}
	if scores.Ndim() != 4 || offset < 0 {
		return failed("alibi", mlx.ErrShape, "scores %v from position %d (want: [batch head query key])", scores.Shape(), offset)
	}
	s, heads := scores.Scope(), scores.Dim(1)
	slopes := make([]float32, heads)
	for h, m := range alibiSlopes(heads) {
		slopes[h] = float32(m)
	}
	query := mlx.Arange(s, float64(offset), float64(offset+scores.Dim(2)), 1, mlx.Float32)
	key := mlx.Arange(s, 0, float64(scores.Dim(3)), 1, mlx.Float32)
	distance := mlx.Abs(mlx.Subtract(mlx.ExpandDims(query, 1), key)) // [query, key]
	bias := like(mlx.Multiply(mlx.Negative(distance), mlx.FromSlice(s, slopes, heads, 1, 1)), scores)
	if mask != nil {
		bias = mlx.Add(bias, mask)
	}
	return mlx.Add(scores, bias)
}

// alibiSlopes are 2^(−8·h/n), h from 1, for n heads, a power of 2; otherwise those of the next
// lower power, and then every second of the next higher.
func alibiSlopes(n int) []float64 {
	power := 1
	for 2*power <= n {
		power *= 2
	}
	var out []float64
	for h := 1; h <= power; h++ {
		out = append(out, math.Exp2(-8*float64(h)/float64(power)))
	}
	if power < n {
		higher := alibiSlopes(2 * power)
		for i := 0; len(out) < n; i += 2 {
			out = append(out, higher[i])
		}
	}
	return out
}
