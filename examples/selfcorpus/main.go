// Command selfcorpus lets a model write a corpus: it continues the beginnings in openers.txt,
// each token drawn as likely as the model thinks it, and prints JSON lines. A lens of the
// model can be trained on them where no text is at hand, and anybody gets the same ones:
//
//	go run ./examples/selfcorpus > corpus.jsonl
//	mlxlens lens fit --tuned --file corpus.jsonl --prompts 40 --rank 8 -o lens.safetensors
//	mlxlens lens evaluate --file corpus.jsonl --skip 40 --lens lens.safetensors
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"io"
	"log"
	"os"
	"strings"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/generate"
	"github.com/mlxlens/mlxlens/model/auto"
)

//go:embed openers.txt
var openers string

func main() {
	m, err := auto.Open("models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", auto.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	if err := write(context.Background(), os.Stdout, m, strings.Split(strings.TrimSpace(openers), "\n"), 120); err != nil {
		log.Fatal(err)
	}
}

// write continues each beginning to so many tokens, with its number as the seed.
func write(ctx context.Context, w io.Writer, m *auto.Opened, beginnings []string, tokens int) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	for seed, beginning := range beginnings {
		text, err := continued(ctx, m, beginning, tokens, uint64(seed))
		if err != nil {
			return err
		}
		if err := out.Encode(map[string]string{"text": text}); err != nil {
			return err
		}
	}
	return nil
}

func continued(ctx context.Context, m *auto.Opened, beginning string, tokens int, seed uint64) (string, error) {
	ids, err := m.Tokenizer.Encode(beginning, true)
	if err != nil {
		return "", err
	}
	g, err := generate.New(m.Model, generate.Options{Sampling: generate.Sampling{Temperature: 1, Seed: seed}})
	if err != nil {
		return "", err
	}
	defer g.Close()
	if err := g.Prompt(ctx, edit.Input{IDs: ids}); err != nil {
		return "", err
	}
	for len(g.IDs()) < tokens {
		if _, err := g.Next(ctx); err != nil {
			return "", err
		}
	}
	return m.Tokenizer.Decode(g.IDs(), true)
}
