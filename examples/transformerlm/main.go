// Command transformerlm trains a small transformer to continue a text, letter by letter.
package main

import (
	_ "embed"
	"fmt"
	"log"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
)

//go:embed corpus.txt
var corpus []byte

const vocab, dims, context, batch, steps = 128, 32, 32, 8, 120

type languageModel struct {
	Embedding *nn.Embedding
	Positions *nn.SinusoidalPositionalEncoding
	Encoder   *nn.TransformerEncoder
	Head      *nn.Linear
}

func (m *languageModel) Forward(ids *mlx.Array) *mlx.Array { // [batch, pos] to [batch, pos, vocab]
	x := mlx.Add(m.Embedding.Forward(ids), m.Positions.Forward(mlx.Arange(ids.Scope(), 0, context, 1, mlx.Float32)))
	return m.Head.Forward(m.Encoder.Forward(x, nn.AdditiveCausalMask(ids.Scope(), context, mlx.Float32)))
}

func train(device *mlx.Scope) ([]float32, error) {
	keys, losses := nn.NewKeys(device, 0), []*mlx.Array{}
	net := &languageModel{nn.NewEmbedding(keys, vocab, dims), nn.NewSinusoidalPositionalEncoding(device, dims),
		nn.NewTransformerEncoder(keys, 2, nn.TransformerOptions{Dims: dims, Heads: 4}), nn.NewLinear(keys, dims, vocab, true)}
	model, text := nn.NewModel(net), mlx.AsType(mlx.FromSlice(device, corpus), mlx.Int32)
	lossAndGrads := model.ValueAndGrad(func(b []*mlx.Array) *mlx.Array { return nn.CrossEntropy(net.Forward(b[0]), b[1]) })
	adam := nn.NewOptimizer(nn.NewAdamW(), nn.JoinSchedules(nn.CosineDecay(1e-3, steps-10, 1e-4), nn.Until{Schedule: nn.LinearSchedule(0, 1e-3, 10), Step: 10}))
	for range steps {
		s := device.NewScope() // frees what the step made, and leaves the parameters
		from := mlx.RandomRandint(s.Hold(keys.Next()), 0, len(corpus)-context, mlx.Int32, batch, 1)
		ids := mlx.Take(text, mlx.Add(from, mlx.Arange(s, 0, context+1, 1, mlx.Int32)), 0)
		loss, grads := lossAndGrads(mlx.Slice(ids, 1, mlx.Between(0, context)), mlx.Slice(ids, 1, mlx.Between(1, context+1)))
		if err := adam.Update(model, grads, loss); err != nil {
			return nil, err
		}
		losses = append(losses, device.Hold(loss))
		s.Close()
	}
	return mlx.Data[float32](mlx.Stack(0, losses...))
}

func main() {
	losses, err := train(mlx.On(mlx.DefaultDevice()))
	if err != nil {
		log.Fatal(err)
	}
	for step := 20; step <= steps; step += 20 {
		fmt.Printf("step %3d  loss %.2f\n", step, losses[step-1])
	}
}
