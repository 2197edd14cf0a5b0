// Command patching finds where a model carries an answer: it puts what one prompt computes into
// another, by position, by head, and by the path from a head to the answer.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"slices"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

func main() {
	m, err := auto.Open("models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", auto.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	clean, corrupted := prompt(m, "The capital of France is"), prompt(m, "The capital of Italy is")
	paris, _ := m.Tokenizer.ID(" Paris")
	rome, _ := m.Tokenizer.ID(" Rome")
	o := experiment.PatchOptions{Question: experiment.Question{Metric: experiment.LogitDiff, Target: paris, Versus: rome}}

	o.Sites, o.Layers = []model.Site{model.ResidPre}, []int{0, 8, 16, 23, 24, 29}
	stream, err := experiment.Patch(context.Background(), m.Model, clean, corrupted, o)
	if err != nil {
		log.Fatal(err)
	}
	for i, layer := range stream.Rows {
		fmt.Printf("layer %2d: %.2f at Italy, %.2f at is\n", layer, stream.Recovery[model.ResidPre][i][3], stream.Recovery[model.ResidPre][i][4])
	}

	o.Sites, o.Layers, o.Columns = nil, nil, experiment.ByHead
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
