package experiment_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/states"
)

// logits are those of one position of a run, in one pass of its own.
func logits(t testing.TB, m model.Model, in edit.Input, position int) []float32 {
	t.Helper()
	s := mlx.NewScope(m.Device())
	defer s.Close()
	b, err := edit.NewBatch(m, in)
	require.NoError(t, err)
	n := len(in.IDs)
	h := m.Stream(b.Tokens(s, 0, n), nil, b.Tap(0, n), m.Shape().Layers)
	out, err := mlx.Data[float32](model.ToLogits(m, mlx.Contiguous(mlx.Slice(h, 1, mlx.Between(position, position+1)))))
	require.NoError(t, err)
	return out
}

// patched is the logit difference of a run in which one place has what another run computes there,
// by the edit that a capture is.
func patched(t testing.TB, m model.Model, source, changed edit.Input, at model.Place, positions, heads []int, q experiment.Question) float64 {
	t.Helper()
	set, err := states.Capture(context.Background(), m, edit.Input{IDs: source.IDs}, []model.Place{at})
	require.NoError(t, err)
	v, err := set.Value(at)
	require.NoError(t, err)
	in := edit.Input{IDs: changed.IDs, Edits: []edit.Edit{{Place: at, Positions: positions, Heads: heads, Op: edit.Set, Value: v}}}
	x := logits(t, m, in, len(in.IDs)-1)
	return float64(x[q.Target]) - float64(x[q.Versus])
}

func ids(n, vocab, seed int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = (31*i*seed + 7*seed + i*i) % vocab
	}
	return out
}

// sitesOf are those of a model's sites that can be patched.
func sitesOf(m model.Model, columns experiment.Columns) []model.Site {
	var sites []model.Site
	for _, s := range m.Paths().Sites() {
		if !s.PerLayer() || s == model.ExpertIDs || columns == experiment.ByHead && s.Axis(model.Head, model.KVHead) < 0 {
			continue
		}
		sites = append(sites, s)
	}
	return sites
}

// Every cell is the run that sets what was captured, at every site of every kind of model.
func TestEveryCellIsARunOfItsOwn(t *testing.T) {
	t.Parallel()
	q := experiment.Question{Metric: experiment.LogitDiff, Target: 5, Versus: 9}
	for _, name := range []string{"llama", "gpt2", "gemma2-sliding", "gemma4-text", "gpt-oss", "qwen3-5-moe", "lfm2"} {
		m := modeltest.Architecture(t, name, nil)
		vocab := m.Shape().DVocab
		clean, corrupted := edit.Input{IDs: ids(9, vocab, 3)}, edit.Input{IDs: ids(9, vocab, 3)}
		corrupted.IDs[3], corrupted.IDs[6] = 17, 21
		for _, columns := range []experiment.Columns{experiment.ByPosition, experiment.ByHead, experiment.Together} {
			for _, noising := range []bool{false, true} {
				if noising && name != "llama" {
					continue // it is the same with the runs changed round
				}
				got, err := experiment.Patch(context.Background(), m, clean, corrupted, experiment.PatchOptions{
					Question: q, Sites: sitesOf(m, columns), Columns: columns, Noising: noising,
				})
				require.NoError(t, err, name)
				source, changed := clean, corrupted
				if noising {
					source, changed = corrupted, clean
				}
				for i, site := range got.Components {
					for row, layer := range got.Rows {
						at := model.Place{Site: site, Layer: layer}
						column := (i + row) % len(got.Values[site][row]) // one of them: each is a pass here
						x := float64(got.Values[site][row][column])
						axis := site.Axis(model.Head, model.KVHead)
						if m.Check(at) != nil || columns == experiment.ByHead && column >= m.Shape().In(layer).Size(site.Axes()[axis]) {
							require.True(t, math.IsNaN(x))
							continue
						}
						var positions, heads []int
						switch columns {
						case experiment.ByPosition:
							positions = []int{column}
						case experiment.ByHead:
							heads = []int{column}
						}
						want := patched(t, m, source, changed, at, positions, heads, q)
						require.InDelta(t, want, x, 2e-4, "%s: %s, %s, noising %t, column %d", name, at, columns, noising, column)
						b := got.Baseline
						require.InDelta(t, (want-float64(b.Corrupted))/float64(b.Clean-b.Corrupted), float64(got.Recovery[site][row][column]), 2e-4/math.Abs(float64(b.Clean-b.Corrupted)))
					}
				}
			}
		}
	}
}

