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

// compared are the sites whose numbers are not added up: however large, they choose.
var compared = []model.Site{model.AttnScores, model.Pattern, model.AttnGate, model.RouterLogits, model.ExpertIDs, model.ExpertWeights, model.MLPPre, model.Logits}

// 1e30 times a state is a number of float32, and its square is not. RMSNorm makes 0 of such a row, and
// whatever reads behind a norm would be told equal logits.
func TestNoReaderTakesAnOverflowForAnAnswer(t *testing.T) {
	t.Parallel()
	ctx, q := context.Background(), experiment.Question{Metric: experiment.LogitDiff, Target: 5, Versus: 9}
	for _, name := range []string{"llama", "gpt2", "gpt-neox", "qwen3", "gemma2-sliding", "gemma4-both", "gpt-oss", "qwen3-5-moe", "granite4-h", "nemotron-h"} {
		m := modeltest.Architecture(t, name, nil)
		for _, site := range model.Sites() {
			at := model.Place{Site: site}
			relu := name == "nemotron-h" && (site == model.MLPPost || site == model.ExpertPost) // 0 stays 0
			if m.Check(at) != nil || slices.Contains(compared, site) || relu {
				continue
			}
			in := edit.Input{IDs: ids(6, m.Shape().DVocab, 3), Edits: []edit.Edit{{Place: at, Op: edit.Scale, Factor: 1e30}}}
			other := edit.Input{IDs: ids(6, m.Shape().DVocab, 3), Edits: in.Edits}
			other.IDs[2]++
			for form, run := range map[string]func() error{
				"lens":    func() error { _, err := lens.Run(ctx, m, in, lens.Options{}); return err },
				"capture": func() error { _, err := states.Capture(ctx, m, in, []model.Place{{Site: model.Logits}}); return err },
				"patch": func() error {
					_, err := experiment.Patch(ctx, m, in, other, experiment.PatchOptions{Question: q, Layers: []int{1}, Positions: []int{5}})
					return err
				},
				"attribute": func() error {
					versus := 9
					_, err := experiment.Attribute(ctx, m, in, experiment.AttributeOptions{Target: 5, Versus: &versus})
					return err
				},
			} {
				require.Error(t, run(), "%s: %s with %s=scale:1e30", name, form, at)
			}
		}
	}
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
