package experiment_test

import (
	"context"
	"fmt"
	"log"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

// Where does a model keep what makes its answer another one?
func Example() {
	opened, err := auto.Open("../testdata/models/tiny-llama-b-4bit-mixed", auto.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer opened.Close()
	clean, corrupted := edit.Input{IDs: []int{11, 48, 85, 122}}, edit.Input{IDs: []int{11, 48, 99, 122}}
	p, err := experiment.Patch(context.Background(), opened.Model, clean, corrupted, experiment.PatchOptions{
		Question: experiment.Question{Metric: experiment.KL},
		Sites:    []model.Site{model.ResidPost}, Positions: []int{-1},
	})
	if err != nil {
		log.Fatal(err)
	}
	for i, layer := range p.Rows {
		fmt.Printf("layer %d: %.1f\n", layer, p.Recovery[model.ResidPost][i])
	}
	// Output:
	// layer 0: [0.4]
	// layer 1: [0.8]
	// layer 2: [1.0]
}
