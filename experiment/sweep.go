package experiment

import (
	"context"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// cell is a run by its place in the grids.
type cell struct {
	site        model.Site
	row, column int
	sample      int
}

// sweep makes the runs of cells, many at once: those whose edits are few enough to be held
// together.
type sweep struct {
	*runner
	layer int // none of the runs changes anything before it
	ask   func(last *mlx.Array) ([]float64, error)
	set   func(c cell, x float64)

	cells    []cell
	variants []variant
	numbers  int // of their edits' values
}

// sweepNumbers bounds the numbers that the edits of runs hold which wait to be made.
const sweepNumbers = 16 << 20

// add takes a run.
func (s *sweep) add(ctx context.Context, c cell, v variant) error {
	s.cells, s.variants = append(s.cells, c), append(s.variants, v)
	for _, e := range v.edits {
		s.numbers += len(e.Value.Data)
	}
	if s.numbers < sweepNumbers {
		return nil
	}
	return s.finish(ctx)
}

// finish makes the runs that wait.
func (s *sweep) finish(ctx context.Context) error {
	err := s.run(ctx, s.layer, s.variants, func(of []int, last *mlx.Array) error {
		x, err := s.ask(last)
		for i := range x {
			s.set(s.cells[of[i]], x[i])
		}
		return err
	})
	s.cells, s.variants, s.numbers = nil, nil, 0
	return err
}

// togetherPositions is how many positions a pass has at least, if there are so many runs: with
// fewer it takes as long, because it waits for the weights.
const togetherPositions = 64
