// Command quantization asks which matrices of a model bear three bits: a copy in memory has all of
// them packed, and is audited against the original.
package main

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/mlxlens/mlxlens/audit"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model/auto"
)

const text = `A quantization keeps the weights of a model in few bits. Each group of weights has a scale and a
smallest value of its own, and a weight is the nearest of the steps between. What is lost is small in each of
them, and what it does to the answers is another question: some matrices bear more of it than others.`

func main() {
	ctx := context.Background()
	reference, candidate := open(), open()
	defer reference.Close()
	defer candidate.Close()
	three := mlx.Quantization{GroupSize: 64, Bits: 3, Mode: "affine"}
	for _, m := range candidate.Model.Parameters() {
		if !strings.HasPrefix(m.Role, "layers.") || m.Quant == nil {
			continue // the embedding, and the gains of norms
		}
		w, scales, biases := mlx.Quantize(*m.Weight, three)
		if err := mlx.Eval(w, scales, biases); err != nil {
			log.Fatal(err)
		}
		*m.Weight = mlx.Dequantize(w, scales, biases, three, mlx.Float32) // a product with it is fast on a CPU
	}
	a, err := audit.New(reference.Model, candidate.Model, audit.Options{
		Layers: []int{9, 19, -1},
		Blame:  audit.Blame{Sequences: 1, By: []audit.Grouping{audit.ByKind}, Directions: audit.Directions()},
	})
	if err != nil {
		log.Fatal(err)
	}
	ids, err := reference.Tokenizer.Encode(text, true)
	if err != nil {
		log.Fatal(err)
	}
	if err := a.Add(ctx, ids); err != nil {
		log.Fatal(err)
	}
	r := a.Result()
	fmt.Printf("perplexity %.1f, and %.1f of the original\n", r.Final.PPLCandidate.Mean, r.Final.PPLReference.Mean)
	for _, row := range r.Layers {
		fmt.Printf("%-22s KL %.3f\n", row.Row, row.KL.Mean)
	}
	for _, m := range r.Blame.Rankings[0].Modules {
		fmt.Printf("%-14s alone %.3f, put back %+.3f\n", m.Name, m.Effects[audit.Alone].Mean, m.Effects[audit.Restored].Mean)
	}
}

func open() *auto.Opened {
	opened, err := auto.Open("models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", auto.Options{})
	if err != nil {
		log.Fatal(err)
	}
	return opened
}
