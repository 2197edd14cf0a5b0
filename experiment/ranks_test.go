package experiment_test

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/audit"
	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens/jacobian"
	"github.com/mlxlens/mlxlens/lens/tuned"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

var timing = regexp.MustCompile(`,?"[a-z]+_s":[0-9.e-]+`)

// untimed is a result as JSON, without its time.
func untimed(result any, err error) (string, error) {
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(result)
	return timing.ReplaceAllString(string(text), ""), err
}

// onRanks are experiments that ranks do together, by their names.
func onRanks(ctx context.Context) map[string]func(m model.Model) (any, error) {
	clean, corrupted := edit.Input{IDs: []int{3, 9, 4, 11, 5, 2}}, edit.Input{IDs: []int{3, 9, 8, 11, 5, 2}}
	edited := clean
	edited.Edits = []edit.Edit{{Place: model.Place{Site: model.ResidPost}, Op: edit.Scale, Factor: 1.25, Positions: []int{3}}}
	long := func(at, id int) edit.Input {
		in := edit.Input{IDs: make([]int, 120)}
		for i := range in.IDs {
			in.IDs[i] = 1 + 5*i%23
		}
		in.IDs[at] = id
		return in
	}
	patch := func(clean, corrupted edit.Input, o experiment.PatchOptions) func(m model.Model) (any, error) {
		return func(m model.Model) (any, error) { return experiment.Patch(ctx, m, clean, corrupted, o) }
	}
	diff := experiment.Question{Metric: experiment.LogitDiff, Target: 7, Versus: 1}
	kl := experiment.Question{Metric: experiment.KL}
	pairs := []experiment.Contrast{{Positive: clean, Negative: corrupted}, {Positive: edit.Input{IDs: []int{5, 6, 7}}, Negative: edit.Input{IDs: []int{8, 2, 1}}}}
	return map[string]func(m model.Model) (any, error){
		"patch":           patch(clean, corrupted, experiment.PatchOptions{Question: diff}),
		"patch, noising":  patch(edited, corrupted, experiment.PatchOptions{Question: kl, Noising: true, Window: 2, Positions: []int{-1, 2}, Sites: []model.Site{model.ResidPost, model.MLPOut}}),
		"patch, together": patch(clean, corrupted, experiment.PatchOptions{Question: experiment.Question{Metric: experiment.Rank, Target: 4}, Columns: experiment.Together, Layers: []int{-1}}),
		"patch, long":     patch(long(40, 2), long(40, 29), experiment.PatchOptions{Question: diff, Positions: []int{39, 40, 77, 119}}),
		"patch, bounded":  patch(clean, corrupted, experiment.PatchOptions{Question: diff, MaxMemory: 64 << 30}),
		"rome": func(m model.Model) (any, error) {
			return experiment.CausalTrace(ctx, m, clean, experiment.TracingOptions{Question: experiment.Question{Target: 7}, Subject: []int{1, 2}, Samples: 3, Window: 2, Seed: 4})
		},
		"patchscope": func(m model.Model) (any, error) {
			return experiment.Patchscope(ctx, m, clean, corrupted, experiment.PatchscopeOptions{ToLayers: []int{0, -1}, Continue: 3, Target: new(int)})
		},
		"steer": func(m model.Model) (any, error) {
			return experiment.Steer(ctx, m, pairs, pairs[:1], experiment.SteerOptions{Strengths: []float64{-1, 2}, Prompts: []edit.Input{clean}, Target: 3, Versus: 5})
		},
		"probe": func(m model.Model) (any, error) {
			return experiment.Probe(ctx, m, []experiment.Labelled{{Input: clean, Label: "a"}, {Input: corrupted, Label: "b"}}, nil, experiment.ProbeOptions{})
		},
		"decompose": func(m model.Model) (any, error) {
			last := m.Shape().Layers - 1
			return experiment.Decompose(ctx, m, clean, experiment.DecomposeOptions{K: 3, Places: []model.Place{{Site: model.ResidPost}, {Site: model.ResidPost, Layer: last}}})
		},
	}
}

