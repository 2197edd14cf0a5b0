package audit_test

import (
	"context"
	"fmt"
	"log"

	"github.com/mlxlens/mlxlens/audit"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/model/load"
)

// How far are packed weights from the same ones, unpacked?
func Example() {
	open := func(form load.Form) *auto.Opened {
		opened, err := auto.Open("../testdata/models/tiny-llama-b-4bit-mixed", auto.Options{Weights: form})
		if err != nil {
			log.Fatal(err)
		}
		return opened
	}
	reference, candidate := open(load.Dense), open(load.Packed)
	defer reference.Close()
	defer candidate.Close()
	a, err := audit.New(reference.Model, candidate.Model, audit.Options{})
	if err != nil {
		log.Fatal(err)
	}
	for _, ids := range [][]int{{11, 48, 85, 122, 159, 196}, {30, 7, 500, 3, 41}} {
		if err := a.Add(context.Background(), ids); err != nil {
			log.Fatal(err)
		}
	}
	r := a.Result()
	fmt.Printf("%d tokens, KL %.3f, the same best token in %.0f %%\n", r.Corpus.Tokens, r.Final.KL.Mean, 100*r.Final.SameTop.Mean)
	// Output:
	// 4 tokens, KL 0.000, the same best token in 100 %
}
