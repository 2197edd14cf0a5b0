package edit_test

import (
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// source has the vectors ones, three and two*2, as long as the site's last axis, and two, of two numbers.
type source struct{ m model.Model }

func (s source) Value(name string, at model.Place) (edit.Value, error) {
	switch name {
	case "pair", "parallel", "near":
		d := s.m.Shape().DModel
		data := filled(2*d, 1)
		for i := range d {
			switch {
			case name == "pair" && i%2 == 0:
				data[d+i] = 2
			case name == "near" && i%2 == 0:
				data[d+i] = 1.2
			}
		}
		return edit.Value{Shape: []int{2, d}, Data: data}, nil
	case "two":
		return edit.Vector([]float32{1, 2}), nil
	case "ones", "three", "two*2":
		sizes := s.m.Shape().Sizes(at.Site)
		return edit.Vector(filled(sizes[len(sizes)-1], map[string]float32{"ones": 1, "three": 3, "two*2": 4}[name])), nil
	}
	return edit.Value{}, errors.New(name + " is not there")
}

func (s source) Mean(string, model.Place) (edit.Value, error) {
	return edit.Vector(filled(s.m.Shape().DModel, 3)), nil
}

func filled(n int, x float32) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = x
	}
	return out
}

func parse(t testing.TB, m model.Model, text string, tokens int) edit.Edit {
	t.Helper()
	e, err := edit.Parse(text, m, tokens, source{m})
	require.NoError(t, err)
	return e
}

// passing returns what passes a place in one pass of a batch, after the edits.
func passing(t testing.TB, m model.Model, at model.Place, inputs ...edit.Input) ([]float32, []int) {
	t.Helper()
	s := mlx.NewScope(m.Device())
	defer s.Close()
	b, err := edit.NewBatch(m, inputs...)
	require.NoError(t, err)
	tap, kept := model.Keep(s, []model.Place{at})
	model.Reach(m, b.Tokens(s, 0, b.Longest), nil, b.Tap(0, b.Longest).Then(tap), []model.Place{at})
	require.NotNil(t, kept[0])
	data, err := mlx.Data[float32](mlx.AsType(kept[0], mlx.Float32))
	require.NoError(t, err)
	return data, kept[0].Shape()
}

// at returns the indices of element i of an array.
func at(i int, shape []int) []int {
	out := make([]int, len(shape))
	for axis := len(shape) - 1; axis >= 0; axis-- {
		out[axis], i = i%shape[axis], i/shape[axis]
	}
	return out
}

func TestEditsChangeWhatTheyNameAndNothingElse(t *testing.T) {
	t.Parallel()
	m, ids := modeltest.Tiny(t), modeltest.Sixty
	or := func(c bool, a, b float32) float32 {
		if c {
			return a
		}
		return b
	}
	for text, want := range map[string]func(at []int, x float32) float32{
		"layers.1.mlp_out=zero":          func([]int, float32) float32 { return 0 },
		"layers.1.mlp_out@3:6=scale:0.5": func(at []int, x float32) float32 { return or(at[1] >= 3 && at[1] < 6, x*0.5, x) },
		"layers.1.z#1,-1=zero":           func(at []int, x float32) float32 { return or(at[2] == 1 || at[2] == m.Shape().Heads-1, 0, x) },
		"layers.1.z@-1#0=scale:2":        func(at []int, x float32) float32 { return or(at[1] == 59 && at[2] == 0, 2*x, x) },
		"layers.1.k#1=add:ones":          func(at []int, x float32) float32 { return or(at[2] == 1, x+1, x) },
		"layers.1.pattern@7#2=zero":      func(at []int, x float32) float32 { return or(at[2] == 7 && at[1] == 2, 0, x) },
		"layers.1.pattern@7,9/2,8#2=zero": func(at []int, x float32) float32 {
			return or((at[2] == 7 || at[2] == 9) && (at[3] == 2 || at[3] == 8) && at[1] == 2, 0, x)
		},
		"layers.1.k@4=add:ones*-1.5":        func(at []int, x float32) float32 { return or(at[1] == 4, x-1.5, x) },
		"layers.1.k@4=add:three*2":          func(at []int, x float32) float32 { return or(at[1] == 4, x+6, x) },
		"layers.1.resid_post@0,-2=add:ones": func(at []int, x float32) float32 { return or(at[1] == 0 || at[1] == 58, x+1, x) },
		"layers.1.head_out@4#3=set:ones":    func(at []int, x float32) float32 { return or(at[1] == 4 && at[2] == 3, 1, x) },
		"embed@5=set:ones":                  func(at []int, x float32) float32 { return or(at[1] == 5, 1, x) },
		"layers.0.mlp_out@5=mean":           func(at []int, x float32) float32 { return or(at[1] == 5, 3, x) },
		"blocks.1.hook_resid_mid@2=zero":    func(at []int, x float32) float32 { return or(at[1] == 2, 0, x) },
		"layers.2.mlp_post@9=clamp:-0.1:0.2": func(at []int, x float32) float32 {
			return or(at[1] == 9, min(max(x, -0.1), 0.2), x)
		},
	} {
		t.Run(text, func(t *testing.T) {
			e := parse(t, m, text, 60)
			before, shape := passing(t, m, e.Place, edit.Input{IDs: ids})
			after, _ := passing(t, m, e.Place, edit.Input{IDs: ids, Edits: []edit.Edit{e}})
			require.NotEqual(t, before, after)
			for i, x := range before {
				require.Equal(t, want(at(i, shape), x), after[i], "%v", at(i, shape))
			}
		})
	}
}

