package audit

import (
	"math"
	"slices"
)

var noEstimate = Estimate{Number(math.NaN()), Number(math.NaN())}

// The percentiles of llama-perplexity.
var (
	klPercents    = []float64{100, 99.9, 99, 95, 90, 50, 10, 5, 1, 0.1, 0}
	deltaPercents = []float64{100, 99.9, 99, 95, 90, 75, 50, 25, 10, 5, 1, 0.1, 0}
)

// percentiles interpolates between the sorted samples: the p-th lies at p/100·(n − 1).
func percentiles(samples []float32, percents []float64) []Percentile {
	sorted := slices.Clone(samples)
	slices.Sort(sorted)
	out := make([]Percentile, len(percents))
	for i, p := range percents {
		out[i] = Percentile{p, Number(math.NaN())}
		if n := len(sorted); n > 0 {
			at := p / 100 * float64(n-1)
			below := min(int(at), n-1)
			above := min(below+1, n-1)
			part := at - float64(below)
			out[i].Value = Number((1-part)*float64(sorted[below]) + part*float64(sorted[above]))
		}
	}
	return out
}

// result makes the numbers of llama-perplexity. With v the variances of the means of −ln q and −ln p,
// and c their covariance, the error of ln(PPL/PPL) is √(v_q + v_p − 2c), and those of what is made of it
// follow to first order.
func (f *finalSums) result() Final {
	nll := func(sum, square float64) Estimate {
		m := moments{f.N, sum, square}
		return m.mean()
	}
	q, p := nll(f.Q, f.QSquare), nll(f.P, f.PSquare)
	cov := (f.Cross/f.N - f.Q/f.N*f.P/f.N) / (f.N - 1)
	through := func(value, slope float64, e Number) Estimate { return Estimate{Number(value), Number(slope) * e} }
	pplQ, pplP := math.Exp(float64(q.Mean)), math.Exp(float64(p.Mean))
	out := Final{
		KLPercentiles: percentiles(f.EachKL, klPercents), DeltaPercentiles: percentiles(f.EachDelta, deltaPercents),
		PPLCandidate: through(pplQ, pplQ, q.Error), PPLReference: through(pplP, pplP, p.Error),
		Correlation: Number(cov / float64(q.Error*p.Error)),
	}
	out.KL, out.Delta = nll(f.KL, f.KLSquare), nll(f.Delta, f.DeltaSquare)
	ratio := float64(q.Mean - p.Mean)
	spread := Number(math.Sqrt(max(0, float64(q.Error*q.Error+p.Error*p.Error)-2*cov)))
	out.LnRatio = Estimate{Number(ratio), spread}
	out.Ratio = through(math.Exp(ratio), math.Exp(ratio), spread)
	errQ, errP := float64(out.PPLCandidate.Error), float64(out.PPLReference.Error)
	out.Difference = Estimate{Number(pplQ - pplP), Number(math.Sqrt(max(0, errQ*errQ+errP*errP-2*pplQ*pplP*cov)))}
	square := nll(f.DeltaSquare, f.DeltaFourth)
	rms := math.Sqrt(float64(square.Mean))
	out.DeltaRMS = Estimate{Number(rms), 0}
	if rms > 0 {
		out.DeltaRMS.Error = square.Error / Number(2*rms)
	}
	out.SameTop = share(f.Agree, f.N)
	return out
}

// share is the part of n samples that are so, and its standard error.
func share(of, n float64) Estimate {
	if n == 0 {
		return noEstimate
	}
	part := of / n
	return Estimate{Number(part), Number(math.Sqrt(part * (1 - part) / (n - 1)))}
}
