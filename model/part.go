package model

import "fmt"

// Span is the layers [From, To).
type Span struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// Has reports whether a layer is one of them.
func (s Span) Has(layer int) bool { return layer >= s.From && layer < s.To }

// Len returns how many they are.
func (s Span) Len() int { return s.To - s.From }

// String names them as they are counted elsewhere: "layers 10–19".
func (s Span) String() string {
	if s.Len() == 1 {
		return fmt.Sprintf("layer %d", s.From)
	}
	return fmt.Sprintf("layers %d–%d", s.From, s.To-1)
}

// within returns those of s that are in [from, to).
func (s Span) within(from, to int) Span {
	s.From, s.To = max(s.From, from), min(s.To, to)
	s.To = max(s.To, s.From)
	return s
}

// Split deals layers to ranks, neighbouring ones to each and each at least one, so that the rank that
// holds most bytes holds as few as can be; of several such ways the one that gives the first ranks
// most layers. first is what the first rank holds beside its layers.
func Split(bytes []int64, first int64, ranks int) ([]Span, error) {
	layers := len(bytes)
	if ranks < 1 || ranks > layers {
		return nil, fmt.Errorf("model: %d layers make no parts for %d ranks: each holds 1 or more", layers, ranks)
	}
	sums := make([]int64, layers+1)
	for i, b := range bytes {
		sums[i+1] = sums[i] + b
	}
	// least[r][l]: the most that any of the last r+1 ranks holds, where these hold the layers from l on
	least := make([][]int64, ranks)
	for r := range least {
		least[r] = make([]int64, layers+1)
		for l := range layers + 1 {
			least[r][l] = sums[layers] - sums[l]
			for to := l + 1; r > 0 && to <= layers-r; to++ {
				if most := max(sums[to]-sums[l], least[r-1][to]); to == l+1 || most < least[r][l] {
					least[r][l] = most
				}
			}
		}
	}
	spans, from := make([]Span, ranks), 0
	for r := range spans {
		spans[r] = Span{from, layers}
		rest, beside := ranks-r-1, int64(0)
		if r == 0 {
			beside = first
		}
		best := int64(-1)
		for to := from + 1; rest > 0 && to <= layers-rest; to++ {
			if most := max(beside+sums[to]-sums[from], least[rest-1][to]); best < 0 || most <= best {
				best, spans[r].To = most, to
			}
		}
		from = spans[r].To
	}
	return spans, nil
}

// Deal deals so many layers to each rank, as they are counted out by hand.
func Deal(perRank []int, layers, ranks int) ([]Span, error) {
	if len(perRank) != ranks {
		return nil, fmt.Errorf("model: layers for %d ranks, and there are %d", len(perRank), ranks)
	}
	spans, from := make([]Span, ranks), 0
	for r, n := range perRank {
		if n < 1 {
			return nil, fmt.Errorf("model: rank %d is given %d layers: each holds 1 or more", r, n)
		}
		spans[r] = Span{from, from + n}
		from += n
	}
	if from != layers {
		return nil, fmt.Errorf("model: the ranks are given %d layers together, and the model has %d", from, layers)
	}
	return spans, nil
}

// Divisible returns nil when the ranks can hold a model in these parts, else why they cannot.
func (s Shape) Divisible(parts []Span) error {
	for _, p := range parts {
		if !s.Resumable(p.From) {
			return fmt.Errorf("model: the layers cannot be divided before layer %d: later ones look at what earlier ones computed beside the stream, or have embeddings of their own, which do not go from rank to rank", p.From)
		}
	}
	return nil
}
