// Command patching finds where a model carries an answer: it puts what one prompt computes into
// another, by position, by head, and by the path from a head to the answer.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"math"
	"os"
	"slices"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
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
	clean, corrupted := prompt(m, "The capital of France is"), prompt(m, "The capital of Italy is")
	paris, _ := m.Tokenizer.ID(" Paris")
	rome, _ := m.Tokenizer.ID(" Rome")
	o := experiment.PatchOptions{Question: experiment.Question{Metric: experiment.LogitDiff, Target: paris, Versus: rome}}

	o.Sites = []model.Site{model.ResidPre}
	stream, err := experiment.Patch(context.Background(), m.Model, clean, corrupted, o)
	if err != nil {
		log.Fatal(err)
	}
	is := len(clean.IDs) - 1
	for i, row := range stream.Recovery[model.ResidPre] { // the first, the last, and those between which it moves
		moves := func(from, to int) bool {
			return from < 0 || to == len(stream.Rows) || math.Abs(float64(stream.Recovery[model.ResidPre][to][is]-stream.Recovery[model.ResidPre][from][is])) > 0.1
		}
		if moves(i-1, i) || moves(i, i+1) {
			fmt.Printf("layer %2d: %5.2f at Italy, %5.2f at is\n", stream.Rows[i], row[is-1], row[is])
		}
	}

	o.Sites, o.Columns = nil, experiment.ByHead
	heads, err := experiment.Patch(context.Background(), m.Model, clean, corrupted, o)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("heads:        ", best(heads))

	o.Sites, o.Columns = nil, ""
	direct, err := experiment.PathPatch(context.Background(), m.Model, clean, corrupted, experiment.PathOptions{PatchOptions: o})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("direct paths: ", best(direct))
}

func prompt(m *auto.Opened, text string) edit.Input {
	ids, err := m.Tokenizer.Encode(text, true)
	if err != nil {
		log.Fatal(err)
	}
	return edit.Input{IDs: ids}
}

// best lists the four heads of the greatest recovery.
func best(p *experiment.Patching) string {
	type head struct {
		name  string
		value float64
	}
	var all []head
	for i, row := range p.Recovery[model.Z] {
		for h, x := range row {
			all = append(all, head{fmt.Sprintf("%d.%d", p.Rows[i], h), float64(x)})
		}
	}
	slices.SortFunc(all, func(a, b head) int { return cmp.Compare(b.value, a.value) })
	text := ""
	for _, h := range all[:4] {
		text += fmt.Sprintf("%s (%.2f) ", h.name, h.value)
	}
	return text
}
