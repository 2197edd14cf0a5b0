package load

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/mlx"
)

// job makes the arrays of one weight; size orders the jobs, the largest first.
type job struct {
	order int // in which the model asked
	size  int
	run   func(work *buffers) error
	reads []*checkpoint.Tensor
}

func (l *Loader) job(size int, run func(work *buffers) error, reads ...*checkpoint.Tensor) {
	l.jobs = append(l.jobs, job{len(l.jobs), size, run, reads})
}

// buffers are kept from job to job by the goroutine that runs them.
type buffers struct {
	floats         []float32
	words          []uint32
	scales, biases []uint16
}

// put is Hold for an array that a layer has asked for.
func (l *Loader) put(dst **mlx.Array, a *mlx.Array) error {
	*dst = l.Hold(a)
	return a.Err()
}

// grown returns n elements of a buffer that is kept from job to job.
func grown[T any](buffer *[]T, n int) []T {
	if cap(*buffer) < n {
		*buffer = make([]T, n)
	}
	return (*buffer)[:n]
}

// complete returns an error that lists what is missing, misshapen or left over.
func (l *Loader) complete() error {
	var left []string
	for _, name := range l.ck.Names() {
		if !l.taken[name] {
			left = append(left, name)
		}
	}
	var problems []string
	for i, name := range l.missing {
		l.missing[i] = l.lacking(name)
	}
	if len(l.missing) > 0 {
		problems = append(problems, fmt.Sprintf("%d missing: %s", len(l.missing), listed(l.missing)))
	}
	if len(left) > 0 {
		problems = append(problems, fmt.Sprintf("%d that the model does not use: %s", len(left), listed(left)))
	}
	const most = 4
	problems = append(problems, l.wrong[:min(most, len(l.wrong))]...)
	if n := len(l.wrong) - most; n > 0 {
		problems = append(problems, fmt.Sprintf("and %d more such tensors", n))
	}
	problems = append(problems, l.unknownRoles()...)
	if len(problems) > 0 {
		return fmt.Errorf("model: the weights in %s do not fit the config: %s", l.ck.Path, strings.Join(problems, "; "))
	}
	return nil
}

// Load makes the arrays. Nothing is made when a weight is missing, misshapen or
// left over: the error lists them all.
func (l *Loader) Load() error {
	if err := errors.Join(l.complete(), l.ck.Verify()); err != nil {
		return err
	}
	slices.SortStableFunc(l.jobs, func(a, b job) int { return b.size - a.size })
	var mu sync.Mutex
	next := 0
	var damage damage
	var group errgroup.Group
	for range l.workers() {
		group.Go(func() error {
			var b buffers
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= len(l.jobs) {
					return nil
				}
				if err := l.jobs[i].do(&b, l.codes, &damage); err != nil {
					return err
				}
				if l.short() {
					b.shrink()
				}
			}
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, m := range l.held {
		m.Form = l.resolved[i].Form
	}
	l.weights.Modules = l.held
	return errors.Join(l.ck.Verify(), damage.err(l.ck.Path))
}

// do looks a weight over, makes its arrays, and lets go of what it read.
func (j *job) do(work *buffers, codes map[string]byteCode, damage *damage) error {
	for _, t := range j.reads {
		if err := damage.look(t, codes[t.Name], j.order); err != nil {
			return err
		}
	}
	if err := j.run(work); err != nil {
		return err
	}
	for _, t := range j.reads {
		t.Forget()
	}
	return nil
}

// listed joins names, the first few of many.
func listed(names []string) string {
	const most = 6
	slices.Sort(names)
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}