// withAttention are those of models that attend in every layer.
func withAttention(ctx context.Context) map[string]func(m model.Model) (any, error) {
	clean, corrupted := edit.Input{IDs: []int{3, 9, 4, 11, 5, 2}}, edit.Input{IDs: []int{3, 9, 8, 11, 5, 2}}
	prob := experiment.Question{Metric: experiment.Prob, Target: 7}
	return map[string]func(m model.Model) (any, error){
		"heads": func(m model.Model) (any, error) {
			return experiment.Patch(ctx, m, clean, corrupted, experiment.PatchOptions{Question: prob, Columns: experiment.ByHead})
		},
		"patterns": func(m model.Model) (any, error) {
			return experiment.Patch(ctx, m, clean, corrupted, experiment.PatchOptions{Question: prob, Sites: []model.Site{model.Pattern}})
		},
		"path": func(m model.Model) (any, error) {
			o := experiment.PathOptions{PatchOptions: experiment.PatchOptions{Question: prob}, Receivers: []experiment.Receiver{{Place: model.Place{Site: model.Q, Layer: m.Shape().Layers - 1}, Heads: []int{1}}}}
			return experiment.PathPatch(ctx, m, clean, corrupted, o)
		},
		"path to the logits": func(m model.Model) (any, error) {
			return experiment.PathPatch(ctx, m, clean, corrupted, experiment.PathOptions{PatchOptions: experiment.PatchOptions{Question: prob}, Recompute: true})
		},
		"attention": func(m model.Model) (any, error) {
			return experiment.Attention(ctx, m, clean, experiment.AttentionOptions{Weight: experiment.ValueNorm})
		},
		"attention, some": func(m model.Model) (any, error) {
			in := corrupted
			in.Positions = []int{2, 4}
			last := m.Shape().Layers - 1
			return experiment.Attention(ctx, m, in, experiment.AttentionOptions{Heads: []experiment.Head{{Layer: last, Head: 1}}, Keys: []int{0, 3}, MaxMemory: 64 << 30})
		},
		"head scores": func(m model.Model) (any, error) {
			return experiment.HeadScores(ctx, m, []edit.Input{clean, {IDs: []int{4, 5, 4, 5, 4}}, corrupted}, experiment.ScoreOptions{})
		},
		"knockout": func(m model.Model) (any, error) {
			return experiment.Knockout(ctx, m, clean, experiment.KnockoutOptions{Question: prob, Window: 2})
		},
	}
}

// What is found on two and three ranks is what one process finds, to the last bit, and every rank has it.
func TestExperimentsOnRanksFindWhatOneProcessFinds(t *testing.T) {
	for _, name := range []string{"llama", "qwen3-moe-some-layers", "qwen3-5", "granite4-h"} {
		a := modeltest.Recorded(t, name)
		whole := modeltest.Build(t, a, auto.Options{})
		all := onRanks(t.Context())
		if name == "llama" || name == "qwen3-moe-some-layers" {
			for what, run := range withAttention(t.Context()) {
				all[what] = run
			}
		}
		for what, run := range all {
			want, err := untimed(run(whole))
			require.NoError(t, err, "%s: %s", name, what)
			for n := 2; n <= min(3, whole.Shape().Layers); n++ {
				modeltest.Divided(t, a, n, auto.Options{}, func(m model.Model) error {
					got, err := untimed(run(m))
					if err != nil {
						return fmt.Errorf("%s: %s on %d: %w", name, what, n, err)
					}
					require.Equal(t, want, got, "%s: %s on %d ranks", name, what, n)
					return nil
				})
			}
		}
	}
}

// What a rank cannot do, and is not done by all together, is refused by the library.
func TestExperimentsThatNeedAllLayersAreRefusedOnRanks(t *testing.T) {
	ctx, in := t.Context(), edit.Input{IDs: []int{3, 9, 4}}
	q := experiment.Question{Metric: experiment.Logit, Target: 3}
	modeltest.Divided(t, modeltest.Recorded(t, "llama"), 2, auto.Options{}, func(m model.Model) error {
		for what, run := range map[string]func() (any, error){
			"attribution": func() (any, error) { return experiment.Attribute(ctx, m, in, experiment.AttributeOptions{}) },
			"to tokens": func() (any, error) {
				return experiment.AttributeInput(ctx, m, in, experiment.InputOptions{Question: q})
			},
			"edges": func() (any, error) {
				return experiment.AttributeEdges(ctx, m, in, in, experiment.EdgeOptions{Question: q})
			},
			"an estimate":     func() (any, error) { return experiment.Estimate(ctx, m, in, in, experiment.EstimateOptions{}) },
			"an evaluation":   func() (any, error) { return experiment.Evaluate(ctx, m, [][]int{in.IDs}, experiment.EvaluateOptions{}) },
			"an audit":        func() (any, error) { return audit.New(m, modeltest.Tiny(t), audit.Options{}) },
			"a Jacobian lens": func() (any, error) { return jacobian.NewFit(m, jacobian.FitOptions{}) },
			"a tuned lens":    func() (any, error) { return tuned.NewTrainer(m, [][]int{in.IDs}, tuned.TrainOptions{}) },
		} {
			_, err := run()
			require.ErrorContains(t, err, "does not run on ranks", what)
		}
		return nil
	})
}
