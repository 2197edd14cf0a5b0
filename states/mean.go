package states

import (
	"context"
	"fmt"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/model"
)

// Mean returns the average of what passes a place over the positions of some inputs, each
// position weighing the same: what mean ablation puts there. It is summed in float64, and
// has no axis of positions: [d] or [head, d].
func Mean(ctx context.Context, m model.Model, inputs []edit.Input, at model.Place) (edit.Value, error) {
	if at.Site.Axis(model.Key) >= 0 {
		return edit.Value{}, fmt.Errorf("states: %s has a number for each key: there is no mean over positions", at)
	}
	if len(inputs) == 0 {
		return edit.Value{}, fmt.Errorf("states: the mean of %s is over no prompt", at)
	}
	var sum []float64
	var shape []int
	n := 0
	for set, err := range CaptureAll(ctx, m, inputs, []model.Place{at}) {
		if err != nil {
			return edit.Value{}, err
		}
		a := &set.Arrays[0]
		x, err := a.Float32()
		if err != nil {
			return edit.Value{}, err
		}
		shape = a.Shape[1:]
		if sum == nil {
			sum = make([]float64, len(x)/a.Shape[0])
		}
		for i, v := range x {
			sum[i%len(sum)] += float64(v)
		}
		n += a.Shape[0]
	}
	if err := ctx.Err(); err != nil {
		return edit.Value{}, err
	}
	v := edit.Value{Shape: shape, Data: make([]float32, len(sum))}
	for i, s := range sum {
		v.Data[i] = float32(s / float64(n))
	}
	return v, nil
}
