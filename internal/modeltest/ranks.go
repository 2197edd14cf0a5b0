package modeltest

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

// testWait bounds nothing here: what does not come hangs until the test ends.
const testWait = time.Hour

// message is an array on its way between two ranks of one process.
type message struct {
	data  []byte
	dtype mlx.Dtype
	shape []int
}

// meeting is where ranks of one process meet.
type meeting struct {
	ways [][]chan message // [from][to]
}

// rank is one of them: a [model.Group] without a network. What it sends it sends at once.
type rank struct {
	*meeting
	number int
}

// Ranks returns groups of so many ranks, each for a goroutine.
func Ranks(n int) []model.Group {
	m := &meeting{}
	for range n {
		to := make([]chan message, n)
		for i := range to {
			to[i] = make(chan message, 16)
		}
		m.ways = append(m.ways, to)
	}
	var all []model.Group
	for i := range n {
		all = append(all, &rank{m, i})
	}
	return all
}

func (r *rank) Rank() int { return r.number }
func (r *rank) Size() int { return len(r.ways) }

func (r *rank) Send(x *mlx.Array, to int) *mlx.Array {
	bytes, err := mlx.Data[uint8](mlx.View(mlx.Flatten(x, 0, -1), mlx.Uint8))
	if err != nil {
		return mlx.Failed("send", err)
	}
	r.ways[r.number][to] <- message{bytes, x.Dtype(), x.Shape()}
	return x
}

func (r *rank) Recv(s *mlx.Scope, from int, d mlx.Dtype, shape ...int) *mlx.Array {
	m := <-r.ways[from][r.number]
	return mlx.FromBytes(s, m.data, d, shape...)
}

func (r *rank) AllGather(x *mlx.Array) *mlx.Array {
	all := make([]*mlx.Array, r.Size())
	for to := range all {
		if to != r.number {
			r.Send(x, to)
		}
	}
	for from := range all {
		if all[from] = x; from != r.number {
			all[from] = r.Recv(x.Scope(), from, x.Dtype(), x.Shape()...)
		}
	}
	return mlx.Concatenate(0, all...)
}

// OnRanks calls do for each of so many ranks at the same time, and waits for all.
func OnRanks(t testing.TB, n int, do func(r *model.Ranks) error) {
	t.Helper()
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i, g := range Ranks(n) {
		wg.Go(func() { errs[i] = do(model.NewRanks(g, testWait)) })
	}
	wg.Wait()
	for i, err := range errs {
		require.NoError(t, err, "rank %d", i)
	}
}

// Divided opens a recorded model on so many ranks, and calls do on each.
func Divided(t testing.TB, a *golden.Architecture, n int, o auto.Options, do func(m model.Model) error) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, a.Write(dir))
	o = Float32(t, o)
	OnRanks(t, n, func(r *model.Ranks) error {
		own := o
		own.Ranks, own.NoTokenizer = r, true
		opened, err := auto.Open(dir, own)
		if err != nil {
			return err
		}
		defer opened.Close()
		return do(opened.Model)
	})
}
