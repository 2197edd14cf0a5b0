// Command linearregression fits y = x·wᵀ + b to noisy data by gradient descent.
package main

import (
	"fmt"
	"log"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
)

func main() {
	device := mlx.On(mlx.DefaultDevice())
	keys := mlx.RandomSplit(mlx.RandomKey(device, 7), 3)

	// data: 1,000 points of y = 3 x₁ − 2 x₂ + 0.5 and some noise
	want := nn.Linear{Weight: mlx.FromSlice(device, []float32{3, -2}, 1, 2), Bias: mlx.FromSlice(device, []float32{0.5})}
	x := mlx.RandomNormal(keys[0], 0, 1, mlx.Float32, 1000, 2)
	y := mlx.Add(want.Forward(x), mlx.RandomNormal(keys[1], 0, 0.1, mlx.Float32, 1000, 1))

	loss := func(p []*mlx.Array) []*mlx.Array {
		model := nn.Linear{Weight: p[0], Bias: p[1]}
		return []*mlx.Array{nn.MSE(model.Forward(x), y)}
	}
	first := nn.NewLinear(keys[2], 2, 1, true)
	params := []*mlx.Array{first.Weight, first.Bias}
	lossAndGrads := mlx.ValueAndGrad(loss, 0, 1)
	descent := nn.SGD{LearningRate: 0.1}
	for i := range 100 {
		values, grads := lossAndGrads(params...)
		var err error
		if params, err = descent.Step(params, grads); err != nil {
			log.Fatal(err)
		}
		if i%25 == 24 {
			l, err := mlx.Item[float32](values[0])
			if err != nil {
				log.Fatal(err)
			}
			fmt.Printf("step %3d  loss %.4f\n", i+1, l)
		}
	}
	w, err := mlx.Data[float32](params[0])
	if err != nil {
		log.Fatal(err)
	}
	b, err := mlx.Item[float32](params[1])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("y = %.2f x₁ %+.2f x₂ %+.2f\n", w[0], w[1], b)
}
