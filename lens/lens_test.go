package lens_test

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/internal/emulated"
	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

func tiny(t testing.TB) model.Model { return modeltest.Tiny(t) }

func trace(t testing.TB, m model.Model, ids []int, o lens.Options) *lens.Grid {
	t.Helper()
	return traceIn(t, m, edit.Input{IDs: ids}, o)
}

func traceIn(t testing.TB, m model.Model, in edit.Input, o lens.Options) *lens.Grid {
	t.Helper()
	g, err := lens.Run(context.Background(), m, in, o)
	require.NoError(t, err)
	return g
}

var sixty = modeltest.Sixty

func TestRowsAndColumnsAreWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	m := tiny(t)
	g := traceIn(t, m, edit.Input{IDs: sixty, Positions: []int{-1, 5}}, lens.Options{Layers: []int{-2, 0}, Embed: true, Mid: true, Top: 3, Targets: []int{7, 9}})
	assert.Equal(t, []string{"embed", "layers.0.resid_mid", "layers.0.resid_post", "layers.1.resid_mid", "layers.1.resid_post"}, g.Rows)
	assert.Equal(t, []int{5, 59}, g.Positions)
	require.Len(t, g.Cells, 5)
	for _, row := range g.Cells {
		require.Len(t, row, 2)
		for _, c := range row {
			require.Len(t, c.Top, 3)
			require.Len(t, c.Targets, 2)
			require.Equal(t, []int{7, 9}, []int{c.Targets[0].ID, c.Targets[1].ID})
		}
	}
	assert.Equal(t, -1, g.Final.Position)
}

// The number of states changes the shape of the products, and with it the order of
// their sums.
const sameToRounding = 1e-5

func TestCellsDoNotDependOnWhatElseIsRead(t *testing.T) {
	t.Parallel()
	m := tiny(t)
	whole := trace(t, m, sixty, lens.Options{Top: 5, Targets: []int{100}})
	for _, c := range []struct {
		positions []int
		o         lens.Options
	}{
		{[]int{3, 44}, lens.Options{Top: 5, Targets: []int{100}, Layers: []int{1}}},
		{nil, lens.Options{Top: 5, Targets: []int{100}, Layers: []int{2}}},
		{[]int{0}, lens.Options{Top: 5, Targets: []int{100}, Embed: true, Mid: true}},
	} {
		g := traceIn(t, m, edit.Input{IDs: sixty, Positions: c.positions}, c.o)
		at := map[string]int{}
		for i, r := range whole.Rows {
			at[r] = i
		}
		for r, name := range g.Rows {
			i, ok := at[name]
			if !ok {
				continue
			}
			for p, pos := range g.Positions {
				same(t, &whole.Cells[i][pos], &g.Cells[r][p], sameToRounding)
			}
		}
	}
}

func same(t *testing.T, want, got *lens.Cell, most float64) {
	t.Helper()
	require.Len(t, got.Top, len(want.Top))
	for k := range want.Top {
		tie := most * (1 + math.Abs(want.Top[k].Logit))
		require.True(t, want.Top[k].ID == got.Top[k].ID || tied(want.Top, k, got.Top[k].ID, tie), "candidate %d: want %v\ngot %v", k+1, want.Top, got.Top)
		require.InDelta(t, want.Top[k].Logit, got.Top[k].Logit, tie)
		require.InDelta(t, want.Top[k].Prob, got.Top[k].Prob, 10*most)
	}
	require.InDelta(t, want.LogSumExp, got.LogSumExp, 10*most)
	require.InDelta(t, want.Entropy, got.Entropy, 10*most)
	require.InDelta(t, want.KL, got.KL, 20*most*max(1, want.KL))
	for k := range want.Targets {
		require.Equal(t, want.Targets[k].Rank, got.Targets[k].Rank)
	}
	require.Equal(t, want.Answer.ID, got.Answer.ID)
	require.Equal(t, want.Answer.Rank, got.Answer.Rank)
}

// tied reports whether an id may stand at place k: among the candidates its logit is that of
// the one there but for rounding, or it is none of them, and k the last place. Products of
// another shape, and a BLAS whose threads are busy, round otherwise in the last bit.
func tied(want []lens.Candidate, k, id int, tie float64) bool {
	for _, c := range want {
		if c.ID == id {
			return math.Abs(c.Logit-want[k].Logit) <= tie
		}
	}
	return k == len(want)-1
}

