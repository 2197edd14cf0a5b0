package experiment

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"

	"github.com/mlxlens/mlxlens/lens"
)

// mostSteps bounds the points of an integral.
const mostSteps = 512

// legendre returns points in (0, 1) and weights that sum to 1, by which integrals from 0 to 1 of
// polynomials of degree 2n − 1 are exact (Gauss and Legendre's rule; the roots of Legendre's polynomial by
// Newton's method). Those of gonum v0.16 with 26 points sum to 0.989.
func legendre(n int) (points, weights []float64) {
	points, weights = make([]float64, n), make([]float64, n)
	for i := range n {
		x := math.Cos(math.Pi * (float64(i) + 0.75) / (float64(n) + 0.5))
		slope := 0.0
		for range 100 {
			p, before := 1.0, 0.0 // P_k(x), P_{k−1}(x)
			for k := range n {
				p, before = (float64(2*k+1)*x*p-float64(k)*before)/float64(k+1), p
			}
			slope = float64(n) * (x*p - before) / (x*x - 1)
			step := p / slope
			if x -= step; math.Abs(step) < 1e-15 {
				break
			}
		}
		points[n-1-i], weights[n-1-i] = (1+x)/2, 1/((1-x*x)*slope*slope)
	}
	return points, weights
}

// correlation is Pearson's of two series, NaN where there is none.
func correlation(a, b []float64) lens.Number {
	if len(a) < 2 {
		return lens.Number(math.NaN())
	}
	return lens.Number(stat.Correlation(a, b, nil))
}

// Spearman returns the rank correlation of two series, equal numbers having the mean of their ranks;
// NaN where there is none.
func Spearman(a, b []float64) lens.Number { return correlation(ranks(a), ranks(b)) }

// ranks are 1 for the least; equal numbers have the mean of theirs.
func ranks(x []float64) []float64 {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(x[a], x[b]) })
	out := make([]float64, len(x))
	for from := 0; from < len(x); {
		to := from
		for to < len(x) && x[order[to]] == x[order[from]] {
			to++
		}
		for _, i := range order[from:to] {
			out[i] = float64(from+to+1) / 2
		}
		from = to
	}
	return out
}
