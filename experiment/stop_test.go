package experiment_test

import (
	"context"
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/model"
)

// afterFirst is a channel that is closed when work reports that the first of three rows is nearly done.
func afterFirst() (stop chan struct{}, progress func(float64)) {
	stop = make(chan struct{})
	return stop, func(done float64) {
		select {
		case <-stop:
		default:
			if done > 0.3 {
				close(stop)
			}
		}
	}
}

// rowsDone counts rows that have numbers, and requires that the others have none.
func rowsDone(t *testing.T, rows [][]lens.Number) (done int) {
	t.Helper()
	for _, row := range rows {
		have := 0
		for _, x := range row {
			if !math.IsNaN(float64(x)) {
				have++
			}
		}
		if have > 0 {
			done++
		}
	}
	return done
}

func TestStoppedExperimentsReturnTheRowsThatAreDone(t *testing.T) {
	m := modeltest.Tiny(t)
	ctx := context.Background()
	q := experiment.Question{Metric: experiment.LogitDiff, Target: 5, Versus: 9}
	clean, corrupted := edit.Input{IDs: ids(40, 512, 3)}, edit.Input{IDs: ids(40, 512, 3)}
	corrupted.IDs[20]++
	whole, err := experiment.PathPatch(ctx, m, clean, corrupted, experiment.PathOptions{PatchOptions: experiment.PatchOptions{Question: q}})
	require.NoError(t, err)
	require.False(t, whole.Interrupted)

	stop, progress := afterFirst()
	paths, err := experiment.PathPatch(ctx, m, clean, corrupted, experiment.PathOptions{PatchOptions: experiment.PatchOptions{Question: q, Stop: stop, Progress: progress}})
	require.NoError(t, err)
	require.True(t, paths.Interrupted)
	require.Equal(t, 1, rowsDone(t, paths.Values[model.Z]))
	require.Equal(t, whole.Values[model.Z][0], paths.Values[model.Z][0], "what is there is as without the stop")
	text, err := json.Marshal(paths)
	require.NoError(t, err)
	require.Contains(t, string(text), `"interrupted":true`)
	require.Contains(t, paths.Figure().Notes, "interrupted: rows without numbers (–) were not computed")

	stop, progress = afterFirst()
	hidden, err := experiment.Knockout(ctx, m, clean, experiment.KnockoutOptions{Question: q, Stop: stop, Progress: progress})
	require.NoError(t, err)
	require.True(t, hidden.Interrupted)
	require.Equal(t, 1, rowsDone(t, hidden.Effects))

	closed := make(chan struct{})
	close(closed)
	patched, err := experiment.Patch(ctx, m, clean, corrupted, experiment.PatchOptions{Question: q, Stop: closed})
	require.NoError(t, err)
	require.True(t, patched.Interrupted)
	require.Zero(t, rowsDone(t, patched.Values[model.ResidPre]))
	traced, err := experiment.CausalTrace(ctx, m, clean, experiment.TracingOptions{Question: experiment.Question{Target: 5}, Subject: []int{1}, Stop: closed})
	require.NoError(t, err)
	require.True(t, traced.Interrupted)
	require.Zero(t, rowsDone(t, traced.Effects[model.MLPOut]))
}

// The vectors are made all the same: only what they do is not tried to the end.
func TestAStoppedTrialOfVectorsLeavesTheVectors(t *testing.T) {
	m, stop := modeltest.Tiny(t), make(chan struct{})
	o := experiment.SteerOptions{
		Prompts: []edit.Input{{IDs: []int{1, 2, 3}}}, Strengths: []float64{1, 2}, Target: 5, Versus: 9, Stop: stop,
		Progress: func(done float64) {
			select {
			case <-stop:
			default:
				if done > 0.6 {
					close(stop)
				}
			}
		},
	}
	pairs := []experiment.Contrast{{Positive: edit.Input{IDs: []int{4, 5}}, Negative: edit.Input{IDs: []int{6, 7}}}}
	got, err := experiment.Steer(context.Background(), m, pairs, nil, o)
	require.NoError(t, err)
	require.True(t, got.Interrupted)
	require.Len(t, got.Vectors, m.Shape().Layers)
	require.NotNil(t, got.Vectors[m.Shape().Layers-1])
	require.Less(t, rowsDone(t, got.Effect.Values), m.Shape().Layers)
	require.Positive(t, rowsDone(t, got.Effect.Values))
}
