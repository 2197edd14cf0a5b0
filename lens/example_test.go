package lens_test

import (
	"context"
	"fmt"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/model/auto"
)

func Example() {
	m, err := auto.Open("../testdata/models/tiny-llama-b-4bit-mixed", auto.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	grid, err := lens.Run(context.Background(), m.Model, edit.Input{IDs: []int{402, 324, 282}}, lens.Options{Top: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	for r, row := range grid.Rows {
		last := grid.Cells[r][2]
		fmt.Printf("%s says id %d, KL %.0f nats\n", row, last.Top[0].ID, last.KL)
	}
	// Output:
	// layers.0.resid_post says id 282, KL 10 nats
	// layers.1.resid_post says id 282, KL 2 nats
	// layers.2.resid_post says id 368, KL 0 nats
}
