package experiment_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/render"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// doubled is a lens that reads every state but the last layer's as twice itself plus 1.
type doubled struct{ last int }

func (d doubled) Name() string { return "doubled" }

func (d doubled) Has(at model.Place) (bool, error) {
	if at.Site != model.ResidPost {
		return false, errors.New("no translator")
	}
	return at.Layer < d.last, nil
}

func (d doubled) Translate(_ model.Place, h *mlx.Array) *mlx.Array {
	return mlx.Shift(mlx.Scale(h, 2), 1)
}

// The means are those of the cells that a trace shows.
func TestAnEvaluationIsTheMeanOfTheTraces(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"llama", "gemma2", "gpt2", "qwen3-next", "affine-4bit-group32"} {
		m := modeltest.Architecture(t, name, nil)
		last := m.Shape().Layers - 1
		sequences := [][]int{{1, 5, 9, 30, 2}, {7}, {11, 12, 13}}
		e, err := experiment.Evaluate(context.Background(), m, sequences, experiment.EvaluateOptions{Lenses: []lens.Translator{doubled{last}}})
		require.NoError(t, err, name)
		require.Len(t, e.Rows, last+1)
		require.Equal(t, 9, e.Corpus.Positions)
		for i, translator := range []lens.Translator{nil, doubled{last}} {
			kl, same := make([]float64, last+1), make([]float64, last+1)
			for _, ids := range sequences {
				g, err := lens.Run(context.Background(), m, edit.Input{IDs: ids}, lens.Options{Top: 1, Translator: translator})
				require.NoError(t, err)
				for r, row := range g.Cells {
					for c := range row {
						kl[r] += row[c].KL / 9
						if row[c].Top[0].ID == g.Cells[last][c].Top[0].ID {
							same[r] += 1.0 / 9
						}
					}
				}
			}
			for r := range kl {
				require.InDelta(t, kl[r], float64(e.Lenses[i].KL[r]), 1e-5*max(1, kl[r]), "%s, lens %d, row %d", name, i, r)
				require.InDelta(t, same[r], float64(e.Lenses[i].Agreement[r]), 1e-6, "%s, lens %d, row %d", name, i, r)
			}
		}
		require.Zero(t, e.Lenses[0].KL[last])
		require.EqualValues(t, 1, e.Lenses[1].Agreement[last])
	}
}

func TestJSONOfAnEvaluationFollowsThePublishedSchema(t *testing.T) {
	t.Parallel()
	m := modeltest.Architecture(t, "llama", nil)
	e, err := experiment.Evaluate(context.Background(), m, [][]int{{1, 2, 3}}, experiment.EvaluateOptions{Layers: []int{0, -1}, Lenses: []lens.Translator{doubled{2}}})
	require.NoError(t, err)
	raw, err := json.Marshal(e)
	require.NoError(t, err)
	schema := published(t, "evaluate-1")
	for _, broken := range [][2]string{{"", ""}, {`evaluate/1`, `evaluate/2`}, {`"kl":[`, `"kl":[-1,`}, {`"agreement":[`, `"agreement":[2,`}, {`layers.0.resid_post`, `layers.00.resid_post`}, {`"digest"`, `"digests"`}} {
		text := strings.Replace(string(raw), broken[0], broken[1], 1)
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(text)))
		require.NoError(t, err)
		if err = schema.Validate(doc); broken[0] == "" {
			require.NoError(t, err)
		} else {
			require.Error(t, err, broken[1])
		}
	}
	var back experiment.Evaluation
	require.NoError(t, json.Unmarshal(raw, &back))
	require.Equal(t, *e, back)
	f := e.Figure()
	require.Len(t, f.Grids, 2)
	require.Equal(t, []string{"0", "2"}, f.Grids[0].Rows)
	require.NotEqual(t, f.Means, f.Grids[1].Means, "a part of positions is not on a scale of nats")
	require.Equal(t, []int{2, 2}, e.Arrays()[0].Shape)
	e.Lenses = append(e.Lenses, experiment.Reading{Lens: "tuned: b", KL: e.Lenses[0].KL, Agreement: e.Lenses[0].Agreement}, experiment.Reading{Lens: "tuned: c", KL: e.Lenses[0].KL, Agreement: e.Lenses[0].Agreement})
	e.Lenses[1].Lens = "tuned: a"
	f = e.Figure()
	require.Equal(t, []render.Column{{Name: "logit"}, {Name: "tuned"}, {Name: "tuned 2"}, {Name: "tuned 3"}}, f.Grids[0].Columns)
	require.Subset(t, f.Notes, []string{"tuned: a", "tuned 2: b", "tuned 3: c"})
}

func TestWrongEvaluationsAreRefused(t *testing.T) {
	t.Parallel()
	m := modeltest.Architecture(t, "llama", nil)
	for want, o := range map[string]struct {
		sequences [][]int
		layers    []int
	}{
		"nothing to evaluate on": {},
		"sequence 1":             {sequences: [][]int{{1}, {}}},
		"outside the vocabulary": {sequences: [][]int{{1, -4}}},
		"layer 9":                {sequences: [][]int{{1}}, layers: []int{9}},
	} {
		_, err := experiment.Evaluate(context.Background(), m, o.sequences, experiment.EvaluateOptions{Layers: o.layers})
		require.ErrorContains(t, err, want)
	}
}
