package model_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/model"
)

func TestLayersAreSplitSoThatTheFullestRankHoldsLeast(t *testing.T) {
	for _, c := range []struct {
		bytes []int64
		first int64
		want  []model.Span
	}{
		{[]int64{1, 1, 1, 1}, 0, []model.Span{{From: 0, To: 2}, {From: 2, To: 4}}},
		{[]int64{1, 1, 1, 1}, 2, []model.Span{{From: 0, To: 1}, {From: 1, To: 4}}},
		{[]int64{1, 1, 1, 1, 1}, 0, []model.Span{{From: 0, To: 3}, {From: 3, To: 5}}}, // as mlx-lm, the first takes what is left over
		{[]int64{9, 1, 1, 1}, 0, []model.Span{{From: 0, To: 1}, {From: 1, To: 4}}},
		{[]int64{1, 1, 1, 9}, 0, []model.Span{{From: 0, To: 3}, {From: 3, To: 4}}},
		{[]int64{0, 0, 0}, 0, []model.Span{{From: 0, To: 1}, {From: 1, To: 2}, {From: 2, To: 3}}},
		{[]int64{5, 1, 1, 5, 1, 1, 5}, 0, []model.Span{{From: 0, To: 3}, {From: 3, To: 5}, {From: 5, To: 7}}},
	} {
		got, err := model.Split(c.bytes, c.first, len(c.want))
		require.NoError(t, err)
		require.Equal(t, c.want, got, "%v", c.bytes)
	}
	_, err := model.Split([]int64{1, 2}, 0, 3)
	require.ErrorContains(t, err, "2 layers make no parts for 3 ranks")
}

// The fullest rank of a split is no fuller than that of any other.
func TestNoSplitIsBetter(t *testing.T) {
	bytes := []int64{7, 3, 8, 1, 9, 2, 6, 4, 5}
	fullest := func(spans []model.Span, first int64) int64 {
		most := int64(0)
		for r, s := range spans {
			sum := int64(0)
			if r == 0 {
				sum = first
			}
			for _, b := range bytes[s.From:s.To] {
				sum += b
			}
			most = max(most, sum)
		}
		return most
	}
	for _, first := range []int64{0, 10} {
		got, err := model.Split(bytes, first, 3)
		require.NoError(t, err)
		for a := 1; a < len(bytes)-1; a++ {
			for b := a + 1; b < len(bytes); b++ {
				other, err := model.Deal([]int{a, b - a, len(bytes) - b}, len(bytes), 3)
				require.NoError(t, err)
				require.LessOrEqual(t, fullest(got, first), fullest(other, first), "%v against %v", got, other)
			}
		}
	}
}

func TestLayersDealtByHandAreChecked(t *testing.T) {
	spans, err := model.Deal([]int{1, 3}, 4, 2)
	require.NoError(t, err)
	require.Equal(t, []model.Span{{From: 0, To: 1}, {From: 1, To: 4}}, spans)
	require.Equal(t, "layer 0", spans[0].String())
	require.Equal(t, "layers 1–3", spans[1].String())
	for _, c := range []struct {
		counts []int
		text   string
	}{{[]int{4}, "layers for 1 ranks, and there are 2"}, {[]int{0, 4}, "rank 0 is given 0 layers"}, {[]int{2, 3}, "given 5 layers together, and the model has 4"}} {
		_, err := model.Deal(c.counts, 4, 2)
		require.ErrorContains(t, err, c.text)
	}
}

func TestLayersThatLookBackAreNotDivided(t *testing.T) {
	s := model.Shape{Layers: 3, Own: []model.LayerShape{{}, {}, {LooksBack: true}}}
	require.ErrorContains(t, s.Divisible([]model.Span{{From: 0, To: 1}, {From: 1, To: 3}}), "cannot be divided before layer 1")
}
