package mlx_test

import (
	"bytes"
	"encoding/binary"

	"github.com/mlxlens/mlxlens/mlx"
)

// elements reads bytes as numbers, two for a complex one.
func elements(d mlx.Dtype, raw []byte) []float64 {
	read := func(xs any, n int, at func(i int) float64) []float64 {
		if _, err := binary.Decode(raw, binary.NativeEndian, xs); err != nil {
			panic(err)
		}
		out := make([]float64, n)
		for i := range out {
			out[i] = at(i)
		}
		return out
	}
	n := len(raw) / d.Size()
	switch d {
	case mlx.Bool, mlx.Uint8:
		return read([]uint8{}, n, func(i int) float64 { return float64(raw[i]) })
	case mlx.Int8:
		return read([]uint8{}, n, func(i int) float64 { return float64(int8(raw[i])) })
	case mlx.Uint16:
		xs := make([]uint16, n)
		return read(xs, n, func(i int) float64 { return float64(xs[i]) })
	case mlx.Int16:
		xs := make([]int16, n)
		return read(xs, n, func(i int) float64 { return float64(xs[i]) })
	case mlx.Float16:
		xs := make([]mlx.Half, n)
		return read(xs, n, func(i int) float64 { return float64(xs[i].Float32()) })
	case mlx.BFloat16:
		xs := make([]mlx.Brain, n)
		return read(xs, n, func(i int) float64 { return float64(xs[i].Float32()) })
	case mlx.Uint32:
		xs := make([]uint32, n)
		return read(xs, n, func(i int) float64 { return float64(xs[i]) })
	case mlx.Int32:
		xs := make([]int32, n)
		return read(xs, n, func(i int) float64 { return float64(xs[i]) })
	case mlx.Uint64:
		xs := make([]uint64, n)
		return read(xs, n, func(i int) float64 { return float64(xs[i]) })
	case mlx.Int64:
		xs := make([]int64, n)
		return read(xs, n, func(i int) float64 { return float64(xs[i]) })
	case mlx.Float64:
		xs := make([]float64, n)
		return read(xs, n, func(i int) float64 { return xs[i] })
	}
	if d == mlx.Complex64 {
		n *= 2
	}
	xs := make([]float32, n)
	return read(xs, n, func(i int) float64 { return float64(xs[i]) })
}

// raw returns an array's bytes.
func raw(a *mlx.Array) ([]byte, error) {
	switch a.Dtype() {
	case mlx.Bool:
		xs, err := mlx.Data[bool](a)
		return encoded(xs), err
	case mlx.Uint8:
		return mlx.Data[uint8](a)
	case mlx.Int8:
		xs, err := mlx.Data[int8](a)
		return encoded(xs), err
	case mlx.Uint16:
		xs, err := mlx.Data[uint16](a)
		return encoded(xs), err
	case mlx.Int16:
		xs, err := mlx.Data[int16](a)
		return encoded(xs), err
	case mlx.Float16:
		xs, err := mlx.Data[mlx.Half](a)
		return encoded(xs), err
	case mlx.BFloat16:
		xs, err := mlx.Data[mlx.Brain](a)
		return encoded(xs), err
	case mlx.Uint32:
		xs, err := mlx.Data[uint32](a)
		return encoded(xs), err
	case mlx.Int32:
		xs, err := mlx.Data[int32](a)
		return encoded(xs), err
	case mlx.Uint64:
		xs, err := mlx.Data[uint64](a)
		return encoded(xs), err
	case mlx.Int64:
		xs, err := mlx.Data[int64](a)
		return encoded(xs), err
	case mlx.Float32:
		xs, err := mlx.Data[float32](a)
		return encoded(xs), err
	case mlx.Float64:
		xs, err := mlx.Data[float64](a)
		return encoded(xs), err
	}
	xs, err := mlx.Data[complex64](a)
	return encoded(xs), err
}

func encoded(xs any) []byte {
	var b bytes.Buffer
	if err := binary.Write(&b, binary.NativeEndian, xs); err != nil {
		panic(err)
	}
	return b.Bytes()
}
