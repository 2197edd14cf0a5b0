// Command trace prints the logit lens of a prompt at its last position.
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
	ids, err := m.Tokenizer.Encode("The capital of France is", true)
	if err != nil {
		log.Fatal(err)
	}
	piece := func(id int) string { s, _ := m.Tokenizer.Piece(id); return s }
	grid, err := lens.Run(context.Background(), m.Model, edit.Input{IDs: ids}, lens.Options{Label: piece})
	if err != nil {
		log.Fatal(err)
	}
	for r, row := range grid.Rows {
		cell := grid.Cells[r][len(ids)-1]
		fmt.Printf("%-22s %-12q %.3f  KL %.2f nats\n", row, cell.Top[0].Text(), cell.Top[0].Prob, cell.KL)
	}
}
