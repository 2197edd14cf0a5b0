package lens_test

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/lens"
)

// prompts are of many lengths, so that batches are padded.
func prompts(n, vocab int) []edit.Input {
	ps := make([]edit.Input, n)
	for i := range ps {
		ids := make([]int, 1+(i*i+3*i)%23)
		for j := range ids {
			ids[j] = (53*i + 7*j*j + 9) % vocab
		}
		ps[i].IDs = ids
	}
	return ps
}

func TestBatchesGiveWhatPromptsGiveOneAtATime(t *testing.T) {
	t.Parallel()
	m := tiny(t)
	n := 150
	if testing.Short() {
		n = 75 // more than are looked at together
	}
	ps := prompts(n, m.Shape().DVocab)
	ps[3].Positions, ps[70].Positions = []int{-1}, []int{0, -1}
	ps[n-10].IDs = sixty
	o := lens.Options{Top: 4, Targets: []int{7}, Embed: true, Track: 3, Check: true}
	i := 0
	for g, err := range lens.RunAll(context.Background(), m, ps, o) {
		require.NoError(t, err)
		equalGrids(t, traceIn(t, m, ps[i], o), g)
		i++
	}
	require.Equal(t, len(ps), i)
}

// equalGrids compares ids exactly and numbers to rounding.
func equalGrids(t *testing.T, want, got *lens.Grid) {
	t.Helper()
	require.Equal(t, want.Rows, got.Rows)
	require.Equal(t, want.Tokens, got.Tokens)
	require.Equal(t, want.Positions, got.Positions)
	require.Equal(t, want.Final, got.Final)
	for r := range want.Cells {
		for p := range want.Cells[r] {
			same(t, &want.Cells[r][p], &got.Cells[r][p], sameToRounding)
		}
	}
	require.Equal(t, len(want.Tracked), len(got.Tracked))
	for p := range want.Tracked {
		for i, tr := range want.Tracked[p] {
			require.Equal(t, tr.ID, got.Tracked[p][i].ID)
			for r := range tr.Rank { // a tie may have the other order
				require.InDelta(t, tr.Rank[r], got.Tracked[p][i].Rank[r], 1)
			}
			for r, x := range tr.Logit {
				largest := want.Cells[r][p].Top[0].Logit // a small logit is the sum of large terms too
				require.InDelta(t, x, got.Tracked[p][i].Logit[r], sameToRounding*max(1, math.Abs(largest)))
			}
		}
	}
}

func TestWhatIsWrongWithOnePromptStopsNoOther(t *testing.T) {
	t.Parallel()
	m := tiny(t)
	ps := prompts(5, m.Shape().DVocab)
	ps[1].IDs = nil
	ps[2].IDs = []int{512}
	ps[3].Positions = []int{100}
	var errs []string
	for g, err := range lens.RunAll(context.Background(), m, ps, lens.Options{}) {
		if err != nil {
			errs = append(errs, err.Error())
			require.Nil(t, g)
		} else {
			errs = append(errs, "")
			require.NotNil(t, g)
		}
	}
	require.Len(t, errs, 5)
	require.Empty(t, errs[0])
	require.Contains(t, errs[1], "empty")
	require.Contains(t, errs[2], "outside the vocabulary")
	require.Contains(t, errs[3], "position 100")
	require.Empty(t, errs[4])
}

func TestBatchesStopWithTheContextAndWithTheCaller(t *testing.T) {
	t.Parallel()
	m := tiny(t)
	ps := prompts(200, m.Shape().DVocab)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := 0
	for range lens.RunAll(ctx, m, ps, lens.Options{}) {
		if n++; n == 3 {
			cancel()
		}
	}
	require.Equal(t, 3, n)
	n = 0
	for range lens.RunAll(context.Background(), m, ps, lens.Options{}) {
		if n++; n == 5 {
			break
		}
	}
	require.Equal(t, 5, n)
}
