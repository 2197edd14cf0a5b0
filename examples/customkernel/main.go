// Command customkernel computes x·σ(x) in one function of its own on the GPU, in Metal's or
// CUDA's language, and compares it with the operations of the package.
package main

import (
	"fmt"
	"log"

	"github.com/mlxlens/mlxlens/mlx"
)

var metal = mlx.KernelSource{
	Name: "silu", Inputs: []string{"x"}, Outputs: []string{"y"},
	Source: `
		uint i = thread_position_in_grid.x;
		T v = x[i];
		y[i] = v / (T(1) + metal::exp(-v));`,
}

var cuda = mlx.KernelSource{
	Name: "silu", Inputs: []string{"x"}, Outputs: []string{"y"},
	Source: `
		auto i = cooperative_groups::this_grid().thread_rank();
		T v = x[i];
		y[i] = v / (T(1) + expf(-v));`,
}

func main() {
	s := mlx.NewScope(mlx.DefaultDevice())
	defer s.Close()
	x := mlx.Linspace(s, -4, 4, 1024, true, mlx.Float32)
	want := mlx.SiLU(x)

	launch := mlx.Launch{
		Grid: [3]int{1024, 1, 1}, ThreadGroup: [3]int{256, 1, 1},
		Outputs:  []mlx.KernelOutput{{Shape: x.Shape(), Dtype: mlx.Float32}},
		Template: map[string]any{"T": mlx.Float32},
	}
	var y *mlx.Array
	switch {
	case mlx.MetalAvailable():
		k, err := mlx.NewMetalKernel(metal)
		if err != nil {
			log.Fatal(err)
		}
		y = k.Call(launch, x)[0]
	case mlx.CUDAAvailable():
		k, err := mlx.NewCUDAKernel(cuda)
		if err != nil {
			log.Fatal(err)
		}
		y = k.Call(launch, x)[0]
	default:
		v, err := mlx.Item[float32](mlx.Index(want, mlx.At(-1)))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("no GPU is there to run a kernel; by operations SiLU(4) = %.4f\n", v)
		return
	}
	far, err := mlx.Item[float32](mlx.Max(mlx.Abs(mlx.Subtract(y, want))))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("the kernel and the operations differ by %.1g at most\n", far)
}
