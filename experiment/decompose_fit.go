package experiment

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// A pursuit writes a state as a sum of few directions with coordinates that are not negative. The
// tolerances are TransformerLens 4.3's: those of sums in float64 for the fit, of float32 for the choice.
var (
	fitTolerance    = math.Sqrt(0x1p-52) // of rank, of coordinates, and of the conditions of a fit
	choiceTolerance = math.Sqrt(0x1p-23) // correlations below this part of |x| are rounding
)

// pursuit is of one state.
type pursuit struct {
	x, residual []float64
	length      float64     // |x|
	chosen      []int       // ids in the order in which they were chosen
	rows        [][]float64 // their directions
	coordinates []float64
	ended       bool
}

func newPursuit(x []float32) *pursuit {
	p := &pursuit{x: wide(x)}
	p.residual, p.length = p.x, size(p.x)
	return p
}

func size(x []float64) float64 { return math.Sqrt(dot(x, x)) }

// add takes in a direction, and fits the coordinates anew.
func (p *pursuit) add(id int, row []float64, gradient bool) error {
	p.chosen, p.rows, p.coordinates = append(p.chosen, id), append(p.rows, row), append(p.coordinates, 0)
	if gradient {
		p.coordinates = step(p.rows, p.x, p.coordinates)
	} else {
		var err error
		if p.coordinates, err = leastSquares(p.rows, p.x); err != nil {
			return err
		}
	}
	for i, c := range p.coordinates {
		p.coordinates[i] = float64(float32(c))
	}
	p.residual = subtract(p.x, combine(p.rows, p.coordinates))
	return nil
}

// active reports whether a chosen direction has a part in the sum that is more than rounding.
func (p *pursuit) active(i int) bool { return p.coordinates[i]*size(p.rows[i]) > fitTolerance*p.length }

// combine returns Σᵢ cᵢ·rowᵢ.
func combine(rows [][]float64, c []float64) []float64 {
	out := make([]float64, len(rows[0]))
	for i, row := range rows {
		for k, x := range row {
			out[k] += c[i] * x
		}
	}
	return out
}

// within is the part of x in the span of rows: what is within fitTolerance of dependent counts once.
func within(rows [][]float64, x []float64) ([]float64, error) {
	out := make([]float64, len(x))
	if len(rows) == 0 {
		return out, nil
	}
	u, values, _, err := factors(rows, true)
	if err != nil {
		return nil, err
	}
	for j, s := range values {
		if s <= fitTolerance*values[0] {
			break
		}
		along := 0.0
		for k := range x {
			along += u.At(k, j) * x[k]
		}
		for k := range x {
			out[k] += along * u.At(k, j)
		}
	}
	return out, nil
}

// factors are those of the matrix whose columns are rows, each of length 1 where unit is set: U, the
// singular values from the greatest down, and V.
func factors(rows [][]float64, unit bool) (u *mat.Dense, values []float64, v *mat.Dense, err error) {
	a := mat.NewDense(len(rows[0]), len(rows), nil)
	for j, row := range rows {
		by := 1.0
		if unit {
			by = size(row)
		}
		for k, x := range row {
			a.Set(k, j, x/by)
		}
	}
	var svd mat.SVD
	if !svd.Factorize(a, mat.SVDThin) {
		return nil, nil, nil, fmt.Errorf("experiment: the directions of %d tokens have no singular values: the lens or the unembedding is damaged", len(rows))
	}
	u, v = new(mat.Dense), new(mat.Dense)
	svd.UTo(u)
	svd.VTo(v)
	return u, svd.Values(nil), v, nil
}

// solve returns the least coordinates that come nearest to x, of either sign.
func solve(rows [][]float64, x []float64) ([]float64, error) {
	u, values, v, err := factors(rows, false)
	if err != nil {
		return nil, err
	}
	out := make([]float64, len(rows))
	for j, s := range values {
		if s <= fitTolerance*values[0] {
			break
		}
		along := 0.0
		for k := range x {
			along += u.At(k, j) * x[k]
		}
		for i := range out {
			out[i] += v.At(i, j) * along / s
		}
	}
	return out, nil
}

