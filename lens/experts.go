package lens

import (
	"fmt"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// Expert is one of those that a layer's router chose for a position, with its weight.
type Expert struct {
	ID     int     `json:"id"`
	Weight float64 `json:"weight"`
}

// beside are places of which something other than the stream is read: the experts of a row's
// layer.
type beside struct {
	row          int
	ids, weights model.Place
}

// withExperts adds what the last states of layers with experts need for theirs.
func (p *plan) withExperts(m model.Model) error {
	any := model.Place{Site: model.ExpertIDs}
	if layers := m.Paths().LayersWith(model.ExpertIDs); len(layers) > 0 {
		any.Layer = layers[0]
	}
	if err := m.Check(any); err != nil {
		return fmt.Errorf("lens: experts: %w", err)
	}
	for r := range p.shown() {
		at := p.place(r)
		ids := model.Place{Site: model.ExpertIDs, Layer: at.Layer}
		if at.Site == model.ResidPost && p.rows[r].read(0) && m.Check(ids) == nil {
			p.beside = append(p.beside, beside{r, ids, model.Place{Site: model.ExpertWeights, Layer: at.Layer}})
		}
	}
	return nil
}

// kept are the places that a pass keeps: those of the states, then those beside them.
func (p *plan) kept() []model.Place {
	all := p.places[:len(p.places):len(p.places)]
	for _, b := range p.beside {
		all = append(all, b.ids, b.weights)
	}
	return all
}

// chosen are experts by row, [position][k].
type chosen map[int][][]Expert

// readExperts adds those of a pass's positions to of; kept is what the pass kept. On ranks each reads those of its layers,
// and all get them.
func (p *plan) readExperts(m model.Model, kept []*mlx.Array, of chosen) error {
	own := chosen{}
	err := p.ownExperts(kept, own)
	if m.Part() == nil || len(p.beside) == 0 {
		of.add(own)
		return err
	}
	all, err := model.ExchangeAs(m.Part().Ranks, own, err)
	for _, some := range all {
		of.add(some)
	}
	return err
}

// add takes in positions behind those that are there.
func (of chosen) add(more chosen) {
	for row, at := range more {
		of[row] = append(of[row], at...)
	}
}

// ownExperts reads those of the places that were kept here.
func (p *plan) ownExperts(kept []*mlx.Array, of chosen) error {
	for i, b := range p.beside {
		ids, weights := kept[len(p.places)+2*i], kept[len(p.places)+2*i+1] // [positions, k]
		if ids == nil || weights == nil {                                  // another rank's: the pass was complete
			continue
		}
		numbers, err := mlx.Data[int32](mlx.AsType(ids, mlx.Int32))
		if err != nil {
			return err
		}
		w, err := mlx.Data[float32](mlx.AsType(weights, mlx.Float32))
		if err != nil {
			return err
		}
		k := ids.Dim(1)
		for from := 0; from < len(numbers); from += k {
			at := make([]Expert, k)
			for j := range at {
				at[j] = Expert{int(numbers[from+j]), float64(w[from+j])}
			}
			of[b.row] = append(of[b.row], at)
		}
	}
	return nil
}

// put gives the cells of a grid their experts, whose positions begin at from.
func (of chosen) put(g *Grid, from int) {
	for row, at := range of {
		for j := range g.Positions {
			g.Cells[row][j].Experts = at[from+j]
		}
	}
}
