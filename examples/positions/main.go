// Command positions shows how differently an early and a late position evolve.
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
	ids, err := m.Tokenizer.Encode("The quick brown fox jumps over the lazy", true)
	if err != nil {
		log.Fatal(err)
	}
	piece := func(id int) string { s, _ := m.Tokenizer.Piece(id); return s }
	grid, err := lens.Run(context.Background(), m.Model, edit.Input{IDs: ids, Positions: []int{2, -1}}, lens.Options{Label: piece, Layers: []int{0, 8, 16, 22, 25, 27, 29}})
	if err != nil {
		log.Fatal(err)
	}
	for p, at := range grid.Positions {
		fmt.Printf("after position %d, %q\n", at, grid.Tokens[at].Text())
		for r, row := range grid.Rows {
			c := grid.Cells[r][p]
			fmt.Printf("  %-21s %-8q %.3f  entropy %5.2f  KL to the end %5.2f nats\n", row, c.Top[0].Text(), c.Top[0].Prob, c.Entropy, c.KL)
		}
	}
}
