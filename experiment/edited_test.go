package experiment_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/model"
)

// edited are inputs with edits that lie behind the first layers, and behind the first positions.
func edited(m model.Model, op edit.Op, factor float64, inputs ...edit.Input) []edit.Input {
	last := m.Shape().Layers - 1
	out := make([]edit.Input, len(inputs))
	for i, in := range inputs {
		in.Edits = []edit.Edit{
			{Place: model.Place{Site: model.MLPOut, Layer: last}, Op: op, Factor: factor},
			{Place: model.Place{Site: model.ResidPost, Layer: last - 1}, Positions: []int{len(in.IDs) - 1}, Op: op, Factor: factor},
		}
		out[i] = in
	}
	return out
}

// everyForm makes each experiment that takes edits, reading the first layers and positions alone.
func everyForm(t *testing.T, m model.Model, clean, corrupted edit.Input) map[string]map[model.Site][][]lens.Number {
	t.Helper()
	ctx, q := context.Background(), experiment.Question{Metric: experiment.LogitDiff, Target: 5, Versus: 9}
	grid := experiment.PatchOptions{Question: q, Layers: []int{0}, Positions: []int{2, 3}}
	out := map[string]map[model.Site][][]lens.Number{}
	for _, columns := range []experiment.Columns{experiment.ByPosition, experiment.ByHead, experiment.Together} {
		o := grid
		o.Columns = columns
		p, err := experiment.Patch(ctx, m, clean, corrupted, o)
		require.NoError(t, err)
		out[string(columns)] = p.Values
	}
	last := m.Shape().Layers - 1
	for name, receivers := range map[string][]experiment.Receiver{"logits": nil, "a head": {{Place: model.Place{Site: model.Q, Layer: last - 1}, Heads: []int{0}}}} {
		p, err := experiment.PathPatch(ctx, m, clean, corrupted, experiment.PathOptions{PatchOptions: grid, Receivers: receivers})
		require.NoError(t, err)
		out["to "+name] = p.Values
	}
	r, err := experiment.CausalTrace(ctx, m, clean, experiment.TracingOptions{Question: q, Subject: []int{2}, Samples: 2, Layers: []int{0}, Window: 1})
	require.NoError(t, err)
	out["rome"] = r.Effects
	e, err := experiment.Estimate(ctx, m, clean, corrupted, experiment.EstimateOptions{PatchOptions: grid})
	require.NoError(t, err)
	out["estimate"] = e.Effects
	return out
}

func TestAnEditThatChangesNothingChangesNoExperiment(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"llama", "gpt-neox"} {
		m := modeltest.Architecture(t, name, nil)
		a, b := edit.Input{IDs: ids(7, m.Shape().DVocab, 3)}, edit.Input{IDs: ids(7, m.Shape().DVocab, 3)}
		b.IDs[2]++
		with := edited(m, edit.Scale, 1, a, b)
		want, got := everyForm(t, m, a, b), everyForm(t, m, with[0], with[1])
		for form, grids := range want {
			for site, rows := range grids {
				for i, x := range rows[0] {
					require.InDelta(t, float64(x), float64(got[form][site][0][i]), 1e-4, "%s: %s of %s, %d", name, site, form, i)
				}
			}
		}
		q := experiment.Question{Metric: experiment.LogitDiff, Target: 5, Versus: 9}
		for i := range with { // the stream is no place for an edit of edges
			with[i].Edits = []edit.Edit{with[i].Edits[0]}
		}
		edges := func(clean, corrupted edit.Input) []experiment.Edge {
			e, err := experiment.AttributeEdges(context.Background(), m, clean, corrupted, experiment.EdgeOptions{Question: q, Top: 10})
			require.NoError(t, err)
			return e.Edges
		}
		require.Equal(t, edges(a, b), edges(with[0], with[1]), name) // one by one: no batch to round otherwise
		parts := func(in edit.Input) []experiment.Contribution {
			p, err := experiment.Attribute(context.Background(), m, in, experiment.AttributeOptions{Target: 5, MaxMemory: 8 << 30})
			require.NoError(t, err)
			return p.Parts
		}
		with[0].Edits = with[0].Edits[:1] // those of the stream leave no sum of parts
		require.Equal(t, parts(a), parts(with[0]), name)
	}
}

