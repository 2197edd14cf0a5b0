package experiment_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens/render"
	"github.com/mlxlens/mlxlens/model"
)

// found is what a command shows.
type found interface {
	Figure() *render.Figure
	Arrays() []checkpoint.Array
}

// attributed are attributions of each form.
func attributed(t *testing.T, m model.Model) map[string]found {
	t.Helper()
	ctx := context.Background()
	clean, corrupted := edit.Input{IDs: []int{1, 2, 3}}, edit.Input{IDs: []int{1, 4, 3}}
	all := map[string]found{}
	for _, by := range experiment.Kinds() {
		a, err := experiment.Attribute(ctx, m, edit.Input{IDs: clean.IDs, Positions: []int{1, 2}}, experiment.AttributeOptions{Target: 5, Versus: &nine, By: by})
		require.NoError(t, err)
		all["direct by "+string(by)] = a
	}
	for _, method := range []experiment.Method{experiment.AtGradient, experiment.IntegratedGradients} {
		e, err := experiment.Estimate(ctx, m, clean, corrupted, experiment.EstimateOptions{PatchOptions: experiment.PatchOptions{Question: fiveOverNine}, Method: method, Exact: 3})
		require.NoError(t, err)
		all["effects by "+string(method)] = e
		i, err := experiment.AttributeInput(ctx, m, clean, experiment.InputOptions{Question: fiveOverNine, Method: method})
		require.NoError(t, err)
		all["tokens by "+string(method)] = i
	}
	heads, err := experiment.Estimate(ctx, m, clean, corrupted, experiment.EstimateOptions{PatchOptions: experiment.PatchOptions{Question: fiveOverNine, Columns: experiment.ByHead}})
	require.NoError(t, err)
	all["effects by head"] = heads
	edges, err := experiment.AttributeEdges(ctx, m, clean, corrupted, experiment.EdgeOptions{Question: fiveOverNine})
	require.NoError(t, err)
	all["edges"] = edges
	return all
}

func TestJSONOfAttributionsFollowsThePublishedSchema(t *testing.T) {
	t.Parallel()
	schema, err := jsonschema.NewCompiler().Compile("../docs/schema/attribute-1.schema.json")
	require.NoError(t, err)
	for name, x := range attributed(t, modeltest.Architecture(t, "qwen3-5-moe", nil)) { // whose layers have not all the same sites
		raw, err := json.Marshal(x)
		require.NoError(t, err)
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		require.NoError(t, err)
		doc.(map[string]any)["model"].(map[string]any)["quantization"] = "none" // whoever opened the model says it
		require.NoError(t, schema.Validate(doc), name)
		doc.(map[string]any)["method"] = "magic"
		require.Error(t, schema.Validate(doc), name)
	}
}

// A figure has each number once, in its place, and arrays have the same ones.
func TestFiguresAndArraysHaveTheNumbersOfAttributions(t *testing.T) {
	t.Parallel()
	all := attributed(t, modeltest.Architecture(t, "qwen3-5-moe", nil))
	for name, x := range all {
		var text bytes.Buffer
		require.NoError(t, render.FigureTerminal(&text, x.Figure(), render.TerminalOptions{Width: 120}), name)
		require.NoError(t, render.FigureCSV(&text, x.Figure()), name)
		require.NotEmpty(t, x.Arrays(), name)
	}
	a := all["direct by head"].(*experiment.Attribution)
	grids := a.Figure().Grids
	require.Len(t, grids, 3) // heads at each of two positions, and the rest
	heads := 0
	for _, p := range a.Parts {
		if p.Head != nil {
			heads++
		}
	}
	shown := 0
	for _, row := range grids[0].Values {
		shown += len(row)
	}
	require.Equal(t, heads, shown)
	require.Len(t, grids[2].Rows, len(a.Parts)-heads)
	require.Equal(t, []int{len(a.Parts), 2}, a.Arrays()[2].Shape)
	require.Equal(t, len(a.Parts), len(strings.Split(string(a.Arrays()[0].Bytes), "\n")), "a name for each part")
	edges := all["edges"].(*experiment.Edges)
	named, _, _ := strings.Cut(string(edges.Arrays()[0].Bytes), "\n")
	require.Equal(t, edges.Edges[0].From+"\t"+edges.Edges[0].To, named)
	e := all["effects by gradient"].(*experiment.Estimation)
	require.Equal(t, float64(e.Effects[e.Components[1]][2][1]), e.Figure().Grids[1].Values[2][1])
}
