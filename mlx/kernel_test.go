package mlx_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/require"
)

func TestKernelsNeedAGPU(t *testing.T) {
	source := mlx.KernelSource{Name: "twice", Inputs: []string{"x"}, Outputs: []string{"y"}, Source: "y[0] = x[0] % 2;"}
	if !mlx.MetalAvailable() {
		_, err := mlx.NewMetalKernel(source)
		require.ErrorIs(t, err, mlx.ErrDevice)
		require.ErrorIs(t, mlx.StartCapture("x.gputrace"), mlx.ErrDevice)
		_, err = mlx.MetallibPath()
		require.ErrorIs(t, err, mlx.ErrDevice)
	}
	if !mlx.CUDAAvailable() {
		_, err := mlx.NewCUDAKernel(source)
		require.ErrorIs(t, err, mlx.ErrDevice)
	}
	for name, bad := range map[string]mlx.KernelSource{
		"no name": {Outputs: []string{"y"}, Source: "x"}, "no results": {Name: "f", Source: "x"}, "no identifier": {Name: "f()", Outputs: []string{"y"}, Source: "x"},
		"a NUL": {Name: "f", Outputs: []string{"y"}, Source: "x\x00"},
	} {
		_, err := mlx.NewMetalKernel(bad)
		require.Error(t, err, name)
		require.NotErrorIs(t, err, mlx.ErrDevice, name)
	}
}

// A file that is named before the GPU has been used is the one that Metal's functions come from.
func TestAMetallibOfOnesOwnIsTheOneThatIsLoaded(t *testing.T) {
	if !mlx.MetalAvailable() {
		t.Skip("there is no Metal")
	}
	if !inChild(t) {
		return
	}
	path, err := mlx.MetallibPath()
	require.NoError(t, err)
	own := filepath.Join(t.TempDir(), "own.metallib")
	require.NoError(t, os.Symlink(path, own))
	require.NoError(t, mlx.SetMetallibPath(own))
	s := mlx.NewScope(mlx.GPU)
	defer s.Close()
	x := mlx.FromSlice(s, []float32{1, 2}, 2)
	require.Equal(t, []float32{2, 4}, floats(t, mlx.Add(x, x)))
	loaded, err := mlx.MetallibPath()
	require.NoError(t, err)
	require.Equal(t, own, loaded)
}

// What a GPU alone tells: a kernel of one's own, a capture for Xcode, and the file of the functions.
func TestAKernelOfOnesOwnComputesOnAGPU(t *testing.T) {
	if !mlx.GPU.Available() {
		t.Skip("there is no GPU")
	}
	s := mlx.NewScope(mlx.GPU)
	defer s.Close()
	x := mlx.FromSlice(s, []float32{1, 2, 3, 4, 5})
	launch := mlx.Launch{Grid: [3]int{5, 1, 1}, ThreadGroup: [3]int{5, 1, 1}, Outputs: []mlx.KernelOutput{{Shape: []int{5}, Dtype: mlx.Float32}}}
	source := mlx.KernelSource{Name: "twice", Inputs: []string{"x"}, Outputs: []string{"y"}}
	var y []*mlx.Array
	if mlx.MetalAvailable() {
		if os.Getenv("MTL_CAPTURE_ENABLED") == "1" {
			trace := filepath.Join(t.TempDir(), "twice.gputrace")
			require.NoError(t, mlx.StartCapture(trace))
			defer func() {
				require.NoError(t, mlx.StopCapture())
				_, err := os.Stat(trace)
				require.NoError(t, err)
			}()
		}
		path, err := mlx.MetallibPath()
		require.NoError(t, err)
		require.FileExists(t, path)
		source.Source = "uint i = thread_position_in_grid.x; y[i] = 2 * x[i];"
		k, err := mlx.NewMetalKernel(source)
		require.NoError(t, err)
		y = k.Call(launch, x)
	} else {
		source.Source = "auto i = cooperative_groups::this_grid().thread_rank(); y[i] = 2 * x[i];"
		k, err := mlx.NewCUDAKernel(source)
		require.NoError(t, err)
		y = k.Call(launch, x)
	}
	require.Equal(t, []float32{2, 4, 6, 8, 10}, floats(t, y[0]))
}
