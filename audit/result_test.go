package audit_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/audit"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens/render"
)

// spoiled is an audit of a model with two matrices exchanged.
func spoiled(t *testing.T, o audit.Options) *audit.Result {
	t.Helper()
	reference, candidate := modeltest.Tiny(t), modeltest.Tiny(t)
	spoil(t, candidate)
	return run(t, begin(t, reference, candidate, o), [][]int{modeltest.Sixty, modeltest.Sixty[:41], {3}})
}

func TestJSONOfAnAuditFollowsThePublishedSchema(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("../docs/schema/audit-1.schema.json")
	require.NoError(t, err)
	skip := 4
	for _, o := range []audit.Options{{}, {Skip: &skip, Layers: []int{0}, Blame: everyWay(2)}, {Blame: audit.Blame{Sequences: 1}}} {
		raw, err := json.Marshal(spoiled(t, o))
		require.NoError(t, err)
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		require.NoError(t, err)
		require.NoError(t, schema.Validate(doc))
		doc.(map[string]any)["final"].(map[string]any)["kl"] = 1
		require.Error(t, schema.Validate(doc))
	}
}

// What is drawn is what was measured, and a grid of positions has all tokens.
func TestAFigureOfAnAuditHasItsNumbers(t *testing.T) {
	r := spoiled(t, audit.Options{Blame: everyWay(2)})
	f := r.Figure()
	require.NoError(t, render.FigureTerminal(&bytes.Buffer{}, f, render.TerminalOptions{Width: 100}))
	require.Equal(t, 1, r.Corpus.Skipped)
	require.Equal(t, []string{"0", "1", "2"}, f.Grids[0].Rows)
	require.Equal(t, float64(r.Layers[2].KL.Mean), f.Grids[0].Values[2][0])
	weighed, tokens := 0.0, 0
	for _, p := range r.Positions {
		weighed += float64(p.KL) * float64(p.Tokens)
		tokens += p.Tokens
	}
	require.Equal(t, r.Corpus.Tokens, tokens)
	require.InDelta(t, float64(r.Final.KL.Mean), weighed/float64(tokens), 1e-12)

	ranking := r.Blame.Rankings[0]
	require.Equal(t, "by tensor, the worst first (nats)", f.Grids[2].Name)
	require.Equal(t, ranking.Modules[0].Name, f.Grids[2].Rows[0])
	require.Equal(t, float64(ranking.Modules[0].Effects[audit.Alone].Mean), f.Grids[2].Values[0][0])
	require.Equal(t, "alone, by layer and kind (nats)", f.Grids[3].Name)
	require.Len(t, f.Grids[3].Rows, 2) // of layers 0 and 1, one module each
	require.Contains(t, f.Notes, "by tensor, alone: Spearman's rank correlation of two halves of the sequences 1.000")
}

func TestTheArraysOfAnAuditAreItsMeansAndTokens(t *testing.T) {
	r := spoiled(t, audit.Options{Blame: everyWay(2)})
	of := map[string][]float32{}
	for _, a := range r.Arrays() {
		if a.Name == "positions" {
			require.Equal(t, []int{len(r.Positions)}, a.Shape)
			continue
		}
		x, err := a.Float32()
		require.NoError(t, err)
		of[a.Name] = x
	}
	require.Len(t, of["kl"], 3*len(r.Positions))
	require.Equal(t, float32(r.Positions[0].KL), of["kl"][2*len(r.Positions)])
	require.Len(t, of["token_kl"], r.Corpus.Tokens)
	total := 0.0
	for _, x := range of["token_kl"] {
		total += float64(x)
	}
	require.InEpsilon(t, float64(r.Final.KL.Mean), total/float64(len(of["token_kl"])), 1e-6)
	require.Equal(t, float32(r.Blame.Rankings[1].Modules[0].Effects[audit.Restored].Mean), of["blame/kind/restored"][0])
}
