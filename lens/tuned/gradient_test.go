package tuned

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/model/load"
)

// The gradients by the parameters are written down; here MLX derives the mean of KL by them.
func TestTheGradientsOfATranslatorAreWhatMLXDerives(t *testing.T) {
	m := modeltest.Build(t, modeltest.Recorded(t, "affine-4bit-group32"), auto.Options{Weights: load.Packed})
	d := m.Shape().DModel
	for _, o := range []TrainOptions{{}, {Rank: 3}, {BiasOnly: true}} {
		scope := mlx.NewScope(m.Device())
		draw := func(seed uint64, shape ...int) *mlx.Array {
			return mlx.RandomNormal(mlx.RandomKey(scope, seed), 0, 0.1, mlx.Float32, shape...)
		}
		h := mlx.Scale(draw(1, 4, d), 10)
		final, err := lens.NewReference(m, mlx.Scale(draw(2, 4, d), 10))
		require.NoError(t, err)
		of := nn.Params{}
		names := partNames(d, o.rank(d))
		var primals []*mlx.Array
		var argnums []int
		for i, part := range names {
			of[part] = draw(uint64(3+i), shapeOf(part, d, o.rank(d))...)
			primals, argnums = append(primals, of[part]), append(argnums, i)
		}
		trainer := &Trainer{m: m, o: o}
		_, got := trainer.gradient(final, h, of, 4)
		p := mlx.Softmax(model.ToLogits(m, mlx.Scale(draw(2, 4, d), 10)), -1)
		_, want := mlx.ValueAndGrad(func(x []*mlx.Array) []*mlx.Array {
			given := nn.Params{}
			for i, part := range names {
				given[part] = x[i]
			}
			z := model.ToLogits(m, translate(h, given, true))
			kl := mlx.Sum(mlx.Multiply(p, mlx.Subtract(mlx.Log(p), mlx.Subtract(z, mlx.KeepDims(mlx.LogSumExp, z, -1)))), -1)
			return []*mlx.Array{mlx.Mean(kl)}
		}, argnums...)(primals...)
		require.Len(t, got, len(names))
		for i, part := range names {
			a, err := mlx.Data[float32](want[i])
			require.NoError(t, err)
			b, err := mlx.Data[float32](got[part])
			require.NoError(t, err)
			require.InDeltaSlice(t, a, b, 2e-6, "rank %d, %s", o.rank(d), part)
		}
		scope.Close()
	}
}

// Packed weights, and dense ones, and states of 16 bits: every kind of lens comes nearer to the model.
func TestTrainingLowersKLInEveryLayer(t *testing.T) {
	for _, name := range []string{"affine-4bit-group32", "bfloat16-llama", "gemma2", "gpt2"} {
		m := modeltest.Build(t, modeltest.Recorded(t, name), auto.Options{Weights: load.Packed})
		sequences := [][]int{{1, 5, 9, 20, 44, 3, 17, 28}, {3, 3, 7, 11}}
		for _, site := range []model.Site{model.ResidPost, model.ResidPre} {
			o, err := Recipe("adamw")
			require.NoError(t, err)
			o.Site, o.Rank, o.Steps, o.Batch, o.Rate = site, 4, 30, 2, 0.02
			trainer, err := NewTrainer(m, sequences, o)
			require.NoError(t, err)
			for range o.Steps {
				_, err := trainer.Step(context.Background())
				require.NoError(t, err)
			}
			first, last := trainer.Done()[0], trainer.Done()[o.Steps-1]
			for i, kl := range last.KL {
				require.Less(t, kl, 0.9*first.KL[i], "%s, %s, layer %d", name, site, i)
			}
			trainer.Close()
		}
	}
}

func TestWrongTrainingsAreRefusedByName(t *testing.T) {
	m := modeltest.Tiny(t)
	some := [][]int{{1, 2, 3}}
	for want, change := range map[string]func(o *TrainOptions){
		`a lens of "mlp_out"`:                      func(o *TrainOptions) { o.Site = model.MLPOut },
		"rank 128 is no limit":                     func(o *TrainOptions) { o.Rank = 128 },
		"rank -1":                                  func(o *TrainOptions) { o.Rank = -1 },
		"rank 2, and only biases":                  func(o *TrainOptions) { o.Rank, o.BiasOnly = 2, true },
		"0 steps":                                  func(o *TrainOptions) { o.Steps = 0 },
		`optimizer "lion" is unknown`:              func(o *TrainOptions) { o.Optimizer = "lion" },
		"a learning rate of 0":                     func(o *TrainOptions) { o.Rate = 0 },
		"a momentum of 1":                          func(o *TrainOptions) { o.Momentum = 1 },
		"250 steps of warm-up of 250":              func(o *TrainOptions) { o.Warmup = 250 },
		"sequence 1: id 512 (number 1) is outside": nil,
		"there is nothing to train on":             nil,
	} {
		o, err := Recipe("adamw")
		require.NoError(t, err)
		sequences := some
		switch {
		case change != nil:
			change(&o)
		case want == "there is nothing to train on":
			sequences = nil
		default:
			sequences = [][]int{{1}, {512}}
		}
		_, err = NewTrainer(m, sequences, o)
		require.ErrorContains(t, err, want)
	}
	_, err := Recipe("other")
	require.ErrorContains(t, err, `recipe "other" is unknown (have: adamw, tuned-lens, mlxterp)`)
}
