package lens_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/internal/modeltest"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// v·h is the score that a token gets of a state h, less what it gets of none.
func TestADirectionOfTheLogitLensIsARowOfTheUnembedding(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"cohere", "gemma2-sliding", "phi", "gpt2"} { // a scale, a soft-cap, a bias, tied weights
		m := modeltest.Architecture(t, name, nil)
		d, ids := m.Shape().DModel, []int{3, 0, 3, 9}
		for _, at := range []model.Place{{Site: model.ResidPost, Layer: 1}, {Site: model.AttnOut}} {
			v, err := lens.Directions(m, nil, at, ids)
			require.NoError(t, err)
			require.Equal(t, []int{4, d}, v.Shape)
			scope := mlx.NewScope(m.Device())
			h := make([]float32, 2*d) // the second is 0
			for i := range d {
				h[i] = float32(i%5) - 2
			}
			scores, err := mlx.Data[float32](m.UncappedIDs(mlx.FromSlice(scope, h, 2, d), ids))
			require.NoError(t, err)
			scope.Close()
			for i := range ids {
				sum := float32(0)
				for k := range d {
					sum += h[k] * v.Data[i*d+k]
				}
				require.InDelta(t, scores[i]-scores[4+i], sum, 1e-4, name)
			}
		}
	}
}

func TestDirectionsThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	m := modeltest.Tiny(t)
	resid := model.Place{Site: model.ResidPost, Layer: 1}
	for says, c := range map[string]struct {
		t   lens.Translator
		at  model.Place
		ids []int
	}{
		"id 512 (number 2) is outside the vocabulary":            {nil, resid, []int{1, 512}},
		"no token was asked for":                                 {nil, resid, nil},
		"tokens have no direction at layers.1.mlp_norm":          {nil, model.Place{Site: model.MLPNorm, Layer: 1}, []int{1}},
		"tokens have no direction at final_norm":                 {nil, model.Place{Site: model.FinalNormOut}, []int{1}},
		"the model has 3 layers":                                 {nil, model.Place{Site: model.ResidPost, Layer: 9}, []int{1}},
		"embedding reads by a matrix of its own, behind a norm":  {lens.Embedding(m), resid, []int{1}},
		"curved is no affine map of the state at layers.1.resid": {curved{}, resid, []int{1}},
	} {
		_, err := lens.Directions(m, c.t, c.at, c.ids)
		require.ErrorContains(t, err, says)
	}
	plain, err := lens.Directions(m, nil, resid, []int{7})
	require.NoError(t, err)
	negated, err := lens.Directions(m, lens.Negated(), resid, []int{7})
	require.NoError(t, err)
	for i, x := range plain.Data {
		require.Equal(t, -x, negated.Data[i])
	}
}

// curved is no linear map.
type curved struct{}

func (curved) Name() string { return "curved" }

func (curved) Has(model.Place) (bool, error) { return true, nil }

func (curved) Translate(_ model.Place, h *mlx.Array) *mlx.Array { return mlx.Square(h) }