// A patch of a run with an edit is the run with both, whether or not the edit is reached where the
// patch is read.
func TestEveryPatchOfAnEditedRunIsARunOfItsOwn(t *testing.T) {
	t.Parallel()
	q := experiment.Question{Metric: experiment.LogitDiff, Target: 5, Versus: 9}
	for _, name := range []string{"llama", "gpt-neox", "qwen3-5-moe"} {
		m := modeltest.Architecture(t, name, nil)
		a, b := edit.Input{IDs: ids(7, m.Shape().DVocab, 3)}, edit.Input{IDs: ids(7, m.Shape().DVocab, 3)}
		b.IDs[2]++
		with := edited(m, edit.Scale, 0.5, a, b)
		clean, corrupted := with[0], with[1]
		for _, columns := range []experiment.Columns{experiment.ByPosition, experiment.ByHead, experiment.Together} {
			o := experiment.PatchOptions{Question: q, Columns: columns, Sites: []model.Site{model.Z}}
			if columns != experiment.ByHead {
				o.Sites = []model.Site{model.ResidPre, model.MLPOut}
			}
			got, err := experiment.Patch(context.Background(), m, clean, corrupted, o)
			require.NoError(t, err, name)
			for _, site := range o.Sites {
				for layer, row := range got.Values[site] {
					place := model.Place{Site: site, Layer: layer}
					if m.Check(place) != nil {
						continue
					}
					v := at(t, m, clean, place)
					for column, x := range row {
						e := edit.Edit{Place: place, Op: edit.Set, Value: v}
						switch columns {
						case experiment.ByPosition:
							e.Positions = []int{column}
						case experiment.ByHead:
							e.Heads = []int{column}
						}
						run := corrupted
						run.Edits = append(run.Edits[:len(run.Edits):len(run.Edits)], e)
						y := logits(t, m, run, 6)
						require.InDelta(t, float64(y[5])-float64(y[9]), float64(x), 2e-4, "%s: %s, %s, column %d", name, place, columns, column)
					}
				}
			}
		}
	}
}

// What a head tells a receiver is the same difference in the stream, in runs with edits.
func TestPathsOfEditedRunsAreDifferencesInTheStream(t *testing.T) {
	t.Parallel()
	m := modeltest.Architecture(t, "llama", nil)
	a, b := edit.Input{IDs: ids(7, m.Shape().DVocab, 3)}, edit.Input{IDs: ids(7, m.Shape().DVocab, 3)}
	b.IDs[2]++
	with2 := edited(m, edit.Scale, 0.5, a, b)
	clean, corrupted := with2[0], with2[1]
	receiver := experiment.Receiver{Place: model.Place{Site: model.V, Layer: m.Shape().Layers - 1}, Heads: []int{1}}
	clean.Edits[1] = edit.Edit{Place: model.Place{Site: model.Q, Layer: receiver.Place.Layer}, Op: edit.Scale, Factor: 0.5}
	corrupted.Edits = clean.Edits
	got, err := experiment.PathPatch(context.Background(), m, clean, corrupted, experiment.PathOptions{
		PatchOptions: experiment.PatchOptions{Question: experiment.Question{Metric: experiment.LogitDiff, Target: 5, Versus: 9}}, Receivers: []experiment.Receiver{receiver},
	})
	require.NoError(t, err)
	for head, x := range got.Values[model.Z][0] {
		z, out := model.Place{Site: model.Z}, model.Place{Site: model.AttnOut}
		told, was := at(t, m, with(corrupted, z, []int{head}, at(t, m, clean, z)), out), at(t, m, corrupted, out)
		stream := model.Place{Site: model.ResidPre, Layer: receiver.Place.Layer}
		h := at(t, m, corrupted, stream)
		for i := range h.Data {
			h.Data[i] += told.Data[i] - was.Data[i]
		}
		run := corrupted
		run.Edits = append([]edit.Edit{{Place: stream, Op: edit.Set, Value: h}}, corrupted.Edits...)
		v := at(t, m, run, receiver.Place)
		y := logits(t, m, with(corrupted, receiver.Place, receiver.Heads, v), 6)
		require.InDelta(t, float64(y[5])-float64(y[9]), float64(x), 5e-4, "head %d", head)
	}
}

