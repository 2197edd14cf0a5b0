// Command crystallisation finds the layer at which a model settles on its answer, prompt
// by prompt.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/model/auto"
)

func main() {
	m, err := auto.Open("models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", auto.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	texts := []string{"The capital of France is", "The capital of Japan is", "The Eiffel Tower is located in", "Barack Obama was the 44th president of the United"}
	var inputs []edit.Input
	for _, text := range texts {
		ids, err := m.Tokenizer.Encode(text, true)
		if err != nil {
			log.Fatal(err)
		}
		inputs = append(inputs, edit.Input{IDs: ids, Positions: []int{-1}})
	}
	piece := func(id int) string { s, _ := m.Tokenizer.Piece(id); return s }
	i := 0
	for grid, err := range lens.RunAll(context.Background(), m.Model, inputs, lens.Options{Label: piece}) {
		if err != nil {
			log.Fatal(err)
		}
		f := grid.Final
		fmt.Printf("%-50s %-9q first %-21s stays from %s\n", texts[i], f.Token.Text(), *f.FirstTop1, *f.StableFrom)
		i++
	}
}
