package experiment

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// sketchRows is how many rows a sketch keeps when it is full; up to twice as many it is exact.
const sketchRows = 64

// sketch keeps what the leading principal directions of rows a are found from, without the rows:
// rows b, at most 2·sketchRows, with
//
//	0 ≤ |A·v|² − |B·v|² ≤ lost
//
// for every unit vector v (Frequent Directions: Liberty 2013, arXiv:1206.0594).
type sketch struct {
	rows  [][]float32
	lost  float64
	total float64 // Σ|a|²
}

// add takes a row, which is the sketch's from then on.
func (s *sketch) add(row []float32) error {
	if len(s.rows) == 2*sketchRows {
		if err := s.shrink(); err != nil {
			return err
		}
	}
	s.rows = append(s.rows, row)
	s.total += inner(row, row)
	return nil
}

// spectrum returns the eigenvalues of B·Bᵀ in descending order, and of each its vector.
func (s *sketch) spectrum() (values []float64, vectors [][]float64, err error) {
	n := len(s.rows)
	gram := mat.NewSymDense(n, nil)
	for i, a := range s.rows {
		for j := i; j < n; j++ {
			gram.SetSym(i, j, inner(a, s.rows[j]))
		}
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(gram, true) {
		return nil, nil, fmt.Errorf("the principal components of %d differences were not found: look for numbers that are far too large", n)
	}
	var q mat.Dense
	eigen.VectorsTo(&q)
	values = eigen.Values(nil)
	slices.Reverse(values)
	for k := range values {
		vectors = append(vectors, mat.Col(nil, n-1-k, &q))
	}
	return values, vectors, nil
}

// shrink makes of all rows half as many: the leading ones, each shorter by what is lost.
func (s *sketch) shrink() error {
	values, vectors, err := s.spectrum()
	if err != nil {
		return err
	}
	lost := max(0, values[sketchRows])
	var rows [][]float32
	for k := range sketchRows {
		if values[k] > lost {
			rows = append(rows, s.combine(vectors[k], math.Sqrt((values[k]-lost)/values[k])))
		}
	}
	s.rows, s.lost = rows, s.lost+lost
	return nil
}

// combine returns the sum of the rows, each times a weight, times a factor.
func (s *sketch) combine(weights []float64, factor float64) []float32 {
	sum := make([]float64, len(s.rows[0]))
	for i, row := range s.rows {
		for j, x := range row {
			sum[j] += weights[i] * float64(x)
		}
	}
	out := make([]float32, len(sum))
	for j, x := range sum {
		out[j] = float32(factor * x)
	}
	return out
}

// first returns the first principal direction v, of length 1, and |B·v|²; nil where all rows are 0.
func (s *sketch) first() (v []float32, square float64, err error) {
	values, vectors, err := s.spectrum()
	if err != nil || !(values[0] > 0) {
		return nil, 0, err
	}
	return s.combine(vectors[0], 1/math.Sqrt(values[0])), values[0], nil
}

func inner(a, b []float32) float64 {
	sum := 0.0
	for i, x := range a {
		sum += float64(x) * float64(b[i])
	}
	return sum
}
