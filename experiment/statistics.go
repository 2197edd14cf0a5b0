package experiment

import (
	"context"
	"math"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// effect returns the mean of samples, and half of its 95 % confidence interval.
func effect(samples []float64) Effect {
	var s sums
	for _, x := range samples {
		s.add(x)
	}
	return s.effect()
}

// sums are those of a mean and a deviation (Welford 1962).
type sums struct{ n, mean, square float64 }

func (s *sums) add(x float64) {
	s.n++
	d := x - s.mean
	s.mean += d / s.n
	s.square += d * (x - s.mean)
}

// effect returns the mean so far, and half of its 95 % confidence interval by Student's t.
func (s *sums) effect() Effect {
	none := lens.Number(math.NaN())
	switch {
	case s == nil || s.n == 0:
		return Effect{none, none}
	case s.n < 2:
		return Effect{lens.Number(s.mean), none}
	}
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: s.n - 1}.Quantile(0.975)
	return Effect{lens.Number(s.mean), lens.Number(t * math.Sqrt(s.square/(s.n-1)/s.n))}
}

// EmbeddingDeviation returns the standard deviation of all numbers of a model's embedding, as it
// enters the stream (the site embed).
func EmbeddingDeviation(ctx context.Context, m model.Model) (float64, error) {
	const together = 4096
	var sum, square, n float64
	vocab := m.Shape().DVocab
	for from := 0; from < vocab; from += together {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		scope := mlx.NewScope(m.Device())
		ids := make([]int, min(together, vocab-from))
		for i := range ids {
			ids[i] = from + i
		}
		tap, kept := model.Keep(scope, []model.Place{{Site: model.Embed}})
		tokens := mlx.Reshape(model.Tokens(scope, ids), len(ids), 1)
		if err := m.Stream(tokens, nil, tap, 0).Err(); err != nil {
			scope.Close()
			return 0, err
		}
		data, err := sumsOf(scope, m.Part(), kept[0], len(ids))
		scope.Close()
		if err != nil {
			return 0, err
		}
		for i := range ids {
			sum, square = sum+float64(data[i]), square+float64(data[len(ids)+i])
		}
		n += float64(len(ids) * m.Shape().DModel)
	}
	return math.Sqrt(max(0, square/n-sum/n*sum/n)), nil
}

// sumsOf returns the sum and the sum of squares of each of n rows, the sums first. On ranks the first one has the rows.
func sumsOf(scope *mlx.Scope, part *model.Part, x *mlx.Array, n int) ([]float32, error) {
	var sums *mlx.Array
	if x != nil {
		x = mlx.AsType(x, mlx.Float32)
		sums = mlx.Concatenate(0, mlx.Reshape(mlx.Sum(x, -1), -1), mlx.Reshape(mlx.Sum(mlx.Square(x), -1), -1))
	}
	if part != nil {
		var err error
		if sums, err = part.Spread(scope, sums, 0, 2*n); err != nil {
			return nil, err
		}
	}
	return mlx.Data[float32](sums)
}
