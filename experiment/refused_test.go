package experiment_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/model"
)

// What cannot be asked is told apart from what failed: want of memory can be cured without asking otherwise.
func TestRefusalsAreToldFromFailures(t *testing.T) {
	t.Parallel()
	m, ctx := modeltest.Tiny(t), context.Background()
	a, b := edit.Input{IDs: []int{1, 2, 3}}, edit.Input{IDs: []int{1, 4, 3}}
	kl := experiment.Question{Metric: experiment.KL}
	patch := func(o experiment.PatchOptions) error {
		o.Question = kl
		_, err := experiment.Patch(ctx, m, a, b, o)
		return err
	}
	for name, err := range map[string]error{
		"window": patch(experiment.PatchOptions{Window: 9}),
		"heads":  patch(experiment.PatchOptions{Columns: experiment.ByHead, Sites: []model.Site{model.ResidPre}}),
		"site":   patch(experiment.PatchOptions{Sites: []model.Site{model.ExpertOut}}),
		"layer":  patch(experiment.PatchOptions{Layers: []int{9}}),
		"metric": func() error { _, err := experiment.Patch(ctx, m, a, b, experiment.PatchOptions{}); return err }(),
		"experts": func() error {
			_, err := experiment.Attribute(ctx, m, a, experiment.AttributeOptions{By: experiment.OfExperts})
			return err
		}(),
		"one token": func() error {
			_, err := experiment.Knockout(ctx, m, edit.Input{IDs: []int{1}}, experiment.KnockoutOptions{Question: kl})
			return err
		}(),
		"one label": func() error {
			_, err := experiment.Probe(ctx, m, []experiment.Labelled{{Input: a, Label: "x"}, {Input: b, Label: "x"}}, nil, experiment.ProbeOptions{L2: 1})
			return err
		}(),
		"identical pairs": func() error {
			_, err := experiment.Steer(ctx, m, []experiment.Contrast{{Positive: a, Negative: a}}, nil, experiment.SteerOptions{})
			return err
		}(),
	} {
		var refused *experiment.Refused
		require.ErrorAs(t, err, &refused, name)
		require.ErrorContains(t, err, "experiment: "+refused.Err.Error())
	}
	var refused *experiment.Refused
	require.NotErrorAs(t, patch(experiment.PatchOptions{MaxMemory: 1000}), &refused)
}
