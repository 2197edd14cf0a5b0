package lens

import (
	"fmt"
	"math"
	"slices"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// streamSites are the stream, and what is added to it: where a direction of d_model numbers is one of
// the stream.
var streamSites = []model.Site{model.Embed, model.PosEmbed, model.ResidPre, model.AttnOut, model.ResidMid, model.MLPOut, model.ResidPost}

// Directions returns the direction of each of some tokens at a place, in the coordinates of a lens, nil
// being the logit lens:
//
//	v_t = ∂/∂h (U·T(h))_t
//
// U is the unembedding before a soft-cap, and T the lens' map, so that v_t is the row of U for the logit
// lens, of U·J_l for a Jacobian lens and of U·W_l for a tuned one. A factor that a model has on its logits (Cohere,
// Granite) is part of U. The final norm has no part in it (Gurnee et al.
// 2026), its gain neither. The value has the shape [ids, d_model]. A place that is not of the stream, one that the
// lens cannot read, and a lens whose map is not affine are errors.
func Directions(m model.Model, t Translator, at model.Place, ids []int) (edit.Value, error) {
	if err := edit.CheckIDs(ids, m.Shape().DVocab, "id"); err != nil {
		return edit.Value{}, fmt.Errorf("lens: %w", err)
	}
	if len(ids) == 0 {
		return edit.Value{}, fmt.Errorf("lens: no token was asked for")
	}
	c, err := NewCoordinates(m, t, at)
	if err != nil {
		return edit.Value{}, err
	}
	scope := mlx.NewScope(m.Device())
	defer scope.Close()
	x, err := mlx.Data[float32](mlx.Contiguous(c.Rows(scope, ids)))
	if err != nil {
		return edit.Value{}, err
	}
	for i, v := range x {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return edit.Value{}, fmt.Errorf("lens: the direction of id %d at %s has %v: the lens or the unembedding is damaged", ids[i/m.Shape().DModel], at, v)
		}
	}
	return edit.Value{Shape: []int{len(ids), m.Shape().DModel}, Data: x}, nil
}

// Coordinates are the directions of all tokens at a place, in the coordinates of a lens: the rows of a
// matrix D [d_vocab, d_model], of which no more is there than what is asked for.
type Coordinates struct {
	m  model.Model
	t  Translator // nil: the place is read as it is
	at model.Place
}

// NewCoordinates finds out whether a lens, nil being the logit lens, has directions of tokens at a place.
func NewCoordinates(m model.Model, t Translator, at model.Place) (*Coordinates, error) {
	if err := m.Check(at); err != nil {
		return nil, fmt.Errorf("lens: %w", err)
	}
	if !slices.Contains(streamSites, at.Site) {
		return nil, fmt.Errorf("lens: tokens have no direction at %s: the stream and what is added to it have some (%v)", at, streamSites)
	}
	c := &Coordinates{m: m, at: at}
	if t == nil {
		return c, nil
	}
	if _, ok := t.(Head); ok {
		return nil, fmt.Errorf("lens: %s reads by a matrix of its own, behind a norm: its tokens have no direction of the stream", t.Name())
	}
	has, err := t.Has(at)
	if err != nil {
		return nil, err
	}
	if has {
		c.t = t
		err = c.affine()
	}
	return c, err
}

// affine returns an error unless the lens' map has one derivative everywhere.
func (c *Coordinates) affine() error {
	scope := mlx.NewScope(c.m.Device())
	defer scope.Close()
	d := c.m.Shape().DModel
	h := make([]float32, d)
	for i := range h {
		h[i] = float32(i%7) - 3
	}
	ask := mlx.FromSlice(scope, h, 1, d)
	_, here := mlx.VJP(c.translate, []*mlx.Array{mlx.Zeros(scope, mlx.Float32, 1, d)}, []*mlx.Array{ask})
	_, there := mlx.VJP(c.translate, []*mlx.Array{ask}, []*mlx.Array{ask})
	size := mlx.Max(mlx.Abs(here[0]))
	apart, err := mlx.Item[bool](mlx.LogicalNot(mlx.LessEqual(mlx.Max(mlx.Abs(mlx.Subtract(here[0], there[0]))), mlx.Scale(size, 1e-4))))
	if err != nil {
		return err
	}
	if apart {
		return fmt.Errorf("lens: %s is no affine map of the state at %s: its tokens have no direction there", c.t.Name(), c.at)
	}
	return nil
}

func (c *Coordinates) translate(h []*mlx.Array) []*mlx.Array {
	return []*mlx.Array{mlx.AsType(c.t.Translate(c.at, h[0]), mlx.Float32)}
}

// Rows returns the directions of some tokens, [ids, d_model] in float32.
func (c *Coordinates) Rows(scope *mlx.Scope, ids []int) *mlx.Array {
	n, d := len(ids), c.m.Shape().DModel
	zero := mlx.Zeros(scope, mlx.Float32, n, d)
	_, rows := mlx.VJP(func(h []*mlx.Array) []*mlx.Array {
		return []*mlx.Array{mlx.AsType(c.m.UncappedIDs(h[0], ids), mlx.Float32)}
	},
		[]*mlx.Array{zero}, []*mlx.Array{mlx.Identity(scope, n, mlx.Float32)})
	u := mlx.AsType(rows[0], mlx.Float32)
	if c.t == nil {
		return u
	}
	_, rows = mlx.VJP(c.translate, []*mlx.Array{zero}, []*mlx.Array{u})
	return rows[0]
}

// Scores are those of some tokens for states h [n, d_model] in float32, [n, ids]: each state's scalar
// product with the tokens' directions. They are computed through the map and the unembedding, whose biases are left
// out, so that no direction is made.
func (c *Coordinates) Scores(h *mlx.Array, ids []int) *mlx.Array {
	zero := mlx.Zeros(h.Scope(), mlx.Float32, 1, h.Dim(-1))
	if c.t != nil {
		h = mlx.Subtract(c.translate([]*mlx.Array{h})[0], c.translate([]*mlx.Array{zero})[0])
	}
	score := func(x *mlx.Array) *mlx.Array { return mlx.AsType(c.m.UncappedIDs(x, ids), mlx.Float32) }
	return mlx.Subtract(score(h), score(zero))
}
