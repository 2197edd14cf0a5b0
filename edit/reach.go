package edit

import (
	"slices"

	"github.com/mlxlens/mlxlens/model"
)

// Reach returns an error that names the first edit that changes nothing of what is read: at
// some places, at the input's positions.
func (b *Batch) Reach(m model.Model, places []model.Place) error {
	parallel := m.Check(model.Place{Site: model.ResidMid}) != nil
	oneNorm := parallel && m.Check(model.Place{Site: model.MLPNorm}) != nil
	for i, in := range b.Inputs {
		for at, edits := range b.rows[i].of {
			for _, e := range edits[b.rows[i].masks[at]:] {
				if !slices.ContainsFunc(places, func(p model.Place) bool { return influences(e.Place, p, parallel, oneNorm) }) {
					return e.wrong("it would change nothing: the last place that is read is %s", last(places))
				}
				if read := in.Positions[len(in.Positions)-1]; !e.all && slices.Min(e.at) > read {
					return e.wrong("it would change nothing: the last position that is read is %d, and a later one changes none before it", read)
				}
			}
		}
	}
	return nil
}

func last(places []model.Place) string {
	if len(places) == 0 {
		return "none"
	}
	ordered := model.InForwardOrder(places)
	return ordered[len(ordered)-1].String()
}

// branches are sites of a block that lie side by side: what passes one does not reach another.
var branches = map[model.Site]int{
	model.Q: 1, model.QNormed: 1, model.RotQ: 1, model.K: 2, model.KNormed: 2, model.RotK: 2, model.V: 3,
	model.MLPPre: 4, model.MLPPreLinear: 5,
}

// Influences reports whether an edit can change what passes a place, and false for one behind it.
func (e *Edit) Influences(m model.Model, at model.Place) bool {
	parallel := m.Check(model.Place{Site: model.ResidMid}) != nil
	return influences(e.Place, at, parallel, parallel && m.Check(model.Place{Site: model.MLPNorm}) != nil)
}

// influences reports whether a change at one place can change what passes another. In a
// parallel block attention does not reach the MLP, and where it has one norm this reaches both.
func influences(from, to model.Place, parallel, oneNorm bool) bool {
	if both := model.InForwardOrder([]model.Place{from, to}); both[len(both)-1] != to {
		return false
	}
	if to.Site == model.PerLayerEmbed && from != to {
		return !from.Site.PerLayer() // it is of the tokens and their embedding
	}
	if from == to || from.Layer != to.Layer || !from.Site.PerLayer() || !to.Site.PerLayer() {
		return true
	}
	a, b := branches[from.Site], branches[to.Site]
	if a != 0 && b != 0 && a != b && (a <= 3) == (b <= 3) {
		return false
	}
	if ofExperts(from.Site) && besideExperts(to.Site) {
		return false
	}
	return !parallel || !ofAttention(from.Site) || !ofMLP(to.Site) || oneNorm && from.Site == model.AttnNorm
}

// order is the sites as a sequential block goes by them.
var order = model.Sites()

func ofAttention(s model.Site) bool {
	at := slices.Index(order, s)
	return at >= slices.Index(order, model.AttnNorm) && at <= slices.Index(order, model.AttnOut)
}

func ofExperts(s model.Site) bool {
	at := slices.Index(order, s)
	return at >= slices.Index(order, model.RouterLogits) && at <= slices.Index(order, model.ExpertOut)
}

// besideExperts are sites of an MLP that all positions pass.
func besideExperts(s model.Site) bool {
	at := slices.Index(order, s)
	return at >= slices.Index(order, model.MLPPre) && at <= slices.Index(order, model.SharedOut)
}

func ofMLP(s model.Site) bool {
	at := slices.Index(order, s)
	return at >= slices.Index(order, model.MLPNorm) && at <= slices.Index(order, model.MLPOut)
}
