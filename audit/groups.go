package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// Grouping says which modules are replaced together.
type Grouping string

// The groupings.
const (
	ByTensor Grouping = "tensor" // each module by itself
	ByKind   Grouping = "kind"   // those of the same kind in all layers: all q
	ByLayer  Grouping = "layer"  // those of a layer; what is in no layer is one by itself
)

// Groupings returns all of them.
func Groupings() []Grouping { return []Grouping{ByTensor, ByKind, ByLayer} }

// group is modules that are replaced together, and its name.
type group struct {
	by    Grouping
	name  string
	parts []*part
	layer int // the first block that they change; as many as there are layers where they change none
}

// part is a module of both models.
type part struct {
	role  string
	layer int // −1: in none
	kind  string
	pair  [2]*model.Module // of the reference and of the candidate
	apart float64          // ‖W_candidate − W_reference‖²
	whole float64          // ‖W_reference‖²
	same  bool             // in all that it holds
}

// exchanged calls f while the two models have each other's modules.
func (g *group) exchanged(f func() error) error {
	for i, p := range g.parts {
		if err := p.pair[0].Exchange(p.pair[1]); err != nil {
			for _, done := range g.parts[:i] {
				_ = done.pair[0].Exchange(done.pair[1]) // what could be done can be undone
			}
			return err
		}
	}
	defer func() {
		for _, p := range g.parts {
			_ = p.pair[0].Exchange(p.pair[1])
		}
	}()
	return f()
}

// prepareBlame finds the groups whose modules differ.
func (a *Audit) prepareBlame() error {
	o := &a.o.Blame
	if o.Sequences < 0 {
		return fmt.Errorf("audit: blame by %d sequences: want 0 or more", o.Sequences)
	}
	if o.Sequences == 0 {
		return nil
	}
	if o.By == nil {
		o.By = []Grouping{ByTensor}
	}
	if o.Directions == nil {
		o.Directions = []Direction{Alone}
	}
	for _, by := range o.By {
		if !slices.Contains(Groupings(), by) {
			return fmt.Errorf("audit: modules grouped by %q: want tensor, kind or layer", by)
		}
	}
	for _, d := range o.Directions {
		if !slices.Contains(Directions(), d) {
			return fmt.Errorf("audit: direction %q: want alone or restored", d)
		}
	}
	if err := a.pairUp(); err != nil {
		return err
	}
	for _, by := range o.By {
		a.addGroups(by)
	}
	return nil
}

// pairUp finds the modules that both models have, and how far each is from the other.
func (a *Audit) pairUp() error {
	others := map[string]*model.Module{}
	for _, m := range a.candidate.Parameters() {
		others[m.Role] = m
	}
	for _, m := range a.reference.Parameters() {
		other := others[m.Role]
		delete(others, m.Role)
		if other == nil {
			a.lone[0] = append(a.lone[0], m.Role)
			continue
		}
		p := &part{role: m.Role, pair: [2]*model.Module{m, other}}
		p.layer, p.kind = placed(m.Role)
		if !slices.Equal(m.Shape, other.Shape) {
			return fmt.Errorf("audit: %s is %v in the reference, and %v in the candidate: modules can be replaced only by ones of the same shape", m.Role, m.Shape, other.Shape)
		}
		if !m.Fits(other) {
			return fmt.Errorf("audit: %s is built otherwise in the candidate than in the reference, which is of another architecture: such modules cannot be replaced; rank none (blame by 0 sequences)", m.Role)
		}
		if err := p.compare(a.reference.Device()); err != nil {
			return fmt.Errorf("audit: %s: %w", m.Role, err)
		}
		a.parts = append(a.parts, p)
	}
	for role := range others {
		a.lone[1] = append(a.lone[1], role)
	}
	slices.Sort(a.lone[1])
	return nil
}

// placed returns the layer of a role, −1 for one outside the layers, and its kind.
func placed(role string) (layer int, kind string) {
	if rest, ok := strings.CutPrefix(role, "layers."); ok {
		number, kind, _ := strings.Cut(rest, ".")
		if n, err := strconv.Atoi(number); err == nil {
			return n, kind
		}
	}
	return -1, role
}

// first is the first block that a module changes, of so many.
func (p *part) first(layers int) int {
	switch {
	case p.layer >= 0:
		return p.layer
	case p.kind == "final_norm" || strings.HasPrefix(p.kind, "unembed"):
		return layers
	}
	return 0
}

// addGroups adds the groups of a grouping, in the order of the model. Modules that are the same in
// both models are in none.
func (a *Audit) addGroups(by Grouping) {
	layers := a.reference.Shape().Layers
	named := map[string]*group{}
	var order []*group
	for _, p := range a.parts {
		if p.same {
			continue
		}
		name := p.role
		switch {
		case by == ByKind:
			name = p.kind
		case by == ByLayer && p.layer >= 0:
			name = "layers." + strconv.Itoa(p.layer)
		}
		if named[name] == nil {
			named[name] = &group{by: by, name: name, layer: layers}
			order = append(order, named[name])
		}
		g := named[name]
		g.parts = append(g.parts, p)
		g.layer = min(g.layer, p.first(layers))
	}
	slices.SortStableFunc(order, func(a, b *group) int { return cmp.Compare(a.layer, b.layer) })
	a.groups = append(a.groups, order...)
}

// all is the group of all modules that both models have.
func (a *Audit) all() *group { return &group{name: "all", parts: a.parts} }

// compareBytes bounds what of two modules is unpacked at once.
const compareBytes = 64 << 20

// compare measures how far the weights are from each other.
func (p *part) compare(d mlx.Device) error {
	rows := p.pair[0].Shape[0]
	step := max(1, compareBytes/(8*max(1, p.pair[0].Parameters()/rows)))
	for from := 0; from < rows; from += step {
		to := min(from+step, rows)
		scope := mlx.NewScope(d)
		r, c := p.pair[0].Rows(scope, from, to), p.pair[1].Rows(scope, from, to)
		sums, err := squares(mlx.Subtract(c, r), r)
		scope.Close()
		if err != nil {
			return err
		}
		p.apart, p.whole = p.apart+sums[0], p.whole+sums[1]
	}
	same, err := p.sameOthers(d)
	p.same = p.apart == 0 && same
	return err
}

// sameOthers reports whether biases and factors are the same.
func (p *part) sameOthers(d mlx.Device) (bool, error) {
	for i, at := range p.pair[0].Others {
		r, c := *at, *p.pair[1].Others[i]
		if r == nil || c == nil {
			if r != c {
				return false, nil
			}
			continue
		}
		scope := mlx.NewScope(d)
		x, y := mlx.AsType(scope.Hold(r), mlx.Float32), mlx.AsType(scope.Hold(c), mlx.Float32)
		sums, err := squares(mlx.Subtract(x, y))
		scope.Close()
		if err != nil || sums[0] != 0 {
			return false, err
		}
	}
	return true, nil
}

// squares returns the sums of the squares of arrays.
func squares(arrays ...*mlx.Array) ([]float64, error) {
	out := make([]float64, len(arrays))
	sums := make([]*mlx.Array, len(arrays))
	for i, a := range arrays {
		sums[i] = mlx.Sum(mlx.Square(a))
	}
	data, err := mlx.Data[float32](mlx.Stack(0, sums...))
	for i, x := range data {
		out[i] = float64(x)
	}
	return out, err
}
