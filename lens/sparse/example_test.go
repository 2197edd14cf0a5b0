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
	opened, err := auto.Open("../../testdata/models/tiny-llama-b-4bit-mixed", auto.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer opened.Close()
	a, err := sparse.Open("../../testdata/sparse/tiny-llama-b")
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
	h := mlx.Ones(scope, mlx.Float32, 1, e.DIn) // states that pass e.In
	acts := e.Encode(h)
	fmt.Println(e.In, acts.Shape(), e.Decode(acts, h).Shape())
	// Output:
	// layers.1.resid_post [1 24] [1 128]
}
