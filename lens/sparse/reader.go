package sparse

import (
	"fmt"
	"slices"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// Reader reads states of a dictionary's place by what it makes of them: the reconstruction x̂, or the part of it that
// one feature is, a·d with d the row of W_dec. Final norm and unembedding then read that: the logit lens of a
// decoder direction, at the positions where the feature is active. It is a lens.Translator; other places have none.
type Reader struct {
	e       *Encoder
	feature int // −1: all
}

// Reader returns the reader of the reconstruction. A transcoder, which reconstructs another place than it
// reads, has none.
func (e *Encoder) Reader() (*Reader, error) { return e.reader(-1) }

// Feature returns the reader of one feature's part. Where it is not active that is 0, of which every token has
// the same score, but for biases.
func (e *Encoder) Feature(n int) (*Reader, error) {
	if n < 0 || n >= e.Features {
		return nil, fmt.Errorf("sparse: %s: feature %d: there are %d (0–%d)", e.Path, n, e.Features, e.Features-1)
	}
	return e.reader(n)
}

func (e *Encoder) reader(feature int) (*Reader, error) {
	switch sites := []model.Site{model.ResidPost, model.ResidMid, model.AttnOut, model.MLPOut}; {
	case e.In != e.Out:
		return nil, fmt.Errorf("sparse: %s: it reads %s and reconstructs %s: no row is of both", e.Path, e.In, e.Out)
	case !slices.Contains(sites, e.In.Site):
		return nil, fmt.Errorf("sparse: %s: it is of %s, which no row is of (rows: %v)", e.Path, e.In, sites)
	}
	return &Reader{e, feature}, nil
}

// Name says what it is, for a grid.
func (r *Reader) Name() string {
	if r.feature < 0 {
		return "sparse: " + r.e.Path
	}
	return fmt.Sprintf("sparse #%d: %s", r.feature, r.e.Path)
}

// Has reports whether a place is the dictionary's.
func (r *Reader) Has(at model.Place) (bool, error) { return at == r.e.In, nil }

// Translate maps states [n, d_model] of the dictionary's place to what it makes of them, in float32.
func (r *Reader) Translate(at model.Place, h *mlx.Array) *mlx.Array {
	if at != r.e.In {
		return h
	}
	var parts []*mlx.Array
	for from := 0; from < h.Dim(0); from += r.e.Rows() {
		parts = append(parts, r.some(mlx.Slice(h, 0, mlx.Between(from, min(from+r.e.Rows(), h.Dim(0))))))
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return mlx.Concatenate(0, parts...)
}

func (r *Reader) some(x *mlx.Array) *mlx.Array {
	a := r.e.Encode(x)
	if r.feature < 0 {
		return r.e.Decode(a, x)
	}
	one := make([]float32, r.e.Features)
	one[r.feature] = 1
	alone := mlx.Multiply(a, mlx.FromSlice(x.Scope(), one))
	return mlx.Subtract(r.e.Decode(alone, x), r.e.Decode(mlx.ZerosLike(a), x)) // biases and what is added again
}

// Close frees the dictionary.
func (r *Reader) Close() { r.e.Close() }
