package audit_test

import (
	"context"
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/audit"
	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/model/load"
)

// drawnAnew gives the recorded weights whose names a function accepts a little less spread.
func drawnAnew(of func(name string) bool) func(*golden.Architecture) {
	return func(a *golden.Architecture) {
		for i := range a.Tensors {
			if t := &a.Tensors[i]; of(t.Name) && t.Type != "uint32" && t.Type != "uint8" {
				t.Amplitude *= 0.97
			}
		}
	}
}

func all(string) bool { return true }

// recordedIDs are two sequences of a recorded model's longest run.
func recordedIDs(t *testing.T, name string) [][]int {
	t.Helper()
	var longest []int32
	for _, run := range modeltest.Recorded(t, name).Runs {
		if len(run.IDs) > len(longest) {
			longest = run.IDs
		}
	}
	var ids []int
	for _, id := range longest {
		ids = append(ids, int(id))
	}
	return [][]int{ids, ids[:(len(ids)+2)*2/3]}
}

func run(t *testing.T, a *audit.Audit, sequences [][]int) *audit.Result {
	t.Helper()
	for _, ids := range sequences {
		require.NoError(t, a.Add(t.Context(), ids))
	}
	return a.Result()
}

func begin(t *testing.T, reference, candidate model.Model, o audit.Options) *audit.Audit {
	t.Helper()
	a, err := audit.New(reference, candidate, o)
	require.NoError(t, err)
	return a
}

func everyWay(n int) audit.Blame {
	return audit.Blame{Sequences: n, By: audit.Groupings(), Directions: audit.Directions()}
}

// Put back, all modules leave nothing; a module that is the only one that differs has all the blame, in
// both directions; and modules that are the same have none.
func TestTheModuleThatDiffersHasTheBlame(t *testing.T) {
	// packed, with learned positions, not to be taken up in the middle, hybrids, mixtures
	for _, name := range []string{"affine-4bit-group64", "gpt2", "gemma4", "qwen3-next-every-other", "granite4-h", "gpt-oss", "deepseek-v2"} {
		t.Run(name, func(t *testing.T) {
			reference := modeltest.Architecture(t, name, nil)
			roles := reference.Parameters()
			one := roles[len(roles)/2]
			candidate := modeltest.Architecture(t, name, nil)
			for _, m := range modeltest.Architecture(t, name, drawnAnew(all)).Parameters() {
				if m.Role == one.Role {
					require.NoError(t, m.Exchange(candidate.Parameters()[len(roles)/2]))
				}
			}
			ids := recordedIDs(t, name)
			r := run(t, begin(t, reference, candidate, audit.Options{Blame: everyWay(2)}), ids)
			requireOneToBlame(t, r, one.Role)
		})
	}
}

func requireOneToBlame(t *testing.T, r *audit.Result, role string) {
	t.Helper()
	require.Zero(t, r.Blame.Left)
	require.Equal(t, r.Corpus.Tokens, r.Blame.Tokens)
	for _, ranking := range r.Blame.Rankings {
		require.Len(t, ranking.Modules, 1)
		m := ranking.Modules[0]
		for _, d := range audit.Directions() {
			require.InDelta(t, float64(r.Final.KL.Mean), float64(m.Effects[d].Mean), 1e-9, "%s %s", m.Name, d)
		}
		require.Positive(t, float64(m.Difference))
		require.Equal(t, 1, m.Modules)
	}
	require.Equal(t, role, r.Blame.Rankings[0].Modules[0].Name)
	require.NotContains(t, r.Blame.Same, role)
}

// A model is no distance from itself, and its perplexities are the same.
func TestAModelIsNoDistanceFromItself(t *testing.T) {
	reference, candidate := modeltest.Tiny(t), modeltest.Tiny(t)
	for _, onDevice := range []bool{false, true} {
		r := run(t, begin(t, reference, candidate, audit.Options{OnDevice: &onDevice, Blame: everyWay(1)}), [][]int{modeltest.Sixty})
		require.Zero(t, r.Final.KL.Mean)
		require.Equal(t, audit.Number(1), r.Final.SameTop.Mean)
		require.Equal(t, r.Final.PPLReference, r.Final.PPLCandidate)
		require.Zero(t, r.Final.DeltaRMS.Mean)
		require.Nil(t, r.Parts.Row)
		require.Len(t, r.Layers, 3)
		require.Equal(t, 29, r.Corpus.Tokens) // of 60, from 30 on, without the last
		require.Empty(t, r.Blame.Rankings[0].Modules)
		require.Len(t, r.Blame.Same, len(reference.Parameters()))
	}
}

