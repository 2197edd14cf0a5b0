// Command hiddenstates captures the residual stream after every layer and prints, for the
// last token, its length and how far it still points from where it ends.
package main

import (
	"context"
	"fmt"
	"log"
	"math"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/states"
)

func main() {
	m, err := auto.Open("models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", auto.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	ids, err := m.Tokenizer.Encode("The capital of France is", true)
	if err != nil {
		log.Fatal(err)
	}
	places, err := m.Model.Paths().Places("embed, layers.*.resid_post")
	if err != nil {
		log.Fatal(err)
	}
	set, err := states.Capture(context.Background(), m.Model, edit.Input{IDs: ids, Positions: []int{-1}}, places)
	if err != nil {
		log.Fatal(err)
	}
	last, err := set.Arrays[len(set.Arrays)-1].Float32() // [1, d_model], row by row
	if err != nil {
		log.Fatal(err)
	}
	for i, a := range set.Arrays {
		h, err := a.Float32()
		if err != nil {
			log.Fatal(err)
		}
		if i%5 == 0 || i == len(set.Arrays)-1 {
			fmt.Printf("%-22s %v  norm %6.1f  cosine with the last %5.2f\n", a.Name, a.Shape, math.Sqrt(dot(h, h)), dot(h, last)/math.Sqrt(dot(h, h)*dot(last, last)))
		}
	}
}

func dot(x, y []float32) float64 {
	sum := 0.0
	for i := range x {
		sum += float64(x[i]) * float64(y[i])
	}
	return sum
}
