package lens

import "math"

// accumulator gathers the scores of one state over the slices of the vocabulary.
// Exponentials are relative to the greatest logit so far.
type accumulator struct {
	top     []candidate // a heap, the worst at the front, until it is sorted
	metrics bool
	max     float32
	sum     float64 // Σ e^(x−max)
	moment  float64 // Σ e^(x−max)·(x−max)
	cross   float64 // Σ p_final·x

	final   []float32 // the reference's probabilities, or nil
	targets []targetScore
}

// add takes in the logits of the ids from, from+1, …
func (a *accumulator) add(xs []float32, from int) {
	greatest := a.addTop(xs, from)
	if !a.metrics {
		return
	}
	if greatest > a.max {
		if shift := float64(a.max - greatest); !math.IsInf(shift, -1) {
			scale := math.Exp(shift)
			a.moment = scale * (a.moment + shift*a.sum)
			a.sum *= scale
		}
		a.max = greatest
	}
	var sum, moment, cross float64
	const block = 256 // float32 sums over so few terms lose nothing that float32 logits have
	var final []float32
	if a.final != nil {
		final = a.final[from : from+len(xs)]
	}
	for len(xs) > 0 {
		n := min(block, len(xs))
		s, t := sums2(xs[:n], a.max)
		if final != nil {
			cross += float64(sumProducts(final[:n], xs[:n]))
			final = final[n:]
		}
		for j := range a.targets {
			t := &a.targets[j]
			t.rank += countAbove(xs[:n], t.logit)
			// the target's own logit comes from a product of another shape here, and
			// may be the larger by a rounding
			if at := int(t.id) - from; at >= 0 && at < n && xs[at] > t.logit {
				t.rank--
			}
		}
		sum += float64(s)
		moment += float64(t)
		xs = xs[n:]
		from += n
	}
	a.sum += sum
	a.moment += moment
	a.cross += cross
}

// addTop keeps the best candidates and returns the greatest of them.
func (a *accumulator) addTop(xs []float32, from int) float32 {
	i := 0
	for ; i < len(xs) && len(a.top) < cap(a.top); i++ {
		a.push(candidate{int32(from + i), xs[i]})
	}
	if i < len(xs) {
		worst := a.top[0].logit
		at := from + i
		rest := xs[i:]
		for ; len(rest) >= 4; rest, at = rest[4:], at+4 { // nearly always none of four
			if !(rest[0] > worst || rest[1] > worst || rest[2] > worst || rest[3] > worst) {
				continue
			}
			for j, x := range rest[:4] {
				if x > worst {
					a.push(candidate{int32(at + j), x})
					worst = a.top[0].logit
				}
			}
		}
		for j, x := range rest {
			if x > worst {
				a.push(candidate{int32(at + j), x})
				worst = a.top[0].logit
			}
		}
	}
	greatest := float32(math.Inf(-1))
	for _, c := range a.top {
		greatest = max(greatest, c.logit)
	}
	return greatest
}

// push puts a candidate in the heap, in place of the worst when it is full. Ids
// come in ascending order, so that of equal logits the earlier stays.
func (a *accumulator) push(c candidate) {
	if c.logit != c.logit { // NaN is no score
		return
	}
	h := a.top
	if len(h) < cap(h) {
		h = append(h, c)
		a.top = h
		for i := len(h) - 1; i > 0; {
			parent := (i - 1) / 2
			if better(h[i], h[parent]) <= 0 {
				break
			}
			h[i], h[parent] = h[parent], h[i]
			i = parent
		}
		return
	}
	h[0] = c
	for i := 0; ; {
		worst := i
		for _, child := range [2]int{2*i + 1, 2*i + 2} {
			if child < len(h) && better(h[child], h[worst]) > 0 {
				worst = child
			}
		}
		if worst == i {
			return
		}
		h[i], h[worst] = h[worst], h[i]
		i = worst
	}
}
