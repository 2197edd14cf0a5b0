package experiment_test

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/states"
)

// chosen are the sites behind which no norm is, but a softmax or the unembedding: what these make of large numbers is right.
var chosen = []model.Site{model.AttnScores, model.Pattern, model.RouterLogits, model.ExpertIDs, model.RotQ, model.RotK, model.QNormed, model.KNormed, model.FinalNormOut, model.Logits}

// bounded are sites of models behind which numbers cannot grow: a clamp follows, or a ReLU left nothing but 0.
var bounded = map[string][]model.Site{
	"gpt-oss":    {model.MLPNorm, model.MLPPre, model.MLPPreLinear},
	"nemotron-h": {model.MLPPost, model.ExpertPost},
}

// 1e30 times a state is a number of float32, and its square is not. RMSNorm makes 0 of such a row, and
// whatever reads behind a norm would be told equal logits.
func TestNoReaderTakesAnOverflowForAnAnswer(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"llama", "deepseek-v3", "olmo2", "lfm2-moe", "qwen3-next-every-other", "gpt2", "gpt-neox", "qwen3", "gemma2-sliding", "gemma4-both", "gpt-oss", "qwen3-5-moe", "granite4-h", "nemotron-h"} {
		m := modeltest.Architecture(t, name, nil)
		for _, site := range model.Sites() {
			for layer := range m.Shape().Layers {
				at := model.Place{Site: site, Layer: layer}
				if !site.PerLayer() && layer > 0 || m.Check(at) != nil || slices.Contains(chosen, site) || slices.Contains(bounded[name], site) {
					continue
				}
				in := edit.Input{IDs: ids(6, m.Shape().DVocab, 3), Edits: []edit.Edit{{Place: at, Op: edit.Scale, Factor: 1e30}}}
				for form, run := range reading(m, in, layer == 0) {
					assert.Error(t, run(), "%s: %s with %s=scale:1e30", name, form, at)
				}
			}
		}
	}
}

// reading are ways to read of what an input computes, the longer ones if asked.
func reading(m model.Model, in edit.Input, more bool) map[string]func() error {
	ctx, q := context.Background(), experiment.Question{Metric: experiment.LogitDiff, Target: 5, Versus: 9}
	forms := map[string]func() error{
		"capture": func() error { _, err := states.Capture(ctx, m, in, []model.Place{{Site: model.Logits}}); return err },
	}
	if more {
		forms["lens"] = func() error { _, err := lens.Run(ctx, m, in, lens.Options{}); return err }
		forms["patch"] = func() error {
			other := edit.Input{IDs: slices.Clone(in.IDs), Edits: in.Edits}
			other.IDs[2]++
			_, err := experiment.Patch(ctx, m, in, other, experiment.PatchOptions{Question: q, Layers: []int{1}, Positions: []int{5}})
			return err
		}
		forms["attribute"] = func() error {
			versus := 9
			_, err := experiment.Attribute(ctx, m, in, experiment.AttributeOptions{Target: 5, Versus: &versus})
			return err
		}
	}
	return forms
}

// A stream of zeros has equal logits by right.
func TestAStreamOfZerosIsNoOverflow(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	last := model.Place{Site: model.ResidPost, Layer: m.Shape().Layers - 1}
	in := edit.Input{IDs: []int{1, 2, 3}, Edits: []edit.Edit{{Place: last, Op: edit.Zero}}}
	p, err := experiment.Patch(context.Background(), m, in, edit.Input{IDs: []int{1, 4, 3}, Edits: in.Edits},
		experiment.PatchOptions{Question: experiment.Question{Metric: experiment.Logit, Target: 5}})
	require.NoError(t, err)
	require.Zero(t, p.Baseline.Clean)
}