// leastSquares returns the coordinates, none of them negative, that come nearest to x (Lawson and
// Hanson 1974, "Solving Least Squares Problems", chapter 23).
func leastSquares(rows [][]float64, x []float64) ([]float64, error) {
	f := &fit{rows: rows, x: x, c: make([]float64, len(rows)), free: make([]bool, len(rows))}
	for range len(rows) * (3*len(rows) + 1) { // a variable that was let go may come back
		best, most := -1, 0.0
		dual, tolerance := f.dual()
		for i, d := range dual {
			if !f.free[i] && d > tolerance*size(rows[i]) && (best < 0 || d > most) {
				best, most = i, d
			}
		}
		if best < 0 {
			return f.c, f.check()
		}
		f.free[best] = true
		if err := f.feasible(); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("experiment: the fit of %d coordinates does not end", len(rows))
}

// fit is the state of a least squares fit.
type fit struct {
	rows [][]float64
	x, c []float64
	free []bool // coordinates that are not held at 0
}

// dual is how much a growth of each coordinate would help, and what of it is rounding, by the length
// of a row.
func (f *fit) dual() ([]float64, float64) {
	residual := subtract(f.x, combine(f.rows, f.c))
	out := make([]float64, len(f.rows))
	for i, row := range f.rows {
		out[i] = dot(row, residual)
	}
	return out, fitTolerance * f.scale()
}

// scale is what sums are compared with: |x|, and what cancels in the reconstruction.
func (f *fit) scale() float64 {
	sum := make([]float64, len(f.x))
	for i, row := range f.rows {
		for k, v := range row {
			sum[k] += math.Abs(v * f.c[i])
		}
	}
	return size(f.x) + size(sum)
}

// feasible solves for the free coordinates, and lets go those that would be negative.
func (f *fit) feasible() error {
	for range 3*len(f.rows) + 1 {
		var some [][]float64
		var which []int
		for i, free := range f.free {
			if free {
				some, which = append(some, f.rows[i]), append(which, i)
			}
		}
		solution, err := solve(some, f.x)
		if err != nil {
			return err
		}
		to := make([]float64, len(f.c))
		for j, i := range which {
			to[i] = solution[j]
		}
		scale, way, negative := fitTolerance*f.scale(), 1.0, false
		for _, i := range which {
			if to[i] < -scale/size(f.rows[i]) {
				negative = true
				if f.c[i] > to[i] {
					way = min(way, max(0, f.c[i]/(f.c[i]-to[i])))
				}
			}
		}
		for i := range f.c {
			now := f.c[i] + way*(to[i]-f.c[i])
			if !negative {
				now = to[i]
			}
			if f.free[i] = now > scale/size(f.rows[i]); !f.free[i] {
				now = 0
			}
			f.c[i] = now
		}
		if !negative {
			return nil
		}
	}
	return fmt.Errorf("experiment: the fit of %d coordinates finds none that are not negative", len(f.rows))
}

// check holds the conditions of Karush, Kuhn and Tucker against what was found.
func (f *fit) check() error {
	dual, tolerance := f.dual()
	for i, d := range dual {
		if !(f.c[i] >= 0) || f.c[i] > 0 && !(math.Abs(d) <= tolerance*size(f.rows[i])) {
			return fmt.Errorf("experiment: the fit of %d coordinates is not the best one: the directions are too nearly dependent", len(f.rows))
		}
	}
	return nil
}

// step moves coordinates along the gradient as far as it is best, and to 0 where they would be negative;
// less far where that made it worse (Blumensath and Davies 2008, "Gradient Pursuits").
func step(rows [][]float64, x, c []float64) []float64 {
	residual := subtract(x, combine(rows, c))
	direction := make([]float64, len(rows))
	for i, row := range rows {
		direction[i] = dot(row, residual)
	}
	way := combine(rows, direction)
	if dot(way, way) <= 0 {
		return c
	}
	length, now := dot(way, residual)/dot(way, way), dot(residual, residual)
	for range 21 { // half as far each time
		next := make([]float64, len(c))
		for i := range c {
			next[i] = max(0, c[i]+length*direction[i])
		}
		if off := subtract(x, combine(rows, next)); dot(off, off) <= now {
			return next
		}
		length /= 2
	}
	return c
}
