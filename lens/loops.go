package lens

import "math"

// countAbove counts the elements above t.
func countAbove(xs []float32, t float32) int {
	n := 0
	if hasVectors {
		whole := len(xs) &^ 7
		n = countAboveVectors(xs[:whole], t)
		xs = xs[whole:]
	}
	for len(xs) >= 4 { // four conditions at a time are four instructions without a jump
		var a, b, c, d int
		if xs[0] > t {
			a = 1
		}
		if xs[1] > t {
			b = 1
		}
		if xs[2] > t {
			c = 1
		}
		if xs[3] > t {
			d = 1
		}
		n += a + b + c + d
		xs = xs[4:]
	}
	for _, x := range xs {
		if x > t {
			n++
		}
	}
	return n
}

// negligible is how far below the greatest logit an exponential is left out, NaN's
// too: 10⁶ of them would add 1e-7 to the sum, less than float32 resolves.
const negligible = -30

// sums2 returns Σ e^(x−m) and Σ e^(x−m)·(x−m). Two sums of each do not wait for one
// another.
func sums2(xs []float32, m float32) (sum, moment float32) {
	if hasVectors {
		whole := len(xs) &^ 7
		sum, moment = sums2Vectors(xs[:whole], m)
		xs = xs[whole:]
	}
	var s1, m1 float32
	for len(xs) >= 2 {
		if d := xs[0] - m; d > negligible {
			e := exp32(d)
			sum += e
			moment += e * d
		}
		if d := xs[1] - m; d > negligible {
			e := exp32(d)
			s1 += e
			m1 += e * d
		}
		xs = xs[2:]
	}
	for _, x := range xs {
		if d := x - m; d > negligible {
			e := exp32(d)
			sum += e
			moment += e * d
		}
	}
	return sum + s1, moment + m1
}

// sumProducts returns Σ p·x.
func sumProducts(ps, xs []float32) float32 {
	var a, b, c, d float32
	ps = ps[:len(xs)]
	for len(xs) >= 4 && len(ps) >= 4 {
		a += ps[0] * xs[0]
		b += ps[1] * xs[1]
		c += ps[2] * xs[2]
		d += ps[3] * xs[3]
		xs, ps = xs[4:], ps[4:]
	}
	for i, x := range xs {
		a += ps[i] * x
	}
	return (a + b) + (c + d)
}

// exp32 returns e^x for −32 < x ≤ 0 with a relative error below 2e-7, from a table of
// e^(−k/64) and the series of e^f to its square, whose next term is below 8e-8 for
// |f| ≤ 1/128: math.Exp takes three times as long. The caller keeps to that range.
func exp32(x float32) float32 {
	// adding and subtracting 1.5·2²³ rounds to an integer, which stands in the low
	// bits in between
	const magic = 3 << 22
	t := x*-expSteps + magic
	f := x + (t-magic)*(1.0/expSteps) // exact: the step is a power of two
	e := expTable[math.Float32bits(t)%uint32(len(expTable))]
	return e + e*(f+f*f*0.5)
}

const expSteps = 64

// expTable holds e^(−k/64).
var expTable = func() (t [32 * expSteps]float32) {
	for k := range t {
		t[k] = float32(math.Exp(-float64(k) / expSteps))
	}
	return
}()