// MLX's own logsumexp sums 512 exponentials one after the other in float32.
func TestReductionByMLXEqualsTheScan(t *testing.T) {
	t.Parallel()
	m := tiny(t)
	scan, reduce := false, true
	for _, topOnly := range []bool{false, true} {
		o := lens.Options{Top: 7, Targets: []int{3, 500}, Embed: true, TopOnly: topOnly, OnDevice: &scan}
		want := trace(t, m, sixty, o)
		o.OnDevice = &reduce
		got := trace(t, m, sixty, o)
		for r := range want.Cells {
			for p := range want.Cells[r] {
				same(t, &want.Cells[r][p], &got.Cells[r][p], 1e-5)
			}
		}
	}
}

func TestTopOnlyGivesTheSameCandidates(t *testing.T) {
	t.Parallel()
	m := tiny(t)
	all, top := trace(t, m, sixty, lens.Options{Top: 9}), trace(t, m, sixty, lens.Options{Top: 9, TopOnly: true})
	for r := range all.Cells {
		for p := range all.Cells[r] {
			for k, c := range top.Cells[r][p].Top {
				require.Equal(t, all.Cells[r][p].Top[k].ID, c.ID)
				require.Zero(t, c.Prob)
			}
		}
	}
}

func TestNumbersOfACellFitTogether(t *testing.T) {
	t.Parallel()
	m := tiny(t)
	g := trace(t, m, sixty, lens.Options{Top: 512, Check: true, Targets: []int{42}})
	require.True(t, g.Check.OK)
	for r := range g.Cells {
		for p, c := range g.Cells[r] {
			require.Len(t, c.Top, 512, "the whole vocabulary")
			total, entropy, kl := 0.0, 0.0, 0.0
			final := map[int]float64{}
			for _, x := range g.Cells[len(g.Cells)-1][p].Top {
				final[x.ID] = x.Prob
			}
			for k, x := range c.Top {
				total += x.Prob
				entropy -= x.Prob * math.Log(x.Prob)
				kl += final[x.ID] * (math.Log(final[x.ID]) - math.Log(x.Prob))
				if k > 0 {
					require.True(t, c.Top[k-1].Logit > x.Logit || c.Top[k-1].Logit == x.Logit && c.Top[k-1].ID < x.ID)
				}
				if x.ID == 42 {
					require.Equal(t, k+1, c.Targets[0].Rank)
					require.Equal(t, x.Logit, c.Targets[0].Logit)
				}
				if x.ID == c.Answer.ID {
					require.Equal(t, k+1, c.Answer.Rank)
				}
			}
			require.InDelta(t, 1, total, 1e-5)
			require.InDelta(t, entropy, c.Entropy, 1e-4)
			require.InDelta(t, kl, c.KL, 1e-4)
		}
	}
}

func TestContrastsAreDifferencesOfLogits(t *testing.T) {
	t.Parallel()
	m := tiny(t)
	for _, onDevice := range []bool{false, true} {
		g := trace(t, m, sixty, lens.Options{Targets: []int{7, 90, 3}, Contrasts: [][2]int{{7, 90}, {3, 500}}, OnDevice: &onDevice})
		require.Equal(t, []lens.Contrast{{Target: lens.Token{ID: 7}, Versus: lens.Token{ID: 90}}, {Target: lens.Token{ID: 3}, Versus: lens.Token{ID: 500}}}, g.Contrasts)
		plain := trace(t, m, sixty, lens.Options{Targets: []int{7, 90, 3, 500}, OnDevice: &onDevice})
		for r := range g.Cells {
			for p := range g.Cells[r] {
				cell, want := g.Cells[r][p], plain.Cells[r][p].Targets
				require.Len(t, cell.Targets, 3)
				require.InDelta(t, want[0].Logit-want[1].Logit, cell.Contrasts[0], 1e-5)
				require.InDelta(t, want[2].Logit-want[3].Logit, cell.Contrasts[1], 1e-5)
				require.Equal(t, plain.Cells[r][p].Answer.ID, cell.Answer.ID)
			}
		}
	}
}

