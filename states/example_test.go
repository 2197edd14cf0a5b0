package states_test

import (
	"context"
	"fmt"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/states"
)

// What was captured of one prompt is set in another, which then ends as the first does.
func Example() {
	o, err := auto.Open("../testdata/models/tiny-llama-b-4bit-mixed", auto.Options{Float32: true}) // also where a GPU would keep 16 bits
	if err != nil {
		fmt.Println(err)
		return
	}
	defer o.Close()
	ctx, place := context.Background(), model.Place{Site: model.ResidPost, Layer: 2}
	set, err := states.Capture(ctx, o.Model, edit.Input{IDs: []int{402, 324, 282}, Positions: []int{-1}}, []model.Place{place})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(set.Arrays[0].Name, set.Arrays[0].Type, set.Arrays[0].Shape, "of position", set.Positions)
	value, err := set.Value(place)
	if err != nil {
		fmt.Println(err)
		return
	}
	patch := edit.Edit{Place: place, Op: edit.Set, Value: value}
	other := edit.Input{IDs: []int{7, 500, 123}, Positions: []int{-1}, Edits: []edit.Edit{patch}}
	patched, err := states.Capture(ctx, o.Model, other, []model.Place{place})
	if err != nil {
		fmt.Println(err)
		return
	}
	got, err := patched.Value(place)
	fmt.Println(err, got.Data[0] == value.Data[0], got.Data[127] == value.Data[127])
	// Output:
	// layers.2.resid_post F32 [1 128] of position [2]
	// <nil> true true
}
