package generate

import (
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/mlxlens/mlxlens/model"
)

// Sampling says how a token is chosen from logits. The steps are mlx-lm's, in its
// order: repetition penalty, then with p the softmax of the logits top-p, min-p and
// top-k, then a draw from p^(1/temperature) of what is left.
type Sampling struct {
	Temperature float64 // 0: the likeliest, the lowest id of several ([model.Tied])
	TopP        float64 // keep the likeliest ids that make up this probability; 0 or 1: all (Holtzman et al. 2019, arXiv:1904.09751)
	MinP        float64 // keep ids of at least this part of the largest probability; 0: all (Nguyen et al. 2024, arXiv:2407.01082)
	TopK        int     // keep so many; 0: all
	Seed        uint64  // the same seed, logits and options give the same ids

	// RepetitionPenalty divides positive logits of recent ids by it and multiplies
	// negative ones; 0 or 1: none (Keskar et al. 2019, arXiv:1909.05858).
	RepetitionPenalty float64
	RepetitionContext int // how many ids are recent; 0: 20
}

// defaultRepetitionContext is mlx-lm's.
const defaultRepetitionContext = 20

// Err returns an error if an option is out of range.
func (s Sampling) Err() error {
	switch {
	case !(s.Temperature >= 0) || math.IsInf(s.Temperature, 1):
		return fmt.Errorf("generate: temperature %v: want 0 or more", s.Temperature)
	case !(s.TopP >= 0 && s.TopP <= 1):
		return fmt.Errorf("generate: top-p %v: want 0 to 1", s.TopP)
	case !(s.MinP >= 0 && s.MinP <= 1):
		return fmt.Errorf("generate: min-p %v: want 0 to 1", s.MinP)
	case s.TopK < 0:
		return fmt.Errorf("generate: top-k %d: want 0 or more", s.TopK)
	case !(s.RepetitionPenalty >= 0) || math.IsInf(s.RepetitionPenalty, 1):
		return fmt.Errorf("generate: repetition penalty %v: want a number above 0", s.RepetitionPenalty)
	case s.RepetitionContext < 0:
		return fmt.Errorf("generate: repetition context %d: want 0 or more", s.RepetitionContext)
	}
	return nil
}

// recent returns the ids that the repetition penalty looks at, each once.
func (s Sampling) recent(seen []int) []int {
	n := s.RepetitionContext
	if n == 0 {
		n = defaultRepetitionContext
	}
	ids := slices.Clone(seen[max(0, len(seen)-n):])
	slices.Sort(ids)
	return slices.Compact(ids)
}

func (s Sampling) penalizes() bool { return s.RepetitionPenalty != 0 && s.RepetitionPenalty != 1 }

// sampler keeps its buffers from token to token.
type sampler struct {
	logits []float32
	order  byLogit
}

// sample chooses from the logits of the position after seen.
func (w *sampler) sample(logits []float32, seen []int, s Sampling, r *rand.Rand) (Token, error) {
	if p := s.RepetitionPenalty; s.penalizes() {
		w.logits = append(w.logits[:0], logits...)
		logits = w.logits
		for _, id := range s.recent(seen) {
			if logits[id] < 0 {
				logits[id] *= float32(p)
			} else {
				logits[id] /= float32(p)
			}
		}
	}
	best := 0
	for i, x := range logits {
		if x > logits[best] {
			best = i
		}
	}
	top := float64(logits[best])
	if math.IsNaN(top) || math.IsInf(top, 0) {
		return Token{}, fmt.Errorf("generate: the largest logit is %v: the numbers grow beyond float32 on the way there; look for an edit or a number of the config that is far too large", top)
	}
	total := 0.0
	for _, x := range logits {
		total += math.Exp(float64(x) - top)
	}
	lse := top + math.Log(total)
	chosen := slices.IndexFunc(logits, func(x float32) bool { return x >= model.Tied(logits[best]) })
	if s.Temperature > 0 {
		chosen = w.draw(logits, top, lse, s, r)
	}
	return Token{ID: chosen, LogProb: float64(logits[chosen]) - lse}, nil
}

// draw filters and draws.
func (w *sampler) draw(logits []float32, top, lse float64, s Sampling, r *rand.Rand) int {
	lowest := math.Inf(-1)
	if s.MinP > 0 {
		lowest = top + math.Log(s.MinP)
	}
	w.order.logits = logits
	w.order.ids = w.order.ids[:0]
	for i, x := range logits {
		if float64(x) >= lowest { // no NaN
			w.order.ids = append(w.order.ids, int32(i))
		}
	}
	kept := w.order.ids
	if s.TopP > 0 && s.TopP < 1 || s.TopK > 0 && s.TopK < len(kept) {
		kept = w.order.likeliest(s, lse)
	}
	slices.Sort(kept) // the draw does not depend on how they were found

	total := 0.0
	for _, id := range kept {
		total += math.Exp((float64(logits[id]) - top) / s.Temperature)
	}
	at := r.Float64() * total
	for _, id := range kept {
		if at -= math.Exp((float64(logits[id]) - top) / s.Temperature); at < 0 {
			return int(id)
		}
	}
	return int(kept[len(kept)-1]) // the sums differ by a rounding
}

// byLogit is a heap of ids, the largest logit first, then the lowest id. Only as many
// are taken from it as are kept: sorting a vocabulary takes longer than the model.
type byLogit struct {
	logits []float32
	ids    []int32
}

func (o *byLogit) Len() int { return len(o.ids) }
func (o *byLogit) Less(i, j int) bool {
	a, b := o.ids[i], o.ids[j]
	return o.logits[a] > o.logits[b] || o.logits[a] == o.logits[b] && a < b
}
func (o *byLogit) Swap(i, j int) { o.ids[i], o.ids[j] = o.ids[j], o.ids[i] }
func (o *byLogit) Push(any)      { panic("generate: nothing is added to the heap") }
func (o *byLogit) Pop() any {
	last := o.ids[len(o.ids)-1]
	o.ids = o.ids[:len(o.ids)-1]
	return last
}

// likeliest returns the ids that top-p and top-k leave, the likeliest first: ids are taken
// until they have top-p of the probability, with all that are as likely as the last of
// them, and no more than top-k.
func (o *byLogit) likeliest(s Sampling, lse float64) []int32 {
	heap.Init(o)
	mass, last := 0.0, float32(0)
	var kept []int32
	for o.Len() > 0 && (s.TopK == 0 || len(kept) < s.TopK) {
		next := o.ids[0]
		x := o.logits[next]
		if s.TopP > 0 && s.TopP < 1 && mass >= s.TopP && x != last {
			break
		}
		heap.Pop(o)
		kept, last = append(kept, next), x
		mass += math.Exp(float64(x) - lse)
	}
	return kept
}
