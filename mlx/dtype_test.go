package mlx_test

import (
	"math"
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/require"
)

func TestEveryDtypeMakesTheRoundTrip(t *testing.T) {
	s := scope(t)
	roundTrip(t, s, []bool{true, false})
	roundTrip(t, s, []uint8{0, 255})
	roundTrip(t, s, []uint16{0, 65535})
	roundTrip(t, s, []uint32{0, math.MaxUint32})
	roundTrip(t, s, []uint64{0, math.MaxUint64})
	roundTrip(t, s, []int8{-128, 127})
	roundTrip(t, s, []int16{-32768, 32767})
	roundTrip(t, s, []int32{math.MinInt32, math.MaxInt32})
	roundTrip(t, s, []int64{math.MinInt64, math.MaxInt64})
	roundTrip(t, s, []float32{-1.5, math.MaxFloat32})
	roundTrip(t, s, []float64{-1.5, math.MaxFloat64})
	roundTrip(t, s, []complex64{1 + 2i, -3i})
	roundTrip(t, s, []mlx.Half{0x3c00, 0x7bff})
	roundTrip(t, s, []mlx.Brain{0x3f80, 0x7f7f})
}

func roundTrip[T mlx.Element](t *testing.T, s *mlx.Scope, data []T) {
	t.Helper()
	a := mlx.FromSlice(s, data)
	require.Equal(t, mlx.DtypeOf[T](), a.Dtype())
	got, err := mlx.Data[T](a)
	require.NoError(t, err)
	require.Equal(t, data, got)
}

func TestHalfAndBrainWidenAsMLXDoes(t *testing.T) {
	s := scope(t)
	halves, brains := make([]mlx.Half, 1<<16), make([]mlx.Brain, 1<<16)
	for i := range halves {
		halves[i], brains[i] = mlx.Half(i), mlx.Brain(i)
	}
	for i, want := range floats(t, mlx.AsType(mlx.FromSlice(s, halves), mlx.Float32)) {
		same(t, want, halves[i].Float32(), i)
	}
	for i, want := range floats(t, mlx.AsType(mlx.FromSlice(s, brains), mlx.Float32)) {
		same(t, want, brains[i].Float32(), i)
	}
}

func same(t *testing.T, want, got float32, bits int) {
	t.Helper()
	if want != got && !(math.IsNaN(float64(want)) && math.IsNaN(float64(got))) {
		t.Fatalf("%#04x is %v, want %v", bits, got, want)
	}
}

func TestRoundingTo16BitsUndoesWidening(t *testing.T) {
	for bits := range 1 << 16 {
		h, b := mlx.Half(bits), mlx.Brain(bits)
		if x := h.Float32(); x == x {
			require.Equal(t, h, mlx.HalfOf(x), "%#x", bits)
		}
		if x := b.Float32(); x == x {
			require.Equal(t, b, mlx.BrainOf(x), "%#x", bits)
		}
	}
	for x, want := range map[float32]mlx.Half{
		1 + 0x1p-11: 0x3c00, 1 + 0x1p-11 + 0x1p-20: 0x3c01, 1 + 0x3p-11: 0x3c02, // halves go to even
		65519: 0x7bff, 65520: 0x7c00, 1e9: 0x7c00, -0x1p-25: 0x8000, 0x1.8p-25: 1,
	} {
		require.Equal(t, want, mlx.HalfOf(x), "%v", x)
	}
	require.Equal(t, mlx.Brain(0x3f80), mlx.BrainOf(1+0x1p-8), "a half goes to even")
	require.Equal(t, mlx.Brain(0x3f82), mlx.BrainOf(1+0x3p-8))
	for _, nan := range []float32{mlx.HalfOf(float32(math.NaN())).Float32(), mlx.BrainOf(math.Float32frombits(0x7f800001)).Float32()} {
		require.True(t, nan != nan)
	}
}
