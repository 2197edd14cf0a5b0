// Command manuallens is the logit lens by hand: keep the stream after each layer, put it
// through the model's own final norm and unembedding, take the best.
package main

import (
	"fmt"
	"log"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

func main() {
	m, err := auto.Open("models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", auto.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	ids, err := m.Tokenizer.Encode("The capital of France is", true)
	if err != nil {
		log.Fatal(err)
	}
	scope := mlx.NewScope(m.Model.Device())
	defer scope.Close() // frees all arrays of the pass

	places, err := m.Model.Paths().Places("layers.*.resid_post")
	if err != nil {
		log.Fatal(err)
	}
	tap, states := model.Keep(scope, places)                                   // [1, pos, d_model] each
	m.Model.Stream(model.Tokens(scope, ids), nil, tap, m.Model.Shape().Layers) // nothing is computed before it is asked for

	for layer, h := range states {
		last := mlx.Slice(h, 1, mlx.From(len(ids)-1))                     // [1, 1, d_model]
		logits := model.ToLogits(m.Model, last)                           // norm, then unembedding: [1, 1, d_vocab]
		prob := mlx.Max(mlx.Softmax(mlx.AsType(logits, mlx.Float32), -1)) // of the best token
		id, err := mlx.Item[uint32](mlx.Argmax(logits, -1))
		if err != nil {
			log.Fatal(err)
		}
		p, err := mlx.Item[float32](prob)
		if err != nil {
			log.Fatal(err)
		}
		if layer%5 == 0 || layer >= len(states)-3 {
			piece, _ := m.Tokenizer.Piece(int(id))
			fmt.Printf("layer %2d  %-10q %.3f\n", layer, piece, p)
		}
	}
}
