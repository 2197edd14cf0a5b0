package experiment

import (
	"context"
	"fmt"
	"math"

	"github.com/mlxlens/mlxlens/lens"
)

// contrast is what is kept of a layer's pairs.
type contrast struct {
	positive, negative []float64 // Σx
	squares            float64   // Σ|x|²
	differences        sketch    // of PCA
}

// group makes the vectors of some layers, and tries them.
func (s *steering) group(ctx context.Context, layers []int) error {
	kept := make([]contrast, len(layers))
	for i := range kept {
		kept[i].positive, kept[i].negative = make([]float64, s.size()), make([]float64, s.size())
	}
	var before [][]float32 // of the positive prompt
	err := s.each(ctx, layers, s.inputs[:2*s.train], func(i int, x [][]float32) error {
		s.progress()
		if i%2 == 0 {
			before = x
			return nil
		}
		for l := range kept {
			if err := s.add(&kept[l], before[l], x[l]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	first := len(s.out.Layers)
	for l, layer := range layers {
		v, about, err := s.vector(&kept[l])
		if err != nil {
			return fmt.Errorf("experiment: layer %d: %w", layer, err)
		}
		about.Layer = layer
		s.out.Vectors, s.out.Layers = append(s.out.Vectors, v), append(s.out.Layers, about)
	}
	return s.try(ctx, layers, s.out.Vectors[first:], s.out.Layers[first:])
}

// add takes the states of a pair.
func (s *steering) add(c *contrast, positive, negative []float32) error {
	c.squares += inner(positive, positive) + inner(negative, negative)
	difference := make([]float32, len(positive))
	for i, x := range positive {
		c.positive[i] += float64(x)
		c.negative[i] += float64(negative[i])
		difference[i] = x - negative[i]
	}
	if math.IsNaN(c.squares) || math.IsInf(c.squares, 0) {
		return fmt.Errorf("its states are not finite")
	}
	if s.o.Method != PCA {
		return nil
	}
	return c.differences.add(difference)
}

// vector makes a layer's vector, nil where there is no difference.
func (s *steering) vector(c *contrast) ([]float32, SteeringLayer, error) {
	none, n := lens.Number(math.NaN()), float64(s.train)
	about := SteeringLayer{
		Norm: 0, StateNorm: lens.Number(math.Sqrt(c.squares / (2 * n))), Cosine: none, Explained: none, Unsure: none, Threshold: none, Accuracy: none, Separation: none,
	}
	mean := make([]float32, len(c.positive))
	for i := range mean {
		mean[i] = float32((c.positive[i] - c.negative[i]) / n)
	}
	v := mean
	if s.o.Method == PCA {
		first, square, err := c.differences.first()
		if err != nil || first == nil {
			return nil, about, err
		}
		length := math.Sqrt(square / n)
		if inner(first, mean) < 0 {
			length = -length
		}
		v = scaled(first, length)
		about.Explained, about.Unsure = lens.Number(square/c.differences.total), lens.Number(c.differences.lost/c.differences.total)
	}
	norm := math.Sqrt(inner(v, v))
	if norm == 0 {
		return nil, about, nil
	}
	about.Norm, about.Cosine = lens.Number(norm), lens.Number(inner(v, mean)/(norm*math.Sqrt(inner(mean, mean))))
	middle := 0.0
	for i, x := range v {
		middle += float64(x) / norm * (c.positive[i] + c.negative[i]) / (2 * n)
	}
	about.Threshold = lens.Number(middle)
	return v, about, nil
}

func scaled(x []float32, factor float64) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32(factor * float64(v))
	}
	return out
}

// try projects the states of the held-out pairs to the vectors.
func (s *steering) try(ctx context.Context, layers []int, vectors [][]float32, about []SteeringLayer) error {
	sides := make([][2]sums, len(layers))
	right := make([]float64, len(layers))
	held := s.inputs[2*s.train:]
	moved := *s.stateReader // whose inputs are numbered from the first pair
	moved.name = func(i int) string { return s.name(2*s.train + i) }
	err := moved.each(ctx, layers, held, func(i int, x [][]float32) error {
		s.progress()
		for l, v := range vectors {
			if v == nil {
				continue
			}
			along := inner(x[l], v) / float64(about[l].Norm)
			sides[l][i%2].add(along)
			if threshold := float64(about[l].Threshold); i%2 == 0 && along > threshold || i%2 == 1 && along < threshold {
				right[l]++
			}
		}
		return nil
	})
	if err != nil || len(held) == 0 {
		return err
	}
	for l, v := range vectors {
		if v != nil {
			about[l].Accuracy = lens.Number(right[l] / float64(len(held)))
			about[l].Separation = separation(sides[l])
		}
	}
	return nil
}

// separation is Cohen's d of the first side over the second, with the pooled deviation (Cohen 1988).
func separation(of [2]sums) lens.Number {
	within := (of[0].square + of[1].square) / (of[0].n + of[1].n - 2)
	return lens.Number((of[0].mean - of[1].mean) / math.Sqrt(within))
}
