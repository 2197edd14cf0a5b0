package experiment_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/generate"
	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/states"
)

// recordedScope is what follows one state in testdata/golden/patchscope.json.gz.
type recordedScope struct {
	Top       int     `json:"top"`
	Logit     float64 `json:"logit"`
	Prob      float64 `json:"prob"`
	Target    float64 `json:"target"`
	Continued []int   `json:"continued"`
}

// affine is scale·h + shift of every state.
type affine struct{ scale, shift float64 }

func (affine) Name() string                  { return "affine" }
func (affine) Has(model.Place) (bool, error) { return true, nil }
func (a affine) Translate(_ model.Place, h *mlx.Array) *mlx.Array {
	return mlx.Shift(mlx.Scale(h, a.scale), a.shift)
}

func requireScoped(t *testing.T, want recordedScope, got experiment.Scoped) {
	t.Helper()
	require.Equal(t, want.Top, got.Top[0].ID)
	require.InDelta(t, want.Logit, got.Top[0].Logit, 1e-4)
	require.InDelta(t, want.Prob, got.Top[0].Prob, 1e-5)
	require.InDelta(t, want.Target, got.Target.Logit, 1e-4)
	require.Equal(t, want.Continued, idsOf(got.Continued))
}

func idsOf(tokens []lens.Token) (ids []int) {
	for _, t := range tokens {
		ids = append(ids, t.ID)
	}
	return ids
}

func TestPatchscopesAreTransformersWithHooks(t *testing.T) {
	t.Parallel()
	var recorded struct {
		Position int                   `json:"position"`
		To       int                   `json:"to"`
		Target   int                   `json:"target"`
		Maps     map[string][2]float64 `json:"maps"`
		Models   []struct {
			Architecture string                       `json:"architecture"`
			Source       []int                        `json:"source"`
			Into         []int                        `json:"into"`
			Baseline     recordedScope                `json:"baseline"`
			Values       map[string][][]recordedScope `json:"values"`
		} `json:"models"`
	}
	require.NoError(t, golden.Read(modeltest.Path(t, "testdata/golden/patchscope.json.gz"), &recorded))
	require.Len(t, recorded.Models, 3)
	for _, want := range recorded.Models {
		m := modeltest.Architecture(t, want.Architecture, nil)
		all, err := model.Indices(nil, m.Shape().Layers, "layer")
		require.NoError(t, err)
		for name, by := range recorded.Maps {
			source, into := edit.Input{IDs: want.Source, Positions: []int{recorded.Position}}, edit.Input{IDs: want.Into, Positions: []int{recorded.To}}
			o := experiment.PatchscopeOptions{ToLayers: all, Target: &recorded.Target, Continue: len(want.Baseline.Continued), Map: affine{by[0], by[1]}}
			got, err := experiment.Patchscope(context.Background(), m, source, into, o)
			require.NoError(t, err)
			requireScoped(t, want.Baseline, got.Baseline)
			for layer, row := range want.Values[name] {
				for to, cell := range row {
					requireScoped(t, cell, got.Cells[layer][to])
				}
			}
		}
	}
}

// A state that is put where it comes from changes nothing, and the last layer's says what the source says.
func TestAStatePutWhereItComesFromChangesNothing(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"llama-sliding", "gemma2-sliding", "qwen3-5", "gemma4-both"} {
		m := modeltest.Architecture(t, name, nil)
		in := edit.Input{IDs: []int{1, 9, 3, 4, 7}}
		s, err := experiment.Patchscope(context.Background(), m, in, in, experiment.PatchscopeOptions{Continue: 3})
		require.NoError(t, err, name)
		for _, row := range s.Cells {
			require.Equal(t, s.Baseline.Top[0].ID, row[0].Top[0].ID, name)
			require.InDelta(t, s.Baseline.Target.Logit, row[0].Target.Logit, 1e-4, name)
			require.Equal(t, s.Baseline.Continued, row[0].Continued, name)
		}
		require.NoError(t, published(t, "patchscope-1").Validate(document(t, s)))
		other := edit.Input{IDs: []int{11, 2, 5}}
		s, err = experiment.Patchscope(context.Background(), m, in, other, experiment.PatchscopeOptions{Layers: []int{-1}})
		require.NoError(t, err)
		require.Equal(t, 1, s.Cells[0][0].Target.Rank, "%s: the target is what the source says", name)
		require.Equal(t, s.Target.ID, s.Cells[0][0].Top[0].ID)
	}
}

// A continuation is what generate gives under an edit that sets the state.
func TestPatchscopesGoOnAsGenerateDoes(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	ctx, source, into := context.Background(), edit.Input{IDs: []int{5, 6, 7}, Positions: []int{2}}, edit.Input{IDs: []int{30, 7, 500, 3}, Positions: []int{1}}
	s, err := experiment.Patchscope(ctx, m, source, into, experiment.PatchscopeOptions{Layers: []int{1}, ToLayers: []int{0, 2}, Continue: 6})
	require.NoError(t, err)
	at := model.Place{Site: model.ResidPost, Layer: 1}
	set, err := states.Capture(ctx, m, source, []model.Place{at})
	require.NoError(t, err)
	v, err := set.Value(at)
	require.NoError(t, err)
	v.Shape, v.Positions = v.Shape[1:], nil
	for i, to := range []int{0, 2} {
		g, err := generate.New(m, generate.Options{})
		require.NoError(t, err)
		defer g.Close()
		patch := edit.Edit{Place: model.Place{Site: model.ResidPost, Layer: to}, Positions: []int{1}, Op: edit.Set, Value: v}
		require.NoError(t, g.Prompt(ctx, edit.Input{IDs: into.IDs, Edits: []edit.Edit{patch}}))
		for _, token := range s.Cells[0][i].Continued {
			next, err := g.Next(ctx)
			require.NoError(t, err)
			require.Equal(t, next.ID, token.ID)
		}
	}
	stop := s.Cells[0][0].Continued[2].ID
	stopped, err := experiment.Patchscope(ctx, m, source, into, experiment.PatchscopeOptions{Layers: []int{1}, ToLayers: []int{0}, Continue: 6, Stop: []int{stop}})
	require.NoError(t, err)
	require.NotContains(t, idsOf(stopped.Cells[0][0].Continued), stop)
	n := len(stopped.Cells[0][0].Continued)
	require.Less(t, n, 3)
	require.Equal(t, idsOf(s.Cells[0][0].Continued[:n]), idsOf(stopped.Cells[0][0].Continued))
}

func TestPatchscopesThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	in, far := edit.Input{IDs: []int{1, 2}}, 512
	for says, o := range map[string]experiment.PatchscopeOptions{
		"is no state of one position": {Site: model.Pattern},
		"target 512":                  {Target: &far},
		"layer 7":                     {ToLayers: []int{7}},
		"top -1":                      {Top: -1},
		"the model allows":            {Continue: 1 << 20},
		"has no pos_embed":            {Site: model.PosEmbed},
		"MB beside the weights":       {MaxMemory: 1},
		`site "nowhere" is unknown`:   {Site: "nowhere"},
	} {
		_, err := experiment.Patchscope(context.Background(), m, in, in, o)
		require.ErrorContains(t, err, says)
	}
}
