package mlx

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFirst(t *testing.T) {
	require.NoError(t, Load())
	l, _ := LoadedLibrary()
	fmt.Printf("%+v\n", l)
	s := NewScope(CPU)
	defer s.Close()
	a := FromSlice(s, []float32{1, 2, 3, 4, 5, 6}, 2, 3)
	b := FromSlice(s, []float32{1, 2}, 2)
	d, err := Data[float32](Transpose(a))
	fmt.Println(d, err)
	_, err = Data[float32](Add(Exp(Add(a, b)), a))
	fmt.Println(err)
	m, err := Data[float32](MatmulT(a, a))
	fmt.Println(m, err)
	_, err = Data[float32](Take(a, FromSlice(s, []int32{5}), 0))
	fmt.Println(err)
	fmt.Println(Zeros(s, Float32, 1<<30, 1<<30).Err())
}

func BenchmarkAdd(b *testing.B) {
	require.NoError(b, Load())
	s := NewScope(CPU)
	x := Scalar(s, float32(1))
	b.ReportAllocs()
	for i := 0; i < b.N; i++ {
		if i%1000 == 0 {
			s.Close()
			s = NewScope(CPU)
			x = Scalar(s, float32(1))
		}
		Add(x, x)
	}
}

func BenchmarkEval(b *testing.B) {
	require.NoError(b, Load())
	s := NewScope(CPU)
	x := Scalar(s, float32(1))
	b.ReportAllocs()
	for i := 0; i < b.N; i++ {
		y := Add(x, x)
		require.NoError(b, Eval(y))
		y.Free()
	}
}
