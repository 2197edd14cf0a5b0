// Command prompttypes compares kinds of prompts: where the answer comes up, and how sure
// the model is of it in the end.
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
	piece := func(id int) string { s, _ := m.Tokenizer.Piece(id); return s }
	for _, prompt := range []struct{ kind, text string }{
		{"factual", "The largest planet in our solar system is"},
		{"linguistic", "She went to the store and bought some"},
		{"arithmetic", "Two plus two equals"},
		{"code", "def hello_world():\n    print("},
	} {
		ids, err := m.Tokenizer.Encode(prompt.text, true)
		if err != nil {
			log.Fatal(err)
		}
		grid, err := lens.Run(context.Background(), m.Model, edit.Input{IDs: ids, Positions: []int{-1}}, lens.Options{Label: piece})
		if err != nil {
			log.Fatal(err)
		}
		layers := len(grid.Rows)
		early, middle, last := grid.Cells[0][0], grid.Cells[layers/2][0], grid.Cells[layers-1][0]
		fmt.Printf("%-11s layer 0 %-8q layer %d %-8q end %-10q %.3f, stays from %s\n", prompt.kind,
			early.Top[0].Text(), layers/2, middle.Top[0].Text(), last.Top[0].Text(), last.Top[0].Prob, *grid.Final.StableFrom)
	}
}
