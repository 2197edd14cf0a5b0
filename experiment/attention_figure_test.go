package experiment_test

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/render"
)

// attended are results of every form.
func attended(t testing.TB) []*experiment.Attending {
	t.Helper()
	m := modeltest.Tiny(t)
	in := edit.Input{IDs: []int{1, 2, 1, 3}, Positions: []int{2, -1}}
	label := func(id int) string { return string(rune('a' + id)) }
	heads := []experiment.Head{{Layer: 2, Head: 1}, {Layer: 0, Head: 7}}
	pattern, err := experiment.Attention(context.Background(), m, in, experiment.AttentionOptions{Heads: heads, Weight: experiment.OutputNorm, Label: label})
	require.NoError(t, err)
	scores, err := experiment.HeadScores(context.Background(), m, []edit.Input{in}, experiment.ScoreOptions{Heads: heads, Label: label, Kinds: []experiment.HeadKind{experiment.Induction}, ExcludeFirst: true})
	require.NoError(t, err)
	r := experiment.Repeats{Length: 5, Samples: 2, Seed: 3, First: []int{}}
	require.NoError(t, r.Draw(m, nil))
	drawn, err := experiment.HeadScores(context.Background(), m, r.Inputs(), experiment.ScoreOptions{Period: 5})
	require.NoError(t, err)
	drawn.Repeated = &r
	both := *pattern
	both.Scoring = scores.Scoring
	return []*experiment.Attending{pattern, scores, drawn, &both}
}

func TestRowsOfAPatternShowTheirTokensAsColumnsDo(t *testing.T) {
	t.Parallel()
	f := (&experiment.Attending{
		Tokens: []lens.Token{{Bytes: "The"}, {Bytes: " capital"}, {Bytes: " \xf0\x9f"}, {Bytes: "\x9a\x80"}}, Positions: []int{1, 2, 3}, Keys: []int{0, 1},
		Pattern: map[experiment.Head][][]float32{{}: {{1, 0}, {1, 0}, {1, 0}}},
	}).Figure()
	require.Equal(t, []string{"1 ·capital", "2 ·🚀‹1–2/4›", "3 🚀‹3–4/4›"}, f.Grids[0].Rows)
}

func TestAttendingFollowsThePublishedSchemaAndComesBack(t *testing.T) {
	t.Parallel()
	schema, err := jsonschema.NewCompiler().Compile("../docs/schema/attn-1.schema.json")
	require.NoError(t, err)
	for _, a := range attended(t) {
		a.Model.Quantization = "none"
		raw, err := json.Marshal(a)
		require.NoError(t, err)
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		require.NoError(t, err)
		require.NoError(t, schema.Validate(doc))
		var back experiment.Attending
		require.NoError(t, json.Unmarshal(raw, &back))
		again, err := json.Marshal(back)
		require.NoError(t, err)
		require.JSONEq(t, string(raw), string(again))
		for key, wrong := range map[string]any{"pattern": map[string]any{"2": nil}, "scores": []any{map[string]any{}}, "positions": []any{-1}, "weight": "norm"} {
			was := doc.(map[string]any)[key]
			doc.(map[string]any)[key] = wrong
			require.Error(t, schema.Validate(doc), key)
			if delete(doc.(map[string]any), key); was != nil {
				doc.(map[string]any)[key] = was
			}
		}
	}
}

func TestAFigureOfAttentionHasEachKindAndHead(t *testing.T) {
	t.Parallel()
	var names [][]string
	for _, a := range attended(t) {
		f := a.Figure()
		var b bytes.Buffer
		require.NoError(t, render.FigureCSV(&b, f))
		var of []string
		for _, g := range f.Grids {
			of = append(of, g.Name)
		}
		names = append(names, of)
	}
	require.Equal(t, [][]string{
		{"head 0.7", "head 2.1"}, {"induction"}, {"previous", "first", "current", "duplicate", "induction"}, {"induction", "head 0.7", "head 2.1"},
	}, names)
}
