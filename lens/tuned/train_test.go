package tuned_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/lens/tuned"
	"github.com/mlxlens/mlxlens/model"
)

// sequencesOf cuts ids as mlxterp's training does.
func sequencesOf(ids []int, length int) [][]int {
	return slices.Collect(slices.Chunk(ids[:len(ids)/length*length], length))
}

// train does all steps, and returns each one's loss.
func train(t *testing.T, m model.Model, sequences [][]int, o tuned.TrainOptions) (*tuned.Lens, []float64) {
	t.Helper()
	trainer, err := tuned.NewTrainer(m, sequences, o)
	require.NoError(t, err)
	defer trainer.Close()
	var losses []float64
	for range o.Steps {
		s, err := trainer.Step(context.Background())
		require.NoError(t, err)
		losses = append(losses, trainer.Loss(s))
	}
	l, err := trainer.Lens()
	require.NoError(t, err)
	return l, losses
}

func recipe(t *testing.T, name string) tuned.TrainOptions {
	t.Helper()
	o, err := tuned.Recipe(name)
	require.NoError(t, err)
	return o
}

func TestMLXterpsRecordedTrainingIsDoneAgain(t *testing.T) {
	const shared = "../../../shared/"
	if _, err := os.Stat(shared + "golden/stories260K/tuned_lens.json"); err != nil {
		t.Skip("../shared is not there")
	}
	golden := loadArrays[struct {
		IDs      []int
		Losses   []float64
		Settings struct {
			Steps  int `json:"num_steps"`
			Length int `json:"max_seq_len"`
		}
	}](t, shared+"golden/stories260K/tuned_lens.json")
	o := recipe(t, "mlxterp")
	o.Steps = golden.Settings.Steps
	l, losses := train(t, openModel(t, shared+"models/stories260K"), sequencesOf(golden.IDs, golden.Settings.Length), o)
	require.InDeltaSlice(t, golden.Losses, losses, 5e-6) // two runs of mlxterp differ by 1.8e-6
	want := open(t, recorded+"stories260K.npz")
	for i, got := range l.OfPost().Translators {
		require.Less(t, farthest(want.Translators[i].Weight, got.Weight), 5e-6, "translator %d", i)
		require.Less(t, farthest(want.Translators[i].Bias, got.Bias), 5e-6, "translator %d", i)
	}
}

func farthest(a, b []float32) float64 {
	most := 0.0
	for i := range a {
		most = max(most, math.Abs(float64(a[i]-b[i])))
	}
	return most
}

// trainings are what a peer's trainings of a tiny model gave, step by step.
type trainings struct {
	Model         string
	Steps         int
	Batch, Length int
	IDs           []int
	Runs          []struct {
		Name     string
		BiasOnly bool `json:"bias_only"`
		Warmup   int
		Losses   []float64
		Norms    [][2]float64 // of each translator's weight and bias
	}
}

func TestTrainingIsWhatThePeersDo(t *testing.T) {
	for _, name := range []string{"tuned-lens", "mlxterp"} {
		golden := loadArrays[trainings](t, recorded+"training-"+name+".json")
		m := openModel(t, models+golden.Model)
		for _, want := range golden.Runs {
			o := recipe(t, name)
			o.Steps, o.Batch, o.BiasOnly, o.Warmup, o.Shuffle = golden.Steps, golden.Batch, want.BiasOnly, want.Warmup, false
			l, losses := train(t, m, sequencesOf(golden.IDs, golden.Length), o)
			require.InDeltaSlice(t, want.Losses, losses, 1e-5, want.Name)
			if name == "mlxterp" {
				l = l.OfPost()
			}
			for i, norms := range want.Norms {
				tr := l.Translators[i]
				require.InDelta(t, norms[0], norm(tr.Weight), 1e-5, "%s, weight %d", want.Name, i)
				require.InDelta(t, norms[1], norm(tr.Bias), 1e-5, "%s, bias %d", want.Name, i)
			}
		}
	}
}

func norm(xs []float32) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum)
}

