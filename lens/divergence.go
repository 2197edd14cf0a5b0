package lens

import (
	"math"
)

// difference compares two distributions by their logits.
func (c *comparing) difference(a, b []float32) Difference {
	var d Difference
	lseA, lseB := logSumExp(a), logSumExp(b)
	for i := range a {
		d.add(float64(a[i])-lseA, float64(b[i])-lseB)
	}
	d.KL, d.KLBA, d.JS = max(0, d.KL), max(0, d.KLBA), min(max(0, d.JS), math.Ln2)
	d.A = best(a, lseA, c.top, c.sides[0].o.label)
	d.B = best(b, lseB, c.top, c.sides[1].o.label)
	d.Agree = len(d.A) > 0 && len(d.B) > 0 && d.A[0].ID == d.B[0].ID
	for _, id := range c.targets {
		d.Targets = append(d.Targets, [2]Target{ranked(a, lseA, id, c.sides[0].o.label), ranked(b, lseB, id, c.sides[1].o.label)})
	}
	for _, pair := range c.contrasts {
		d.Contrasts = append(d.Contrasts, [2]float64{float64(a[pair[0]] - a[pair[1]]), float64(b[pair[0]] - b[pair[1]])})
	}
	return d
}

// ranked scores a token by the logits of a whole vocabulary.
func ranked(xs []float32, lse float64, id int, label func(int) Token) Target {
	return Target{Token: label(id), Logit: float64(xs[id]), Prob: math.Exp(float64(xs[id]) - lse), Rank: 1 + countBetter(xs, xs[id], id)}
}

// add takes in a token by its log-probabilities ln p and ln q. With m = (p+q)/2:
//
//	ln(p/m) = ln 2 − ln(1 + q/p)
//	ln(q/m) = ln(p/m) + ln(q/p)
func (d *Difference) add(lnP, lnQ float64) {
	if lnP < negligible && lnQ < negligible {
		return
	}
	p, q, over := math.Exp(lnP), math.Exp(lnQ), lnQ-lnP
	if p != 0 { // NaN too
		d.KL -= p * over
	}
	if q != 0 {
		d.KLBA += q * over
	}
	if math.IsInf(over, 0) { // one has no probability at all, and the other is twice the mean
		d.JS += (p + q) * math.Ln2 / 2
		return
	}
	toMean := math.Ln2 - softplus(over)
	d.JS += (p*toMean + q*(toMean+over)) / 2
}

// softplus returns ln(1 + e^x).
func softplus(x float64) float64 {
	if x > 0 {
		return x + math.Log1p(math.Exp(-x))
	}
	return math.Log1p(math.Exp(x))
}

func logSumExp(xs []float32) float64 {
	greatest := math.Inf(-1)
	for _, x := range xs {
		greatest = max(greatest, float64(x))
	}
	sum := 0.0
	for _, x := range xs {
		sum += math.Exp(float64(x) - greatest)
	}
	return greatest + math.Log(sum)
}

// Score returns the k best tokens of a distribution that is given by its logits, and how it scores one id.
func Score(logits []float32, k, target int, label func(id int) string) ([]Candidate, Target) {
	o := Options{Label: label}
	lse := logSumExp(logits)
	return best(logits, lse, k, o.label), ranked(logits, lse, target, o.label)
}

func best(xs []float32, lse float64, k int, label func(int) Token) []Candidate {
	a := accumulator{top: make([]candidate, 0, min(k+spare, len(xs)))}
	a.add(xs, 0)
	top := leading(a.top, k)
	out := make([]Candidate, len(top))
	for i, t := range top {
		out[i] = Candidate{Token: label(int(t.id)), Logit: float64(t.logit), Prob: math.Exp(float64(t.logit) - lse)}
	}
	return out
}

// Lowest returns the k tokens of the least logit, the least first, each with its own logit and probability as in [Score].
func Lowest(logits []float32, k int, label func(id int) string) []Candidate {
	o := Options{Label: label}
	lse := logSumExp(logits)
	negated := make([]float32, len(logits))
	for i, x := range logits {
		negated[i] = -x
	}
	out := best(negated, 0, k, o.label)
	for i := range out {
		out[i].Logit = -out[i].Logit
		out[i].Prob = math.Exp(out[i].Logit - lse)
	}
	return out
}
