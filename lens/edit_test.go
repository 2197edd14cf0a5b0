package lens_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/model"
)

// nothing is a source of no numbers.
type nothing struct{}

func (nothing) Value(string, model.Place) (edit.Value, error) {
	return edit.Value{}, errors.New("no files")
}
func (nothing) Mean(string, model.Place) (edit.Value, error) {
	return edit.Value{}, errors.New("no means")
}

// parsed reads an edit of a prompt of sixty tokens.
func parsed(t testing.TB, m model.Model, text string) edit.Edit {
	t.Helper()
	e, err := edit.Parse(text, m, 60, nothing{})
	require.NoError(t, err)
	return e
}

func TestLensReadsWhatAnEditLeaves(t *testing.T) {
	t.Parallel()
	m := tiny(t)
	plain := trace(t, m, sixty, lens.Options{Top: 3})
	edits := []edit.Edit{parsed(t, m, "layers.1.mlp_out@10=zero"), parsed(t, m, "layers.2.attn_out@10=scale:1")}
	g := traceIn(t, m, edit.Input{IDs: sixty, Edits: edits}, lens.Options{Top: 3, Check: true})
	require.Equal(t, []string{"layers.1.mlp_out@10=zero", "layers.2.attn_out@10=scale:1"}, g.Edits)
	require.True(t, g.Check.OK)
	for p := range 60 {
		require.Equal(t, plain.Cells[0][p].Top, g.Cells[0][p].Top, "the layer before")
		if p < 10 {
			require.Equal(t, plain.Cells[2][p].Top, g.Cells[2][p].Top, "the past")
		} else {
			require.NotEqual(t, plain.Cells[2][p].Top, g.Cells[2][p].Top)
		}
	}
}

func TestEditsThatALensWouldNotSeeAreRefused(t *testing.T) {
	t.Parallel()
	m := tiny(t)
	for _, text := range []string{"final_norm=zero", "logits@-1=scale:2"} {
		_, err := lens.Run(context.Background(), m, edit.Input{IDs: sixty, Edits: []edit.Edit{parsed(t, m, text)}}, lens.Options{})
		require.ErrorContains(t, err, "it would change nothing: the last place that is read is layers.2.resid_post")
	}
	e := parsed(t, m, "layers.1.mlp_out@-50=zero")
	_, err := lens.Run(context.Background(), m, edit.Input{IDs: sixty[:4], Edits: []edit.Edit{e}}, lens.Options{})
	require.ErrorContains(t, err, "would never run")
}

// Different prompts with different edits in one padded pass are each what they are alone.
func TestABatchOfEditsIsWhatEachIsAlone(t *testing.T) {
	t.Parallel()
	m := tiny(t)
	var inputs []edit.Input
	for i, text := range []string{
		"layers.0.mlp_out@3=zero", "layers.1.z@-1#2=scale:3", "layers.2.attn_out=scale:0.5", "layers.1.pattern@4:8#1=scale:0.5",
		"embed@2:5=noise:0.3:7", "layers.0.resid_post=clamp:-0.5:0.5", "layers.1.head_out#0=zero", "layers.2.resid_mid@0=zero",
	} {
		ids := sixty[:20-i%4]
		e, err := edit.Parse(text, m, len(ids), nothing{})
		require.NoError(t, err)
		inputs = append(inputs, edit.Input{IDs: ids, Edits: []edit.Edit{e}}, edit.Input{IDs: ids})
	}
	o := lens.Options{Top: 3, Mid: true, Check: true}
	i := 0
	for g, err := range lens.RunAll(context.Background(), m, inputs, o) {
		require.NoError(t, err)
		equalGrids(t, traceIn(t, m, inputs[i], o), g)
		i++
	}
	require.Equal(t, len(inputs), i)
}
