package lens_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// edit reads an edit of a prompt of sixty tokens. The file ones has 128 ones, as many as
// the tiny model's d_model.
func edit(t testing.TB, m model.Model, text string) lens.Edit {
	t.Helper()
	e, err := lens.ParseEdit(text, m, 60, func(name string) ([]float32, error) {
		if name != "ones" {
			return nil, errors.New(name + " is not there")
		}
		ones := make([]float32, m.Shape().DModel)
		for i := range ones {
			ones[i] = 1
		}
		return ones, nil
	})
	require.NoError(t, err)
	return e
}

// captured returns what passes a site, with edits.
func captured(t *testing.T, m model.Model, place model.Place, edits ...lens.Edit) ([]float32, []int) {
	t.Helper()
	s := mlx.NewScope(m.Device())
	defer s.Close()
	var x *mlx.Array
	tap, err := lens.Edited(edits, 60, &model.Tap{
		Wanted: func(site model.Site, layer int) bool { return model.Place{Site: site, Layer: layer} == place },
		Visit:  func(_ model.Site, _ int, y *mlx.Array) *mlx.Array { x = s.Hold(y); return y },
	})
	require.NoError(t, err)
	require.NoError(t, mlx.Eval(m.Forward(model.Tokens(s, sixty), nil, tap)))
	data, err := mlx.Data[float32](mlx.AsType(x, mlx.Float32))
	require.NoError(t, err)
	return data, x.Shape()
}

func TestEditsChangeWhatTheyNameAndNothingElse(t *testing.T) {
	m := tiny(t)
	for text, want := range map[string]func(at []int, x float32) float32{
		"layers.1.mlp_out=zero":             func([]int, float32) float32 { return 0 },
		"layers.1.mlp_out@3:6=scale:0.5":    func(at []int, x float32) float32 { return ifThen(at[1] >= 3 && at[1] < 6, x*0.5, x) },
		"layers.1.z#1,-1=zero":              func(at []int, x float32) float32 { return ifThen(at[2] == 1 || at[2] == m.Shape().Heads-1, 0, x) },
		"layers.1.z@-1#0=scale:2":           func(at []int, x float32) float32 { return ifThen(at[1] == 59 && at[2] == 0, 2*x, x) },
		"layers.1.pattern@7#2=zero":         func(at []int, x float32) float32 { return ifThen(at[2] == 7 && at[1] == 2, 0, x) },
		"layers.1.resid_post@0,-2=add:ones": func(at []int, x float32) float32 { return ifThen(at[1] == 0 || at[1] == 58, x+1, x) },
		"embed@5=set:ones":                  func(at []int, x float32) float32 { return ifThen(at[1] == 5, 1, x) },
		"blocks.1.hook_resid_mid@2=zero":    func(at []int, x float32) float32 { return ifThen(at[1] == 2, 0, x) },
	} {
		t.Run(text, func(t *testing.T) {
			e := edit(t, m, text)
			before, shape := captured(t, m, e.Place)
			after, _ := captured(t, m, e.Place, e)
			require.NotEqual(t, before, after)
			at := make([]int, len(shape))
			for i, x := range before {
				rest := i
				for axis := len(shape) - 1; axis >= 0; axis-- {
					at[axis], rest = rest%shape[axis], rest/shape[axis]
				}
				require.Equal(t, want(at, x), after[i], "%v", at)
			}
		})
	}
}

func ifThen(c bool, a, b float32) float32 {
	if c {
		return a
	}
	return b
}

func TestLensReadsWhatAnEditLeaves(t *testing.T) {
	m := tiny(t)
	plain := trace(t, m, sixty, lens.Options{Top: 3})
	g := trace(t, m, sixty, lens.Options{Top: 3, Check: true, Edits: []lens.Edit{edit(t, m, "layers.1.mlp_out@10=zero"), edit(t, m, "layers.2.attn_out@10=scale:1")}})
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

func TestWrongEditsAreRefused(t *testing.T) {
	m := tiny(t)
	load := func(string) ([]float32, error) { return []float32{1, 2}, nil }
	for text, says := range map[string]string{
		"layers.1.mlp_out":              "want SITE",
		"layers.40.mlp_out=zero":        "the model has 3 layers (0–2)",
		"pos_embed=zero":                "no such site",
		"layers.1.mlp_out@60=zero":      "position 60 does not exist",
		"layers.1.z#8=zero":             "head 8 does not exist: there are 8",
		"layers.1.k#2=zero":             "head 2 does not exist: there are 2",
		"layers.1.mlp_out=zero:1":       "takes no argument",
		"layers.1.mlp_out=scale:x":      "wants a number",
		"layers.1.mlp_out=add":          "wants a file",
		"layers.1.mlp_out=twist":        "(have: zero, scale, add, set)",
		"layers.1.mlp_out#0=zero":       "mlp_out has no heads",
		"layers.1.mlp_out=add:two":      "the vector has 2 numbers, and mlp_out wants 128",
		"layers.1.mlp_pre=set:two":      "mlp_pre wants",
		"layers.1.pattern=add:two":      "want zero or scale",
		"layers.one.mlp_out=zero":       "want layers.N.SITE",
		"layers.1.resid_post@1:0=zero":  "is no range",
		"layers.1.resid_post@last=zero": "is no number",
	} {
		e, err := lens.ParseEdit(text, m, 60, load)
		if err == nil {
			_, err = lens.Run(context.Background(), m, sixty, lens.Options{Edits: []lens.Edit{e}})
		}
		require.ErrorContains(t, err, says, text)
		require.ErrorContains(t, err, text)
	}
	e := edit(t, m, "layers.1.mlp_out@-50=zero")
	_, err := lens.Run(context.Background(), m, sixty[:4], lens.Options{Edits: []lens.Edit{e, {Place: e.Place, Positions: []int{-50}, Op: lens.EditZero}}})
	require.ErrorContains(t, err, "would never run")
}