func TestEditsOfOnePlaceAreMadeInTheirOrder(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	texts := []string{"layers.0.mlp_out=scale:2", "layers.0.mlp_out@1=add:ones", "layers.0.mlp_out=scale:3"}
	var edits []edit.Edit
	for _, text := range texts {
		edits = append(edits, parse(t, m, text, 4))
	}
	in := edit.Input{IDs: modeltest.Sixty[:4]}
	before, shape := passing(t, m, edits[0].Place, in)
	in.Edits = edits
	after, _ := passing(t, m, edits[0].Place, in)
	for i, x := range before {
		want := x * 2 * 3
		if at(i, shape)[1] == 1 {
			want = (x*2 + 1) * 3
		}
		require.InDelta(t, want, after[i], 1e-5)
	}
}

func TestProjectOutLeavesNothingAlongItsDirections(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	d := m.Shape().DModel
	data := make([]float32, 3*d) // the third is the sum of the others: the span has two dimensions
	for i := range d {
		data[i], data[d+i] = float32(math.Sin(float64(i))), float32(math.Cos(float64(3*i)))
		data[2*d+i] = data[i] + data[d+i]
	}
	place := model.Place{Site: model.ResidPost, Layer: 1}
	in := edit.Input{IDs: modeltest.Sixty[:6]}
	before, _ := passing(t, m, place, in)
	in.Edits = []edit.Edit{{Place: place, Positions: []int{2, -1}, Op: edit.ProjectOut, Value: edit.Value{Shape: []int{3, d}, Data: data}}}
	after, _ := passing(t, m, place, in)
	for p := range 6 {
		row, changed := after[p*d:(p+1)*d], p == 2 || p == 5
		require.Equal(t, !changed, equal(before[p*d:(p+1)*d], row))
		for k := range 3 {
			along := 0.0
			for i, x := range row {
				along += float64(x) * float64(data[k*d+i])
			}
			if changed {
				require.InDelta(t, 0, along, 1e-4)
			}
		}
	}
}

func equal(a, b []float32) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// The noise of a seed is the same for a position, whatever else is in the pass.
func TestNoiseDependsOnSeedPlaceAndPositionAlone(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	place, d := model.Place{Site: model.Embed}, m.Shape().DModel
	noise := func(seed uint64, positions ...int) edit.Edit {
		return edit.Edit{Place: place, Positions: positions, Op: edit.Noise, Factor: 2, Seed: seed}
	}
	ids := modeltest.Sixty[:5]
	clean, _ := passing(t, m, place, edit.Input{IDs: ids})
	batch, _ := passing(t, m, place, edit.Input{IDs: modeltest.Sixty[:9]}, edit.Input{IDs: ids, Edits: []edit.Edit{noise(7, 3, 1)}})
	alone, _ := passing(t, m, place, edit.Input{IDs: ids, Edits: []edit.Edit{noise(7, 3)}})
	other, _ := passing(t, m, place, edit.Input{IDs: ids, Edits: []edit.Edit{noise(8, 3)}})
	batch = batch[9*d:]
	require.Equal(t, alone[3*d:4*d], batch[3*d:4*d])
	require.NotEqual(t, alone[3*d:4*d], other[3*d:4*d])
	require.Equal(t, clean[:d], batch[:d])
	added := func(p int) []float32 {
		x := make([]float32, d)
		for i := range x {
			x[i] = batch[p*d+i] - clean[p*d+i]
		}
		return x
	}
	require.NotEqual(t, added(1), added(3), "each position has noise of its own")
	elsewhere := noise(7, 3)
	elsewhere.Place = model.Place{Site: model.ResidPre}
	at0, _ := passing(t, m, elsewhere.Place, edit.Input{IDs: ids, Edits: []edit.Edit{elsewhere}})
	require.NotEqual(t, alone[3*d:4*d], at0[3*d:4*d], "and each place")
	var sum, square float64
	n := 0
	for seed := range uint64(40) {
		x, _ := passing(t, m, place, edit.Input{IDs: ids, Edits: []edit.Edit{noise(seed)}})
		for i := range x {
			e := float64(x[i] - clean[i])
			sum, square, n = sum+e, square+e*e, n+1
		}
	}
	require.InDelta(t, 0, sum/float64(n), 0.06, "the mean of %d numbers", n)
	require.InDelta(t, 2, math.Sqrt(square/float64(n)), 0.05, "their deviation")
}