func TestWrongRequestsAreErrors(t *testing.T) {
	t.Parallel()
	m := tiny(t)
	for want, c := range map[string]struct {
		ids       []int
		positions []int
		o         lens.Options
	}{
		"the prompt is empty": {nil, nil, lens.Options{}},
		"id 512 (number 2) is outside the vocabulary: ids go from 0 to 511": {[]int{1, 512}, nil, lens.Options{}},
		"id -1 (number 1) is outside":                                       {[]int{-1}, nil, lens.Options{}},
		"target 600":                                                        {[]int{1}, nil, lens.Options{Targets: []int{600}}},
		"layer 3 does not exist: there are 3 (0–2)":                         {[]int{1}, nil, lens.Options{Layers: []int{3}}},
		"position -3 does not exist":                                        {[]int{1, 2}, []int{-3}, lens.Options{}},
		"no layer was asked for":                                            {[]int{1}, nil, lens.Options{Layers: []int{}}},
		"top 513: want 1 to 512":                                            {[]int{1}, nil, lens.Options{Top: 513}},
		"the prompt has 2049 tokens, and the model was made for 2048":       {make([]int, 2049), nil, lens.Options{}},
	} {
		_, err := lens.Run(context.Background(), m, edit.Input{IDs: c.ids, Positions: c.positions}, c.o)
		require.ErrorContains(t, err, want)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := lens.Run(ctx, m, edit.Input{IDs: []int{1}}, lens.Options{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestNothingGrowsOverAThousandTraces(t *testing.T) {
	m := tiny(t)
	o := lens.Options{Check: true, Mid: true, Targets: []int{1}}
	trace(t, m, sixty[:20], o)
	before := mlx.ActiveMemory()
	n := 1000
	if testing.Short() {
		n = 50
	}
	for range n {
		trace(t, m, sixty[:20], o)
	}
	// a GPU's arrays are freed by a thread that hears of their end
	require.Eventually(t, func() bool { return mlx.ActiveMemory() <= before }, 5*time.Second, time.Millisecond, "%d bytes before", before)
}

func TestTracesInParallelAgree(t *testing.T) {
	t.Parallel()
	m, ids := tiny(t), sixty
	if emulated.Processor() {
		ids = sixty[:12]
	}
	want := trace(t, m, ids, lens.Options{})
	results := make(chan *lens.Grid, 8)
	for range cap(results) {
		go func() {
			g, err := lens.Run(context.Background(), m, edit.Input{IDs: ids}, lens.Options{})
			if err != nil {
				t.Error(err)
			}
			results <- g
		}()
	}
	for range cap(results) {
		require.Equal(t, want.Cells, (<-results).Cells)
	}
}

func TestLongPromptInPartsIsOnePass(t *testing.T) {
	t.Parallel()
	const n = 1100 // three parts; the second has no position that is read
	m := modeltest.Architecture(t, "gemma3", func(a *golden.Architecture) {
		a.Config = []byte(strings.Replace(string(a.Config), `"max_position_embeddings":256`, `"max_position_embeddings":2000`, 1))
	})
	ids := make([]int, n)
	tokens := make([]int32, n)
	for i := range ids {
		ids[i] = (i*i + 7*i) % m.Shape().DVocab
		tokens[i] = int32(ids[i])
	}
	o := lens.Options{Top: 3, Embed: true, Targets: []int{5}}
	reader, err := lens.NewReader(m, o)
	require.NoError(t, err)
	s := mlx.NewScope(m.Device())
	defer s.Close()
	require.NoError(t, mlx.Eval(model.Forward(m, mlx.FromSlice(s, tokens, 1, n), nil, reader.Tap())))
	whole, err := reader.Read(context.Background(), ids)
	require.NoError(t, err)

	o.Check = true
	last := 0.0
	o.Progress = func(done float64) {
		require.Greater(t, done, last)
		last = done
	}
	parts, err := lens.Run(context.Background(), m, edit.Input{IDs: ids, Positions: []int{0, 30, n - 2, n - 1}}, o)
	require.NoError(t, err)
	require.True(t, parts.Check.OK)
	require.InDelta(t, 1, last, 1e-9)
	require.Equal(t, []int{0, 30, n - 2, n - 1}, parts.Positions)
	for r := range parts.Cells {
		for i, at := range parts.Positions {
			want, got := whole.Cells[r][at], parts.Cells[r][i]
			require.InDelta(t, want.LogSumExp, got.LogSumExp, 1e-4)
			require.InDelta(t, want.KL, got.KL, 1e-4)
			for k := range want.Top {
				require.Equal(t, want.Top[k].ID, got.Top[k].ID)
				require.InDelta(t, want.Top[k].Logit, got.Top[k].Logit, 1e-4)
			}
		}
	}
	require.Equal(t, whole.Final.FirstTop1, parts.Final.FirstTop1)
}
