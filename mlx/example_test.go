package mlx_test

import (
	"errors"
	"fmt"

	"github.com/mlxlens/mlxlens/mlx"
)

func Example() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	x := mlx.FromSlice(s, []float32{1, 2, 3, 4}, 2, 2)
	y := mlx.Matmul(x, mlx.Transpose(x))
	rows, err := mlx.Data[float32](y)
	fmt.Println(rows, err)
	// Output: [5 11 11 25] <nil>
}

// An error sticks to what is computed from the array that has it.
func ExampleError() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	x := mlx.Take(mlx.FromSlice(s, []float32{1, 2}), mlx.FromSlice(s, []int32{7}), 0)
	_, err := mlx.Item[float32](mlx.Exp(x))
	fmt.Println(err)
	fmt.Println(errors.Is(err, mlx.ErrIndex))
	// Output:
	// mlx: take: indices from 7 to 7 along axis 0 of length 2
	// true
}