// valueCase is an edit of z, and what it puts at a position, head and dimension.
type valueCase struct {
	e    edit.Edit
	want func(p, h, i int) (float32, bool)
}

// valueCases are edits of five positions.
func valueCases(heads, d int) map[string]valueCase {
	numbers := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(i)
		}
		return x
	}
	return map[string]valueCase{
		"a head's own": {
			edit.Edit{Value: edit.Value{Shape: []int{heads, d}, Data: numbers(heads * d)}},
			func(_, h, i int) (float32, bool) { return float32(h*d + i), true },
		},
		"positions of the value": {
			edit.Edit{Value: edit.Value{Shape: []int{2, heads, d}, Data: numbers(2 * heads * d), Positions: []int{1, 4}}},
			func(p, h, i int) (float32, bool) { return float32((p/4*heads+h)*d + i), p == 1 || p == 4 },
		},
		"one of them": {
			edit.Edit{Positions: []int{-1}, Value: edit.Value{Shape: []int{2, heads, d}, Data: numbers(2 * heads * d), Positions: []int{1, 4}}},
			func(p, h, i int) (float32, bool) { return float32((heads+h)*d + i), p == 4 },
		},
		"in the edit's order, descending": {
			edit.Edit{Positions: []int{-1, 2}, Value: edit.Value{Shape: []int{2, 1, d}, Data: numbers(2 * d)}},
			func(p, _, i int) (float32, bool) { return float32((4-p)/2*d + i), p == 2 || p == 4 },
		},
		"of heads in their order, descending": {
			edit.Edit{Heads: []int{3, 1}, Value: edit.Value{Shape: []int{2, d}, Data: numbers(2 * d)}},
			func(_, h, i int) (float32, bool) { return float32((3-h)/2*d + i), h == 1 || h == 3 },
		},
		"in the edit's order": {
			edit.Edit{Positions: []int{0, 2}, Value: edit.Value{Shape: []int{2, 1, d}, Data: numbers(2 * d)}},
			func(p, _, i int) (float32, bool) { return float32(p/2*d + i), p == 0 || p == 2 },
		},
		"of the chosen heads": {
			edit.Edit{Heads: []int{1, 3}, Value: edit.Value{Shape: []int{2, d}, Data: numbers(2 * d)}},
			func(_, h, i int) (float32, bool) { return float32(h/2*d + i), h == 1 || h == 3 },
		},
		"of all heads, two of them chosen": {
			edit.Edit{Heads: []int{1, 3}, Positions: []int{2}, Value: edit.Value{Shape: []int{heads, d}, Data: numbers(heads * d)}},
			func(p, h, i int) (float32, bool) { return float32(h*d + i), p == 2 && (h == 1 || h == 3) },
		},
	}
}

func TestAValueMayBeOfPositionsAndHeads(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	shape := m.Shape()
	heads, d := shape.Heads, shape.DHead
	place := model.Place{Site: model.Z, Layer: 1}
	in := edit.Input{IDs: modeltest.Sixty[:5]}
	before, _ := passing(t, m, place, in)
	for name, c := range valueCases(heads, d) {
		t.Run(name, func(t *testing.T) {
			c.e.Place, c.e.Op = place, edit.Set
			changed := edit.Input{IDs: in.IDs, Edits: []edit.Edit{c.e}}
			after, sizes := passing(t, m, place, changed)
			for i := range after {
				x := at(i, sizes)
				want := before[i]
				if v, ok := c.want(x[1], x[2], x[3]); ok {
					want = v
				}
				require.Equal(t, want, after[i], "%v", x)
			}
		})
	}
}

// A value has its rows in the order in which positions, or heads, are written.
func TestPositionsOfAnEditKeepTheirOrder(t *testing.T) {
	m := modeltest.Tiny(t)
	e, err := edit.Parse("layers.1.resid_post@3,1=zero", m, 5, nil)
	require.NoError(t, err)
	require.Equal(t, []int{3, 1}, e.Positions)
	e, err = edit.Parse("layers.1.resid_post@-1,0:2,1=zero", m, 5, nil)
	require.NoError(t, err)
	require.Equal(t, []int{4, 0, 1}, e.Positions)
	e, err = edit.Parse("layers.1.z#7,2=zero", m, 5, nil)
	require.NoError(t, err)
	require.Equal(t, []int{7, 2}, e.Heads)
	_, err = edit.Parse("layers.1.resid_post@3,9=zero", m, 5, nil)
	require.ErrorContains(t, err, "9")
}
