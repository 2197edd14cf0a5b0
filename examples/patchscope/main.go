// Command patchscope asks a model what is in its own states: it puts each layer's state at the end of a
// prompt into another prompt, which repeats what it is given.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

func main() {
	m, err := auto.Open("models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", auto.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	source, err := m.Tokenizer.Encode("The capital of France is", true)
	if err != nil {
		log.Fatal(err)
	}
	into, err := m.Tokenizer.Encode("cat -> cat; 1135 -> 1135; hello -> hello; ?", true)
	if err != nil {
		log.Fatal(err)
	}
	s, err := experiment.Patchscope(context.Background(), m.Model, edit.Input{IDs: source, Positions: []int{-1}}, edit.Input{IDs: into, Positions: []int{-1}},
		experiment.PatchscopeOptions{
			Site: model.ResidPost, Layers: []int{10, 20, 25, 27, 29}, Top: 1,
			Label: func(id int) string { piece, _ := m.Tokenizer.Piece(id); return piece },
		})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("without a state: p(%q) = %.3f\n", s.Target.Bytes, s.Baseline.Target.Prob)
	for i, row := range s.Cells {
		fmt.Printf("layer %2d: %-10q p(%q) = %.3f\n", s.Layers[i], row[0].Top[0].Bytes, s.Target.Bytes, row[0].Target.Prob)
	}
}
