package lens

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// Edit changes what passes a site: x becomes Op(x) at some positions and heads. What is
// read of that site, and of all after it, is read after the edit.
type Edit struct {
	Place     model.Place
	Positions []int // negative ones count from the prompt's end; nil: all
	Heads     []int // for sites with a head axis; nil: all
	Op        EditOp
	Factor    float64   // of EditScale
	Vector    []float32 // of EditAdd and EditSet: as long as the site's last axis

	Text string // as the user wrote it, for Grid.Edits
}

// EditOp is what an edit does.
type EditOp string

// The operations of edits.
const (
	EditZero  EditOp = "zero"  // 0 (zero ablation)
	EditScale EditOp = "scale" // Factor·x
	EditAdd   EditOp = "add"   // x + Vector (steering)
	EditSet   EditOp = "set"   // Vector
)

// ParseEdit reads SITE[@POSITIONS][#HEADS]=OP[:ARG], such as layers.5.mlp_out@3:6=scale:0.5,
// layers.8.z#3=zero or layers.9.resid_post@-1=add:vector.npz, for a prompt of so many
// tokens. A site is written in any dialect that the model's Paths know; load returns the
// vector that the argument of add and set names.
func ParseEdit(text string, m model.Model, tokens int, load func(name string) ([]float32, error)) (Edit, error) {
	e := Edit{Text: text}
	wrong := func(format string, args ...any) (Edit, error) {
		return Edit{}, fmt.Errorf("lens: edit %q: %w", text, fmt.Errorf(format, args...))
	}
	where, what, ok := strings.Cut(text, "=")
	if !ok {
		return wrong("want SITE[@POSITIONS][#HEADS]=OP[:ARG]")
	}
	var err error
	site, headText, hasHeads := strings.Cut(where, "#")
	site, at, hasPositions := strings.Cut(site, "@")
	if e.Place, err = m.Paths().Place(site); err != nil {
		return wrong("%w", err)
	}
	if hasHeads {
		if e.Heads, err = ParseIndices(headText, headsAt(e.Place.Site, m.Shape()), "head"); err != nil {
			return wrong("%w", err)
		}
	}
	if hasPositions {
		if e.Positions, err = ParseIndices(at, tokens, "position"); err != nil {
			return wrong("%w", err)
		}
	}
	op, arg, hasArg := strings.Cut(what, ":")
	e.Op = EditOp(op)
	switch e.Op {
	case EditZero:
		if hasArg {
			return wrong("zero takes no argument")
		}
	case EditScale:
		if e.Factor, err = strconv.ParseFloat(arg, 64); err != nil {
			return wrong("scale wants a number, such as scale:0.5, not %q", arg)
		}
	case EditAdd, EditSet:
		if arg == "" {
			return wrong("%s wants a file with a vector", op)
		}
		if e.Vector, err = load(arg); err != nil {
			return wrong("%w", err)
		}
	default:
		return wrong("operation %q is unknown (have: zero, scale, add, set)", op)
	}
	return e, nil
}

// String returns the edit as it was written, or in brief.
func (e *Edit) String() string {
	if e.Text != "" {
		return e.Text
	}
	return fmt.Sprintf("%s=%s", e.Place, e.Op)
}

func (e *Edit) name() string { return fmt.Sprintf("edit %q", e) }

// headAxis returns which axis of a site's [batch, …] is heads, 0: none.
func headAxis(s model.Site) int {
	switch s {
	case model.Q, model.K, model.V, model.RotQ, model.RotK, model.Z:
		return 2 // [batch, pos, head, d_head]
	case model.AttnScores, model.Pattern:
		return 1 // [batch, head, pos, key]
	}
	return 0
}

// headsAt returns how many heads a site has.
func headsAt(s model.Site, shape model.Shape) int {
	switch s {
	case model.K, model.V, model.RotK:
		return shape.KVHeads
	}
	return shape.Heads
}

// lastAxis returns the length of a site's last axis, but for scores and patterns.
func lastAxis(s model.Site, shape model.Shape) int {
	switch s {
	case model.Q, model.K, model.V, model.RotQ, model.RotK, model.Z:
		return shape.DHead
	case model.MLPPre, model.MLPPreLinear, model.MLPPost:
		return shape.DMLP
	case model.Logits:
		return shape.DVocab
	}
	return shape.DModel
}

