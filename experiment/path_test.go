package experiment_test

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/states"
)

// at is what a run has at a place, whatever its edits change behind that.
func at(t *testing.T, m model.Model, in edit.Input, place model.Place) edit.Value {
	t.Helper()
	set, err := states.Capture(context.Background(), m, in, []model.Place{place, {Site: model.Logits}})
	require.NoError(t, err)
	v, err := set.Value(place)
	require.NoError(t, err)
	return v
}

// with is an input with one more value set.
func with(in edit.Input, place model.Place, heads []int, v edit.Value) edit.Input {
	in.Edits = append(in.Edits[:len(in.Edits):len(in.Edits)], edit.Edit{Place: place, Heads: heads, Op: edit.Set, Value: v})
	return in
}

// What a head tells a receiver directly is the difference that it makes in the stream, added where the
// receiver reads: computed here without holding anything.
func TestADirectPathIsADifferenceInTheStream(t *testing.T) {
	t.Parallel()
	q := experiment.Question{Metric: experiment.LogitDiff, Target: 5, Versus: 9}
	for _, name := range []string{"llama", "gpt2", "gpt-neox", "gemma2-sliding"} {
		m := modeltest.Architecture(t, name, nil)
		vocab, layers := m.Shape().DVocab, m.Shape().Layers
		clean, corrupted := edit.Input{IDs: ids(7, vocab, 3)}, edit.Input{IDs: ids(7, vocab, 3)}
		corrupted.IDs[2]++
		difference := func(in edit.Input) float64 {
			x := logits(t, m, in, 6)
			return float64(x[5]) - float64(x[9])
		}
		receiver := experiment.Receiver{Place: model.Place{Site: model.Q, Layer: layers - 1}, Heads: []int{1}}
		for _, receivers := range [][]experiment.Receiver{nil, {receiver}} {
			got, err := experiment.PathPatch(context.Background(), m, clean, corrupted, experiment.PathOptions{
				PatchOptions: experiment.PatchOptions{Question: q}, Receivers: receivers,
			})
			require.NoError(t, err, name)
			for layer := range layers - len(receivers) {
				head := (layer + 1) % m.Shape().Heads
				z, out := model.Place{Site: model.Z, Layer: layer}, model.Place{Site: model.AttnOut, Layer: layer}
				told := at(t, m, with(corrupted, z, []int{head}, at(t, m, clean, z)), out)
				was := at(t, m, corrupted, out)
				stream := model.Place{Site: model.ResidPost, Layer: layers - 1}
				if receivers != nil {
					stream = model.Place{Site: model.ResidPre, Layer: layers - 1}
				}
				h := at(t, m, corrupted, stream)
				for i := range h.Data {
					h.Data[i] += told.Data[i] - was.Data[i]
				}
				run := with(corrupted, stream, nil, h)
				if receivers != nil {
					run = with(corrupted, receiver.Place, receiver.Heads, at(t, m, run, receiver.Place))
				}
				require.InDelta(t, difference(run), float64(got.Values[model.Z][layer][head]), 5e-4, "%s, layer %d to %v", name, layer, got.Receivers)
			}
			if receivers != nil {
				require.Zero(t, got.Recovery[model.Z][layers-1][0], "no path leads back")
			}
			require.NoError(t, published(t, "patch-1").Validate(document(t, got)))
		}
	}
}

// An MLP that is computed anew carries on what it was told.
// What enters a part of a block, or is within it and alone makes what comes out, tells as much as what comes out.
func TestWhatIsWithinAPartTellsWhatThePartAdds(t *testing.T) {
	t.Parallel()
	q := experiment.Question{Metric: experiment.LogitDiff, Target: 5, Versus: 9}
	for _, name := range []string{"llama", "gpt2", "gpt-neox", "phi-qk-layernorm-tied", "gemma2-sliding", "qwen3-moe-some-layers", "granite4-h", "qwen3-5-text"} {
		m := modeltest.Architecture(t, name, nil)
		vocab, layers := m.Shape().DVocab, m.Shape().Layers
		clean, corrupted := edit.Input{IDs: ids(7, vocab, 3)}, edit.Input{IDs: ids(7, vocab, 3)}
		corrupted.IDs[2]++
		through := func(site model.Site) [][]lens.Number {
			got, err := experiment.PathPatch(context.Background(), m, clean, corrupted, experiment.PathOptions{
				PatchOptions: experiment.PatchOptions{Question: q, Sites: []model.Site{site}},
			})
			require.NoError(t, err, "%s: %s", name, site)
			return got.Values[site]
		}
		attention, mlp := through(model.AttnOut), through(model.MLPOut)
		oneNorm := m.Check(model.Place{Site: model.ResidMid}) != nil && m.Check(model.Place{Site: model.MLPNorm}) != nil
		for _, site := range []model.Site{model.AttnNorm, model.AttnRaw, model.MLPNorm, model.MLPPost, model.MLPRaw} {
			if !slices.Contains(m.Paths().Sites(), site) {
				continue
			}
			got := through(site)
			for layer := range layers {
				at := model.Place{Site: site, Layer: layer}
				if m.Check(at) != nil || site == model.MLPPost && m.Check(model.Place{Site: model.ExpertOut, Layer: layer}) == nil {
					continue
				}
				want := float64(mlp[layer][0])
				if site == model.AttnNorm || site == model.AttnRaw {
					want = float64(attention[layer][0])
				}
				if site == model.AttnNorm && oneNorm {
					continue // it enters both, and the logits are no sum of what they add
				}
				require.InDelta(t, want, float64(got[layer][0]), 1e-4, "%s of %s", at, name)
			}
		}
	}
}

