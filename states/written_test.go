package states_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/states"
)

func TestNumbersOfAnEditMayBeWrittenInItsText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		shape []int
		data  []float32
	}{
		"[0.5,-1e3]":            {[]int{2}, []float32{0.5, -1000}},
		"[[1,2,3], [4,5,6]]":    {[]int{2, 3}, []float32{1, 2, 3, 4, 5, 6}},
		"[[[1,2]],[[3,4]]]":     {[]int{2, 1, 2}, []float32{1, 2, 3, 4}},
		"[[[[1,2],[3,4]]]]":     {[]int{1, 2, 2}, []float32{1, 2, 3, 4}},
		"[0.30000001192092896]": {[]int{1}, []float32{0.3}},
	} {
		require.True(t, states.Written(text))
		got, err := states.ReadValue(text, model.Place{Site: model.Z})
		require.NoError(t, err, text)
		require.Equal(t, want.shape, got.Shape, text)
		require.Equal(t, want.data, got.Data, text)
		require.Nil(t, got.Positions)
	}
}

func TestWrittenNumbersThatAreNoArrayAreRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"[]":          "the numbers have an empty list",
		"[[1,2],[]]":  "want lists of equal length, of 2, and there is [] among them",
		"[[1,2],[3]]": "want lists of equal length, of 2, and there is [3] among them",
		"[[1],2]":     "want lists of equal length, of 1, and there is 2 among them",
		"[1,[2]]":     "want numbers in lists of equal depth, and there is [2] among them",
		`["a"]`:       "want numbers in lists of equal depth, and there is a among them",
		"[1,null]":    "want numbers in lists of equal depth, and there is <nil> among them",
		"[1,NaN]":     "the numbers are no JSON array: it is not JSON: invalid character 'N' looking for beginning of value, at byte 4",
		"[1e999]":     "the numbers are no JSON array: it is the number 1e999, want one that a 64-bit number holds (up to 1.8e+308)",
		"[1,2":        `value "[1,2": want a file .npy, .npz or .safetensors, with :NAME or @POSITIONS behind it or without`,
		"[1] [2]":     "the numbers are no JSON array: it is not JSON: invalid character '[' after top-level value, at byte 5",
	} {
		_, err := states.ReadValue(text, model.Place{Site: model.ResidPost})
		require.EqualError(t, err, want, text)
	}
}