func TestATrainingThatGoesOnGivesTheSameLens(t *testing.T) {
	m := openModel(t, models+tinyA)
	sequences := [][]int{{1, 5, 9, 200, 44}, {3, 3, 7}, {8, 100, 11, 12, 13, 14}, {90}}
	for _, change := range []func(*tuned.TrainOptions){
		func(*tuned.TrainOptions) {},
		func(o *tuned.TrainOptions) { o.Rank = 3 },
		func(o *tuned.TrainOptions) { o.BiasOnly = true },
		func(o *tuned.TrainOptions) { *o = recipe(t, "tuned-lens") },
	} {
		o := recipe(t, "adamw")
		change(&o)
		o.Steps, o.Batch = 6, 3
		whole, losses := train(t, m, sequences, o)
		first, err := tuned.NewTrainer(m, sequences, o)
		require.NoError(t, err)
		defer first.Close()
		for range 3 {
			_, err := first.Step(context.Background())
			require.NoError(t, err)
		}
		path := filepath.Join(t.TempDir(), "state.safetensors")
		file, err := os.Create(path)
		require.NoError(t, err)
		require.NoError(t, first.WriteState(file, "this"))
		require.NoError(t, file.Close())
		second, err := tuned.NewTrainer(m, sequences, o)
		require.NoError(t, err)
		defer second.Close()
		was, err := second.ReadState(path, "that")
		require.NoError(t, err)
		require.Equal(t, "this", was)
		require.Empty(t, second.Done())
		_, err = second.ReadState(path, "this")
		require.NoError(t, err)
		require.Len(t, second.Done(), 3)
		for i := 3; i < o.Steps; i++ {
			s, err := second.Step(context.Background())
			require.NoError(t, err)
			require.Equal(t, losses[i], second.Loss(s))
		}
		l, err := second.Lens()
		require.NoError(t, err)
		require.Equal(t, whole, l)
	}
}

// written is a lens in a form, read back.
func written(t *testing.T, l *tuned.Lens, form string) *tuned.Lens {
	t.Helper()
	dir := t.TempDir()
	create := func(name string) *os.File {
		f, err := os.Create(filepath.Join(dir, name))
		require.NoError(t, err)
		t.Cleanup(func() { f.Close() })
		return f
	}
	switch form {
	case "npz":
		require.NoError(t, l.WriteMLXterp(create("l.json"), create("l.npz")))
		return open(t, filepath.Join(dir, "l.npz"))
	case "pt":
		require.NoError(t, l.WriteAlignment(create("config.json"), create("params.pt")))
		return open(t, dir)
	}
	require.NoError(t, l.WriteSafetensors(create("l.safetensors")))
	return open(t, filepath.Join(dir, "l.safetensors"))
}

func TestATrainedLensIsTheSameInEveryForm(t *testing.T) {
	m := openModel(t, models+tinyA)
	for _, change := range []func(*tuned.TrainOptions){
		func(o *tuned.TrainOptions) { o.Rank = 3 },
		func(o *tuned.TrainOptions) { o.BiasOnly = true },
		func(*tuned.TrainOptions) {},
	} {
		o := recipe(t, "adamw")
		change(&o)
		o.Steps, o.Batch, o.Rate = 3, 2, 0.05
		l, _ := train(t, m, [][]int{{1, 5, 9, 200, 44}, {3, 3, 7}}, o)
		l.Model, l.Fitted.Corpus = "tiny", "abc"
		states := [][]float64{{}, {}}
		for i := range l.DModel {
			states[0], states[1] = append(states[0], math.Sin(float64(i))), append(states[1], float64(i%7))
		}
		at := model.Place{Site: model.ResidPost, Layer: 1}
		want := decode(t, on(t, l, m), m, at, states)
		require.Greater(t, math.Abs(want[1][3]-states[1][3]), 1e-3)
		own := written(t, l, "safetensors")
		require.Equal(t, l.Fitted, own.Fitted)
		require.Equal(t, l.Rank(), own.Rank())
		require.Equal(t, l.Translators, own.Translators)
		l.Half = true
		for form, most := range map[string]float64{"safetensors": 5e-3, "npz": 1e-5, "pt": 1e-5} {
			got := decode(t, on(t, written(t, l, form), m), m, at, states)
			for r := range want {
				require.InDeltaSlice(t, want[r], got[r], most, "%s, rank %d", form, l.Rank())
			}
		}
	}
}
