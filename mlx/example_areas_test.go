package mlx_test

import (
	"fmt"
	"os"

	"github.com/mlxlens/mlxlens/mlx"
)

// show prints an array as float32.
func show(a *mlx.Array) {
	xs, err := mlx.Data[float32](mlx.AsType(a, mlx.Float32))
	fmt.Println(a.Shape(), xs, err)
}

func ExampleIndex() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	x := mlx.Reshape(mlx.Arange(s, 0, 12, 1, mlx.Int32), 3, 4)
	show(mlx.Index(x, mlx.At(-1)))                                              // x[-1]
	show(mlx.Index(x, mlx.Whole, mlx.From(1).By(2)))                            // x[:, 1::2]
	show(mlx.Index(x, mlx.FromSlice(s, []int32{2, 0}), mlx.At(3)))              // x[[2, 0], 3]
	show(mlx.IndexUpdate(x, mlx.Scalar(s, int32(-1)), mlx.Ellipsis, mlx.To(3))) // x[..., :3] = -1
	// Output:
	// [4] [8 9 10 11] <nil>
	// [3 2] [1 3 5 7 9 11] <nil>
	// [2] [11 3] <nil>
	// [3 4] [-1 -1 -1 3 -1 -1 -1 7 -1 -1 -1 11] <nil>
}

func ExampleKeepDims() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	x := mlx.FromSlice(s, []float32{1, 2, 3, 4}, 2, 2)
	show(mlx.Subtract(x, mlx.KeepDims(mlx.Mean, x, -1)))
	// Output: [2 2] [-0.5 0.5 -0.5 0.5] <nil>
}

func ExampleSolve() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	a, b := mlx.FromSlice(s, []float32{2, 0, 0, 4}, 2, 2), mlx.FromSlice(s, []float32{2, 8})
	show(mlx.Solve(a, b))
	// Output: [2] [1 2] <nil>
}

func ExampleRFFT() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	show(mlx.Abs(mlx.RFFT(mlx.FromSlice(s, []float32{1, 0, -1, 0}), 0, 0, mlx.Backward)))
	// Output: [3] [0 2 0] <nil>
}

func ExampleRandomSplit() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	keys := mlx.RandomSplit(mlx.RandomKey(s, 42), 2)
	show(mlx.RandomRandint(keys[0], 0, 100, mlx.Int32, 4))
	show(mlx.RandomRandint(keys[0], 0, 100, mlx.Int32, 4)) // the same key, the same numbers
	// Output:
	// [4] [73 92 91 31] <nil>
	// [4] [73 92 91 31] <nil>
}

func ExampleQuantize() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	q := mlx.Quantization{GroupSize: 32, Bits: 4, Mode: "affine"}
	w, scales, biases := mlx.Quantize(mlx.Ones(s, mlx.Float32, 2, 64), q)
	fmt.Println(w, scales, biases)
	show(mlx.QuantizedMatmul(mlx.Ones(s, mlx.Float32, 1, 64), w, scales, biases, q))
	// Output:
	// uint32[2 8] float32[2 2] float32[2 2]
	// [1 2] [64 64] <nil>
}

func ExampleConv1D() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	x := mlx.FromSlice(s, []float32{1, 2, 3, 4}, 1, 4, 1)
	difference := mlx.FromSlice(s, []float32{-1, 1}, 1, 2, 1)
	show(mlx.Conv1D(x, difference, mlx.Conv{}))
	// Output: [1 3 1] [1 1 1] <nil>
}

func ExampleEinsum() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	x := mlx.FromSlice(s, []float32{1, 2, 3, 4}, 2, 2)
	show(mlx.Einsum("ij,ij->i", x, x))
	// Output: [2] [5 25] <nil>
}

func ExampleValueAndGrad() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	loss := func(a []*mlx.Array) []*mlx.Array { return []*mlx.Array{mlx.Sum(mlx.Square(a[0]))} }
	values, grads := mlx.ValueAndGrad(loss)(mlx.FromSlice(s, []float32{1, -2}))
	show(values[0])
	show(grads[0])
	// Output:
	// [] [5] <nil>
	// [2] [2 -4] <nil>
}

func ExampleVmap() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	dot := func(a []*mlx.Array) []*mlx.Array { return []*mlx.Array{mlx.Sum(mlx.Multiply(a[0], a[1]))} }
	rows := mlx.FromSlice(s, []float32{1, 2, 3, 4}, 2, 2)
	show(mlx.Vmap(dot, []int{0, mlx.Unmapped}, nil)([]*mlx.Array{rows, mlx.FromSlice(s, []float32{10, 1})})[0])
	// Output: [2] [12 34] <nil>
}

func ExampleCompile() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	gelu := mlx.Compile(func(a []*mlx.Array) []*mlx.Array { return []*mlx.Array{mlx.GELU(a[0])} }, true)
	show(gelu([]*mlx.Array{mlx.Zeros(s, mlx.Float32, 3)})[0])
	// Output: [3] [0 0 0] <nil>
}

func ExampleExportToDOT() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	x := mlx.FromSlice(s, []float32{1})
	y := mlx.Exp(x)
	if err := mlx.PrintGraph(os.Stdout, map[string]*mlx.Array{"x": x, "y": y}, y); err != nil {
		fmt.Println(err)
	}
	// Output:
	// Inputs: x [(1), float32]
	// Outputs: y [(1), float32]
	// Exp x [(1), float32] -> y [(1), float32]
}

func ExampleSaveSafetensors() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	path := "weights.safetensors"
	defer os.Remove(path)
	err := mlx.SaveSafetensors(path, map[string]*mlx.Array{"w": mlx.Ones(s, mlx.BFloat16, 2, 2)}, map[string]string{"format": "mlx"})
	arrays, metadata, loadErr := mlx.LoadSafetensors(s, path)
	fmt.Println(arrays["w"], metadata["format"], err, loadErr)
	// Output: bfloat16[2 2] mlx <nil> <nil>
}
