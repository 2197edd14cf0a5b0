package tuned_test

import (
	"context"
	"fmt"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/tuned"
	"github.com/mlxlens/mlxlens/model/auto"
)

func Example() {
	m, err := auto.Open("../../testdata/models/tiny-llama-d-linear-rope", auto.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	l, err := tuned.Open("../../testdata/tuned/tiny-llama-d-linear-rope.npz")
	if err != nil {
		fmt.Println(err)
		return
	}
	d, err := l.On(m.Model, tuned.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	grid, err := lens.Run(context.Background(), m.Model, edit.Input{IDs: []int{208, 187, 104}}, lens.Options{Top: 1, Translator: d})
	if err != nil {
		fmt.Println(err)
		return
	}
	for r, row := range grid.Rows {
		fmt.Printf("%s says id %d\n", row, grid.Cells[r][2].Top[0].ID)
	}
	// Output:
	// layers.0.resid_post says id 104
	// layers.1.resid_post says id 104
}

func ExampleTrainer() {
	m, err := auto.Open("../../testdata/models/tiny-llama-d-linear-rope", auto.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	o, err := tuned.Recipe("adamw")
	if err != nil {
		fmt.Println(err)
		return
	}
	o.Rank, o.Steps, o.Rate = 2, 20, 0.02
	t, err := tuned.NewTrainer(m.Model, [][]int{{208, 187, 104, 9}, {3, 50, 50}}, o)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer t.Close()
	for range o.Steps {
		s, err := t.Step(context.Background())
		if err != nil {
			fmt.Println(err)
			return
		}
		if n := len(t.Done()); n == 1 || n == o.Steps {
			fmt.Printf("step %d: %.1f nats\n", n, t.Loss(s))
		}
	}
	l, err := t.Lens()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d translators of rank %d\n", l.Layers(), l.Rank())
	// Output:
	// step 1: 1.2 nats
	// step 20: 0.2 nats
	// 2 translators of rank 2
}
