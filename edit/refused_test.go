package edit_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/model"
)

func TestWrongEditsAreRefused(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	for text, says := range map[string]string{
		"layers.1.mlp_out":                 "want SITE",
		"layers.40.mlp_out=zero":           "the model has 3 layers (0–2)",
		"pos_embed=zero":                   "this architecture has no pos_embed: positions turn queries and keys",
		"layers.1.mlp_out@60=zero":         "position 60 does not exist",
		"layers.1.z#8=zero":                "head 8 does not exist: there are 8",
		"layers.1.k#2=zero":                "head 2 does not exist: there are 2",
		"layers.1.mlp_out=zero:1":          "takes no argument",
		"layers.1.mlp_out=scale:x":         "wants a number",
		"layers.1.mlp_out=scale:1e39":      "want a number that float32 holds",
		"layers.1.mlp_out=clamp:inf:inf":   "want the lower bound first",
		"layers.1.mlp_out=scale:inf":       "want a number that float32 holds",
		"layers.1.mlp_out=clamp:1":         "clamp wants two numbers",
		"layers.1.mlp_out=clamp:1:0":       "want the lower bound first",
		"layers.1.mlp_out=clamp:nan:0":     "want the lower bound first",
		"layers.1.mlp_out=noise:-1":        "0 or more",
		"layers.1.mlp_out=noise":           "noise wants a standard deviation",
		"layers.1.mlp_out=noise:1:x":       "a seed that is a whole number",
		"layers.1.mlp_out=add":             "wants a file",
		"layers.1.mlp_out=add:ones*":       "ones* is not there",
		"layers.1.mlp_out=add:ones*x":      "ones*x is not there",
		"layers.1.mlp_out=add:ones*inf":    "add by +Inf: want a number that float32 holds",
		"layers.1.mlp_out=add:three*3e38":  "number 0 of the value is +Inf",
		"layers.1.mlp_out=set:ones*2":      "ones*2 is not there",
		"layers.1.mlp_out=add:two*2":       `"two*2" names numbers with and without its "*2"`,
		"layers.1.mlp_out=twist":           "(have: zero, mean, scale, add, set, clamp, noise, project-out, steer, swap, swap-clamped, mask)",
		"layers.1.mlp_out#0=zero":          "mlp_out has no heads",
		"layers.1.mlp_out=add:two":         "the value has the shape [2], and mlp_out wants [128] or [positions, 128]",
		"layers.1.mlp_pre=set:two":         "mlp_pre wants",
		"layers.1.z=set:two":               "z wants [16], [8, 16] or [positions, 8, 16]",
		"layers.1.pattern=add:two":         "pattern wants [8, positions, keys]",
		"layers.1.pattern=project-out:two": "not a direction",
		"layers.1.z=project-out:two":       "z wants [16] or [directions, 16]",
		"layers.1.mlp_out=steer":           "steer wants a file with numbers, or directions of tokens",
		"layers.1.mlp_out=steer:two":       "the directions have the shape [2], and mlp_out wants [128]",
		"layers.1.z=steer:ones":            "steer is of places with one vector at a position, such as layers.N.resid_post, and z has heads",
		"layers.1.pattern=swap:ones":       "and pattern has heads",
		"layers.1.mlp_out=steer:ones*1e39": "steer by 1e+39: want a number that float32 holds",
		"layers.1.mlp_out=swap:ones":       "swap is of two directions, and the value has the shape [128]",
		"layers.1.mlp_out=steer:pair":      "steer is along one direction, and the value has the shape [2 128]",
		"layers.1.mlp_out=swap:parallel":   "the two directions are parallel (|cos| 1.000000, and less than 0.999 is wanted)",
		"layers.one.mlp_out=zero":          "want layers.N.SITE",
		"layers.1.mlp_out/3=zero":          "mlp_out has no keys: attn_scores and pattern have",
		"layers.1.attn_scores@3=mask":      "mask wants keys",
		"layers.1.attn_scores/3=mask:1":    "mask takes no argument",
		"layers.1.attn_scores/60=mask":     "key 60 does not exist",
		"layers.1.pattern@-1/3=mask":       "mask is of attn_scores",
		"layers.1.resid_post@1:0=zero":     "is no range",
		"layers.1.resid_post@last=zero":    "is no number",
	} {
		_, err := edit.Parse(text, m, 60, source{m})
		require.ErrorContains(t, err, says, text)
		require.True(t, strings.HasPrefix(err.Error(), `edit "`+text+`": `), err)
	}
}

func TestAnEditOfKeysThatNoQuerySeesIsRefused(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	e, err := edit.Parse("layers.1.attn_scores@0,2/3:5=mask", m, 6, source{m})
	require.NoError(t, err)
	_, err = edit.NewBatch(m, edit.Input{IDs: []int{1, 2, 3, 4, 5, 6}, Edits: []edit.Edit{e}})
	require.ErrorContains(t, err, "it would change nothing: position 2 sees no key behind itself, and the first named is 3")
}

func TestValuesThatDoNotFitAreRefused(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	value := func(positions []int, shape ...int) edit.Value {
		n := 1
		for _, s := range shape {
			n *= s
		}
		return edit.Value{Shape: shape, Data: filled(n, 1), Positions: positions}
	}
	for says, e := range map[string]edit.Edit{
		"the value has nothing for position 1 (it has: [0 2])": {Positions: []int{1}, Value: value([]int{0, 2}, 2, 128)},
		"the value is of position 9 too":                       {Value: value([]int{0, 9}, 2, 128)},
		"the value is of 2 positions, and the edit of 3":       {Positions: []int{0, 1, 2}, Value: value(nil, 2, 128)},
		"the 3 rows of the value are directions":               {Value: edit.Value{Shape: []int{3, 128}, Data: filled(3*128, 1), Rows: true}},
		"there is no value":                                    {},
		"a position is named twice: [1 -2]":                    {Positions: []int{1, -2}, Value: edit.Vector(filled(128, 1))},
		"the value's positions are []":                         {Value: value([]int{}, 1, 128)},
		"the value's positions are [-1 0]":                     {Value: value([]int{-1, 0}, 2, 128)},
		"the value's positions are [1 1]":                      {Value: value([]int{1, 1}, 2, 128)},
		"number 1 of the value is NaN":                         {Value: edit.Vector([]float32{0, float32(math.NaN())})},
		"the value has 3 numbers, and the shape [2 2]":         {Value: edit.Value{Shape: []int{2, 2}, Data: filled(3, 0)}},
	} {
		e.Place, e.Op = model.Place{Site: model.MLPOut, Layer: 1}, edit.Set
		_, err := edit.NewBatch(m, edit.Input{IDs: []int{1, 2, 3}, Edits: []edit.Edit{e}})
		require.ErrorContains(t, err, says)
	}
}
