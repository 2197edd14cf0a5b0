package jacobian

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/mlxlens/mlxlens/mlx"
)

// lanes are streams that pieces of work which do not depend on each other go through side by side. MLX computes a
// stream of the CPU on one thread, and operations by elements on one core: what is between the products would leave the others idle.
type lanes []mlx.Stream

// mostLanes bounds them: MLX has work for no more at a time, and each holds some pieces.
const mostLanes = 8

// processors are the lanes of the CPU, one for each processor that Go may use. Streams last as long as the process.
var processors = sync.OnceValues(func() (lanes, error) {
	all := lanes{mlx.DefaultStream(mlx.CPU)}
	for len(all) < min(runtime.GOMAXPROCS(0), mostLanes) {
		s, err := mlx.NewStream(mlx.CPU)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
})

// lanesOf are those of a device: a GPU has one, which all of it works for.
func lanesOf(d mlx.Device) (lanes, error) {
	if d == mlx.CPU {
		return processors()
	}
	return lanes{mlx.DefaultStream(d)}, nil
}

// each calls do for every i in [0, n), in this order, each as soon as a lane is free. do gets a scope on its lane, which ends with it, and
// runs on a goroutine of the lane's. The first error ends all.
func (l lanes) each(ctx context.Context, n int, do func(work *mlx.Scope, i int) error) error {
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for _, on := range l[:min(n, len(l))] {
		group.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				work := on.Scope().NewScope()
				err := do(work, i)
				work.Close()
				if err != nil {
					return err
				}
			}
		})
	}
	return group.Wait()
}

// done evaluates what make makes in a scope that it gets, and holds it in scope. Nothing else holds what it is made of by then, so
// that MLX lets go of each array with its last use, or computes in its memory.
//
// A piece is done in steps of a few operations: MLX hands out some hundred, views among them, on all streams together, and then keeps
// all lanes from handing out more until ten are through.
func done(scope, work *mlx.Scope, make func(*mlx.Scope) *mlx.Array) (*mlx.Array, error) {
	inner := work.NewScope()
	x := scope.Hold(make(inner))
	inner.Close()
	return x, mlx.Eval(x)
}

// joined are parts of pieces, side by side on an axis.
func joined(work *mlx.Scope, pieces []*mlx.Array, axis int, at span, of int) (*mlx.Array, error) {
	return done(work, work, func(w *mlx.Scope) *mlx.Array {
		var all []*mlx.Array
		for _, x := range pieces {
			all = append(all, at.of(w.Hold(x), of))
		}
		return mlx.Concatenate(axis, all...)
	})
}
