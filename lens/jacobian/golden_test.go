package jacobian_test

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/internal/golden"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/jacobian"
	"github.com/mlxlens/mlxlens/model"
)

// recorded is testdata/golden/jacobian.json.gz.
type recorded struct {
	Source int             `json:"source"`
	Target int             `json:"target"`
	Models []recordedModel `json:"models"`
}

type recordedModel struct {
	Architecture string    `json:"architecture"`
	Prompts      [][]int   `json:"prompts"`
	Skip         int       `json:"skip"`
	Vector       []float64 `json:"vector"`
	Matrices     []struct {
		Layer   int                  `json:"layer"`
		Rows    map[string][]float64 `json:"rows"`
		Product []float64            `json:"product"`
	} `json:"matrices"`
	Readout     map[string][]float64   `json:"readout"`
	Vectors     map[string][][]float64 `json:"vectors"`
	Steered     []float64              `json:"steered"`
	SteeredLast []float64              `json:"steered_last"`
	Ablated     []float64              `json:"ablated"`
	Swapped     []float64              `json:"swapped"`
	Clamped     []float64              `json:"clamped"`
	Decomposed  map[string]struct {
		Selected    []int     `json:"selected"`
		Support     []int     `json:"support"`
		Coordinates []float64 `json:"coordinates"`
	} `json:"decomposed"`
}

func load(t *testing.T) recorded {
	t.Helper()
	var r recorded
	require.NoError(t, golden.Read(modeltest.Path(t, "testdata/golden/jacobian.json.gz"), &r))
	require.Len(t, r.Models, 5)
	return r
}

// fitted is the lens of a recorded model's prompts.
func fitted(t *testing.T, m model.Model, of recordedModel, o jacobian.FitOptions) *jacobian.Lens {
	t.Helper()
	o.Skip = of.Skip
	f, err := jacobian.NewFit(m, o)
	require.NoError(t, err)
	for _, ids := range of.Prompts {
		require.NoError(t, f.Add(context.Background(), ids, nil))
	}
	l, err := f.Lens(nil)
	require.NoError(t, err)
	require.Equal(t, len(of.Prompts), l.Prompts)
	return l
}

func matrix(t *testing.T, l *jacobian.Lens, layer int) []float32 {
	t.Helper()
	j, err := l.Matrix(layer)
	require.NoError(t, err)
	return j
}

// requireClose requires numbers that differ by no more than a part of the largest.
func requireClose(t *testing.T, want []float64, got []float32, part float64, what string) {
	t.Helper()
	require.Len(t, got, len(want))
	largest := 0.0
	for _, w := range want {
		largest = max(largest, math.Abs(w))
	}
	for i, w := range want {
		require.InDelta(t, w, float64(got[i]), part*largest, "%s at %d", what, i)
	}
}

func TestMatricesAreThoseOfTransformerLens(t *testing.T) {
	for _, want := range load(t).Models {
		m := modeltest.Architecture(t, want.Architecture, nil)
		l := fitted(t, m, want, jacobian.FitOptions{Batch: 24})
		d := m.Shape().DModel
		require.Len(t, l.Layers, len(want.Matrices))
		for _, w := range want.Matrices {
			j := matrix(t, l, w.Layer)
			for row, values := range w.Rows {
				var r int
				_, err := fmt.Sscan(row, &r)
				require.NoError(t, err)
				requireClose(t, values, j[r*d:(r+1)*d], 1e-4, fmt.Sprintf("%s: row %d of layer %d", want.Architecture, r, w.Layer))
			}
			product := make([]float32, d)
			for r := range d {
				sum := 0.0
				for c := range d {
					sum += float64(j[r*d+c]) * want.Vector[c]
				}
				product[r] = float32(sum)
			}
			requireClose(t, w.Product, product, 1e-4, fmt.Sprintf("%s: the product of layer %d", want.Architecture, w.Layer))
		}
	}
}

func TestReadoutsAreThoseOfTransformerLens(t *testing.T) {
	for _, want := range load(t).Models {
		m := modeltest.Architecture(t, want.Architecture, nil)
		translator, err := fitted(t, m, want, jacobian.FitOptions{}).On(m, jacobian.Options{})
		require.NoError(t, err)
		ids := want.Prompts[0]
		g, err := lens.Run(context.Background(), m, edit.Input{IDs: ids, Positions: []int{len(ids) - 1}}, lens.Options{Top: m.Shape().DVocab, Translator: translator, Check: true})
		require.NoError(t, err)
		require.True(t, g.Check.OK)
		require.Equal(t, "jacobian", g.Lens)
		for layer, logits := range want.Readout {
			var l int
			_, err := fmt.Sscan(layer, &l)
			require.NoError(t, err)
			got := make([]float32, len(logits))
			for _, c := range g.Cells[l][0].Top {
				got[c.ID] = float32(c.Logit)
			}
			requireClose(t, logits, got, 1e-4, fmt.Sprintf("%s: logits of layer %d", want.Architecture, l))
		}
		translator.Close()
	}
}

// requireSame requires cells that differ in the rounding of products of another shape alone.
func requireSame(t *testing.T, want, got []lens.Cell) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		require.InDelta(t, want[i].KL, got[i].KL, 1e-4)
		for k, c := range want[i].Top {
			require.Equal(t, c.ID, got[i].Top[k].ID)
			require.InDelta(t, c.Logit, got[i].Top[k].Logit, 1e-4)
		}
	}
}

func TestLensesBesideEachOtherReadWhatEachReadsAlone(t *testing.T) {
	want := load(t).Models[1]
	m := modeltest.Architecture(t, want.Architecture, nil)
	translator, err := fitted(t, m, want, jacobian.FitOptions{}).On(m, jacobian.Options{})
	require.NoError(t, err)
	defer translator.Close()
	run := func(o lens.Options) *lens.Grid {
		g, err := lens.Run(context.Background(), m, edit.Input{IDs: want.Prompts[0]}, o)
		require.NoError(t, err)
		return g
	}
	logit, fitted := run(lens.Options{}), run(lens.Options{Translator: translator})
	both := run(lens.Options{Beside: []lens.Translator{translator, translator}})
	require.Equal(t, "logit, jacobian, jacobian", both.Lens)
	last := m.Shape().Layers - 1
	require.Len(t, both.Rows, 3*last+1)
	for layer := range last {
		require.Equal(t, logit.Rows[layer], both.Rows[3*layer])
		requireSame(t, logit.Cells[layer], both.Cells[3*layer])
		for k, name := range []string{" (jacobian)", " (jacobian 2)"} {
			require.Equal(t, logit.Rows[layer]+name, both.Rows[3*layer+k+1])
			requireSame(t, fitted.Cells[layer], both.Cells[3*layer+k+1])
		}
	}
	requireSame(t, logit.Cells[last], both.Cells[3*last])
	require.Equal(t, logit.Final, both.Final)
	first := run(lens.Options{Translator: translator, Beside: []lens.Translator{nil}})
	require.Equal(t, "jacobian, logit", first.Lens)
	require.Equal(t, logit.Rows[0]+" (jacobian)", first.Rows[0])
	require.Equal(t, logit.Rows[0], first.Rows[1])
}