func TestPathsThroughMLPsAreOthers(t *testing.T) {
	t.Parallel()
	m := modeltest.Architecture(t, "llama", nil)
	clean, corrupted := edit.Input{IDs: []int{5, 6, 7, 8}}, edit.Input{IDs: []int{5, 9, 7, 8}}
	o := experiment.PathOptions{PatchOptions: experiment.PatchOptions{Question: experiment.Question{Metric: experiment.KL}, Layers: []int{0}}}
	direct, err := experiment.PathPatch(context.Background(), m, clean, corrupted, o)
	require.NoError(t, err)
	o.Recompute = true
	through, err := experiment.PathPatch(context.Background(), m, clean, corrupted, o)
	require.NoError(t, err)
	require.NotEqual(t, direct.Values, through.Values)
}

func TestPathsThatMeanNothingAreRefused(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	a, b := edit.Input{IDs: []int{1, 2}}, edit.Input{IDs: []int{1, 3}}
	q := experiment.Question{Metric: experiment.KL}
	for want, o := range map[string]experiment.PathOptions{
		"paths have no windows":                                   {PatchOptions: experiment.PatchOptions{Question: q, Window: 2}},
		"senders are sites with heads or sites without, not both": {PatchOptions: experiment.PatchOptions{Question: q, Sites: []model.Site{model.Z, model.MLPOut}}},
		"the model has 3 layers":                                  {PatchOptions: experiment.PatchOptions{Question: q}, Receivers: []experiment.Receiver{{Place: model.Place{Site: model.Q, Layer: 9}}}},
		"head 99 does not exist":                                  {PatchOptions: experiment.PatchOptions{Question: q}, Receivers: []experiment.Receiver{{Place: model.Place{Site: model.Q, Layer: 1}, Heads: []int{99}}}},
		"the logits are the receiver where":                       {PatchOptions: experiment.PatchOptions{Question: q}, Receivers: []experiment.Receiver{{Place: model.Place{Site: model.FinalNormOut}}}},
		"what attention and MLPs add at all":                      {PatchOptions: experiment.PatchOptions{Question: q, MaxMemory: 1000}},
	} {
		_, err := experiment.PathPatch(context.Background(), m, a, b, o)
		require.ErrorContains(t, err, want)
	}
}

// In a parallel block attention tells the MLP beside it nothing, and queries tell keys nothing.
func TestNoPathLeadsToWhatIsBesideASender(t *testing.T) {
	t.Parallel()
	m := modeltest.Architecture(t, "gpt-neox", nil)
	a, b := edit.Input{IDs: []int{5, 6, 7, 8}}, edit.Input{IDs: []int{5, 9, 7, 8}}
	for sender, receiver := range map[model.Site]model.Site{model.Z: model.MLPNorm, model.Q: model.K} {
		got, err := experiment.PathPatch(context.Background(), m, a, b, experiment.PathOptions{
			PatchOptions: experiment.PatchOptions{Question: experiment.Question{Metric: experiment.Logit, Target: 5}, Sites: []model.Site{sender}},
			Receivers:    []experiment.Receiver{{Place: model.Place{Site: receiver, Layer: 1}}},
		})
		require.NoError(t, err)
		require.NotZero(t, got.Recovery[sender][0][0])
		require.Zero(t, got.Recovery[sender][1][0], "%s to %s", sender, receiver)
	}
}
