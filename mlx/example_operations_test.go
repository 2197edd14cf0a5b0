package mlx_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mlxlens/mlxlens/mlx"
)

func ExampleArray_Format() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	x := mlx.FromSlice(s, []float32{1, 2, 3, 4}, 2, 2)
	fmt.Println(x) // nothing is computed
	text, err := x.Format()
	fmt.Println(text, err)
	// Output:
	// float32[2 2]
	// array([[1, 2],
	//        [3, 4]], dtype=float32) <nil>
}

func ExampleArange() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	show(mlx.Arange(s, 0, 1, 0.25, mlx.Float32))
	show(mlx.Linspace(s, 0, 1, 5, true, mlx.Float32))
	show(mlx.Eye(s, mlx.Grid{Rows: 2, Cols: 3, Offset: 1}, mlx.Float32))
	// Output:
	// [4] [0 0.25 0.5 0.75] <nil>
	// [5] [0 0.25 0.5 0.75 1] <nil>
	// [2 3] [0 1 0 0 0 1] <nil>
}

func ExampleWhere() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	x := mlx.FromSlice(s, []float32{-1, 0, 2})
	zero := mlx.Scalar(s, float32(0))
	show(mlx.Where(mlx.Greater(x, zero), x, zero)) // the scalar is broadcast
	// Output: [3] [0 0 2] <nil>
}

func ExampleDegrees() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	show(mlx.Degrees(mlx.Arctan(mlx.FromSlice(s, []float32{0, 1}))))
	// Output: [2] [0 45] <nil>
}

func ExampleBroadcastTo() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	row := mlx.FromSlice(s, []float32{1, 2})
	show(mlx.BroadcastTo(row, 3, 2)) // no element is copied
	// Output: [3 2] [1 2 1 2 1 2] <nil>
}

func ExampleReshape() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	x := mlx.Reshape(mlx.Arange(s, 0, 6, 1, mlx.Float32), 2, -1)
	show(x)
	show(mlx.Transpose(x))
	show(mlx.Flatten(mlx.ExpandDims(x, 0), 0, -1))
	// Output:
	// [2 3] [0 1 2 3 4 5] <nil>
	// [3 2] [0 3 1 4 2 5] <nil>
	// [6] [0 1 2 3 4 5] <nil>
}

func ExampleConcatenate() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	a, b := mlx.FromSlice(s, []float32{1, 2}), mlx.FromSlice(s, []float32{3, 4})
	show(mlx.Concatenate(0, a, b))
	show(mlx.Stack(1, a, b))
	for _, part := range mlx.Split(mlx.Concatenate(0, a, b), 2, 0) {
		show(part)
	}
	// Output:
	// [4] [1 2 3 4] <nil>
	// [2 2] [1 3 2 4] <nil>
	// [2] [1 2] <nil>
	// [2] [3 4] <nil>
}

func ExampleSlice() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	x := mlx.Reshape(mlx.Arange(s, 0, 6, 1, mlx.Float32), 2, 3)
	show(mlx.Slice(x, 1, mlx.Between(0, 2))) // along axis 1, from 0 to 2
	show(mlx.SliceUpdate(x, mlx.Zeros(s, mlx.Float32, 2, 1), 1, 2))
	// Output:
	// [2 2] [0 1 3 4] <nil>
	// [2 3] [0 1 0 3 4 0] <nil>
}

func ExampleTake() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	x := mlx.FromSlice(s, []float32{10, 20, 30, 40}, 2, 2)
	show(mlx.Take(x, mlx.FromSlice(s, []int32{1, 1, 0}), 0)) // rows
	show(mlx.TakeAlongAxis(x, mlx.FromSlice(s, []int32{1, 0}, 2, 1), 1))
	// Output:
	// [3 2] [30 40 30 40 10 20] <nil>
	// [2 1] [20 30] <nil>
}

func ExampleScatterAddAxis() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	counts := mlx.Zeros(s, mlx.Float32, 3)
	seen := mlx.FromSlice(s, []int32{2, 0, 2})
	show(mlx.ScatterAddAxis(counts, seen, mlx.Ones(s, mlx.Float32, 3), 0))
	// Output: [3] [1 0 2] <nil>
}

