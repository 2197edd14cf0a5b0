//go:build amd64 || arm64

package lens

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// inGo runs f without vector instructions.
func inGo(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	defer func(was bool) { hasVectors = was }(hasVectors)
	hasVectors = false
	f(t)
}

func TestScanInGoPassesTheSameTests(t *testing.T) {
	inGo(t, TestAccumulatorAgreesWithFloat64)
	inGo(t, TestCountAboveCountsEveryElement)
	inGo(t, TestNaNIsNoCandidate)
}

func TestVectorsGiveWhatFloat64Gives(t *testing.T) {
	if !hasVectors {
		t.Skip("the processor has no AVX2 and FMA")
	}
	r := rand.New(rand.NewPCG(5, 6))
	for n := range 70 {
		all := make([]float32, n+3)
		for i := range all {
			all[i] = 5 - 40*r.Float32()
		}
		xs := all[min(3, n):][:n] // from any address
		const m = 5
		wantSum, wantMoment, wantCount := 0.0, 0.0, 0
		for _, x := range xs {
			if d := float64(x) - m; d > negligible {
				wantSum += math.Exp(d)
				wantMoment += math.Exp(d) * d
			}
			if x > -10 {
				wantCount++
			}
		}
		sum, moment := sums2(xs, m)
		assert.InDelta(t, wantSum, sum, 3e-7*max(1, wantSum), n)
		assert.InDelta(t, wantMoment, moment, 3e-6*max(1, -wantMoment), n)
		assert.Equal(t, wantCount, countAbove(xs, -10))
		inGo(t, func(t *testing.T) { assert.Equal(t, wantCount, countAbove(xs, -10)) })
	}
}

func TestVectorExponentialIsWithinItsErrorOverItsRange(t *testing.T) {
	if !hasVectors {
		t.Skip("the processor has no AVX2 and FMA")
	}
	worst := 0.0
	xs := make([]float32, 8)
	for x := float32(0); x > negligible; x -= 0.00313 {
		for i := range xs { // one of eight, the others negligible
			xs[i] = 2 * negligible
		}
		xs[3] = x
		sum, _ := sums2Vectors(xs, 0)
		want := math.Exp(float64(x))
		worst = max(worst, math.Abs(float64(sum)-want)/want)
	}
	require.Less(t, worst, 1e-6, "log2 e has 24 bits, and is multiplied by up to 43")
	for i := range xs {
		xs[i] = -1e-3
	}
	sum, _ := sums2Vectors(xs, 0)
	require.InDelta(t, 8*math.Exp(-1e-3), sum, 1e-6)
}

func TestVectorsLeaveOutWhatIsNoNumberAndWhatIsNegligible(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	xs := []float32{0, -inf, nan, -31, -1e30, -2, nan, -inf, -29.9}
	check := func(t *testing.T) {
		sum, moment := sums2(xs, 0)
		assert.InDelta(t, 1+math.Exp(-2), sum, 1e-6)
		assert.InDelta(t, -2*math.Exp(-2), moment, 1e-6)
		assert.Equal(t, 1, countAbove(xs, -1))
		assert.Equal(t, 5, countAbove(xs, -inf))
		assert.Zero(t, countAbove(xs, nan))
	}
	check(t)
	inGo(t, check)
}
