package states

import (
	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/model"
)

// Memory returns how many bytes a [Capture] gives, and how many the work takes at its
// greatest beyond the weights, the result among them, both from above: as if all were
// float32.
func Memory(m model.Model, in edit.Input, places []model.Place) (result, work int64, err error) {
	r, err := plan(m, []edit.Input{in}, places)
	if err != nil {
		return 0, 0, err
	}
	const float = 4
	s, read := m.Shape(), len(r.Inputs[0].Positions)
	elements := func(p model.Place, read int) int64 {
		n := int64(read)
		for _, axis := range p.Site.Axes() {
			switch axis {
			case model.Batch, model.Pos:
			case model.Key:
				n *= int64(r.tokens)
			default:
				n *= int64(s.In(p.Layer).Size(axis))
			}
		}
		return n
	}
	n := min(model.PassPositions, r.tokens)
	part := int64(s.Block(1, n, r.tokens))
	for _, p := range r.places {
		result += float * elements(p, read)
		part += elements(p, min(n, read))
		if p.Site == model.Logits || p.Site == model.HeadOut {
			part += elements(p, n) // before positions are chosen
		}
	}
	if r.tokens > n {
		part += int64(s.Remembered(r.tokens))
	}
	return result, result + float*part, nil
}
