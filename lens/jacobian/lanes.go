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

// processors are the lanes of the CPU, one for each processor that Go may use, on streams that nothing else uses. They last as long as the process.
var processors = sync.OnceValues(func() (lanes, error) {
	var all lanes
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

// done evaluates some of what a lane has made, and frees the rest: nothing holds what they are made of by then, so that MLX lets go of each
// array with its last use, or computes in its memory. What it keeps stays on the lane's stream, for the collector or free.
func done(work *mlx.Scope, made ...*mlx.Array) error {
	work.Keep(made...)
	work.Close()
	return mlx.Eval(made...)
}

// fewLanes is the number of lanes that get their pieces whole. A piece is some fifty operations, of which MLX hands out a hundred on all streams
// together, and then waits until ten are through before any lane gets more.
const fewLanes = 2

// step ends the first half of a piece, which the scope step has, and returns what it made for the second, held in work. On more lanes it is
// computed before more is handed out.
func (l lanes) step(work, step *mlx.Scope, made ...*mlx.Array) ([]*mlx.Array, error) {
	if len(l) > fewLanes {
		if err := done(step, made...); err != nil {
			return nil, err
		}
		defer free(made)
	}
	held := make([]*mlx.Array, len(made))
	for i, x := range made {
		held[i] = work.Hold(x)
	}
	return held, nil
}

// free frees arrays.
func free(arrays ...[]*mlx.Array) {
	for _, list := range arrays {
		for _, x := range list {
			x.Free()
		}
	}
}
