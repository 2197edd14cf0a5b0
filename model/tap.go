package model

import (
	"slices"

	"github.com/mlxlens/mlxlens/mlx"
)

// Tap sees what passes the sites of a forward pass, and may replace it: capture
// and edit are one function, so that what is captured after an edit is what flowed
// on. A nil Tap is the identity.
type Tap struct {
	// Lengths are those of the sequences of which the pass computes a part, row by row; nil:
	// they end with it. Some rotations depend on them ([Rope]).
	Lengths []int

	// Wanted reports whether the tap wants a place; nil: it wants all. A model may skip
	// computing a value that no one wants: fused attention never forms the pattern.
	Wanted func(at Place) bool

	// Visit gets each wanted value and returns what goes on. A value that is kept
	// must be held by a scope that outlives the pass (mlx.Scope.Hold). A nil Visit sees nothing.
	Visit func(at Place, x *mlx.Array) *mlx.Array

	// Changes reports whether the tap changes something of a layer; nil: it changes nothing. What norms read
	// of such a layer may have grown beyond what they can be of, and is held ([OrNaN]).
	Changes func(layer int) bool

	// HoldScales has gradients take the scale of the norms within a layer that no site stands before for a
	// constant: what they give is linear in what they read, and has parts.
	HoldScales bool
}

// Wants reports whether the tap wants a site.
func (t *Tap) Wants(site Site, layer int) bool {
	return t != nil && t.Visit != nil && (t.Wanted == nil || t.Wanted(Place{site, layer}))
}

// At passes x through the tap.
func (t *Tap) At(site Site, layer int, x *mlx.Array) *mlx.Array {
	x = t.visit(site, layer, x)
	if slices.Contains(normed, site) {
		x = t.Held(layer, x)
	}
	return x
}

// normed are the sites that a norm may stand behind.
var normed = []Site{ResidPre, Q, K, AttnRaw, ResidMid, MLPRaw, ResidPost}

func (t *Tap) visit(site Site, layer int, x *mlx.Array) *mlx.Array {
	if !t.Wants(site, layer) {
		return x
	}
	return t.Visit(Place{site, layer}, x)
}

// Held is x [..., n] as a norm within a layer reads it, where no site stands before the norm.
func (t *Tap) Held(layer int, x *mlx.Array) *mlx.Array {
	if t == nil || t.Changes == nil || !t.Changes(layer) {
		return x
	}
	return OrNaN(x)
}

// Then returns a tap that lets a value pass t and then next, either of which may be nil.
func (t *Tap) Then(next *Tap) *Tap {
	if t == nil {
		return next
	}
	if next == nil {
		return t
	}
	lengths := t.Lengths
	if lengths == nil {
		lengths = next.Lengths
	}
	return &Tap{
		Lengths: lengths,
		Wanted:  func(at Place) bool { return t.Wants(at.Site, at.Layer) || next.Wants(at.Site, at.Layer) },
		Visit: func(at Place, x *mlx.Array) *mlx.Array {
			return next.visit(at.Site, at.Layer, t.visit(at.Site, at.Layer, x))
		},
		Changes: func(layer int) bool {
			return t.Changes != nil && t.Changes(layer) || next.Changes != nil && next.Changes(layer)
		},
		HoldScales: t.HoldScales || next.HoldScales,
	}
}

// Keep returns a tap that keeps what passes some places, by their order in places, and the
// slice that it fills; scope holds the arrays. A place that a pass does not go by stays nil.
func Keep(scope *mlx.Scope, places []Place) (*Tap, []*mlx.Array) {
	number := make(map[Place]int, len(places))
	for i, at := range places {
		number[at] = i
	}
	kept := make([]*mlx.Array, len(places))
	return &Tap{
		Wanted: func(at Place) bool { _, ok := number[at]; return ok },
		Visit: func(at Place, x *mlx.Array) *mlx.Array {
			kept[number[at]] = scope.Hold(x)
			return x
		},
	}, kept
}
