package mamba2_test

import (
	"fmt"
	"math"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model/mamba2"
)

// A state that keeps half from position to position and takes in 1 at each.
func Example() {
	if err := mlx.Load(); err != nil {
		fmt.Println(err)
		return
	}
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	ones := mlx.Ones(s, mlx.Float32, 1, 1, 1, 4, 1)
	half := mlx.Scale(mlx.Ones(s, mlx.Float32, 1, 1, 1, 4), math.Log(0.5))
	y, _ := mamba2.Scan{X: ones, B: ones, C: ones, A: half}.Run(mlx.Zeros(s, mlx.Float32, 1, 1, 1, 1, 1))
	values, err := mlx.Data[float32](y)
	fmt.Printf("%.3f %v\n", values, err)
	// Output: [1.000 1.500 1.750 1.875] <nil>
}
