// Command confidence follows one token through the layers: its probability and its rank
// among all 49,152.
package main

import (
	"context"
	"fmt"
	"log"
	"strings"

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
	paris, err := m.Tokenizer.Encode(" Paris", false)
	if err != nil {
		log.Fatal(err)
	}
	grid, err := lens.Run(context.Background(), m.Model, edit.Input{IDs: ids, Positions: []int{-1}}, lens.Options{Targets: paris})
	if err != nil {
		log.Fatal(err)
	}
	for r := range grid.Rows {
		if t := grid.Cells[r][0].Targets[0]; r%5 == 0 || r >= 22 {
			fmt.Printf("layer %2d  rank %5d  %.4f %s\n", r, t.Rank, t.Prob, strings.Repeat("█", int(40*t.Prob+0.5)))
		}
	}
}
