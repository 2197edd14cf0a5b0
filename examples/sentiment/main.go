// Command sentiment makes a vector of pairs of sentences that praise and blame, looks how well it
// tells others apart, and continues a prompt with it at several strengths.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/generate"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

func main() {
	path := "models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
	if len(os.Args) > 1 {
		path = os.Args[1]
	}
	m, err := auto.Open(path, auto.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	ctx := context.Background()
	pairs, err := contrasts(m, "examples/sentiment/pairs.jsonl")
	if err != nil {
		log.Fatal(err)
	}
	prompt, err := m.Tokenizer.Encode("I think that the weather today is", true)
	if err != nil {
		log.Fatal(err)
	}
	good, _ := m.Tokenizer.ID(" good")
	bad, _ := m.Tokenizer.ID(" bad")
	n := m.Model.Shape().Layers
	s, err := experiment.Steer(ctx, m.Model, pairs[:30], pairs[30:], experiment.SteerOptions{
		Layers: []int{n * 2 / 30, n * 10 / 30, n * 18 / 30, n * 26 / 30}, Strengths: []float64{-2, -1, 1, 2},
		Prompts: []edit.Input{{IDs: prompt}}, Target: good, Versus: bad,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("ln p(good) − ln p(bad): %.1f\n", s.Effect.Baseline)
	for i, l := range s.Layers {
		fmt.Printf("layer %2d: accuracy %.2f, separation %.1f; steered by −2, −1, 1, 2: %5.1f\n", l.Layer, l.Accuracy, l.Separation, s.Effect.Values[i])
	}
	at, v := model.Place{Site: model.ResidPost, Layer: s.Layers[2].Layer}, edit.Vector(s.Vectors[2])
	for _, strength := range []float64{-3, -1, 0, 1, 3} {
		text, err := steered(ctx, m, prompt, edit.Edit{Place: at, Op: edit.Add, Value: v.Times(strength)})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%+.0f %q\n", strength, text)
	}
}

// contrasts reads a file of pairs.
func contrasts(m *auto.Opened, name string) ([]experiment.Contrast, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var pairs []experiment.Contrast
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var pair struct{ Positive, Negative string }
		if err := json.Unmarshal(lines.Bytes(), &pair); err != nil {
			return nil, err
		}
		positive, err := m.Tokenizer.Encode(pair.Positive, true)
		if err != nil {
			return nil, err
		}
		negative, err := m.Tokenizer.Encode(pair.Negative, true)
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, experiment.Contrast{Positive: edit.Input{IDs: positive}, Negative: edit.Input{IDs: negative}})
	}
	return pairs, nil
}

// steered continues a prompt for 14 tokens with an edit.
func steered(ctx context.Context, m *auto.Opened, prompt []int, steer edit.Edit) (string, error) {
	g, err := generate.New(m.Model, generate.Options{})
	if err != nil {
		return "", err
	}
	defer g.Close()
	if err := g.Prompt(ctx, edit.Input{IDs: prompt, Edits: []edit.Edit{steer}}); err != nil {
		return "", err
	}
	for range 14 {
		if _, err := g.Next(ctx); err != nil {
			return "", err
		}
	}
	return m.Tokenizer.Decode(g.IDs()[len(prompt):], false)
}
