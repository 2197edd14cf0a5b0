// Command mnist trains a perceptron with one hidden layer, as for handwritten digits, on
// pictures that it draws itself: ten patterns of 8 by 8 points, shifted and noisy.
package main

import (
	"fmt"
	"log"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
)

const side, classes, hidden = 8, 10, 64

// draw returns n pictures [n, side²] and their labels [n].
func draw(key *mlx.Array, patterns *mlx.Array, n int) (x, labels *mlx.Array) {
	keys := mlx.RandomSplit(key, 3)
	labels = mlx.RandomRandint(keys[0], 0, classes, mlx.Int32, n)
	pictures := mlx.Reshape(mlx.Take(patterns, labels, 0), n, side, side)
	moved := mlx.Roll(pictures, []int{1}, 2) // half of them are one point to the right
	right := mlx.Reshape(mlx.RandomBernoulli(keys[1], mlx.Scalar(key.Scope(), float32(0.5)), n), n, 1, 1)
	noise := mlx.RandomNormal(keys[2], 0, 1.8, mlx.Float32, n, side, side)
	return mlx.Reshape(mlx.Add(mlx.Where(right, moved, pictures), noise), n, side*side), labels
}

func main() {
	device := mlx.On(mlx.DefaultDevice())
	keys := nn.NewKeys(device, 1)
	patterns := mlx.RandomNormal(keys.Next(), 0, 1, mlx.Float32, classes, side*side)
	net := nn.NewSequential(nn.NewLinear(keys, side*side, hidden, true), nn.Func(mlx.ReLU), nn.NewLinear(keys, hidden, classes, true))
	model := nn.NewModel(net)
	lossAndGrads := model.ValueAndGrad(func(b []*mlx.Array) *mlx.Array { return nn.CrossEntropy(net.Forward(b[0]), b[1]) })

	adam := nn.NewOptimizer(nn.NewAdamW(), nn.Constant(2e-3))
	for i := range 200 {
		batch := device.NewScope() // frees what the step made, and leaves the parameters
		loss, grads := lossAndGrads(draw(batch.Hold(keys.Next()), patterns, 128))
		if err := adam.Update(model, grads); err != nil {
			log.Fatal(err)
		}
		l, err := mlx.Item[float32](loss)
		if err != nil {
			log.Fatal(err)
		}
		if i%50 == 49 {
			fmt.Printf("step %3d  loss %.2f\n", i+1, l)
		}
		batch.Close()
	}
	x, labels := draw(keys.Next(), patterns, 2000)
	right := mlx.Equal(mlx.AsType(mlx.Argmax(net.Forward(x), -1), mlx.Int32), labels)
	accuracy, err := mlx.Item[float32](mlx.Mean(right))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("of 2000 new pictures %.0f %% are told right\n", 100*accuracy)
}
