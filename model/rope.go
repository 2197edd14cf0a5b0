package model

import (
	"math"

	"github.com/mlxlens/mlxlens/mlx"
)

// Rope turns the first dimensions of queries and keys by angles that grow with
// position (Su et al. 2021, arXiv:2104.09864).
//
// Two kinds depend on how long the whole sequence is, and so on tokens that come later: all
// positions of a prompt turn by its length, in whatever parts it is computed.
type Rope struct {
	mlx.Rotary
	Magnitude float64 // factor on what turns (yarn, longrope); 1: none
	Still     int     // dimensions of each head before those that turn, which do not

	// The base of the dynamic kind grows with the length n of the sequence:
	// base·(Factor·n/Trained − (Factor − 1))^(d/(d−2)) for n above Trained; 0: none.
	Factor  float64
	Trained int

	// Long takes the place of Freqs in sequences longer than Original (longrope); nil: none.
	Long     *mlx.Array
	Original int
}

// measure returns what of a sequence's length the rotation depends on: sequences of one
// measure turn alike.
func (r *Rope) measure(n int) int {
	switch {
	case r.Trained > 0:
		return max(n, r.Trained)
	case r.Long != nil && n > r.Original:
		return r.Original + 1
	}
	return 0
}

// at returns the rotation for a sequence of n positions.
func (r *Rope) at(n int) mlx.Rotary {
	rotary := r.Rotary
	if r.Trained > 0 {
		n, trained, d := float64(max(n, r.Trained)), float64(r.Trained), float64(r.Dims)
		rotary.Base *= math.Pow(r.Factor*n/trained-(r.Factor-1), d/(d-2))
	}
	if r.Long != nil && n > r.Original {
		rotary.Freqs = r.Long
	}
	return rotary
}

// turn maps [batch, head, pos, d_head] at the positions from offset on, of sequences of n
// positions.
func (r *Rope) turn(x *mlx.Array, offset, n int) *mlx.Array {
	if r.Magnitude != 1 {
		if head := x.Dim(3); r.Dims == head {
			x = mlx.Scale(x, r.Magnitude)
		} else {
			x = mlx.Concatenate(3, mlx.Scale(mlx.Slice(x, 3, mlx.Between(0, r.Dims)), r.Magnitude), mlx.Slice(x, 3, mlx.Between(r.Dims, head)))
		}
	}
	return mlx.RoPE(x, r.at(n), offset)
}

// angles are what the dimensions of each position are multiplied by: [pos, Dims]
// cosines, and sines of which the first half is negative.
type angles struct {
	cos, sin *mlx.Array
}

// angles computes those of n positions from offset on, of a sequence of so many, in float32,
// as mlx.RoPE does where it is no kernel.
func (r *Rope) angles(scope *mlx.Scope, offset, n, sequence int) angles {
	half := r.Dims / 2
	rotary := r.at(sequence)
	var frequency *mlx.Array // [Dims/2]
	if rotary.Freqs != nil {
		frequency = mlx.Reciprocal(scope.Hold(rotary.Freqs))
	} else {
		frequency = mlx.Exp(mlx.Scale(mlx.Arange(scope, 0, float64(-half), -1, mlx.Float32), math.Log(rotary.Base)/float64(half)))
	}
	at := mlx.Scale(mlx.Arange(scope, float64(offset), float64(offset+n), 1, mlx.Float32), rotary.Scale)
	theta := mlx.Multiply(mlx.ExpandDims(at, 1), frequency)
	cos, sin := mlx.Scale(mlx.Cos(theta), r.Magnitude), mlx.Scale(mlx.Sin(theta), r.Magnitude)
	return angles{mlx.Concatenate(1, cos, cos), mlx.Concatenate(1, mlx.Negative(sin), sin)}
}

// turnBy maps [batch, head, pos, d_head]: of two dimensions x₁ and x₂ half of Dims
// apart, to x₁·cos − x₂·sin and x₂·cos + x₁·sin.
func (r *Rope) turnBy(x *mlx.Array, a angles) *mlx.Array {
	half, head := r.Dims/2, x.Dim(3)
	first, second := mlx.Slice(x, 3, mlx.Between(0, half)), mlx.Slice(x, 3, mlx.Between(half, r.Dims))
	turning := x
	if r.Dims < head {
		turning = mlx.Slice(x, 3, mlx.Between(0, r.Dims))
	}
	y := mlx.Add(mlx.Multiply(turning, a.cos), mlx.Multiply(mlx.Concatenate(3, second, first), a.sin))
	if r.Dims < head {
		y = mlx.Concatenate(3, y, mlx.Slice(x, 3, mlx.Between(r.Dims, head)))
	}
	return y
}
