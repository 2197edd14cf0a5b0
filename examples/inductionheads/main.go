// Command inductionheads finds the heads that copy: on random tokens that come twice they look at
// what came after a token before.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/dustin/go-humanize/english"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/model/auto"
)

func main() {
	ctx := context.Background()
	path := "models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
	if len(os.Args) > 1 {
		path = os.Args[1]
	}
	m, err := auto.Open(path, auto.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	var words []int // tokens that are text
	for id := range m.Tokenizer.VocabSize() {
		if !m.Tokenizer.IsSpecial(id) {
			words = append(words, id)
		}
	}
	bos, _ := m.Tokenizer.BOS()
	drawn := experiment.Repeats{Length: 40, Samples: 3, Seed: 1}
	for _, first := range [][]int{{bos}, {}} {
		drawn.First = first
		if err := drawn.Draw(m.Model, words); err != nil {
			log.Fatal(err)
		}
		scores, err := experiment.HeadScores(ctx, m.Model, drawn.Inputs(), experiment.ScoreOptions{Period: drawn.Length})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s of BOS before\n", english.Plural(len(first), "token", ""))
		for _, kind := range scores.Kinds {
			fmt.Printf("  %-10s", kind)
			for _, h := range scores.Best(kind)[:4] {
				fmt.Printf(" %2d.%d (%.2f)", h.Layer, h.Head, float64(h.Score[kind]))
			}
			fmt.Println()
		}
	}
	// Does the answer come by them? What follows the last token but one of a sample is asked for, and
	// hidden from it is what it would copy, or what stands four tokens before that.
	n, layers := drawn.Length, m.Model.Shape().Layers
	for _, hidden := range []int{n - 1, n - 5} {
		var before, after float64
		for _, ids := range drawn.IDs {
			k, err := experiment.Knockout(ctx, m.Model, edit.Input{IDs: ids[:2*n-1]}, experiment.KnockoutOptions{
				Question: experiment.Question{Metric: experiment.LogProb, Target: ids[2*n-1]},
				Keys:     []int{hidden}, Layers: []int{layers / 2}, Window: layers,
			})
			if err != nil {
				log.Fatal(err)
			}
			before, after = before+float64(k.Baseline), after+float64(k.Values[0][0])
		}
		of := float64(drawn.Samples)
		fmt.Printf("log-probability of the token that comes again: %.2f, with position %d hidden %.2f\n", before/of, hidden, after/of)
	}
}