// check refuses an edit that the model has no place for.
func (e *Edit) check(m model.Model) error {
	shape := m.Shape()
	if _, err := m.Paths().Place(e.Place.String()); err != nil {
		return fmt.Errorf("lens: %s: %w", e.name(), err)
	}
	axis := headAxis(e.Place.Site)
	if axis == 0 && e.Heads != nil {
		return fmt.Errorf("lens: %s: %s has no heads", e.name(), e.Place.Site)
	}
	if _, err := indices(e.Heads, headsAt(e.Place.Site, shape), "head"); err != nil {
		return fmt.Errorf("lens: %s: %w", e.name(), err)
	}
	size := lastAxis(e.Place.Site, shape)
	switch e.Op {
	case EditAdd, EditSet:
		if axis == 1 {
			return fmt.Errorf("lens: %s: %s has a number for each key, not a vector: want zero or scale", e.name(), e.Place.Site)
		}
		if len(e.Vector) != size {
			return fmt.Errorf("lens: %s: the vector has %d numbers, and %s wants %d", e.name(), len(e.Vector), e.Place.Site, size)
		}
	case EditZero, EditScale:
	default:
		return fmt.Errorf("lens: %s: operation %q is unknown (have: zero, scale, add, set)", e.name(), e.Op)
	}
	return nil
}

// editing is the edits of one pass.
type editing struct {
	of   map[model.Place][]positioned
	from int // the first position of the pass
}

// positioned is an edit of a prompt.
type positioned struct {
	*Edit
	at []int // positions of the prompt
}

func newEditing(edits []Edit, from, tokens int) (*editing, error) {
	g := &editing{of: map[model.Place][]positioned{}, from: from}
	for i := range edits {
		e := &edits[i]
		at, err := indices(e.Positions, tokens, "position")
		if err != nil {
			return nil, fmt.Errorf("lens: %s would never run: %w", e.name(), err)
		}
		g.of[e.Place] = append(g.of[e.Place], positioned{e, at})
	}
	return g, nil
}

// tap edits, and shows what then flows on to the tap after it, which may be nil.
func (g *editing) tap(then *model.Tap) *model.Tap {
	if len(g.of) == 0 {
		return then
	}
	var until *model.Place
	if then != nil {
		until = then.Until
	}
	return &model.Tap{
		Until: until,
		Wanted: func(site model.Site, layer int) bool {
			return len(g.of[model.Place{Site: site, Layer: layer}]) > 0 || then.Wants(site, layer)
		},
		Visit: func(site model.Site, layer int, x *mlx.Array) *mlx.Array {
			for _, e := range g.of[model.Place{Site: site, Layer: layer}] {
				x = g.apply(e, x)
			}
			return then.At(site, layer, x)
		},
	}
}

// apply returns x with e's operation where e chooses, as x is elsewhere.
func (g *editing) apply(e positioned, x *mlx.Array) *mlx.Array {
	positions, heads := 1, headAxis(e.Place.Site)
	if heads == 1 {
		positions = 2
	}
	chosen := mask(x, positions, func(i int) bool { return slices.Contains(e.at, g.from+i) })
	if e.Heads != nil {
		chosen = mlx.LogicalAnd(chosen, mask(x, heads, func(i int) bool {
			return slices.Contains(e.Heads, i) || slices.Contains(e.Heads, i-x.Dim(heads))
		}))
	}
	return mlx.Where(chosen, e.changed(x), x)
}

// mask returns booleans that broadcast to x, by the index on one axis.
func mask(x *mlx.Array, axis int, chosen func(i int) bool) *mlx.Array {
	at := make([]bool, x.Dim(axis))
	for i := range at {
		at[i] = chosen(i)
	}
	shape := make([]int, x.Ndim())
	for i := range shape {
		shape[i] = 1
	}
	shape[axis] = len(at)
	return mlx.FromSlice(x.Scope(), at, shape...)
}

func (e *Edit) changed(x *mlx.Array) *mlx.Array {
	switch e.Op {
	case EditScale:
		return mlx.Scale(x, e.Factor)
	case EditAdd:
		return mlx.Add(x, e.vector(x))
	case EditSet:
		return mlx.BroadcastTo(e.vector(x), x.Shape()...)
	}
	return mlx.Zeros(x.Scope(), x.Dtype(), x.Shape()...)
}

func (e *Edit) vector(x *mlx.Array) *mlx.Array {
	return mlx.AsType(mlx.FromSlice(x.Scope(), e.Vector, len(e.Vector)), x.Dtype())
}
