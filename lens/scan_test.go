package lens

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/parallel"
)

func TestExp32IsWithinItsErrorOverItsRange(t *testing.T) {
	worst := 0.0
	for x := float32(0); x > -32+1./128; x -= 0.000313 {
		want := math.Exp(float64(x))
		worst = max(worst, math.Abs(float64(exp32(x))-want)/want)
	}
	require.Less(t, worst, 2e-7)
	require.Equal(t, float32(1), exp32(0))
}

// accumulated feeds logits in slices of n.
func accumulated(logits, final []float32, top, n int) *accumulator {
	a := &accumulator{top: make([]candidate, 0, top), metrics: true, max: float32(math.Inf(-1)), final: final}
	for from := 0; from < len(logits); from += n {
		a.add(logits[from:min(from+n, len(logits))], from)
	}
	slices.SortFunc(a.top, better)
	return a
}

func TestAccumulatorAgreesWithFloat64(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, spread := range []float64{0.01, 1, 10, 60} {
		logits, final := make([]float32, 50_000), make([]float32, 50_000)
		total := 0.0
		for i := range logits {
			logits[i] = float32(r.NormFloat64() * spread)
			final[i] = float32(math.Exp(3 * r.NormFloat64()))
			total += float64(final[i])
		}
		for i := range final {
			final[i] /= float32(total)
		}
		greatest := float64(slices.Max(logits))
		var sum, moment, cross float64
		for i, x := range logits {
			d := float64(x) - greatest
			sum += math.Exp(d)
			moment += math.Exp(d) * d
			cross += float64(final[i]) * float64(x)
		}
		for _, n := range []int{1, 7, 256, 4096, 50_000} {
			a := accumulated(logits, final, 10, n)
			assert.Equal(t, float32(greatest), a.max)
			assert.InEpsilon(t, sum, a.sum, 2e-6, "spread %v, slices of %d", spread, n)
			assert.InDelta(t, moment/sum, a.moment/a.sum, 1e-5*(1+math.Abs(moment/sum)), "spread %v, slices of %d", spread, n)
			assert.InDelta(t, cross, a.cross, 1e-5*spread, "spread %v, slices of %d", spread, n)
		}
	}
}

func TestCandidatesAreTheBestWithTiesByID(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		logits := make([]float32, 1000)
		for i := range logits {
			logits[i] = float32(r.IntN(60)) // many ties
		}
		all := make([]candidate, len(logits))
		for i, x := range logits {
			all[i] = candidate{int32(i), x}
		}
		slices.SortFunc(all, better)
		for _, k := range []int{1, 2, 10, 999, 1000} {
			require.Equal(t, all[:k], accumulated(logits, nil, k, 128).top)
		}
		for _, id := range []int{0, 500, 999} {
			want := slices.IndexFunc(all, func(c candidate) bool { return int(c.id) == id })
			require.Equal(t, want, countBetter(logits, logits[id], id))
		}
	}
}

func TestNaNIsNoCandidate(t *testing.T) {
	nan := float32(math.NaN())
	require.Equal(t, []candidate{{2, 5}, {1, 3}}, accumulated([]float32{nan, 3, 5, nan}, nil, 3, 2).top)
	require.Empty(t, accumulated([]float32{nan, nan}, nil, 3, 2).top)
}

func TestCountAboveCountsEveryElement(t *testing.T) {
	for n := range 10 {
		xs := make([]float32, n)
		for i := range xs {
			xs[i] = float32(i)
		}
		require.Equal(t, max(0, n-3), countAbove(xs, 2))
	}
}

func TestParallelCallsEachIndexOnce(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 100} {
		hits := make([]int32, n)
		parallel.For(n, func(i int) { hits[i]++ })
		for _, h := range hits {
			require.EqualValues(t, 1, h)
		}
	}
}
