package nn

import (
	"fmt"

	"github.com/mlxlens/mlxlens/mlx"
)

// AllToShardedLinear is a part of a Linear's outputs, of which each process of a group has
// another: all have x, and each computes its share of y. The gradient by x is summed over the
// processes.
type AllToShardedLinear struct {
	Linear
	Group *mlx.Group
}

// ShardedToAllLinear is a part of a Linear's inputs: each process has its share of x, and all
// get y, the sum of their products and the bias.
type ShardedToAllLinear struct {
	Linear
	Group *mlx.Group
}

// NewAllToShardedLinear returns this process's outputs of l, dense or packed. Of a matrix that
// is segments stacked, as of queries, keys and values, it has a share of each.
func NewAllToShardedLinear(l *Linear, segments int, group *mlx.Group) (*AllToShardedLinear, error) {
	s := &AllToShardedLinear{Linear{Quant: l.Quant}, group}
	for _, p := range []struct {
		from *mlx.Array
		to   **mlx.Array
		axis int
	}{{l.Weight, &s.Weight, -2}, {l.Scales, &s.Scales, -2}, {l.Biases, &s.Biases, -2}, {l.Bias, &s.Bias, -1}} {
		var err error
		if *p.to, err = share(p.from, p.axis, segments, group); err != nil {
			return nil, fmt.Errorf("nn: all to sharded linear: %w", err)
		}
	}
	return s, nil
}

// NewShardedToAllLinear returns this process's inputs of l, dense or packed; all have the bias.
func NewShardedToAllLinear(l *Linear, segments int, group *mlx.Group) (*ShardedToAllLinear, error) {
	s := &ShardedToAllLinear{Linear{Quant: l.Quant, Bias: l.Bias}, group}
	for _, p := range []struct {
		from *mlx.Array
		to   **mlx.Array
	}{{l.Weight, &s.Weight}, {l.Scales, &s.Scales}, {l.Biases, &s.Biases}} {
		var err error
		if *p.to, err = share(p.from, -1, segments, group); err != nil {
			return nil, fmt.Errorf("nn: sharded to all linear: %w", err)
		}
	}
	return s, nil
}

// share returns this process's part of each segment of a along axis, nil for nil.
func share(a *mlx.Array, axis, segments int, group *mlx.Group) (*mlx.Array, error) {
	if a == nil {
		return nil, nil
	}
	if err := a.Err(); err != nil {
		return nil, err
	}
	parts := segments * group.Size()
	if segments < 1 || a.Ndim()+axis < 0 || a.Dim(axis)%parts != 0 {
		return nil, fmt.Errorf("axis %d of %v in %d segments for %d processes (want: a multiple)", axis, a.Shape(), segments, group.Size())
	}
	var own []*mlx.Array
	for i, part := range mlx.Split(a, parts, axis) {
		if i%group.Size() == group.Rank() {
			own = append(own, part)
		}
	}
	out := kept(mlx.Contiguous(mlx.Concatenate(axis, own...)))
	return out, out.Err()
}

// summedGradient returns x, whose gradient is summed over the processes.
func summedGradient(x *mlx.Array, group *mlx.Group) *mlx.Array {
	if group.Size() == 1 {
		return x
	}
	return mlx.CustomFunction(
		func(a []*mlx.Array) []*mlx.Array { return a },
		mlx.Rules{VJP: func(_, dx, _ []*mlx.Array) []*mlx.Array { return []*mlx.Array{group.AllSum(dx[0])} }},
	)([]*mlx.Array{x})[0]
}

// Forward maps [..., in], the same for all, to [..., out/processes].
func (l *AllToShardedLinear) Forward(x *mlx.Array) *mlx.Array {
	return l.Linear.Forward(summedGradient(x, l.Group))
}

// Forward maps [..., in/processes] to [..., out], the same for all.
func (l *ShardedToAllLinear) Forward(x *mlx.Array) *mlx.Array {
	return l.add(l.Group.AllSum(l.product(x, l.Weight, l.Scales, l.Biases)))
}
