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
	keys := nn.NewKeys(device, 7)

	// data: 1,000 points of y = 3 x₁ − 2 x₂ + 0.5 and some noise
	want := nn.Linear{Weight: mlx.FromSlice(device, []float32{3, -2}, 1, 2), Bias: mlx.FromSlice(device, []float32{0.5})}
	x := mlx.RandomNormal(keys.Next(), 0, 1, mlx.Float32, 1000, 2)
	y := mlx.Add(want.Forward(x), mlx.RandomNormal(keys.Next(), 0, 0.1, mlx.Float32, 1000, 1))

	line := nn.NewLinear(keys, 2, 1, true)
	model := nn.NewModel(line)
	lossAndGrads := model.ValueAndGrad(func(b []*mlx.Array) *mlx.Array { return nn.MSE(line.Forward(b[0]), b[1]) })
	descent := nn.NewOptimizer(&nn.SGD{}, nn.Constant(0.1))
	for i := range 100 {
		loss, grads := lossAndGrads(x, y)
		if err := descent.Update(model, grads); err != nil {
			log.Fatal(err)
		}
		if i%25 == 24 {
			l, err := mlx.Item[float32](loss)
			if err != nil {
				log.Fatal(err)
			}
			fmt.Printf("step %3d  loss %.4f\n", i+1, l)
		}
	}
	w, err := mlx.Data[float32](line.Weight)
	if err != nil {
		log.Fatal(err)
	}
	b, err := mlx.Item[float32](line.Bias)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("y = %.2f x₁ %+.2f x₂ %+.2f\n", w[0], w[1], b)
}
