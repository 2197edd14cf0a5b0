package tuned_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/lens/tuned"
	"github.com/mlxlens/mlxlens/mlx"
)

// What is refused is more than what a training takes: the least bound that lets it pass is no less than the
// peak of its steps.
func TestATrainingStaysBelowTheMemoryThatItIsRefusedFor(t *testing.T) {
	m := openModel(t, models+"tiny-llama-b-4bit-mixed")
	sequences := make([][]int, 24)
	for i := range sequences {
		sequences[i] = make([]int, 40+2*i)
		for k := range sequences[i] {
			sequences[i][k] = (7*i + 13*k) % 512
		}
	}
	for _, change := range []func(*tuned.TrainOptions){
		func(*tuned.TrainOptions) {}, func(o *tuned.TrainOptions) { o.Rank = 4 }, func(o *tuned.TrainOptions) { o.BiasOnly = true },
		func(o *tuned.TrainOptions) { *o, _ = tuned.Recipe("tuned-lens") }, func(o *tuned.TrainOptions) { o.Batch = 40 },
	} {
		o, err := tuned.Recipe("adamw")
		require.NoError(t, err)
		change(&o)
		before := int64(mlx.ActiveMemory())
		least := before + 1<<20
		var trainer *tuned.Trainer
		for ; trainer == nil; least += least / 64 {
			o.MaxMemory = least
			if trainer, err = tuned.NewTrainer(m, sequences, o); err != nil {
				require.ErrorContains(t, err, "MB are left for it: take a smaller rank or biases alone")
			}
		}
		mlx.ResetPeakMemory()
		for range 3 {
			_, err := trainer.Step(context.Background())
			require.NoError(t, err)
		}
		peak := int64(mlx.PeakMemory())
		trainer.Close()
		if mlx.DefaultDevice() == mlx.GPU {
			peak /= 2 // a GPU's allocator rounds up: up to twice, of arrays as small as these
		}
		require.LessOrEqual(t, peak, o.MaxMemory)
		require.Less(t, o.MaxMemory, 20*peak, "the bound is of some use")
	}
}