// Saved as JSON after any sequence and restored, an audit ends in the same bytes.
func TestAnAuditGoesOnWhereItStopped(t *testing.T) {
	sequences := [][]int{modeltest.Sixty, modeltest.Sixty[:40], {5}, modeltest.Sixty[7:50], modeltest.Sixty[3:33]}
	reference := modeltest.Tiny(t)
	candidate := modeltest.Open(t, modeltest.TinyLlama, auto.Options{Weights: load.Packed}).Model
	spoil(t, candidate)
	o := audit.Options{Blame: everyWay(3)}
	whole, err := json.Marshal(run(t, begin(t, reference, candidate, o), sequences))
	require.NoError(t, err)
	for stop := range sequences {
		a := begin(t, reference, candidate, o)
		run(t, a, sequences[:stop])
		state, err := json.Marshal(a.State())
		require.NoError(t, err)
		var read audit.State
		require.NoError(t, json.Unmarshal(state, &read))
		require.Equal(t, stop, read.Sequences())
		b := begin(t, reference, candidate, o)
		require.NoError(t, b.Restore(&read))
		again, err := json.Marshal(run(t, b, sequences[stop:]))
		require.NoError(t, err)
		require.Equal(t, string(whole), string(again))
	}
}

// spoil exchanges a matrix of one layer for that of the next.
func spoil(t *testing.T, m model.Model) {
	t.Helper()
	by := map[string]*model.Module{}
	for _, p := range m.Parameters() {
		by[p.Role] = p
	}
	a, b := *by["layers.0.mlp_out"], *by["layers.1.mlp_out"]
	a.Role = b.Role
	require.NoError(t, a.Exchange(&b))
}

func TestStatesOfOtherAuditsAreRefused(t *testing.T) {
	reference, candidate := modeltest.Tiny(t), modeltest.Tiny(t)
	skip := 3
	begun := begin(t, reference, candidate, audit.Options{Blame: everyWay(1)}).State()
	for _, c := range []struct {
		says string
		o    audit.Options
	}{
		{"other rows", audit.Options{Layers: []int{0}, Blame: everyWay(1)}},
		{"other positions left out: half of each sequence, and these are 3", audit.Options{Skip: &skip, Blame: everyWay(1)}},
	} {
		require.ErrorContains(t, begin(t, reference, candidate, c.o).Restore(begun), c.says)
	}
	begun.Tally.Parted = nil
	require.ErrorContains(t, begin(t, reference, candidate, audit.Options{Blame: everyWay(1)}).Restore(begun), "is damaged")
}

// The last row is the model's own, and a row is what the lens of that layer says.
func TestRowsAreTheLensOfTheirLayer(t *testing.T) {
	reference := modeltest.Tiny(t)
	candidate := modeltest.Open(t, modeltest.TinyLlama, auto.Options{}).Model
	spoil(t, candidate)
	skip := 0
	r := run(t, begin(t, reference, candidate, audit.Options{Skip: &skip}), [][]int{modeltest.Sixty})
	last := r.Layers[len(r.Layers)-1]
	require.Equal(t, r.Final.KL, last.KL)
	require.InDelta(t, float64(r.Final.PPLCandidate.Mean), float64(last.PPLCandidate), 1e-9*float64(last.PPLCandidate))
	for i, m := range []model.Model{reference, candidate} {
		logits := lensOf(t, m, modeltest.Sixty, 1)
		nll := 0.0
		for p, id := range modeltest.Sixty[1:] {
			nll += logSumExp(logits[p]) - float64(logits[p][id])
		}
		want := math.Exp(nll / float64(len(modeltest.Sixty)-1))
		require.InEpsilon(t, want, float64([]audit.Number{r.Layers[1].PPLReference, r.Layers[1].PPLCandidate}[i]), 1e-6)
	}
}

// lensOf returns the logits of a layer's lens, [position][id].
func lensOf(t *testing.T, m model.Model, ids []int, layer int) [][]float32 {
	t.Helper()
	scope := mlx.NewScope(m.Device())
	defer scope.Close()
	h := m.Stream(model.Tokens(scope, ids), nil, nil, layer+1)
	data, err := mlx.Data[float32](model.ToLogits(m, h))
	require.NoError(t, err)
	vocab := m.Shape().DVocab
	rows := make([][]float32, len(ids))
	for p := range rows {
		rows[p] = data[p*vocab : (p+1)*vocab]
	}
	return rows
}

