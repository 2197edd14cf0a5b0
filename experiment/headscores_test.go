package experiment_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/model"
)

// recordedScores is testdata/golden/head-scores.json.gz: TransformerLens' patterns and head scores.
type recordedScores struct {
	Period int `json:"period"`
	Models []struct {
		Architecture string `json:"architecture"`
		Layers       int    `json:"layers"`
		Heads        int    `json:"heads"`
		Runs         []struct {
			Prompt  string                                       `json:"prompt"`
			IDs     []int                                        `json:"ids"`
			Scores  map[experiment.HeadKind]map[string][]float64 `json:"scores"`
			Pattern []float64                                    `json:"pattern"`
		} `json:"runs"`
	} `json:"models"`
}

// ways are the measures of the recording, its abs rounded to three places.
var ways = map[string]struct {
	o         experiment.ScoreOptions
	tolerance float64
}{
	"share":                 {experiment.ScoreOptions{}, 1e-4},
	"share_without_first":   {experiment.ScoreOptions{ExcludeFirst: true}, 1e-4},
	"share_without_current": {experiment.ScoreOptions{ExcludeCurrent: true}, 1e-4},
	"distance":              {experiment.ScoreOptions{Measure: experiment.Distance}, 6e-4},
	"diagonal":              {experiment.ScoreOptions{Measure: experiment.MeanDiagonal}, 1e-4},
}

func recorded(t testing.TB) *recordedScores {
	t.Helper()
	var file recordedScores
	require.NoError(t, golden.Read(modeltest.Path(t, "testdata/golden/head-scores.json.gz"), &file))
	return &file
}

func TestHeadScoresAreTransformerLens(t *testing.T) {
	t.Parallel()
	golden := recorded(t)
	compared := 0
	for _, g := range golden.Models {
		m := modeltest.Architecture(t, g.Architecture, nil)
		for _, run := range g.Runs {
			in := edit.Input{IDs: run.IDs}
			for way, as := range ways {
				o := as.o
				if o.Measure == experiment.MeanDiagonal {
					o.Period = golden.Period
				}
				if run.Scores[experiment.Induction][way] == nil {
					continue
				}
				got, err := experiment.HeadScores(context.Background(), m, []edit.Input{in}, o)
				require.NoError(t, err)
				require.Len(t, got.Heads, g.Layers*g.Heads)
				for _, h := range got.Heads {
					for _, kind := range experiment.HeadKinds() {
						want := run.Scores[kind][way][h.Layer*g.Heads+h.Head]
						require.InDelta(t, want, float64(h.Score[kind]), as.tolerance, "%s %s %s: %v", g.Architecture, run.Prompt, way, h)
						compared++
					}
				}
			}
			if run.Pattern == nil {
				continue
			}
			a, err := experiment.Attention(context.Background(), m, in, experiment.AttentionOptions{})
			require.NoError(t, err)
			n := len(run.IDs)
			for h, rows := range a.Pattern {
				for q, row := range rows {
					at := ((h.Layer*g.Heads+h.Head)*n + q) * n
					require.InDeltaSlice(t, run.Pattern[at:at+n], row, 1e-4, "%s %s", g.Architecture, h)
				}
			}
		}
	}
	require.Greater(t, compared, 1000)
}

// Several inputs are scored together, and each counts as much: also those of other lengths, with
// edits.
func TestScoresOfInputsAreTheMeanOfEach(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"llama-sliding", "gpt-oss", "lfm2"} {
		m := modeltest.Architecture(t, name, nil)
		heads, err := experiment.AllHeads(m, nil, nil)
		require.NoError(t, err)
		inputs := []edit.Input{{IDs: ids(24, 13, 3)}, {IDs: ids(24, 13, 5)}, {IDs: ids(19, 13, 7)}}
		inputs[1].Edits = []edit.Edit{{Place: model.Place{Site: model.Pattern, Layer: heads[0].Layer}, Heads: []int{0}, Op: edit.Scale, Factor: 0.5}}
		together, err := experiment.HeadScores(context.Background(), m, inputs, experiment.ScoreOptions{})
		require.NoError(t, err)
		want := map[experiment.HeadKind]lens.Number{}
		pairs := 0
		for _, in := range inputs {
			one, err := experiment.HeadScores(context.Background(), m, []edit.Input{in}, experiment.ScoreOptions{Heads: heads[1:2]})
			require.NoError(t, err)
			require.Len(t, one.Heads, 1)
			for _, kind := range experiment.HeadKinds() {
				want[kind] += one.Heads[0].Score[kind] / lens.Number(len(inputs))
			}
			pairs += one.Pairs[experiment.Induction]
		}
		for _, kind := range experiment.HeadKinds() {
			require.InDelta(t, float64(want[kind]), float64(together.Heads[1].Score[kind]), 1e-5, "%s %s", name, kind)
		}
		require.Equal(t, pairs, together.Pairs[experiment.Induction])
		require.Positive(t, pairs)
	}
}

