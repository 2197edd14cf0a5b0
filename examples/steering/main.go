// Command steering continues a prompt while a direction is added to the stream: the
// difference between what two sentences have at their ends.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/generate"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/states"
)

// where the sentences are read and the direction is added.
var where = model.Place{Site: model.ResidPost, Layer: 18}

func main() {
	m, err := auto.Open("models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", auto.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	ctx := context.Background()
	good, err := last(ctx, m, "I love this, it is wonderful")
	if err != nil {
		log.Fatal(err)
	}
	bad, err := last(ctx, m, "I hate this, it is terrible")
	if err != nil {
		log.Fatal(err)
	}
	for _, strength := range []float32{-1, 0, 1} {
		direction := make([]float32, len(good))
		for i := range direction {
			direction[i] = strength * (good[i] - bad[i])
		}
		text, err := steered(ctx, m, "I think that the weather today is", direction)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%+.0f %q\n", strength, text)
	}
}

// last returns the stream at the last token of a text.
func last(ctx context.Context, m *auto.Opened, text string) ([]float32, error) {
	ids, err := m.Tokenizer.Encode(text, true)
	if err != nil {
		return nil, err
	}
	set, err := states.Capture(ctx, m.Model, edit.Input{IDs: ids, Positions: []int{-1}}, []model.Place{where})
	if err != nil {
		return nil, err
	}
	value, err := set.Value(where)
	return value.Data, err
}

// steered continues a text for 16 tokens, with a vector added at every position.
func steered(ctx context.Context, m *auto.Opened, text string, direction []float32) (string, error) {
	ids, err := m.Tokenizer.Encode(text, true)
	if err != nil {
		return "", err
	}
	g, err := generate.New(m.Model, generate.Options{})
	if err != nil {
		return "", err
	}
	defer g.Close()
	steer := edit.Edit{Place: where, Op: edit.Add, Value: edit.Vector(direction)}
	if err := g.Prompt(ctx, edit.Input{IDs: ids, Edits: []edit.Edit{steer}}); err != nil {
		return "", err
	}
	for range 16 {
		if _, err := g.Next(ctx); err != nil {
			return "", err
		}
	}
	return m.Tokenizer.Decode(g.IDs()[len(ids):], false)
}
