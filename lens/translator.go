package lens

import (
	"fmt"

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

// SiteError is an error of Has where a lens reads no place of that site: with others that do, they alone read it.
type SiteError struct{ Err error }

func (e *SiteError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong.
func (e *SiteError) Unwrap() error { return e.Err }

// OptionError is an error of what an option has, of a fit or a training.
type OptionError struct {
	Option string // the field's name
	Err    error
}

func (e *OptionError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong.
func (e *OptionError) Unwrap() error { return e.Err }

// WrongOption returns an OptionError.
func WrongOption(option, format string, args ...any) error {
	return &OptionError{option, fmt.Errorf(format, args...)}
}

// LayerError is an error of Has where a lens reads the site, and not of that layer.
type LayerError struct{ Err error }

func (e *LayerError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong.
func (e *LayerError) Unwrap() error { return e.Err }

// Head is a translator whose states another matrix reads than the model's: what Translate gives
// goes through neither the final norm nor the unembedding. It Has every place that can be read.
type Head interface {
	Translator
	unembedding
}

// unembedding maps states [..., d_model] to the scores of the ids [from, to), or of single ones, as
// [model.Model] says.
type unembedding interface {
	Unembed(h *mlx.Array, from, to int) *mlx.Array
	UnembedIDs(h *mlx.Array, ids []int) *mlx.Array
}

// readable is what a translator makes of states of a place, [n, d_model] in float32, as an
// unembedding reads it; nil is no translator.
func readable(m model.Model, t Translator, at model.Place, h *mlx.Array) *mlx.Array {
	if t != nil {
		h = t.Translate(at, h)
	}
	if _, ok := t.(Head); ok {
		return h
	}
	return m.FinalNorm(h)
}