func logSumExp(x []float32) float64 {
	most, sum := math.Inf(-1), 0.0
	for _, v := range x {
		most = max(most, float64(v))
	}
	for _, v := range x {
		sum += math.Exp(float64(v) - most)
	}
	return most + math.Log(sum)
}

// However the work is cut, in parts and blocks, on the device or in Go, the numbers are the same but
// for rounding.
func TestNumbersDoNotDependOnHowTheWorkIsCut(t *testing.T) {
	reference, candidate := modeltest.Tiny(t), modeltest.Tiny(t)
	spoil(t, candidate)
	want := run(t, begin(t, reference, candidate, audit.Options{Blame: everyWay(1)}), [][]int{modeltest.Sixty})
	onDevice := true
	for _, o := range []audit.Options{{MaxMemory: int64(mlx.ActiveMemory()) + 4<<20}, {OnDevice: &onDevice}} {
		o.Blame = everyWay(1)
		got := run(t, begin(t, reference, candidate, o), [][]int{modeltest.Sixty})
		require.InEpsilon(t, float64(want.Final.KL.Mean), float64(got.Final.KL.Mean), 1e-4)
		require.InEpsilon(t, float64(want.Final.PPLCandidate.Mean), float64(got.Final.PPLCandidate.Mean), 1e-5)
		for i, m := range want.Blame.Rankings[0].Modules {
			require.Equal(t, m.Name, got.Blame.Rankings[0].Modules[i].Name)
			require.InDelta(t, float64(m.Effects[audit.Alone].Mean), float64(got.Blame.Rankings[0].Modules[i].Effects[audit.Alone].Mean), 1e-4*float64(m.Effects[audit.Alone].Mean)+1e-8)
		}
	}
}

func TestWhatCannotBeComparedIsRefused(t *testing.T) {
	tiny, other := modeltest.Tiny(t), modeltest.Architecture(t, "gpt2", nil)
	minus := -1
	for says, make := range map[string]func() (*audit.Audit, error){
		"only models of one shape": func() (*audit.Audit, error) { return audit.New(tiny, other, audit.Options{}) },
		"open it twice":            func() (*audit.Audit, error) { return audit.New(tiny, tiny, audit.Options{}) },
		"skip -1":                  func() (*audit.Audit, error) { return audit.New(tiny, modeltest.Tiny(t), audit.Options{Skip: &minus}) },
		"threshold -1":             func() (*audit.Audit, error) { return audit.New(tiny, modeltest.Tiny(t), audit.Options{Threshold: -1}) },
		"threshold +Inf": func() (*audit.Audit, error) {
			return audit.New(tiny, modeltest.Tiny(t), audit.Options{Threshold: math.Inf(1)})
		},
		"is built otherwise": func() (*audit.Audit, error) {
			return audit.New(modeltest.Architecture(t, "llama", nil), modeltest.Architecture(t, "gpt2", nil), audit.Options{Blame: audit.Blame{Sequences: 1}})
		},
		"want tensor, kind or layer": func() (*audit.Audit, error) {
			return audit.New(tiny, modeltest.Tiny(t), audit.Options{Blame: audit.Blame{Sequences: 1, By: []audit.Grouping{"x"}}})
		},
		"want alone or restored": func() (*audit.Audit, error) {
			return audit.New(tiny, modeltest.Tiny(t), audit.Options{Blame: audit.Blame{Sequences: 1, Directions: []audit.Direction{"x"}}})
		},
		"MB are left": func() (*audit.Audit, error) { return audit.New(tiny, modeltest.Tiny(t), audit.Options{MaxMemory: 1}) },
	} {
		_, err := make()
		require.ErrorContains(t, err, says)
	}
	a := begin(t, tiny, modeltest.Tiny(t), audit.Options{})
	require.ErrorContains(t, a.Add(t.Context(), []int{1, 2, 512}), "outside the vocabulary")
	ended, end := context.WithCancel(t.Context())
	end()
	require.ErrorIs(t, a.Add(ended, modeltest.Sixty), context.Canceled)
	require.Zero(t, a.Result().Corpus.Sequences)
}
