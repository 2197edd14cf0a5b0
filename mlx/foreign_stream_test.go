package mlx_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/internal/capi"
	"github.com/stretchr/testify/require"
)

// foreign runs functions on an OS thread that has never been inside the gate, and whose default
// stream is one that only that thread may use, as MLX makes it for each new thread. An operation
// that takes the default stream of its thread cannot be evaluated elsewhere.
var foreign = sync.OnceValue(func() chan<- func() {
	calls := make(chan func())
	go func() {
		runtime.LockOSThread()
		own := capi.StreamNewDevice(capi.DeviceNewType(capi.DeviceTypeCpu, 0))
		for f := range calls {
			capi.SetDefaultStream(own)
			f()
		}
	}()
	return calls
})

func onForeignThread(t *testing.T, f func()) {
	t.Helper()
	require.NoError(t, mlx.Load())
	done := make(chan struct{})
	foreign() <- func() { defer close(done); f() }
	<-done
}

// Every recorded operation can be evaluated whatever thread built it.
func TestOperationsDoNotTakeTheThreadsDefaultStream(t *testing.T) {
	for i, c := range recordedCases(t) {
		s := scope(t)
		in := c.operands(t, s)
		var out []*mlx.Array
		onForeignThread(t, func() { out = recorded[c.Op](s, in, c.Params) })
		if c.Out == nil || refused(c) != "" {
			continue
		}
		for _, a := range out {
			require.NoError(t, mlx.Eval(a), "%s/%d with %s on %v", c.Op, i, c.Params, in)
		}
	}
}

// The record has no case of these with operands for which MLX takes the default stream.
func TestMoreOperationsDoNotTakeTheThreadsDefaultStream(t *testing.T) {
	s := scope(t)
	x, w := random(s, 1, -1, 1, 64, 64), random(s, 2, -1, 1, 64, 64)
	z := mlx.Add(mlx.AsType(x, mlx.Complex64), mlx.Scalar(s, complex64(1i)))
	require.NoError(t, mlx.Eval(x, w, z))
	row, ids := mlx.Index(w, mlx.At(0)), mlx.FromSlice(s, []int32{0, 1, 2, 3})
	q4 := mlx.Quantization{GroupSize: 32, Bits: 4, Mode: "affine"}
	mxfp4 := mlx.Quantization{GroupSize: 32, Bits: 4, Mode: "mxfp4"}
	p, scales, biases := mlx.Quantize(mlx.Reshape(x, 2, 32, 64), q4)
	heads := mlx.Reshape(x, 1, 8, 8, 64)
	for name, f := range map[string]func() []*mlx.Array{
		"layer_norm": func() []*mlx.Array { return one(mlx.LayerNorm(x, row, row, 1e-5)) },
		"attention, bool mask": func() []*mlx.Array {
			return one(mlx.Attention(heads, heads, heads, 1, false, mlx.Ones(s, mlx.Bool, 8, 8)))
		},
		"gather, two indices": func() []*mlx.Array { return one(mlx.Index(x, mlx.Reshape(ids, 4, 1), ids)) },
		"scatter, two indices": func() []*mlx.Array {
			return one(mlx.IndexAdd(x, mlx.Scalar(s, float32(1)), mlx.Reshape(ids, 4, 1), ids))
		},
		"gather_mm, int32": func() []*mlx.Array {
			return one(mlx.GatherMM(mlx.Reshape(x, 4, 16, 64), mlx.Reshape(x, 4, 64, 16), mlx.Picks{Left: ids, Right: ids}))
		},
		"gather_qmm, int32": func() []*mlx.Array {
			return one(mlx.GatherQMM(mlx.Reshape(x, 64, 1, 64), p, scales, biases, true, q4, mlx.Picks{Right: mlx.Zeros(s, mlx.Int32, 64)}))
		},
		"quantize":        func() []*mlx.Array { return three(mlx.Quantize(x, q4)) },
		"quantize, mxfp4": func() []*mlx.Array { return three(mlx.Quantize(x, mxfp4)) },
		"quantized_matmul, f16": func() []*mlx.Array {
			return one(mlx.QuantizedMatmul(mlx.AsType(x, mlx.Float16), p, scales, biases, q4))
		},
		"imag of floats":  func() []*mlx.Array { return one(mlx.Imag(x)) },
		"norm of complex": func() []*mlx.Array { return one(mlx.Norm(z)) },
		"cross": func() []*mlx.Array {
			return one(mlx.Cross(mlx.Slice(x, 1, mlx.Between(0, 3)), mlx.Slice(x, 1, mlx.Between(0, 2)), 1))
		},
		"fft, longer":    func() []*mlx.Array { return one(mlx.FFT(x, 100, 1, mlx.Backward)) },
		"irfft":          func() []*mlx.Array { return one(mlx.IRFFT2(z, []int{80, 80}, nil, mlx.Ortho)) },
		"categorical":    func() []*mlx.Array { return one(mlx.RandomCategorical(mlx.RandomKey(s, 1), x, -1)) },
		"categorical, n": func() []*mlx.Array { return one(mlx.RandomCategoricalN(mlx.RandomKey(s, 1), x, -1, 3)) },
		"depends":        func() []*mlx.Array { return mlx.Depends(one(ids), one(x)) },
	} {
		var out []*mlx.Array
		onForeignThread(t, func() { out = f() })
		for i, a := range out {
			if a != nil {
				require.NoError(t, mlx.Eval(a), fmt.Sprintf("%s, result %d", name, i))
			}
		}
	}
}
