package states_test

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/states"
)

func TestAnEditBehindWhatIsCapturedIsRefused(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	e := edit.Edit{Place: model.Place{Site: model.MLPOut, Layer: 1}, Op: edit.Zero}
	_, err := states.Capture(context.Background(), m, edit.Input{IDs: []int{1, 2}, Edits: []edit.Edit{e}}, places(t, m, "layers.1.mlp_post"))
	require.ErrorContains(t, err, `edit "layers.1.mlp_out=zero": it would change nothing: the last place that is read is layers.1.mlp_post`)
}

// A patch of a run by itself changes nothing, at every place that can be captured; a patch
// from another prompt makes the stream the other's.
func TestWhatWasCapturedIsAPatch(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	clean, other := edit.Input{IDs: modeltest.Sixty[:9]}, edit.Input{IDs: modeltest.Sixty[10:19]}
	logits := []model.Place{{Site: model.Logits}}
	want := capturedNumbers(t, m, clean, logits[0])
	for _, place := range places(t, m, everywhere(m)) {
		set, err := states.Capture(context.Background(), m, clean, []model.Place{place})
		require.NoError(t, err)
		for name, write := range map[string]func(io.Writer) error{"a.npz": set.WriteNPZ, "a.safetensors": set.WriteSafetensors} {
			v, err := states.ReadValue(file(t, name, write), place)
			require.NoError(t, err, place)
			in := clean
			in.Edits = []edit.Edit{{Place: place, Op: edit.Set, Value: v}}
			largest := 1e-4
			require.InDeltaSlice(t, want, capturedNumbers(t, m, in, logits[0]), largest, "%s", place)
		}
	}
	last := model.Place{Site: model.ResidPost, Layer: 2}
	set, err := states.Capture(context.Background(), m, other, []model.Place{last})
	require.NoError(t, err)
	v, err := set.Value(last)
	require.NoError(t, err)
	in := clean
	in.Edits = []edit.Edit{{Place: last, Op: edit.Set, Value: v}}
	require.Equal(t, capturedNumbers(t, m, other, logits[0]), capturedNumbers(t, m, in, logits[0]), "everything at the last block is the other run")
	in.Edits[0].Positions = []int{-1}
	got, vocab := capturedNumbers(t, m, in, logits[0]), m.Shape().DVocab
	require.Equal(t, want[:8*vocab], got[:8*vocab])
	require.Equal(t, capturedNumbers(t, m, other, logits[0])[8*vocab:], got[8*vocab:])
}

// What each of the experts gives is a patch of its own.
func TestWhatExpertsGiveIsAPatch(t *testing.T) {
	t.Parallel()
	m := modeltest.Architecture(t, "gpt-oss", nil)
	in := edit.Input{IDs: []int{3, 14, 15, 92, 6}}
	logits := model.Place{Site: model.Logits}
	want := capturedNumbers(t, m, in, logits)
	for _, place := range places(t, m, "layers.1.expert_weights,layers.1.expert_post,layers.1.expert_out") {
		set, err := states.Capture(context.Background(), m, in, []model.Place{place})
		require.NoError(t, err)
		v, err := set.Value(place)
		require.NoError(t, err)
		patched := in
		patched.Edits = []edit.Edit{{Place: place, Op: edit.Set, Value: v}}
		require.InDeltaSlice(t, want, capturedNumbers(t, m, patched, logits), 1e-4, "%s", place)
	}
}

func capturedNumbers(t *testing.T, m model.Model, in edit.Input, at model.Place) []float32 {
	t.Helper()
	s, err := states.Capture(context.Background(), m, in, []model.Place{at})
	require.NoError(t, err)
	return numbers(t, &s.Arrays[0])
}
