package mlx_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/mlxlens/mlxlens/mlx"
)

// ringEnv makes the test binary a rank of a ring that does what it names, prints what comes of
// it, a line of JSON each, and ends.
const ringEnv = "MLX_TEST_RING"

// ringLine is what an operation gave on a rank.
type ringLine struct {
	Op    string
	Data  []float32
	Error string `json:",omitempty"`
}

// ringChild is a rank.
func ringChild(task string) {
	within := time.Minute
	if task == "alone" {
		within = time.Second
	}
	ctx, stop := context.WithTimeout(context.Background(), within)
	defer stop()
	g, err := mlx.InitDistributed(ctx, mlx.Ring, true)
	if err != nil {
		ringSay("init", nil, err)
		_, err = mlx.InitDistributed(context.Background(), mlx.Ring, true)
		ringSay("again", nil, err)
		os.Exit(1)
	}
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	tell := func(op string, y *mlx.Array) {
		data, err := mlx.Data[float32](mlx.AsType(y, mlx.Float32))
		ringSay(op, data, err)
	}
	one := mlx.FromSlice(s, []float32{1})
	switch task {
	case "all":
		ringAll(g, s, tell)
	case "far":
		tell("send", g.Send(one, (g.Rank()+2)%g.Size()))
	case "scatter":
		tell("sum_scatter", g.SumScatter(mlx.FromSlice(s, []float32{1, 2, 3, 4, 5, 6})))
	case "differ": // in size: MLX knows no sizes of others, and waits for bytes that do not come
		ctx, stop := context.WithTimeout(context.Background(), 2*time.Second)
		defer stop()
		x := mlx.Full(s, 1, mlx.Float32, 1<<(10*(1+g.Rank())))
		ringSay("all_sum", nil, mlx.Do(ctx, func() error { return mlx.Eval(g.AllSum(x)) }))
		os.Exit(0)
	case "silent": // one sends nothing, and the other waits for a few numbers
		ctx, stop := context.WithTimeout(context.Background(), 2*time.Second)
		defer stop()
		if g.Rank() == 1 {
			time.Sleep(10 * time.Second)
			os.Exit(0)
		}
		ringSay("recv", nil, mlx.Do(ctx, func() error { return mlx.Eval(g.Recv(s, 1, mlx.Float32, 2)) }))
		os.Exit(0)
	case "left": // by the others
		tell("all_sum", g.AllSum(one))
		time.Sleep(time.Minute) // until it is killed
	case "stays":
		tell("all_sum", g.AllSum(one))
		ctx, stop := context.WithTimeout(context.Background(), 2*time.Second)
		defer stop()
		ringSay("after", nil, mlx.Do(ctx, func() error { return mlx.Eval(g.AllSum(mlx.Add(one, one))) }))
		os.Exit(0)
	}
}

func ringSay(op string, data []float32, err error) {
	l := ringLine{Op: op, Data: data}
	if err != nil {
		l.Error = err.Error()
	}
	text, _ := json.Marshal(l) // numbers and texts
	fmt.Println(string(text))
}

// ringAll calls all operations that a ring has; a rank's x is rank+1 and ten times that.
func ringAll(g *mlx.Group, s *mlx.Scope, tell func(op string, y *mlx.Array)) {
	r := float32(g.Rank() + 1)
	x := mlx.FromSlice(s, []float32{r, 10 * r})
	tell("all_sum", g.AllSum(x))
	tell("all_max", g.AllMax(x))
	tell("all_min", g.AllMin(x))
	tell("all_gather", g.AllGather(x))
	for _, d := range []mlx.Dtype{mlx.Int32, mlx.Float16, mlx.BFloat16} {
		tell("all_sum "+d.String(), g.AllSum(mlx.AsType(x, d)))
	}
	// a sum goes round: each rank adds its own numbers to what comes from the left
	right, left := (g.Rank()+1)%g.Size(), (g.Rank()+g.Size()-1)%g.Size()
	if g.Rank() == 0 {
		tell("send", g.Send(x, right))
		tell("recv", g.Recv(s, left, mlx.Float32, 2))
	} else {
		sum := mlx.Add(g.RecvLike(x, left), x)
		tell("recv", sum)
		tell("send", g.Send(sum, right))
	}
	// 12 MB fill the buffers of a connection, and of the ring
	big := mlx.Full(s, r, mlx.Float32, 3<<20)
	sum := g.AllSum(big)
	tell("least of a large all_sum", mlx.Min(sum))
	tell("greatest of a large all_sum", mlx.Max(sum))
}
