package lens

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestGridMakesTheRoundTripThroughJSON(t *testing.T) {
	prompt, row := "a <b> & é", "layers.0.resid_post"
	paris := Token{7042, " Paris"}
	g := &Grid{
		Schema: TraceSchema, Model: ModelInfo{Ref: "m", Layers: 1}, Lens: "logit", Prompt: &prompt,
		Tokens: []Token{{1, "a"}, {2, "\xf0\x9f"}}, Rows: []string{row}, Positions: []int{1},
		Cells: [][]Cell{{{
			Top: []Candidate{{paris, 1.5, 0.25}}, LogSumExp: 2, Entropy: 3, KL: 4, Norm: 5,
			Targets: []Target{{Token{3, "<b>"}, -1, 0.5, 17}}, Answer: Target{paris, 1.5, 0.25, 1},
		}}},
		Final: Final{Position: -1, Token: paris, FirstTop1: &row}, Edits: []string{}, Check: &Check{0.5, 1, true},
	}
	text, err := json.Marshal(g)
	require.NoError(t, err)
	var back Grid
	require.NoError(t, json.Unmarshal(text, &back))
	require.Equal(t, g, &back)
}

func TestJSONHasTheFieldsOfTheSchema(t *testing.T) {
	cell := Cell{Top: []Candidate{{Token{7, "\xe2"}, 1, 0.5}}, KL: math.Inf(1), Entropy: math.NaN()}
	text, err := json.Marshal(cell)
	require.NoError(t, err)
	assert.JSONEq(t, `{"top": [{"id": 7, "text": "�", "bytes": "4g==", "logit": 1, "prob": 0.5}],
		"logsumexp": 0, "entropy": null, "kl": null, "norm": 0, "answer": {"id": 0, "text": "", "logit": 0, "prob": 0, "rank": 0}}`, string(text))
	var back Cell
	require.NoError(t, json.Unmarshal(text, &back))
	require.True(t, math.IsNaN(back.KL))
	text, err = json.Marshal(Grid{Tokens: []Token{{5, "é"}}, Edits: []string{}})
	require.NoError(t, err)
	var keys map[string]any
	require.NoError(t, json.Unmarshal(text, &keys))
	for _, k := range []string{"schema", "model", "lens", "prompt", "bos_added", "tokens", "rows", "positions", "cells", "final", "edits", "timing"} {
		require.Contains(t, keys, k)
	}
	require.Nil(t, keys["prompt"], "ids were given")
}

func TestParseIndices(t *testing.T) {
	for text, want := range map[string][]int{
		"0": {0}, "-1": {9}, "0,4,8:10,-1": {0, 4, 8, 9}, "3,1,3": {1, 3}, ":": {0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
		"8:": {8, 9}, ":2": {0, 1}, "-3:-1": {7, 8}, "0:10:4": {0, 4, 8}, "::5": {0, 5}, " 1 , 2 ": {1, 2},
	} {
		got, err := ParseIndices(text, 10, "layer")
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "10", "-11", "x", "1,", "5:5", "7:3", "0:11", "1:2:3:4", "0:5:0", "1.5", "::-1"} {
		_, err := ParseIndices(text, 10, "layer")
		require.Error(t, err, text)
	}
	_, err := ParseIndices("40", 16, "layer")
	require.EqualError(t, err, "lens: layer 40 does not exist: there are 16 (0–15)")
}
