// Command attribution finds the parts of a model that write its answer, and the way that what they
// write took through it.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

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
	encode := func(text string, special bool) []int {
		ids, err := m.Tokenizer.Encode(text, special)
		if err != nil {
			log.Fatal(err)
		}
		return ids
	}
	ctx := context.Background()
	france, italy := edit.Input{IDs: encode("The capital of France is", true)}, edit.Input{IDs: encode("The capital of Italy is", true)}
	paris, rome := encode(" Paris", false)[0], encode(" Rome", false)[0]

	// who writes Paris rather than Rome into the stream?
	for _, by := range experiment.Kinds()[:3] {
		a, err := experiment.Attribute(ctx, m.Model, france, experiment.AttributeOptions{Target: paris, Versus: &rome, By: by, Top: 4})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%-9s", by)
		for _, p := range a.Parts {
			fmt.Printf("  %s %.2f", p.Name, p.Values[0])
		}
		fmt.Printf("  (of %.2f)\n", a.Whole[0])
	}

	// and how does it come there? Edges between the two prompts
	e, err := experiment.AttributeEdges(ctx, m.Model, france, italy, experiment.EdgeOptions{
		Question: experiment.Question{Metric: experiment.LogitDiff, Target: paris, Versus: rome}, Top: 6,
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, x := range e.Edges {
		fmt.Printf("%-20s → %-15s %6.2f\n", x.From, x.To, x.Score)
	}

	// how far are gradients to be trusted? The greatest effects beside the patches themselves
	for _, site := range []model.Site{model.AttnOut, model.MLPOut, model.ResidPre} {
		e, err := experiment.Estimate(ctx, m.Model, france, italy, experiment.EstimateOptions{Exact: 30, PatchOptions: experiment.PatchOptions{
			Question: experiment.Question{Metric: experiment.LogitDiff, Target: paris, Versus: rome}, Sites: []model.Site{site},
		}})
		if err != nil {
			log.Fatal(err)
		}
		x := e.Exact[0]
		fmt.Printf("%-9s  correlation %.2f, of ranks %.2f; layer %d at %d: expected %.2f, patched %.2f\n", site, e.Pearson, e.Spearman, x.Layer, x.Column, x.Estimate, x.Patched)
	}
}
