package jacobian_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/jacobian"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/states"
)

// inCoordinates is a recorded model, its lens, and what TransformerLens does in its coordinates.
type inCoordinates struct {
	recordedModel
	m      model.Model
	t      *jacobian.Translator
	layers []int
	pair   []int // source and target
}

// eachInCoordinates runs a test for each recorded model.
func eachInCoordinates(t *testing.T, f func(t *testing.T, c *inCoordinates)) {
	r := load(t)
	for _, of := range r.Models {
		t.Run(of.Architecture, func(t *testing.T) {
			m := modeltest.Architecture(t, of.Architecture, nil)
			l := fitted(t, m, of, jacobian.FitOptions{})
			on, err := l.On(m, jacobian.Options{})
			require.NoError(t, err)
			defer on.Close()
			f(t, &inCoordinates{of, m, on, l.Layers, []int{r.Source, r.Target}})
		})
	}
}

// edits are of one operation, at layers.
func (c *inCoordinates) edits(t *testing.T, op edit.Op, factor float64, layers, positions []int, ids ...int) (edits []edit.Edit) {
	t.Helper()
	for _, layer := range layers {
		at := model.Place{Site: model.ResidPost, Layer: layer}
		v, err := lens.Directions(c.m, c.t, at, ids)
		require.NoError(t, err)
		edits = append(edits, edit.Edit{Place: at, Positions: positions, Op: op, Factor: factor, Value: v})
	}
	return edits
}

// logits are the model's at the last position of the first prompt, after edits.
func (c *inCoordinates) logits(t *testing.T, edits []edit.Edit) []float32 {
	t.Helper()
	in := edit.Input{IDs: c.Prompts[0], Edits: edits}
	var err error
	in.Edits, err = states.Measure(context.Background(), c.m, in)
	require.NoError(t, err)
	in.Positions = []int{-1}
	vocab := c.m.Shape().DVocab
	g, err := lens.Run(context.Background(), c.m, in, lens.Options{Top: vocab, Layers: []int{-1}})
	require.NoError(t, err)
	out := make([]float32, vocab)
	for _, candidate := range g.Cells[0][0].Top {
		out[candidate.ID] = float32(candidate.Logit)
	}
	return out
}

func TestDirectionsAreThoseOfTransformerLens(t *testing.T) {
	eachInCoordinates(t, func(t *testing.T, c *inCoordinates) {
		for layer, want := range c.Vectors {
			var l int
			_, err := fmt.Sscan(layer, &l)
			require.NoError(t, err)
			v, err := lens.Directions(c.m, c.t, model.Place{Site: model.ResidPost, Layer: l}, c.pair)
			require.NoError(t, err)
			d := c.m.Shape().DModel
			require.Equal(t, []int{2, d}, v.Shape)
			for i := range want {
				requireClose(t, want[i], v.Data[i*d:(i+1)*d], 1e-4, fmt.Sprintf("direction %d of layer %d", i, l))
			}
		}
	})
}

func TestEditsInLensCoordinatesAreThoseOfTransformerLens(t *testing.T) {
	eachInCoordinates(t, func(t *testing.T, c *inCoordinates) {
		source, target := c.pair[0], c.pair[1]
		backwards := slices.Clone(c.layers)
		slices.Reverse(backwards)
		for name, of := range map[string]struct {
			want  []float64
			edits []edit.Edit
		}{
			"steered":                     {c.Steered, c.edits(t, edit.Steer, 0.7, c.layers, nil, target)},
			"steered at some positions":   {c.SteeredLast, c.edits(t, edit.Steer, 0.7, c.layers[:1], []int{-1, 3}, target)},
			"steered, listed from behind": {c.Steered, c.edits(t, edit.Steer, 0.7, backwards, nil, target)},
			"ablated":                     {c.Ablated, c.edits(t, edit.ProjectOut, 0, c.layers, nil, source, target, 11)},
			"swapped":                     {c.Swapped, c.edits(t, edit.Swap, 1.5, c.layers, nil, source, target)},
			"clamped":                     {c.Clamped, c.edits(t, edit.SwapClamped, 1, c.layers, nil, source, target)},
		} {
			requireClose(t, of.want, c.logits(t, of.edits), 1e-4, name)
		}
	})
}

// The identities are of one layer: what an edit does there is what is read.
func TestEditsInLensCoordinatesHaveTheirIdentities(t *testing.T) {
	eachInCoordinates(t, func(t *testing.T, c *inCoordinates) {
		at := c.layers[:1]
		of := func(op edit.Op, factor float64, ids ...int) []edit.Edit {
			return c.edits(t, op, factor, at, nil, ids...)
		}
		twice := func(edits []edit.Edit) []edit.Edit { return append(edits[:1:1], edits[0]) }
		same := func(a, b []edit.Edit, what string) {
			want := c.logits(t, a)
			wide := make([]float64, len(want))
			for i, x := range want {
				wide[i] = float64(x)
			}
			requireClose(t, wide, c.logits(t, b), 2e-5, what)
		}
		source, target := c.pair[0], c.pair[1]
		swap, clamped, ablated := of(edit.Swap, 1, source, target), of(edit.SwapClamped, 1, source, target), of(edit.ProjectOut, 0, source, target)
		same(nil, of(edit.Steer, 0, target), "steer by 0 does nothing")
		same(nil, of(edit.Swap, 0, source, target), "so does a swap")
		same(nil, twice(swap), "a live swap undoes itself")
		same(swap, clamped, "at one layer both swaps are the same")
		same(clamped, twice(clamped), "a clamped swap twice is once")
		same(ablated, twice(ablated), "an ablation twice is once")
		same(ablated, append(swap[:1:1], ablated[0]), "a swap stays in the span that is ablated")
		same(swap, of(edit.Swap, 1, target, source), "a swap has no order")
		require.NotEqual(t, c.logits(t, nil), c.logits(t, swap))
	})
}

func TestDecompositionsAreThoseOfTransformerLens(t *testing.T) {
	eachInCoordinates(t, func(t *testing.T, c *inCoordinates) {
		require.Len(t, c.Decomposed, 2)
		for algorithm, want := range c.Decomposed {
			got, err := experiment.Decompose(context.Background(), c.m, edit.Input{IDs: c.Prompts[0], Positions: []int{-1}}, experiment.DecomposeOptions{
				Lens: c.t, Places: []model.Place{{Site: model.ResidPost, Layer: c.layers[len(c.layers)-1]}}, K: 6, Gradient: algorithm == experiment.GradientPursuit,
			})
			require.NoError(t, err)
			require.Equal(t, algorithm, got.Algorithm)
			found := got.Cells[0][0]
			require.Equal(t, want.Selected, found.Selected, algorithm)
			var ids []int
			var coordinates []float32
			for _, part := range found.Parts {
				ids, coordinates = append(ids, part.Token.ID), append(coordinates, float32(part.Coordinate))
			}
			require.Equal(t, want.Support, ids, algorithm)
			requireClose(t, want.Coordinates, coordinates, 1e-4, algorithm)
		}
	})
}
