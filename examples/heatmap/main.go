// Command heatmap draws the lens of a prompt: as text here, and as a picture when it is
// given the name of a .png file.
package main

import (
	"context"
	"log"
	"os"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/render"
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
	grid, err := lens.Run(context.Background(), m.Model, edit.Input{IDs: ids}, lens.Options{Label: piece, Layers: []int{0, 10, 20, 25, 27, 28, 29}})
	if err != nil {
		log.Fatal(err)
	}
	if len(os.Args) > 1 {
		f, err := os.Create(os.Args[1])
		if err != nil {
			log.Fatal(err)
		}
		defer f.Close()
		if err := render.Picture(f, grid, render.PictureOptions{View: render.Rank}); err != nil {
			log.Fatal(err)
		}
		return
	}
	if err := render.Terminal(os.Stdout, grid, render.TerminalOptions{Width: 140, View: render.Rank}); err != nil {
		log.Fatal(err)
	}
}
