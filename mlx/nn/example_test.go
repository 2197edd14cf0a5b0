package nn_test

import (
	"fmt"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
)

func Example() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	norm := &nn.RMSNorm{Weight: mlx.FromSlice(s, []float32{1, 1}), Eps: 0}
	layer := &nn.Linear{
		Weight: mlx.FromSlice(s, []float32{1, 0, 0, 1, 1, 1}, 3, 2), // [out, in]
		Bias:   mlx.FromSlice(s, []float32{0, 0, 10}),
	}
	x := mlx.FromSlice(s, []float32{1, -1, 5, 5}, 2, 2) // rows whose mean square is 1 and 25
	y := layer.Forward(norm.Forward(x))
	data, err := mlx.Data[float32](y)
	fmt.Println(y.Shape(), data, err)
	// Output: [2 3] [1 -1 10 1 1 12] <nil>
}

// A layer finds the line that its targets lie on.
func ExampleSGD() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	x := mlx.FromSlice(s, []float32{-1, 0, 1, 2}, 4, 1)
	target := mlx.FromSlice(s, []float32{-3, -1, 1, 3}, 4, 1) // 2x − 1
	loss := func(p []*mlx.Array) []*mlx.Array {
		layer := &nn.Linear{Weight: p[0], Bias: p[1]}
		return []*mlx.Array{nn.MSE(layer.Forward(x), target)}
	}
	params := []*mlx.Array{mlx.Zeros(s, mlx.Float32, 1, 1), mlx.Zeros(s, mlx.Float32, 1)}
	sgd := &nn.SGD{LearningRate: 0.25}
	for range 100 {
		next, err := sgd.Step(params, mlx.Grad(loss, 0, 1)(params...))
		if err != nil {
			fmt.Println(err)
			return
		}
		params = next
	}
	w, _ := mlx.Data[float32](params[0])
	b, _ := mlx.Data[float32](params[1])
	fmt.Printf("%.3f %.3f\n", w[0], b[0])
	// Output: 2.000 -1.000
}
