package experiment

import (
	"fmt"
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

// seen counts those that are held out and learnt from, too: of these a result says nothing new.
func seen[T any](learnt, heldOut []T, name func(T) string) int {
	names, n := map[string]bool{}, 0
	for _, x := range learnt {
		names[name(x)] = true
	}
	for _, x := range heldOut {
		if names[name(x)] {
			n++
		}
	}
	return n
}

// ofThese is what a figure says of those.
func ofThese(seen int) string {
	if seen == 0 {
		return ""
	}
	return fmt.Sprintf(" (learnt from, too: %d)", seen)
}
