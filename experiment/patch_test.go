package experiment_test

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/modeltest"
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
