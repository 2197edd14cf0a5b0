package lens_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// turned reads the first layer's state negated, and the others as they are.
type turned struct{ called }

func (turned) Has(at model.Place) (bool, error) { return at.Layer < 1, nil }

func (turned) Translate(_ model.Place, h *mlx.Array) *mlx.Array { return mlx.Negative(h) }

// The answer of a grid of several lenses is looked for by each alone: what it finds is what a grid of this lens finds.
func TestEachOfSeveralLensesFindsTheAnswerInItsOwnRows(t *testing.T) {
	t.Parallel()
	m := tiny(t)
	other := turned{called("tuned: a")}
	for _, layers := range [][]int{nil, {0}} {
		g := trace(t, m, sixty, lens.Options{Translator: other, Beside: []lens.Translator{nil, other}, Layers: layers})
		require.Len(t, g.Lenses, 3)
		for i, alone := range []lens.Options{{Translator: other, Layers: layers}, {Layers: layers}, {Translator: other, Layers: layers}} {
			one := trace(t, m, sixty, alone)
			require.Empty(t, one.Lenses, "a grid of one lens stays as it is")
			of := g.Lenses[i]
			require.Equal(t, one.Lens, of.Name)
			require.Equal(t, []string{"tuned", "logit", "tuned 2"}[i], of.Kind)
			suffix := []string{" (tuned)", "", " (tuned 2)"}[i]
			named := func(row string) string {
				if row == "layers.0.resid_post" {
					return row + suffix
				}
				return row // which all read alike
			}
			require.Len(t, of.Rows, len(one.Rows))
			for k, r := range of.Rows {
				require.Equal(t, named(one.Rows[k]), g.Rows[r])
				require.Equal(t, one.Cells[k], g.Cells[r])
			}
			for _, found := range [][2]*string{{one.Final.FirstTop1, of.FirstTop1}, {one.Final.StableFrom, of.StableFrom}} {
				require.Equal(t, found[0] == nil, found[1] == nil)
				if found[0] != nil {
					require.Equal(t, named(*found[0]), *found[1])
				}
			}
		}
		require.Equal(t, g.Lenses[0].FirstTop1, g.Final.FirstTop1, "the grid's own is by the first")
	}
}
