package audit

import "math"

// moments are sums of samples and of their squares.
type moments struct{ N, Sum, Square float64 }

func (m *moments) add(x float64) {
	m.N++
	m.Sum += x
	m.Square += x * x
}

func (m *moments) join(of moments) {
	m.N += of.N
	m.Sum += of.Sum
	m.Square += of.Square
}

// mean returns the mean, and its standard error, the samples taken as independent: what llama-perplexity
// prints behind ±, but that fewer than ten samples have one too.
func (m *moments) mean() Estimate {
	if m.N == 0 {
		return noEstimate
	}
	mean := m.Sum / m.N
	return Estimate{Number(mean), Number(math.Sqrt(max(0, m.Square/m.N-mean*mean) / (m.N - 1)))}
}

// tally is all that is summed: it is saved, restored, and made a result of.
type tally struct {
	Done    int // sequences
	Skipped int // of them, with no position to score
	Blamed  int // of them, by which modules were ranked

	// Counts has the sequences that have each position; the sums of rows, [row][position], are
	// over these.
	Counts []float64
	Rows   []rowSums

	Final finalSums

	// Parted has, by row, the tokens whose best ids differ at the end, and in all rows from that one
	// on, but not in the one before.
	Parted []float64

	// Groups has those of each group of modules, by direction and half of the sequences
	// (slot), and the last what is left when all are put back.
	Groups []moments
}

// rowSums are sums over the sequences, by position.
type rowSums struct{ KL, KLSquare, Agree, Apart, LnP, LnQ []float64 }

func (r *rowSums) lists() []*[]float64 {
	return []*[]float64{&r.KL, &r.KLSquare, &r.Agree, &r.Apart, &r.LnP, &r.LnQ}
}

// finalSums are those of llama-perplexity --kl-divergence, over all tokens.
type finalSums struct {
	N                               float64
	Agree                           float64
	P, PSquare, Q, QSquare, Cross   float64 // −ln p and −ln q of the next tokens, and their product
	Delta, DeltaSquare, DeltaFourth float64 // Δp = q − p of the next token
	KL, KLSquare                    float64
	EachKL, EachDelta               []float32
}

func (t *tally) init(rows int) {
	t.Rows, t.Parted = make([]rowSums, rows), make([]float64, rows)
}

// add takes in a sequence.
func (t *tally) add(found *measured, blamed []moments) {
	n := len(found.pairs[0])
	t.grow(found.from + n)
	for i := range n {
		t.Counts[found.from+i]++
	}
	for r := range t.Rows {
		sums := &t.Rows[r]
		for i, p := range found.pairs[r] {
			at := found.from + i
			sums.KL[at] += p.kl
			sums.KLSquare[at] += p.kl * p.kl
			sums.Apart[at] += found.apart[r][i]
			sums.LnP[at] += p.lnP
			sums.LnQ[at] += p.lnQ
			if p.agree {
				sums.Agree[at]++
			}
		}
	}
	last := len(t.Rows) - 1
	for i, p := range found.pairs[last] {
		t.Final.add(p)
		if p.agree {
			continue
		}
		r := last
		for r > 0 && !found.pairs[r-1][i].agree {
			r--
		}
		t.Parted[r]++
	}
	t.Done++
	if blamed == nil {
		return
	}
	if t.Groups == nil {
		t.Groups = make([]moments, len(blamed))
	}
	for i, m := range blamed {
		t.Groups[i].join(m)
	}
	t.Blamed++
}

// grow makes room for so many positions.
func (t *tally) grow(n int) {
	more := func(list *[]float64) { *list = append(*list, make([]float64, max(0, n-len(*list)))...) }
	more(&t.Counts)
	for r := range t.Rows {
		for _, list := range t.Rows[r].lists() {
			more(list)
		}
	}
}

func (f *finalSums) add(p pair) {
	f.N++
	if p.agree {
		f.Agree++
	}
	f.P -= p.lnP
	f.PSquare += p.lnP * p.lnP
	f.Q -= p.lnQ
	f.QSquare += p.lnQ * p.lnQ
	f.Cross += p.lnP * p.lnQ
	d := math.Exp(p.lnQ) - math.Exp(p.lnP)
	f.Delta += d
	f.DeltaSquare += d * d
	f.DeltaFourth += d * d * d * d
	f.KL += p.kl
	f.KLSquare += p.kl * p.kl
	f.EachKL = append(f.EachKL, float32(p.kl))
	f.EachDelta = append(f.EachDelta, float32(d))
}
