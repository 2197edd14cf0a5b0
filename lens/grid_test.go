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
