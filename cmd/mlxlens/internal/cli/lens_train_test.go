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
