package lens

import (
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// Translator maps states into ones that the final norm and the unembedding can read,
// such as the affine translators of a tuned lens (Belrose et al. 2023, arXiv:2303.08112).
type Translator interface {
	// Name says what it is, for Grid.Lens: "tuned: NAME".
	Name() string

	// Has reports whether there is a translator for a place. Where there is none the state
	// is read as it is, which is right after the last layer; a place that must not be read
	// so is an error.
	Has(at model.Place) (bool, error)

	// Translate maps states [n, d_model], float32, of a place that Has a translator.
	Translate(at model.Place, h *mlx.Array) *mlx.Array
}
