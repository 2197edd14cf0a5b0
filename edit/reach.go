package edit

import (
	"slices"

	"github.com/mlxlens/mlxlens/model"
)

// Reach returns an error that names the first edit that changes nothing of what is read: at
// some places, at the input's positions.
func (b *Batch) Reach(m model.Model, places []model.Place) error {
	ways := waysOf(m)
	for i, in := range b.Inputs {
		for at, edits := range b.rows[i].of {
			for _, e := range edits[b.rows[i].masks[at]:] {
				if err := e.reaches(ways, places, in.Positions); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// reaches returns an error where an edit changes nothing of what passes some places at some positions.
func (r *resolved) reaches(ways ways, places []model.Place, positions []int) error {
	if !slices.ContainsFunc(places, func(p model.Place) bool { return ways.influences(r.Place, p) }) {
		return r.wrong("it would change nothing: the last place that is read is %s", last(places))
	}
	if read := slices.Max(positions); !r.all && slices.Min(r.at) > read {
		return r.wrong("it would change nothing: the last position that is read is %d, and a later one changes none before it", read)
	}
	return nil
}

// Reaching returns an input less those of its edits that change nothing of what passes some places at
// its positions. A run that goes no further than these computes the same without them; whether they
// change anything of a longer one is for [Batch.Reach] to say of that.
func Reaching(m model.Model, in Input, places []model.Place) (Input, error) {
	if err := in.Check(m); err != nil {
		return in, err
	}
	positions, err := model.Indices(in.Positions, len(in.IDs), "position")
	if err != nil {
		return in, err
	}
	ways, edits := waysOf(m), in.Edits
	in.Edits = nil
	for i := range edits {
		e, err := edits[i].resolve(m, len(in.IDs))
		if err != nil {
			return in, err
		}
		if e.reaches(ways, places, positions) == nil {
			in.Edits = append(in.Edits, edits[i])
		}
	}
	return in, nil
}

// Influences reports whether a change of what passes one place of a model can change what passes another.
func Influences(m model.Model, from, to model.Place) bool { return waysOf(m).influences(from, to) }

// Inside reports whether a place is within attention or the MLP of a block, whose output is another: attn_out or
// mlp_out of the same layer. What enters it, behind its norm, is within it.
func Inside(m model.Model, place, output model.Place) bool {
	switch {
	case place.Layer != output.Layer || place.Site == output.Site:
		return false
	case output.Site == model.AttnOut:
		return ofAttention(place.Site)
	case output.Site == model.MLPOut:
		return ofMLP(place.Site) || place.Site == model.AttnNorm && waysOf(m).oneNorm
	}
	return false
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

// ways is how a model's blocks pass on what they compute. In a parallel block attention does not reach
// the MLP, and where it has one norm this reaches both.
type ways struct{ parallel, oneNorm bool }

func waysOf(m model.Model) ways {
	parallel := m.Check(model.Place{Site: model.ResidMid}) != nil
	return ways{parallel, parallel && m.Check(model.Place{Site: model.MLPNorm}) != nil}
}

func (w ways) influences(from, to model.Place) bool {
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
	return !w.parallel || !ofAttention(from.Site) || !ofMLP(to.Site) || w.oneNorm && from.Site == model.AttnNorm
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
