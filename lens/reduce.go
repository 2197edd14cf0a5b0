package lens

import (
	"github.com/mlxlens/mlxlens/mlx"
)

// On a GPU the logits stay where they are computed: MLX reduces them, and only the
// scores cross over.

// reduceBytes bounds the logits of one step, and the few temporaries of the same
// size that its reductions make.
const reduceBytes = 256 << 20

// reduce scores the chunk with MLX's operations, positions by positions.
func (c *chunk) reduce() error {
	step := c.reduceStep()
	for from := 0; from < c.width; from += step {
		if err := c.reduceTop(from, min(from+step, c.width)); err != nil {
			return err
		}
	}
	if err := c.setTargets(); err != nil {
		return err
	}
	if !c.o.TopOnly {
		if err := c.reduceAllRanks(func(s *score) []targetScore { return s.targets }); err != nil {
			return err
		}
	}
	c.finishTargets()
	return nil
}

// reduceAllRanks counts, for each target, the logits above its own.
func (c *chunk) reduceAllRanks(targets func(*score) []targetScore) error {
	step := c.reduceStep()
	for from := 0; from < c.width; from += step {
		if err := c.reduceRanks(from, min(from+step, c.width), targets); err != nil {
			return err
		}
	}
	return nil
}

// reduceStep is how many positions are reduced at once.
func (c *chunk) reduceStep() int { return max(1, reduceBytes/(4*c.vocab*c.rows)) }

// logits returns the logits [rows, to−from, d_vocab] of some positions.
func (c *chunk) logits(scope *mlx.Scope, from, to int) *mlx.Array {
	h := scope.Hold(c.states)
	h = mlx.Slice(mlx.Reshape(h, c.rows, c.width, h.Dim(1)), 1, mlx.Between(from, to))
	return c.unembed(h, 0, c.rows-1, func(by unembedding, h *mlx.Array) *mlx.Array { return by.Unembed(h, 0, c.vocab) })
}

func (c *chunk) reduceTop(from, to int) error {
	scope := c.states.Scope().NewScope()
	defer scope.Close()
	l := c.logits(scope, from, to)
	n, k := to-from, min(c.o.Top+spare, c.vocab)
	found := mlx.Slice(mlx.Argpartition(l, -k, -1), -1, mlx.Between(-k, c.vocab)) // [rows, n, k], in no order
	values := mlx.TakeAlongAxis(l, found, -1)
	wanted := []*mlx.Array{found, values}
	var lse, entropy, kl *mlx.Array
	if !c.o.TopOnly {
		lse = mlx.LogSumExp(l, -1) // [rows, n]
		logP := mlx.Subtract(l, mlx.ExpandDims(lse, -1))
		entropy = mlx.Negative(mlx.Sum(mlx.Multiply(mlx.Exp(logP), logP), -1))
		final := mlx.Slice(logP, 0, mlx.Between(c.rows-1, c.rows))
		kl = mlx.Sum(mlx.Multiply(mlx.Exp(final), mlx.Subtract(final, logP)), -1)
		wanted = append(wanted, lse, entropy, kl)
	}
	if err := mlx.Eval(wanted...); err != nil {
		return err
	}
	ids, err := mlx.Data[uint32](found)
	if err != nil {
		return err
	}
	scores, err := mlx.Data[float32](values)
	if err != nil {
		return err
	}
	var metrics [3][]float32
	for i, a := range wanted[2:] {
		if metrics[i], err = mlx.Data[float32](a); err != nil {
			return err
		}
	}
	for r := range c.rows {
		for i := range n {
			at := r*n + i
			s := &c.scores[r*c.width+from+i]
			for j := at * k; j < (at+1)*k; j++ {
				if x := scores[j]; x == x { // NaN is no score
					s.top = append(s.top, candidate{int32(ids[j]), x})
				}
			}
			s.top = leading(s.top, c.o.Top)
			if !c.o.TopOnly {
				s.lse, s.entropy, s.kl = float64(metrics[0][at]), max(0, float64(metrics[1][at])), max(0, float64(metrics[2][at]))
			}
		}
	}
	return nil
}

// reduceRanks does so for the positions [from, to), a target of each at a time.
func (c *chunk) reduceRanks(from, to int, targets func(*score) []targetScore) error {
	scope := c.states.Scope().NewScope()
	defer scope.Close()
	l := c.logits(scope, from, to)
	n := to - from
	at := func(r, i int) []targetScore { return targets(&c.scores[r*c.width+from+i]) }
	most := 0
	for i := range n {
		most = max(most, len(at(0, i)))
	}
	for j := range most {
		ids := make([]int32, c.rows*n) // 0 where a position has fewer targets
		for r := range c.rows {
			for i := range n {
				if ts := at(r, i); j < len(ts) {
					ids[r*n+i] = ts[j].id
				}
			}
		}
		own := mlx.TakeAlongAxis(l, mlx.FromSlice(scope, ids, c.rows, n, 1), -1)
		above := mlx.Greater(l, own)
		counts, err := mlx.Data[int32](mlx.Sum(mlx.AsType(above, mlx.Int32), -1))
		if err != nil {
			return err
		}
		for r := range c.rows {
			for i := range n {
				if ts := at(r, i); j < len(ts) {
					ts[j].rank = 1 + int(counts[r*n+i])
				}
			}
		}
	}
	return nil
}
