package mlx_test

import (
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/require"
)

// The benchmarks do what tools/bench/beside.py does; tools/bench/beside.sh sets both beside each
// other.
func BenchmarkBesidePython(b *testing.B) {
	b.Run("BuildChain", benchmarkBuildChain)
	b.Run("BuildMix", benchmarkBuildMix)
	b.Run("EvalSmall", benchmarkEvalSmall)
	b.Run("EvalTwenty", benchmarkEvalTwenty)
	b.Run("TrainStep", benchmarkTrainStep)
	b.Run("Attention", benchmarkAttention)
}

func benchmarkBuildChain(b *testing.B) {
	s := scope(b)
	one := mlx.Scalar(s, float32(1))
	b.ReportAllocs()
	for range b.N {
		inner := s.NewScope()
		h, x := inner.Hold(one), inner.Hold(one)
		for range 1000 {
			h = mlx.Add(h, x)
		}
		inner.Close()
	}
}

func benchmarkBuildMix(b *testing.B) {
	s := scope(b)
	one := mlx.Scalar(s, float32(1))
	x0, w := mlx.Ones(s, mlx.Float32, 4, 64), mlx.Ones(s, mlx.Float32, 64, 64)
	require.NoError(b, mlx.Eval(x0, w))
	b.ReportAllocs()
	for range b.N {
		inner := s.NewScope()
		h := inner.Hold(x0)
		for range 100 {
			q := mlx.Matmul(mlx.RMSNorm(h, nil, 1e-5), w)
			k := mlx.Transpose(mlx.Reshape(q, 4, 8, 8), 1, 0, 2)
			r := mlx.Reshape(mlx.Transpose(mlx.Softmax(k, -1), 1, 0, 2), 4, 64)
			h = mlx.Add(h, mlx.Multiply(r, one))
			h = mlx.Slice(h, 0, mlx.Between(0, 4))
		}
		inner.Close()
	}
}

func benchmarkEvalSmall(b *testing.B) {
	s := scope(b)
	one := mlx.Scalar(s, float32(1))
	b.ReportAllocs()
	for range b.N {
		inner := s.NewScope()
		if err := mlx.Eval(mlx.Add(inner.Hold(one), one)); err != nil {
			b.Fatal(err)
		}
		inner.Close()
	}
}

func benchmarkEvalTwenty(b *testing.B) {
	s := scope(b)
	one := mlx.Scalar(s, float32(1))
	var wide []*mlx.Array
	for i := range 20 {
		wide = append(wide, mlx.Scalar(s, float32(i)))
	}
	b.ReportAllocs()
	for range b.N {
		inner := s.NewScope()
		h := inner.Hold(wide[0])
		for _, a := range wide {
			h = mlx.Add(mlx.Multiply(h, a), one)
		}
		if err := mlx.Eval(h); err != nil {
			b.Fatal(err)
		}
		inner.Close()
	}
}

func benchmarkTrainStep(b *testing.B) {
	s := scope(b)
	key := mlx.RandomKey(s, 0)
	normal := func(shape ...int) *mlx.Array { return mlx.RandomNormal(key, 0, 1, mlx.Float32, shape...) }
	on := mlx.On(mlx.CPU)
	labels := make([]int32, 32)
	for i := range labels {
		labels[i] = int32(i % 10)
	}
	picture, label := normal(32, 64), mlx.FromSlice(s, labels, 32)
	params := []*mlx.Array{on.Hold(normal(128, 64)), on.Hold(mlx.Zeros(s, mlx.Float32, 128)), on.Hold(normal(10, 128)), on.Hold(mlx.Zeros(s, mlx.Float32, 10))}
	require.NoError(b, mlx.Eval(append(params, picture, label)...))
	loss := func(a []*mlx.Array) []*mlx.Array {
		h := mlx.ReLU(mlx.Add(mlx.MatmulT(a[4], a[0]), a[1]))
		return []*mlx.Array{mlx.Mean(mlx.CrossEntropy(mlx.Add(mlx.MatmulT(h, a[2]), a[3]), a[5]))}
	}
	grad := mlx.ValueAndGrad(loss, 0, 1, 2, 3)
	b.ReportAllocs()
	for range b.N {
		inner := s.NewScope()
		_, g := grad(append(params[:4:4], inner.Hold(picture), inner.Hold(label))...)
		var next []*mlx.Array
		for i, p := range params {
			next = append(next, mlx.Subtract(p, mlx.Scale(g[i], 0.01)))
		}
		if err := mlx.Eval(next...); err != nil {
			b.Fatal(err)
		}
		inner.Keep(next...)
		inner.Close()
		for i := range params {
			params[i].Free()
		}
		params = next
	}
}

func benchmarkAttention(b *testing.B) {
	s := scope(b)
	q := mlx.RandomNormal(mlx.RandomKey(s, 0), 0, 1, mlx.Float32, 1, 8, 64, 64)
	require.NoError(b, mlx.Eval(q))
	b.ReportAllocs()
	for range b.N {
		inner := s.NewScope()
		if err := mlx.Eval(mlx.Attention(inner.Hold(q), q, q, 0.125, true, nil)); err != nil {
			b.Fatal(err)
		}
		inner.Close()
	}
}

func BenchmarkBuildAdd(b *testing.B) {
	s := scope(b)
	x := mlx.Scalar(s, float32(1))
	b.ReportAllocs()
	inner := s.NewScope()
	y := inner.Hold(x)
	for i := range b.N {
		if i%1000 == 999 {
			inner.Close()
			inner = s.NewScope()
			y = inner.Hold(x)
		}
		mlx.Add(y, y)
	}
	inner.Close()
}

func BenchmarkEvalSmall(b *testing.B) {
	s := scope(b)
	x := mlx.Scalar(s, float32(1))
	b.ReportAllocs()
	for range b.N {
		y := mlx.Add(x, x)
		require.NoError(b, mlx.Eval(y))
		y.Free()
	}
}