// A prompt patched with itself recovers nothing, and everything at the last block is the clean run.
func TestPatchesOfNothingAndOfEverything(t *testing.T) {
	t.Parallel()
	for _, metric := range experiment.Metrics() {
		for _, name := range modeltest.Sample(t) {
			m := modeltest.Architecture(t, name, nil)
			vocab := m.Shape().DVocab
			clean, corrupted := edit.Input{IDs: ids(8, vocab, 3)}, edit.Input{IDs: ids(8, vocab, 5)}
			o := experiment.PatchOptions{
				Question: experiment.Question{Metric: metric, Target: 5, Versus: 9}, Sites: []model.Site{model.ResidPost}, Layers: []int{-1}, Columns: experiment.Together,
			}
			got, err := experiment.Patch(context.Background(), m, clean, corrupted, o)
			require.NoError(t, err)
			if b := got.Baseline; b.Clean != b.Corrupted {
				// metrics are computed in float32
				require.InDelta(t, 1, float64(got.Recovery[model.ResidPost][0][0]), 1e-4+2e-6/math.Abs(float64(b.Clean-b.Corrupted)), "%s of %s: %v", metric, name, b)
			}
			got, err = experiment.Patch(context.Background(), m, clean, clean, o)
			require.NoError(t, err)
			require.Zero(t, got.Recovery[model.ResidPost][0][0], fmt.Sprint(metric, " of ", name))
			if metric != experiment.LogitDiff {
				break // the model makes no difference to the others
			}
		}
	}
}

// published is a schema of docs/schema.
func published(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile("../docs/schema/" + name + ".schema.json")
	require.NoError(t, err)
	return s
}

// document is a result as a schema is held against it.
func document(t *testing.T, result any) any {
	t.Helper()
	raw, err := json.Marshal(result)
	require.NoError(t, err)
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	require.NoError(t, err)
	doc.(map[string]any)["model"].(map[string]any)["quantization"] = "none" // whoever opened the model says it
	return doc
}

func TestJSONOfAPatchingFollowsThePublishedSchema(t *testing.T) {
	t.Parallel()
	schema := published(t, "patch-1")
	m := modeltest.Architecture(t, "qwen3-next", nil) // whose layers have not all the same sites
	for _, o := range []experiment.PatchOptions{
		{Question: experiment.Question{Metric: experiment.KL}},
		{Question: experiment.Question{Metric: experiment.LogitDiff, Target: 3, Versus: 4}, Columns: experiment.ByHead, Sites: []model.Site{model.Z, model.K}},
		{Question: experiment.Question{Metric: experiment.Rank, Target: 3}, Columns: experiment.Together, Noising: true, Window: 2},
	} {
		got, err := experiment.Patch(context.Background(), m, edit.Input{IDs: []int{1, 2, 3}}, edit.Input{IDs: []int{1, 4, 3}}, o)
		require.NoError(t, err)
		doc := document(t, got)
		require.NoError(t, schema.Validate(doc))
		doc.(map[string]any)["recovery"].(map[string]any)["z"] = 1
		require.Error(t, schema.Validate(doc))
	}
}