func ExampleArgsort() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	x := mlx.FromSlice(s, []float32{3, 1, 2})
	order := mlx.Argsort(x, -1)
	show(order)
	show(mlx.Take(x, order, 0))
	show(mlx.Sum(mlx.TopK(x, 2, -1))) // the largest two, in no order
	// Output:
	// [3] [1 2 0] <nil>
	// [3] [1 2 3] <nil>
	// [] [5] <nil>
}

func ExampleCumsum() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	x := mlx.FromSlice(s, []float32{1, 2, 3})
	show(mlx.Cumsum(x, 0))
	show(mlx.Sum(x)) // of all axes
	// Output:
	// [3] [1 3 6] <nil>
	// [] [6] <nil>
}

func ExampleDiag() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	show(mlx.Diag(mlx.FromSlice(s, []float32{1, 2}), 0))
	show(mlx.Tril(mlx.Ones(s, mlx.Float32, 3, 3), 0))
	// Output:
	// [2 2] [1 0 0 2] <nil>
	// [3 3] [1 0 0 1 1 0 1 1 1] <nil>
}

func ExampleEigh() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	values, vectors := mlx.Eigh(mlx.FromSlice(s, []float32{2, 0, 0, 1}, 2, 2), mlx.Lower)
	show(values)
	show(mlx.Abs(vectors)) // the columns
	// Output:
	// [2] [1 2] <nil>
	// [2 2] [0 1 1 0] <nil>
}

func ExampleAttention() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	q := mlx.Zeros(s, mlx.Float32, 1, 1, 2, 2) // [batch, head, pos, d_head]
	v := mlx.FromSlice(s, []float32{1, 2, 3, 4}, 1, 1, 2, 2)
	show(mlx.Attention(q, q, v, 1, true, nil)) // each position attends to itself and those before
	show(mlx.RMSNorm(mlx.FromSlice(s, []float32{3, -3}), nil, 0))
	// Output:
	// [1 1 2 2] [1 2 2 3] <nil>
	// [2] [1 -1] <nil>
}

func ExampleCustomFunction() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	identity := func(a []*mlx.Array) []*mlx.Array { return []*mlx.Array{mlx.Copy(a[0])} }
	clipped := mlx.CustomFunction(identity, mlx.Rules{VJP: func(primals, cotangents, outputs []*mlx.Array) []*mlx.Array {
		return []*mlx.Array{mlx.Clip(cotangents[0], nil, mlx.Scalar(s, float32(1)))}
	}})
	loss := func(a []*mlx.Array) []*mlx.Array { return []*mlx.Array{mlx.Sum(mlx.Scale(clipped(a)[0], 5))} }
	show(mlx.Grad(loss)(mlx.Ones(s, mlx.Float32, 2))[0])
	// Output: [2] [1 1] <nil>
}

func ExampleExportFunction() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "double.mlxfn")
	x := mlx.FromSlice(s, []float32{1, 2})
	double := func(a []*mlx.Array) []*mlx.Array { return []*mlx.Array{mlx.Scale(a[0], 2)} }
	fmt.Println(mlx.ExportFunction(path, double, false, x))
	f, err := mlx.ImportFunction(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	show(f.Call(x)[0])
	// Output:
	// <nil>
	// [2] [2 4] <nil>
}

func ExampleWithin() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	x := mlx.Ones(s, mlx.Float32, 2)
	for range 3 { // of each round only the result stays
		x = mlx.Within(x, func(x *mlx.Array) *mlx.Array { return mlx.Add(mlx.Square(x), x) })
	}
	show(x)
	// Output: [2] [42 42] <nil>
}

func ExampleScope_Hold() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	step := s.NewScope()
	x := s.Hold(mlx.Exp(mlx.Zeros(step, mlx.Float32, 1)))
	step.Close()
	show(x)
	// Output: [1] [1] <nil>
}

func ExampleDo() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	x := mlx.Ones(s, mlx.Float32, 1)
	err := mlx.Do(context.Background(), func() error { // no other goroutine evaluates meanwhile
		for range 3 {
			x = mlx.Add(x, x)
			if err := mlx.Eval(x); err != nil {
				return err
			}
		}
		return nil
	})
	show(x)
	fmt.Println(err)
	// Output:
	// [1] [8] <nil>
	// <nil>
}

func ExampleReadNpy() {
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	var file bytes.Buffer
	fmt.Println(mlx.WriteNpy(&file, mlx.FromSlice(s, []int32{1, 2})))
	fmt.Println(mlx.ReadNpy(s, &file))
	// Output:
	// <nil>
	// int32[2]
}
