package audit

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// straight is KL by its definition, from logits of any number of float64's digits.
func straight(a, b []float32) float64 {
	p, q, kl := lseOf(a), lseOf(b), 0.0
	for i := range a {
		lnP, lnQ := float64(a[i])-p, float64(b[i])-q
		kl += math.Exp(lnP) * (lnP - lnQ)
	}
	return kl
}

// Slice by slice, the greatest logit coming late or early, KL is that of its definition, also where it is small.
func TestKLSliceBySliceIsThatOfItsDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, apart := range []float64{3, 0.1, 1e-3, 1e-5} {
		for _, slope := range []float64{-1e-2, 0, 1e-2} {
			a, b := make([]float32, 1000), make([]float32, 1000)
			for i := range a {
				a[i] = float32(4*r.NormFloat64() + slope*float64(i))
				b[i] = a[i] + float32(apart*r.NormFloat64()) + 2 // a shift of all logits is no difference
			}
			for _, slice := range []int{1, 7, 400, 1000} {
				c := newAccumulator(500)
				for from := 0; from < len(a); from += slice {
					to := min(from+slice, len(a))
					c.add(a[from:to], b[from:to], from)
				}
				p := c.pair()
				require.InDelta(t, straight(a, b), p.kl, 1e-12+1e-9*p.kl)
				require.True(t, p.finiteness)
				require.Equal(t, greatest(a) == greatest(b), p.agree)
				require.InDelta(t, float64(a[500])-float64(b[500])-(p.lnP-p.lnQ), lseOf(a)-lseOf(b), 1e-9)
			}
		}
	}
}

func greatest(x []float32) (at int) {
	for i := range x {
		if x[i] > x[at] {
			at = i
		}
	}
	return at
}

func lseOf(x []float32) float64 {
	sum := 0.0
	for _, v := range x {
		sum += math.Exp(float64(v))
	}
	return math.Log(sum)
}

func TestLogitsThatAreNoNumbersAreNoDivergence(t *testing.T) {
	nan := float32(math.NaN())
	for _, pair := range [][2][]float32{{{nan, nan}, {1, 2}}, {{1, 2}, {1, nan}}, {{1, float32(math.Inf(1))}, {1, 2}}} {
		c := newAccumulator(0)
		c.add(pair[0], pair[1], 0)
		require.False(t, c.pair().finiteness)
	}
}

// Percentiles are numpy's, and errors those of a mean.
func TestPercentilesAreInterpolated(t *testing.T) {
	got := percentiles([]float32{4, 1, 3, 2}, []float64{100, 50, 25, 0})
	require.Equal(t, []Percentile{{100, 4}, {50, 2.5}, {25, 1.75}, {0, 1}}, got)
	m := moments{}
	for _, x := range []float64{1, 2, 3, 4} {
		m.add(x)
	}
	require.Equal(t, Number(2.5), m.mean().Mean)
	require.InDelta(t, math.Sqrt(1.25/3), float64(m.mean().Error), 1e-15)
}