func TestPatchesThatMeanNothingAreRefused(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	q := experiment.Question{Metric: experiment.KL}
	at := func(ids ...int) edit.Input { return edit.Input{IDs: ids} }
	edited := at(1, 2, 3)
	edited.Edits = []edit.Edit{{Place: model.Place{Site: model.MLPOut, Layer: 1}, Positions: []int{2}, Op: edit.Zero}}
	edited.Positions = []int{1}
	for want, c := range map[string]struct {
		clean, corrupted edit.Input
		o                experiment.PatchOptions
	}{
		"the prompts have 2 and 3 tokens":                 {at(1, 2, 3), at(1, 2), experiment.PatchOptions{Question: q}},
		"metric \"\" is unknown (have: logit_diff, logit": {at(1, 2), at(1, 3), experiment.PatchOptions{}},
		"are both 5": {at(1, 2), at(1, 3), experiment.PatchOptions{Question: experiment.Question{Metric: experiment.LogitDiff, Target: 5, Versus: 5}}},
		"target 512 (number 2) is outside the vocabulary":            {at(1, 2), at(1, 3), experiment.PatchOptions{Question: experiment.Question{Metric: experiment.LogitDiff, Versus: 512}}},
		"\"embed\" is no site of a layer":                            {at(1, 2), at(1, 3), experiment.PatchOptions{Question: q, Sites: []model.Site{model.Embed}}},
		"resid_mid is named twice":                                   {at(1, 2), at(1, 3), experiment.PatchOptions{Question: q, Sites: []model.Site{model.ResidMid, model.ResidMid}}},
		"resid_mid has no heads":                                     {at(1, 2), at(1, 3), experiment.PatchOptions{Question: q, Sites: []model.Site{model.ResidMid}, Columns: experiment.ByHead}},
		"a window of 4 layers: want 1 to 3":                          {at(1, 2), at(1, 3), experiment.PatchOptions{Question: q, Window: 4}},
		"columns \"rows\"":                                           {at(1, 2), at(1, 3), experiment.PatchOptions{Question: q, Columns: "rows"}},
		"layer 3 does not exist":                                     {at(1, 2), at(1, 3), experiment.PatchOptions{Question: q, Layers: []int{3}}},
		"position 2 does not exist":                                  {at(1, 2), at(1, 3), experiment.PatchOptions{Question: q, Positions: []int{2}}},
		"position 0 has no partner in the other prompt":              {at(1, 2), at(1, 2, 3), experiment.PatchOptions{Question: q, Align: lens.AlignEnd, Positions: []int{0}}},
		"position 1 is behind the one that is read, 0":               {at(1, 2), edit.Input{IDs: []int{1, 3}, Positions: []int{0}}, experiment.PatchOptions{Question: q, Positions: []int{1}}},
		"2 positions are read of a run":                              {at(1, 2), edit.Input{IDs: []int{1, 3}, Positions: []int{0, 1}}, experiment.PatchOptions{Question: q}},
		"pattern has a number for each key":                          {at(1, 2), at(1, 2, 3), experiment.PatchOptions{Question: q, Align: lens.AlignStart, Sites: []model.Site{model.Pattern}}},
		"it would change nothing: the last position that is read is": {edited, at(1, 2, 4), experiment.PatchOptions{Question: q}},
		"the prompt is empty":                                        {at(), at(1), experiment.PatchOptions{Question: q}},
		"a run of 3 positions needs at least":                        {at(1, 2, 3), at(1, 2, 4), experiment.PatchOptions{Question: q, MaxMemory: 1}},
	} {
		_, err := experiment.Patch(context.Background(), m, c.clean, c.corrupted, c.o)
		require.ErrorContains(t, err, want)
	}
	_, err := experiment.Patch(context.Background(), nil, at(1), at(1), experiment.PatchOptions{Question: q})
	require.ErrorContains(t, err, "there is no model")
	ctx, stop := context.WithCancel(context.Background())
	stop()
	_, err = experiment.Patch(ctx, m, at(1), at(2), experiment.PatchOptions{Question: q})
	require.ErrorIs(t, err, context.Canceled)
}

// A bound on memory makes passes smaller, and the numbers stay. The bound is on what all tests hold: it runs
// alone.
func TestPatchesWithinABoundAreThePatches(t *testing.T) {
	for _, name := range []string{"llama-sliding", "lfm2", "gpt2"} {
		m := modeltest.Architecture(t, name, nil)
		vocab := m.Shape().DVocab
		clean, corrupted := edit.Input{IDs: ids(50, vocab, 3)}, edit.Input{IDs: ids(50, vocab, 3)}
		corrupted.IDs[41]++
		o := experiment.PatchOptions{Question: experiment.Question{Metric: experiment.LogitDiff, Target: 5, Versus: 9}, Sites: []model.Site{model.ResidPre, model.MLPOut}}
		want, err := experiment.Patch(context.Background(), m, clean, corrupted, o)
		require.NoError(t, err)
		shape := m.Shape()
		o.MaxMemory = int64(mlx.ActiveMemory()) + 12*int64(shape.Block(1, 20, 50)+shape.Remembered(50)+50*shape.DModel+3*vocab)
		if m.Device() == mlx.GPU {
			o.MaxMemory += 1 << 20 // its allocator rounds up: up to twice, of arrays as small as these
		}
		got, err := experiment.Patch(context.Background(), m, clean, corrupted, o)
		require.NoError(t, err)
		for site, rows := range want.Values {
			for i := range rows {
				for j := range rows[i] {
					require.InDelta(t, float64(rows[i][j]), float64(got.Values[site][i][j]), 1e-4)
				}
			}
		}
	}
}
