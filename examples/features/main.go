// Command features encodes a model's states by a sparse autoencoder, and steers by one of its features. Model and
// dictionary are the small random ones of this repository's tests: what they find means nothing.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/lens/sparse"
	"github.com/mlxlens/mlxlens/model/auto"
)

func main() {
	m, err := auto.Open("testdata/models/tiny-llama-b-4bit-mixed", auto.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	dictionary, err := sparse.Open("testdata/sparse/tiny-llama-b")
	if err != nil {
		log.Fatal(err)
	}
	defer dictionary.Close()
	encoder, err := dictionary.On(m.Model, sparse.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer encoder.Close()
	prompt := edit.Input{IDs: []int{30, 7, 500}}
	show := func(says string, in edit.Input) *experiment.Features {
		f, err := experiment.FeaturesOf(context.Background(), m.Model, in, encoder, experiment.FeaturesOptions{Top: 3})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s, at %s:\n", says, f.Sparse.In)
		for i, at := range f.Positions {
			fmt.Printf("  position %d:", at)
			for _, a := range f.Cells[i].Top {
				fmt.Printf(" #%d %.2f", a.Feature, a.Activation)
			}
			fmt.Printf(", error %.2f of %.2f\n", float64(f.Cells[i].Error), float64(f.Cells[i].Norm))
		}
		return f
	}
	show("as it is", prompt)
	direction, err := dictionary.Direction(7)
	if err != nil {
		log.Fatal(err)
	}
	steer := edit.Edit{Place: encoder.Out, Positions: []int{-1}, Op: edit.Add, Value: edit.Vector(direction).Times(20)}
	show("steered by feature 7 at the end", edit.Input{IDs: prompt.IDs, Edits: []edit.Edit{steer}})
}
