package jacobian

import (
	"context"
	"runtime"
	"slices"
	"sync"

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

// job is a piece of work. do gets a scope on its lane, which ends with it, and runs on a goroutine of the lane's.
type job struct {
	do     func(work *mlx.Scope) error
	before []*job // that wait for it
	waits  int    // for how many more it waits
	place  int    // among all
}

// newJob is one behind others.
func newJob(do func(work *mlx.Scope) error, behind ...*job) *job {
	j := &job{do: do}
	for _, other := range behind {
		other.before = append(other.before, j)
		j.waits++
	}
	return j
}

// run does all jobs: a free lane takes the first that waits for nothing. The first error ends all.
func (l lanes) run(ctx context.Context, jobs []*job) error {
	q := &queue{left: len(jobs)}
	q.changed = sync.NewCond(&q.mu)
	for i, j := range jobs {
		if j.place = i; j.waits == 0 {
			q.ready = append(q.ready, j)
		}
	}
	var group errgroup.Group
	for _, on := range l {
		group.Go(func() error {
			for j := q.take(); j != nil; j = q.take() {
				err := ctx.Err()
				if err == nil {
					work := on.Scope().NewScope()
					err = j.do(work)
					work.Close()
				}
				if q.end(j, err); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// queue are the jobs that wait for nothing but a lane.
type queue struct {
	mu      sync.Mutex
	changed *sync.Cond
	ready   []*job // in their order
	left    int    // how many are not taken
}

// take returns the next job as soon as there is one, nil when all are taken.
func (q *queue) take() *job {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.left > 0 && len(q.ready) == 0 {
		q.changed.Wait()
	}
	if q.left == 0 {
		return nil
	}
	j := q.ready[0]
	q.ready = q.ready[1:]
	q.left--
	return j
}

// end has what waited for a job wait no more; behind an error nothing is taken.
func (q *queue) end(j *job, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err != nil {
		q.left = 0
	}
	for _, other := range j.before {
		if other.waits--; other.waits == 0 {
			at, _ := slices.BinarySearchFunc(q.ready, other.place, func(j *job, place int) int { return j.place - place })
			q.ready = slices.Insert(q.ready, at, other)
		}
	}
	q.changed.Broadcast()
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
