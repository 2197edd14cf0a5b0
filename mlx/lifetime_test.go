package mlx_test

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/require"
)

// collected lets the collector, and the cleanups that it queues, do their work.
func collected() {
	for range 4 {
		runtime.GC()
		time.Sleep(10 * time.Millisecond)
	}
}

// Each pair of Free, Keep, Hold and Close, in either order and at once, frees a handle once.
func TestEndsInAnyOrderAreOne(t *testing.T) {
	if !inChild(t) {
		return
	}
	before := mlx.LiveArrays()
	ends := []func(s *mlx.Scope, a *mlx.Array){
		func(_ *mlx.Scope, a *mlx.Array) { a.Free() },
		func(s *mlx.Scope, a *mlx.Array) { s.Keep(a) },
		func(s *mlx.Scope, a *mlx.Array) { s.Keep(a, a) },
		func(s *mlx.Scope, _ *mlx.Array) { s.Close() },
		func(s *mlx.Scope, a *mlx.Array) { s.Hold(a) },
		func(_ *mlx.Scope, a *mlx.Array) { _ = mlx.Eval(mlx.Add(a, a)) },
		func(s *mlx.Scope, a *mlx.Array) { s.NewScope().Keep(a, nil, &mlx.Array{}) },
	}
	for range 30 {
		for _, first := range ends {
			for _, second := range ends {
				s := mlx.NewScope(mlx.CPU)
				a := mlx.Ones(s, mlx.Float32, 4)
				first(s, a)
				second(s, a)
				s.Close()

				s = mlx.NewScope(mlx.CPU)
				a = mlx.Ones(s, mlx.Float32, 4)
				var wg sync.WaitGroup
				wg.Go(func() { first(s, a) })
				wg.Go(func() { second(s, a) })
				wg.Wait()
				s.Close()
			}
		}
		runtime.GC()
	}
	collected()
	var xs []*mlx.Array
	for range 1000 { // in the memory of what was freed
		xs = append(xs, mlx.Ones(nil, mlx.Float32, 4))
	}
	require.NoError(t, mlx.Eval(xs...))
	for _, x := range xs {
		x.Free()
	}
	collected()
	require.LessOrEqual(t, mlx.LiveArrays(), before+8)
}

// What was never made has an error for each use, whether the library is loaded or not.
func TestZeroValuesAnswerWithErrors(t *testing.T) {
	if !inChild(t) { // where nothing is loaded yet
		return
	}
	for _, when := range []string{"before", "after"} {
		if when == "after" {
			require.NoError(t, mlx.Load())
		}
		for _, z := range []*mlx.Array{nil, {}} {
			require.Error(t, z.Err(), when)
			require.Contains(t, z.String(), "mlx: ", when)
			require.Nil(t, z.Shape())
			require.Zero(t, z.Ndim()+z.Size()+z.Nbytes()+z.Dim(0)+int(z.Dtype())+int(z.Stream())+int(z.Device()))
			require.False(t, z.Ready())
			require.NotNil(t, z.Scope())
			z.Free()
			for _, err := range errorsOf(z) {
				var e *mlx.Error
				require.ErrorAs(t, err, &e, when)
			}
		}
		var s *mlx.Scope
		s.Keep(&mlx.Array{}, nil)
		s.Close()
		require.NoError(t, mlx.Eval(mlx.Ones(s.NewScope(), mlx.Float32, 2), mlx.Ones(s, mlx.Float32, 2), mlx.Ones(&mlx.Scope{}, mlx.Float32, 2)))
		require.Equal(t, mlx.DefaultDevice(), s.Device())
		require.Equal(t, mlx.DefaultStream(mlx.DefaultDevice()), s.Stream())
		require.ErrorIs(t, mlx.Eval(mlx.Ones(mlx.Stream(200).Scope(), mlx.Float32, 2)), mlx.ErrDevice)
		require.ErrorIs(t, mlx.Stream(200).Synchronize(), mlx.ErrDevice)
	}
}

// errorsOf are the errors of a zero Array's uses, and of other zero values'.
func errorsOf(z *mlx.Array) []error {
	_, data := mlx.Data[float32](z)
	_, item := mlx.Item[float32](z)
	_, format := z.Format()
	_, strides := z.Strides()
	var s *mlx.Scope
	var g *mlx.Group
	var x *mlx.Exporter
	_, split := g.Split(0, 0)
	one := mlx.Ones(nil, mlx.Float32, 2)
	return []error{
		mlx.Eval(z), mlx.AsyncEval(one, z), data, item, format, strides, z.Wait(), s.Hold(z).Err(), mlx.Add(z, z).Err(), mlx.Add(one, z).Err(),
		mlx.Sum(z).Err(), mlx.Index(z, mlx.At(0)).Err(), mlx.Reshape(z, 1).Err(), mlx.Diagonal(z, mlx.Diagonals{Offset: 9}).Err(), mlx.SaveNpy("/dev/null", z),
		mlx.Grad(func(a []*mlx.Array) []*mlx.Array { return a })(z)[0].Err(), mlx.Grad(func(a []*mlx.Array) []*mlx.Array { return []*mlx.Array{{}} })(one)[0].Err(),
		mlx.Grad(nil)(one)[0].Err(), mlx.SaveGGUF("x.gguf", nil), x.Add(one), split, g.AllSum(one).Err(), g.Recv(nil, 0, mlx.Float32, 2).Err(), (&mlx.Group{}).AllSum(one).Err(),
		(*mlx.ImportedFunction)(nil).Call(one)[0].Err(), (&mlx.ImportedFunction{}).Call(one)[0].Err(), (*mlx.MetalKernel)(nil).Call(mlx.Launch{})[0].Err(), (&mlx.CUDAKernel{}).Call(mlx.Launch{})[0].Err(),
	}
}
