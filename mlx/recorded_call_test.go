package mlx_test

import "github.com/mlxlens/mlxlens/mlx"

type call func(s *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array

func unaryCall(f func(*mlx.Array) *mlx.Array) call {
	return func(_ *mlx.Scope, in []*mlx.Array, _ params) []*mlx.Array { return one(f(in[0])) }
}

func binaryCall(f func(a, b *mlx.Array) *mlx.Array) call {
	return func(_ *mlx.Scope, in []*mlx.Array, _ params) []*mlx.Array { return one(f(in[0], in[1])) }
}

func axesCall(f func(*mlx.Array, ...int) *mlx.Array) call {
	return func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array { return one(f(in[0], p.ints("axes")...)) }
}

func axisCall(f func(*mlx.Array, int) *mlx.Array) call {
	return func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array { return one(f(in[0], p.axis())) }
}

func rankCall(name string, f func(*mlx.Array, int, int) *mlx.Array) call {
	return func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(f(in[0], p.int(name), p.axis()))
	}
}

func cumulativeCall(f func(*mlx.Array, int, ...mlx.Cumulative) *mlx.Array) call {
	return func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(f(in[0], p.axis(), mlx.Cumulative{Reverse: p.bool("reverse"), Exclusive: !p.bool("inclusive")}))
	}
}

func kCall(f func(*mlx.Array, int) *mlx.Array) call {
	return func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array { return one(f(in[0], p.int("k"))) }
}

func pairCall(f func(*mlx.Array, int, int) *mlx.Array) call {
	return func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(f(in[0], p.int("i"), p.int("j")))
	}
}

func convCall(f func(x, w *mlx.Array, c mlx.Conv) *mlx.Array) call {
	return func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array { return one(f(in[0], in[1], p.conv())) }
}

func triangleCall(f func(*mlx.Array, mlx.Triangle) *mlx.Array) call {
	return func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array { return one(f(in[0], p.triangle())) }
}

func fftCall(f func(*mlx.Array, int, int, mlx.FFTNorm) *mlx.Array) call {
	return func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		n := p.int("n")
		if !p.null("n") && n == 0 {
			n = -1 // mlx.core's 0 is a length, and an error
		}
		return one(f(in[0], n, p.int("axis"), mlx.FFTNorm(p.int("norm"))))
	}
}

func fftNCall(f func(*mlx.Array, []int, []int, mlx.FFTNorm) *mlx.Array) call {
	return func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(f(in[0], p.ints("n"), p.ints("axes"), mlx.FFTNorm(p.int("norm"))))
	}
}

func windowCall(f func(*mlx.Scope, int) *mlx.Array) call {
	return func(s *mlx.Scope, _ []*mlx.Array, p params) []*mlx.Array { return one(f(s, p.int("m"))) }
}

func shapeCall(f func(*mlx.Scope, mlx.Dtype, ...int) *mlx.Array) call {
	return func(s *mlx.Scope, _ []*mlx.Array, p params) []*mlx.Array {
		return one(f(s, p.dtype(), p.ints("shape")...))
	}
}

func diagonalsCall(f func(x *mlx.Array, d mlx.Diagonals) *mlx.Array) call {
	return func(_ *mlx.Scope, in []*mlx.Array, p params) []*mlx.Array {
		return one(f(in[0], mlx.Diagonals{Offset: p.int("offset"), Axis1: p.int("axis1"), Axis2: p.int("axis2")}))
	}
}

// two is the results of a function that returns a pair.
func two(a, b *mlx.Array) []*mlx.Array { return []*mlx.Array{a, b} }

func three(a, b, c *mlx.Array) []*mlx.Array {
	if c == nil {
		return two(a, b)
	}
	return []*mlx.Array{a, b, c}
}

func kindOfTotal(p params, f func(x *mlx.Array, ddof int, axes ...int) *mlx.Array, x *mlx.Array) []*mlx.Array {
	return one(f(x, p.int("ddof"), p.ints("axes")...))
}
