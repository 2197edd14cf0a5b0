package edit_test

import (
	"fmt"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

// An edit is of one row of a batch: the other prompt is run as it is, in the same pass.
func Example() {
	o, err := auto.Open("../testdata/models/tiny-llama-b-4bit-mixed", auto.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer o.Close()
	ids := []int{402, 324, 282}
	e, err := edit.Parse("layers.1.attn_out@-1=zero", o.Model, len(ids), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	batch, err := edit.NewBatch(o.Model, edit.Input{IDs: ids, Edits: []edit.Edit{e}}, edit.Input{IDs: ids[:2]})
	if err != nil {
		fmt.Println(err)
		return
	}
	s := mlx.NewScope(o.Model.Device())
	defer s.Close()
	tap, kept := model.Keep(s, []model.Place{e.Place})
	model.Reach(o.Model, batch.Tokens(s, 0, batch.Longest), nil, batch.Tap(0, batch.Longest).Then(tap), []model.Place{e.Place})
	norms, err := mlx.Data[float32](mlx.Sum(mlx.Square(mlx.AsType(kept[0], mlx.Float32)), -1)) // [row, pos]; a GPU computes in 16 bits
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(e.Place, "at", e.Positions, e.Op)
	fmt.Println("zero with the edit:", norms[0] == 0, norms[1] == 0, norms[2] == 0)
	fmt.Println("zero without:", norms[3] == 0, norms[4] == 0)
	// Output:
	// layers.1.attn_out at [2] zero
	// zero with the edit: false false true
	// zero without: false false
}
