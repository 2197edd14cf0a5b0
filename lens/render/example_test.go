package render_test

import (
	"fmt"
	"os"

	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/render"
)

// The lens of a prompt of two tokens through two layers, as package lens returns it.
func Example() {
	the, sky, is, blue := lens.Token{ID: 1, Bytes: "The"}, lens.Token{ID: 2, Bytes: " sky"}, lens.Token{ID: 3, Bytes: " is"}, lens.Token{ID: 4, Bytes: " blue"}
	cell := func(says, answer lens.Token, prob float64) lens.Cell {
		return lens.Cell{
			Top:    []lens.Candidate{{Token: says, Logit: 9.5, Prob: 0.6}},
			Answer: lens.Target{Token: answer, Prob: prob},
		}
	}
	g := &lens.Grid{
		Model:  lens.ModelInfo{Layers: 2},
		Tokens: []lens.Token{the, sky}, Positions: []int{0, 1},
		Rows:  []string{"layers.0.resid_post", "layers.1.resid_post"},
		Cells: [][]lens.Cell{{cell(is, sky, 0.1), cell(blue, is, 0.2)}, {cell(sky, sky, 0.6), cell(is, is, 0.6)}},
		Final: lens.Final{Position: -1, Token: is, FirstTop1: new("layers.1.resid_post"), StableFrom: new("layers.1.resid_post")},
	}
	if err := render.Terminal(os.Stdout, g, render.TerminalOptions{Width: 60, View: render.Prob, Last: true}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 1     ·is           0.600
	// 0     ·blue         0.600
	// after " sky" at position 1
	//
	// probability of each candidate
	//
	// " is" is the likeliest token only in the last of 2 layers
}