// A long prompt goes through in parts, each of which adds its sums.
func TestScoresOfALongPromptAreThoseOfItsPattern(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	in := edit.Input{IDs: ids(600, 97, 3)}
	heads := []experiment.Head{{Layer: 2, Head: 3}}
	a, err := experiment.Attention(context.Background(), m, in, experiment.AttentionOptions{Heads: heads})
	require.NoError(t, err)
	s, err := experiment.HeadScores(context.Background(), m, []edit.Input{in}, experiment.ScoreOptions{Heads: heads})
	require.NoError(t, err)
	sum, pairs := 0.0, 0
	for q, row := range a.Pattern[heads[0]] {
		for k := 1; k <= q; k++ {
			if in.IDs[k-1] == in.IDs[q] {
				sum, pairs = sum+float64(row[k]), pairs+1
			}
		}
	}
	require.InDelta(t, sum/600, float64(s.Heads[0].Score[experiment.Induction]), 1e-6)
	require.Equal(t, pairs, s.Pairs[experiment.Induction])
}

// An edited pattern is scored as it is: a head that looks at the first token alone has that score
// whole, and the others none.
func TestAHeadThatIsMadeOfAKindScoresOne(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	heads, n := m.Shape().Heads, 20
	r := experiment.Repeats{Length: n / 2, Samples: 2, Seed: 1}
	require.NoError(t, r.Draw(m, nil))
	data := make([]float32, heads*n*n)
	for row := range heads * n {
		q := row % n
		k := map[int]int{0: max(0, q-1), 1: 0, 2: q, 3: max(0, q-n/2), 4: max(0, q-n/2+1)}[row/n]
		data[row*n+k] = 1
	}
	inputs := r.Inputs()
	for i := range inputs {
		inputs[i].Edits = []edit.Edit{{Place: model.Place{Site: model.Pattern, Layer: 1}, Op: edit.Set, Value: edit.Value{Shape: []int{heads, n, n}, Data: data}}}
	}
	chosen, err := experiment.AllHeads(m, []int{1}, []int{0, 1, 2, 3, 4})
	require.NoError(t, err)
	s, err := experiment.HeadScores(context.Background(), m, inputs, experiment.ScoreOptions{Heads: chosen, Period: r.Length})
	require.NoError(t, err)
	require.Equal(t, experiment.MeanDiagonal, s.Measure)
	for i, kind := range experiment.HeadKinds() {
		require.InDelta(t, 1, float64(s.Heads[i].Score[kind]), 1e-6, kind)
		require.Equal(t, i, s.Best(kind)[0].Head)
	}
}

func TestRepeatsAreTheSameForASeed(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	r := experiment.Repeats{Length: 30, Samples: 3, Seed: 7, First: []int{1}}
	require.NoError(t, r.Draw(m, nil))
	again, other := r, r
	other.Seed = 8
	require.NoError(t, again.Draw(m, nil))
	require.NoError(t, other.Draw(m, nil))
	require.Equal(t, r.IDs, again.IDs)
	require.NotEqual(t, r.IDs, other.IDs)
	require.NotEqual(t, r.IDs[0], r.IDs[1])
	for _, ids := range r.IDs {
		require.Equal(t, 1, ids[0])
		require.Equal(t, ids[1:31], ids[31:])
		seen := map[int]bool{}
		for _, id := range ids[1:31] {
			require.False(t, seen[id])
			seen[id] = true
		}
	}
	for says, wrong := range map[string]experiment.Repeats{
		"0 samples of 30":        {Length: 30},
		"samples of 1 random":    {Length: 1, Samples: 1},
		"outside the vocabulary": {Length: 3, Samples: 1, First: []int{-1}},
		"513 random tokens that differ are asked for, and there are 512": {Length: 513, Samples: 1},
	} {
		require.ErrorContains(t, wrong.Draw(m, nil), says)
	}
	require.ErrorContains(t, (&experiment.Repeats{Length: 3, Samples: 1}).Draw(m, []int{5, 6}), "there are 2 to draw from")
}

func TestScoresThatMeanNothingAreRefused(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	in := []edit.Input{{IDs: []int{1, 2, 1, 2}}}
	for says, o := range map[string]experiment.ScoreOptions{
		`measure "cosine"`:                  {Measure: "cosine"},
		"the period is 0":                   {Measure: experiment.MeanDiagonal},
		"goes by which tokens are the same": {Measure: experiment.Share, Period: 2},
		"head 9 does not exist":             {Heads: []experiment.Head{{Head: 9}}},
		"are left for it":                   {MaxMemory: 1},
	} {
		_, err := experiment.HeadScores(context.Background(), m, in, o)
		require.ErrorContains(t, err, says)
	}
	_, err := experiment.HeadScores(context.Background(), m, nil, experiment.ScoreOptions{})
	require.ErrorContains(t, err, "no input")
}
