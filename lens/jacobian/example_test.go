package jacobian_test

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/jacobian"
	"github.com/mlxlens/mlxlens/model/auto"
)

func Example() {
	opened, err := auto.Open(filepath.Join("..", "..", "testdata", "models", "tiny-llama-b-4bit-mixed"), auto.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer opened.Close()
	fit, err := jacobian.NewFit(opened.Model, jacobian.FitOptions{Skip: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, ids := range [][]int{{7, 3, 9, 4, 1, 8}, {2, 6, 5, 9, 3}} {
		if err := fit.Add(context.Background(), ids, nil); err != nil {
			fmt.Println(err)
			return
		}
	}
	l, err := fit.Lens(jacobian.Metadata{"model_name": "tiny"})
	if err != nil {
		fmt.Println(err)
		return
	}
	translator, err := l.On(opened.Model, jacobian.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer translator.Close()
	grid, err := lens.Run(context.Background(), opened.Model, edit.Input{IDs: []int{7, 3, 9, 4}}, lens.Options{Translator: translator})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(l.Prompts, "prompts, layers", l.Layers, "of", len(grid.Rows), "rows,", grid.Lens)
	// Output: 2 prompts, layers [0 1] of 3 rows, jacobian
}