// What leaves a block and what enters the next are one: runs that are taken up there make its edit once.
func TestAnEditOfWhatEntersABlockIsMadeOnce(t *testing.T) {
	t.Parallel()
	ctx, q := context.Background(), experiment.Question{Metric: experiment.LogitDiff, Target: 5, Versus: 9}
	for _, name := range []string{"llama", "gpt2"} {
		m := modeltest.Architecture(t, name, nil)
		last := m.Shape().Layers - 1
		a, b := edit.Input{IDs: ids(7, m.Shape().DVocab, 3)}, edit.Input{IDs: ids(7, m.Shape().DVocab, 3)}
		b.IDs[2]++
		forms := func(at model.Place) map[string]map[model.Site][][]lens.Number {
			clean, corrupted := a, b
			clean.Edits = []edit.Edit{{Place: at, Op: edit.Scale, Factor: 1.5}}
			corrupted.Edits = clean.Edits
			grid := experiment.PatchOptions{Question: q, Layers: []int{last}, Sites: []model.Site{model.AttnOut, model.MLPOut}}
			out := map[string]map[model.Site][][]lens.Number{}
			for _, columns := range []experiment.Columns{experiment.ByPosition, experiment.Together} {
				o := grid
				o.Columns = columns
				p, err := experiment.Patch(ctx, m, clean, corrupted, o)
				require.NoError(t, err)
				out[string(columns)] = p.Values
			}
			r, err := experiment.CausalTrace(ctx, m, clean, experiment.TracingOptions{Question: q, Subject: []int{2}, Samples: 2, Layers: []int{last}, Window: 1})
			require.NoError(t, err)
			out["rome"] = r.Effects
			for method, steps := range map[experiment.Method]int{experiment.AtGradient: 0, experiment.IntegratedGradients: 3} {
				e, err := experiment.Estimate(ctx, m, clean, corrupted, experiment.EstimateOptions{PatchOptions: grid, Method: method, Steps: steps})
				require.NoError(t, err)
				out[string(method)] = e.Effects
			}
			return out
		}
		want, got := forms(model.Place{Site: model.ResidPost, Layer: last - 1}), forms(model.Place{Site: model.ResidPre, Layer: last})
		require.NotEmpty(t, want["rome"])
		for form, grids := range want {
			for site, rows := range grids {
				for i, x := range rows[0] {
					require.InDelta(t, float64(x), float64(got[form][site][0][i]), 1e-5, "%s: %s of %s, %d", name, site, form, i)
				}
			}
		}
		corrupted := b
		corrupted.Edits = []edit.Edit{{Place: model.Place{Site: model.ResidPre, Layer: last}, Op: edit.Scale, Factor: 1.5}}
		_, err := experiment.AttributeEdges(ctx, m, a, corrupted, experiment.EdgeOptions{Question: q, Top: 10})
		require.ErrorContains(t, err, "changes what writers add on its way to the readers")
	}
}

// The metric is of the model's own norm and unembedding: an edit of what follows them would be left out in silence.
func TestAnEditBehindTheLastStateIsRefused(t *testing.T) {
	t.Parallel()
	m, ctx := modeltest.Tiny(t), context.Background()
	q := experiment.Question{Metric: experiment.LogitDiff, Target: 5, Versus: 9}
	for _, site := range []model.Site{model.FinalNormOut, model.Logits} {
		a, b := edit.Input{IDs: []int{1, 2, 3}}, edit.Input{IDs: []int{1, 4, 3}}
		a.Edits = []edit.Edit{{Place: model.Place{Site: site}, Op: edit.Zero}}
		for form, run := range map[string]func() error{
			"patch": func() error {
				_, err := experiment.Patch(ctx, m, a, b, experiment.PatchOptions{Question: q})
				return err
			},
			"corrupted": func() error {
				_, err := experiment.Patch(ctx, m, b, a, experiment.PatchOptions{Question: q})
				return err
			},
			"path": func() error {
				_, err := experiment.PathPatch(ctx, m, a, b, experiment.PathOptions{PatchOptions: experiment.PatchOptions{Question: q}})
				return err
			},
			"trace": func() error {
				_, err := experiment.CausalTrace(ctx, m, a, experiment.TracingOptions{Question: q, Subject: []int{1}, Samples: 2})
				return err
			},
			"knockout": func() error {
				_, err := experiment.Knockout(ctx, m, a, experiment.KnockoutOptions{Question: q})
				return err
			},
			"estimate": func() error {
				_, err := experiment.Estimate(ctx, m, a, b, experiment.EstimateOptions{PatchOptions: experiment.PatchOptions{Question: q}})
				return err
			},
			"edges": func() error {
				_, err := experiment.AttributeEdges(ctx, m, a, b, experiment.EdgeOptions{Question: q})
				return err
			},
			"input": func() error {
				_, err := experiment.AttributeInput(ctx, m, a, experiment.InputOptions{Question: q})
				return err
			},
		} {
			require.ErrorContains(t, run(), "it would change nothing: the last place that is read is layers.2.resid_post", "%s of %s", form, site)
		}
	}
}
