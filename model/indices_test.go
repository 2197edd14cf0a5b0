package model_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/model"
)

func TestParseIndices(t *testing.T) {
	for text, want := range map[string][]int{
		"0": {0}, "-1": {9}, "0,4,8:10,-1": {0, 4, 8, 9}, "3,1,3": {1, 3}, ":": {0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
		"8:": {8, 9}, ":2": {0, 1}, "-3:-1": {7, 8}, "0:10:4": {0, 4, 8}, "::5": {0, 5}, " 1 , 2 ": {1, 2},
	} {
		got, err := model.ParseIndices(text, 10, "layer")
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "10", "-11", "x", "1,", "5:5", "7:3", "0:11", "1:2:3:4", "0:5:0", "1.5", "::-1"} {
		_, err := model.ParseIndices(text, 10, "layer")
		require.Error(t, err, text)
	}
	_, err := model.ParseIndices("40", 16, "layer")
	require.EqualError(t, err, "layer 40 does not exist: there are 16 (0–15)")
}
