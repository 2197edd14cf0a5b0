package experiment

import (
	"math"
	"math/rand/v2"
)

// Split says how prompts were divided at random.
type Split struct {
	Fraction float64 `json:"fraction"` // held out, of each class
	Seed     uint64  `json:"seed"`
}

// Divide returns the numbers of those prompts to learn from, and of those to hold out, both
// ascending. Labels say of each its class: of every class as good as the same part is held out, and
// at least one prompt is not.
func (s Split) Divide(labels []string) (train, heldOut []int) {
	count := map[string]int{} // left to be held out
	for _, label := range labels {
		count[label]++
	}
	for label, n := range count {
		count[label] = min(n-1, int(math.Round(s.Fraction*float64(n))))
	}
	held := make([]bool, len(labels))
	for _, i := range rand.New(rand.NewPCG(s.Seed, 0)).Perm(len(labels)) {
		if count[labels[i]] > 0 {
			held[i] = true
			count[labels[i]]--
		}
	}
	for i := range labels {
		if held[i] {
			heldOut = append(heldOut, i)
		} else {
			train = append(train, i)
		}
	}
	return train, heldOut
}
