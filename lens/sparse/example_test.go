package sparse_test

import (
	"fmt"
	"log"

	"github.com/mlxlens/mlxlens/lens/sparse"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model/auto"
)

// The activations of features in the states of a place.
func Example() {
	opened, err := auto.Open("models/gemma-2-2b", auto.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer opened.Close()
	a, err := sparse.Open("gemma-scope-2b-pt-res/layer_12/width_16k/average_l0_82")
	if err != nil {
		log.Fatal(err)
	}
	e, err := a.On(opened.Model, sparse.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	scope := mlx.NewScope(opened.Model.Device())
	defer scope.Close()
	h := mlx.Zeros(scope, mlx.Float32, 1, e.DIn) // states that pass e.In
	acts := e.Encode(h)
	fmt.Println(acts.Shape(), e.Decode(acts, h).Shape())
}
