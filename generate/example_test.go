package generate_test

import (
	"context"
	"fmt"
	"math"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/generate"
	"github.com/mlxlens/mlxlens/model/auto"
)

func Example() {
	o, err := auto.Open("../testdata/models/tiny-llama-b-4bit-mixed", auto.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer o.Close()
	g, err := generate.New(o.Model, generate.Options{Sampling: generate.Sampling{RepetitionPenalty: 3}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer g.Close()
	ctx := context.Background()
	if err := g.Prompt(ctx, edit.Input{IDs: []int{402, 324, 282}}); err != nil {
		fmt.Println(err)
		return
	}
	for range 3 {
		token, err := g.Next(ctx)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(token.ID, "more likely than not:", token.LogProb > -math.Ln2)
	}
	fmt.Println(g.IDs())
	// Output:
	// 368 more likely than not: true
	// 345 more likely than not: false
	// 386 more likely than not: true
	// [402 324 282 368 345 386]
}
