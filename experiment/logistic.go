package experiment

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/optimize"

	"github.com/mlxlens/mlxlens/lens"
)

// logistic is a linear classifier of rows x: the log-odds of class c are weights[c]·x + bias[c], of
// two classes those of the second.
type logistic struct {
	weights [][]float32
	bias    []float64
	loss    float64 // −Σ ln p + λ/2·|w|², w of standardised rows
}

// fitLogistic fits rows of classes 0 … n−1 with a penalty λ/2·|w|² on the weights of standardised
// rows, and none on the biases: what scikit-learn's LogisticRegression(C=1/λ) fits behind a
// StandardScaler. Numbers that are the same in all rows have the weight 0.
func fitLogistic(x [][]float32, of []int, n int, l2 float64) (*logistic, error) {
	z, mean, deviation, err := standardise(x)
	if err != nil {
		return nil, err
	}
	f := &softmax{z: z, of: of, outputs: n, l2: l2}
	if n == 2 {
		f.outputs = 1
	}
	_, d := z.Dims()
	start := make([]float64, f.outputs*(d+1))
	settings := &optimize.Settings{GradientThreshold: 1e-7 * float64(len(x)), MajorIterations: 5000, Converger: optimize.NeverTerminate{}}
	got, err := optimize.Minimize(optimize.Problem{Func: func(w []float64) float64 { return f.loss(w, nil) }, Grad: func(grad, w []float64) { f.loss(w, grad) }}, start, settings, &optimize.LBFGS{})
	if got == nil {
		return nil, fmt.Errorf("the probe was not fitted: %w", err)
	}
	slope := make([]float64, len(start))
	loss := f.loss(got.X, slope)
	if steepest := mat.Norm(mat.NewVecDense(len(slope), slope), math.Inf(1)); !(steepest <= 1e-5*float64(len(x))) { // else a line search only met the end of float64
		return nil, fmt.Errorf("the probe was not fitted: after %d steps the gradient is still %.2g (%v): the penalty of %g is too small, or too great for the numbers to say anything: give another", got.MajorIterations, steepest, got.Status, l2)
	}
	fit := &logistic{loss: loss}
	for c := range f.outputs {
		w, bias := make([]float32, d), got.X[f.outputs*d+c]
		for j := range w {
			raw := got.X[c*d+j] / deviation[j]
			w[j] = float32(raw)
			bias -= raw * mean[j]
		}
		fit.weights, fit.bias = append(fit.weights, w), append(fit.bias, bias)
	}
	return fit, nil
}

// standardise returns rows with the mean 0 and the deviation 1 in each column, or all 0.
func standardise(x [][]float32) (z *mat.Dense, mean, deviation []float64, err error) {
	d := len(x[0])
	z, mean, deviation = mat.NewDense(len(x), d, nil), make([]float64, d), make([]float64, d)
	for j := range d {
		var s sums
		for i := range x {
			s.add(float64(x[i][j]))
		}
		mean[j], deviation[j] = s.mean, math.Sqrt(s.square/s.n)
		if math.IsNaN(deviation[j]) || math.IsInf(deviation[j], 0) {
			return nil, nil, nil, fmt.Errorf("number %d of the states is not finite", j)
		}
		if deviation[j] <= 1e-7*math.Abs(mean[j]) { // but for rounding the same in all rows
			deviation[j] = math.Inf(1)
		}
		for i := range x {
			z.Set(i, j, (float64(x[i][j])-mean[j])/deviation[j])
		}
	}
	return z, mean, deviation, nil
}

// softmax is the loss of parameters w, the weights [output, d] and then the biases [output].
type softmax struct {
	z       *mat.Dense // [row, d]
	of      []int
	outputs int // 1 of two classes
	l2      float64
}

// loss returns −Σ ln p + λ/2·|w|², and puts its slope into grad, unless that is nil.
func (f *softmax) loss(w, grad []float64) float64 {
	n, d := f.z.Dims()
	k := f.outputs
	weights, bias := mat.NewDense(k, d, w[:k*d]), w[k*d:]
	var scores mat.Dense
	scores.Mul(f.z, weights.T()) // [row, output]
	total := 0.0
	for i := range n {
		row := scores.RawRowView(i)
		for c := range row {
			row[c] += bias[c]
		}
		total += residual(row, f.of[i]) // row is the loss's slope by the scores then
	}
	for _, x := range w[:k*d] {
		total += f.l2 / 2 * x * x
	}
	if grad == nil {
		return total
	}
	slope := mat.NewDense(k, d, grad[:k*d])
	slope.Mul(scores.T(), f.z)
	for j, x := range w[:k*d] {
		grad[j] += f.l2 * x
	}
	for c := range k {
		grad[k*d+c] = 0
		for i := range n {
			grad[k*d+c] += scores.At(i, c)
		}
	}
	return total
}

// residual returns −ln p of a class, and makes of scores p less 1 at the class. One score is that of
// class 1 against 0.
func residual(scores []float64, class int) float64 {
	if len(scores) == 1 {
		s := scores[0]
		p := 1 / (1 + math.Exp(-s))
		scores[0] = p - float64(class)
		return math.Max(s, 0) + math.Log1p(math.Exp(-math.Abs(s))) - float64(class)*s
	}
	most := scores[0]
	for _, s := range scores {
		most = math.Max(most, s)
	}
	sum, own := 0.0, scores[class]
	for c, s := range scores {
		scores[c] = math.Exp(s - most)
		sum += scores[c]
	}
	for c := range scores {
		scores[c] /= sum
	}
	scores[class]--
	return most + math.Log(sum) - own
}

// classify returns the class of a row.
func (f *logistic) classify(x []float32) int {
	best, most := 0, math.Inf(-1)
	if len(f.weights) == 1 {
		most = 0 // the score of the first of two classes
	}
	for c, w := range f.weights {
		if score := inner(w, x) + f.bias[c]; score > most {
			best, most = c, score
			if len(f.weights) == 1 {
				best = 1
			}
		}
	}
	return best
}

// accuracy is the part of rows that are classified right, NaN of none.
func (f *logistic) accuracy(x [][]float32, of []int) lens.Number {
	right := 0
	for i, row := range x {
		if f.classify(row) == of[i] {
			right++
		}
	}
	return lens.Number(float64(right) / float64(len(x)))
}
