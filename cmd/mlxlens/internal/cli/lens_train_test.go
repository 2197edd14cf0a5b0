package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens/tuned"
)

// A training that was stopped is gone on with, and one of something else is refused with what differs.
func TestATrainingGoesOnWithItsOwnAlone(t *testing.T) {
	m := modeltest.Tiny(t)
	o, err := tuned.Recipe("adamw")
	require.NoError(t, err)
	o.Steps, o.Batch, o.BiasOnly = 6, 1, true
	var said bytes.Buffer
	path := filepath.Join(t.TempDir(), "l.safetensors.training")
	of := origin{Model: "m", Options: map[string]string{"--lr": "0.1", "--file": "c"}}
	start := func(of origin) *training {
		trainer, err := tuned.NewTrainer(m, [][]int{{1, 2, 3}, {4, 5}}, o)
		require.NoError(t, err)
		t.Cleanup(trainer.Close)
		return &training{keeping: keeping{s: &streams{err: &said}, of: &of, path: path}, t: trainer, steps: o.Steps}
	}
	whole := start(of)
	require.NoError(t, whole.run(context.Background()))
	want, err := whole.t.Lens()
	require.NoError(t, err)

	stopped := start(of)
	for range 4 {
		_, err := stopped.t.Step(context.Background())
		require.NoError(t, err)
	}
	require.NoError(t, stopped.keep(stopped.t.WriteState))
	require.Contains(t, said.String(), "l.safetensors.training has what is done: stopped, the same command goes on")
	next := start(of)
	require.NoError(t, next.run(context.Background()))
	require.Contains(t, said.String(), "goes on behind step 4")
	got, err := next.t.Lens()
	require.NoError(t, err)
	require.Equal(t, want, got)

	for why, other := range map[string]origin{
		"it was made with other options: --lr (was 0.1, is 0.2)": {Model: "m", Options: map[string]string{"--lr": "0.2", "--file": "c"}},
		"it was made with another corpus":                        {Model: "m", Options: map[string]string{"--lr": "0.1", "--file": "d"}},
		"it was made with another model":                         {Model: "n", Options: map[string]string{"--lr": "0.1", "--file": "c"}},
	} {
		err := start(other).run(context.Background())
		require.ErrorContains(t, err, "is of another training: "+why)
		require.FileExists(t, path)
	}
	require.NoError(t, os.WriteFile(path, []byte("something else"), 0o644))
	require.Error(t, start(of).run(context.Background()))
	require.NoError(t, next.finish())
	require.NoFileExists(t, path)
}

func TestRefusalsOfAFitNameTheirFlag(t *testing.T) {
	path, corpus := modeltest.Path(t, modeltest.TinyLlama), filepath.Join(t.TempDir(), "c.jsonl")
	require.NoError(t, os.WriteFile(corpus, []byte("{\"ids\": [1, 2, 3]}\n"), 0o600))
	for _, c := range [][4]string{
		{"--tuned", "--lr", "1e30", "a learning rate of 1e+30: want more than 0, and at most 1e+06"},
		{"--tuned", "--batch", "0", "0 sequences in a step: want 1 or more"},
		{"--tuned", "--steps", "0", "0 steps: want 1 or more"},
		{"--tuned", "--warmup", "-1", "-1 steps of warm-up: want 0 or more"},
		{"--tuned", "--warmup", "250", "250 steps of warm-up of 250: want fewer"},
		{"--tuned", "--clip", "-1", "a gradient's largest norm of -1: want more than 0, or 0 for any"},
		{"--tuned", "--weight-decay", "1e4", "a weight decay of 10000: want 0 to below 1000, which takes all at a learning rate of 0.001"},
		{"--tuned", "--momentum", "1", "a momentum of 1: want 0 to below 1"},
		{"--tuned", "--optimizer", "adam", `optimizer "adam" is unknown (have: sgd, adamw)`},
		{"--tuned", "--site", "mlp_out", `a lens of "mlp_out" (have: resid_post, resid_pre)`},
		{"--jacobian", "--skip-first", "-1", "the first -1 positions are left out: want 0 or more"},
		{"--jacobian", "--length", "17", "prompts of 17 positions of which the first 16 and the last one are left out have none: want 18 or more"},
		{"--jacobian", "--rows", "129", "129 rows a prompt: want 1 to 128, the model's d_model, or 0 for all"},
		{"--jacobian", "--dim-batch", "-1", "-1 rows at once: want 1 or more, or 0 for as many as fit"},
		{"--jacobian", "--layers", "-1", "layer 2 is the last, whose matrix is the identity: leave it out"},
	} {
		code, _, errs := ran(t, "lens", "fit", c[0], c[1]+"="+c[2], "--file", corpus, "-m", path, "-o", filepath.Join(t.TempDir(), "x.safetensors"))
		require.Equal(t, exitUsage, code, errs)
		require.Contains(t, errs, "mlxlens: "+c[1]+": "+c[3]+"\n")
	}
}
