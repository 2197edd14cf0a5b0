// Command coordinates changes what a model says in the coordinates of the logit lens: it steers
// towards a token, exchanges two tokens, and takes one out; and it says which tokens a state is made of.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/generate"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/states"
)

const prompt = "The capital of France is"

// where the stream is changed.
var where = model.Place{Site: model.ResidPost, Layer: 24}

func main() {
	m, err := auto.Open("models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", auto.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	ctx := context.Background()
	paris, _ := m.Tokenizer.ID(" Paris")
	london, _ := m.Tokenizer.ID(" London")
	one, err := lens.Directions(m.Model, nil, where, []int{london})
	if err != nil {
		log.Fatal(err)
	}
	two, err := lens.Directions(m.Model, nil, where, []int{paris, london})
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range []struct {
		says string
		edit edit.Edit
	}{
		{"steered by 0", edit.Edit{Op: edit.Steer, Factor: 0, Value: edit.Vector(one.Data)}},
		{"steered by 0.2", edit.Edit{Op: edit.Steer, Factor: 0.2, Value: edit.Vector(one.Data)}},
		{"exchanged", edit.Edit{Op: edit.Swap, Factor: 1, Value: two}},
		{"taken out", edit.Edit{Op: edit.ProjectOut, Value: two}},
	} {
		c.edit.Place = where
		text, err := goesOn(ctx, m, c.edit)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%-15s %q\n", c.says, text)
	}
	if err := madeOf(ctx, m); err != nil {
		log.Fatal(err)
	}
}

// goesOn continues the prompt by five tokens after an edit, which is measured on the prompt first.
func goesOn(ctx context.Context, m *auto.Opened, e edit.Edit) (string, error) {
	ids, err := m.Tokenizer.Encode(prompt, true)
	if err != nil {
		return "", err
	}
	in := edit.Input{IDs: ids, Edits: []edit.Edit{e}}
	if in.Edits, err = states.Measure(ctx, m.Model, in); err != nil {
		return "", err
	}
	g, err := generate.New(m.Model, generate.Options{})
	if err != nil {
		return "", err
	}
	defer g.Close()
	if err := g.Prompt(ctx, in); err != nil {
		return "", err
	}
	for range 5 {
		if _, err := g.Next(ctx); err != nil {
			return "", err
		}
	}
	return m.Tokenizer.Decode(g.IDs()[len(ids):], false)
}

// madeOf prints the first tokens of the last state as a sum of directions.
func madeOf(ctx context.Context, m *auto.Opened) error {
	ids, err := m.Tokenizer.Encode(prompt, true)
	if err != nil {
		return err
	}
	label := func(id int) string { piece, _ := m.Tokenizer.Piece(id); return piece }
	last := model.Place{Site: model.ResidPost, Layer: 29}
	d, err := experiment.Decompose(ctx, m.Model, edit.Input{IDs: ids, Positions: []int{-1}}, experiment.DecomposeOptions{Places: []model.Place{last}, K: 4, Label: label})
	if err != nil {
		return err
	}
	state := d.Cells[0][0]
	for _, part := range state.Parts {
		fmt.Printf("%-12q length %5.1f of %5.1f\n", part.Token.Bytes, part.Length, float64(state.Norm))
	}
	fmt.Printf("%.0f %% of it lies in their span\n", 100*float64(state.Explained))
	return nil
}
