// Command causaltracing averages over facts how much of an answer comes back when a clean state is
// restored in a run whose subject is corrupted by noise.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

// facts are prompts and their subjects.
var facts = [][2]string{
	{"The capital of France is the city of", "France"},
	{"The Eiffel Tower is located in the city of", "Eiffel Tower"},
	{"Mount Fuji is a mountain in the country of", "Mount Fuji"},
	{"The Taj Mahal is located in the country of", "Taj Mahal"},
}

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
	var sum experiment.Averaging
	for _, fact := range facts {
		t, err := trace(m, fact[0], fact[1])
		if err != nil {
			log.Fatal(err)
		}
		if err := sum.Add(t); err != nil {
			log.Fatal(err)
		}
	}
	mean := sum.Average()
	fmt.Printf("%d facts, total effect %.2f ± %.2f\n", mean.Facts, mean.Total.Mean, mean.Total.Error)
	for _, site := range mean.Components {
		fmt.Printf("%-9s  subject: first  middle  last  end of the prompt\n", site)
		for i := len(mean.Rows) - 1; i >= 0; i-- {
			effects := mean.Effects[site][i] // in the order of experiment.Parts
			fmt.Printf("layer %2d  %16.2f  %6.2f  %4.2f  %17.2f\n", mean.Rows[i], effects[0], effects[1], effects[2], effects[5])
		}
	}
}

// trace corrupts a subject in two samples, and restores windows of a third of the layers, around four layers.
func trace(m *auto.Opened, prompt, subject string) (*experiment.Tracing, error) {
	ids, err := m.Tokenizer.Encode(prompt, true)
	if err != nil {
		return nil, err
	}
	before, _, _ := strings.Cut(prompt, subject)
	through, err := m.Tokenizer.Encode(before+subject, true)
	if err != nil {
		return nil, err
	}
	first, err := m.Tokenizer.Encode(strings.TrimSuffix(before, " "), true)
	if err != nil {
		return nil, err
	}
	n := m.Model.Shape().Layers
	o := experiment.TracingOptions{Samples: 2, Layers: []int{0, n / 6, n / 2, n * 2 / 3}, Window: n / 3, Sites: []model.Site{model.MLPOut, model.AttnOut}}
	for p := len(first); p < len(through); p++ {
		o.Subject = append(o.Subject, p)
	}
	in := edit.Input{IDs: ids}
	if o.Target, err = experiment.Answer(context.Background(), m.Model, in); err != nil {
		return nil, err
	}
	return experiment.CausalTrace(context.Background(), m.Model, in, o)
}
