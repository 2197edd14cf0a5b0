package lens

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/model"
)

// defaultTop is how many candidates a cell has when nobody says.
const defaultTop = 5

// plan is what is read of every prompt, resolved and checked.
type plan struct {
	places []model.Place // that states are kept of, in forward order
	rows   []row         // the last is the reference
	hidden bool          // the reference was not asked for
	head   Head          // that reads all rows but the reference; nil: the model's own
	beside []beside
	most   room // that is ever used
	room   room // of the prompts at hand
}

// row is a state, by its number in places, and what translates it.
type row struct {
	state      int
	translator Translator // nil: none
	by         string     // which of several lenses reads it; "": the logit lens, or the only one
	lenses     []int      // those that read it so, by their numbers; none of a hidden reference
}

// read reports whether a lens, by its number, reads a row.
func (r row) read(by int) bool { return slices.Contains(r.lenses, by) }

func (p *plan) place(r int) model.Place { return p.places[p.rows[r].state] }

// shown is how many rows were asked for.
func (p *plan) shown() int {
	if p.hidden {
		return len(p.rows) - 1
	}
	return len(p.rows)
}

// batch checks inputs, and resolves their positions and edits.
func (p *plan) batch(m model.Model, inputs []edit.Input) (*edit.Batch, error) {
	b, err := edit.NewBatch(m, inputs...)
	if err == nil {
		err = b.Reach(m, p.places)
	}
	if err != nil {
		return nil, fmt.Errorf("lens: %w", err)
	}
	return b, nil
}

// newPlan resolves and checks all but the prompt.
func newPlan(m model.Model, o *Options) (*plan, error) {
	shape := m.Shape()
	if err := edit.CheckIDs(o.scored(), shape.DVocab, "target"); err != nil {
		return nil, fmt.Errorf("lens: %w", err)
	}
	if o.Top == 0 {
		o.Top = defaultTop
	}
	if o.Top < 0 || o.Top > shape.DVocab {
		return nil, fmt.Errorf("lens: top %d: want 1 to %d, the size of the vocabulary", o.Top, shape.DVocab)
	}
	if o.Track < 0 || o.Track > 0 && o.TopOnly {
		return nil, fmt.Errorf("lens: track %d: want 0 or more, and none where only the top is wanted: it needs ranks", o.Track)
	}
	layers, err := model.Indices(o.Layers, shape.Layers, "layer")
	if err != nil {
		return nil, fmt.Errorf("lens: %w", err)
	}
	if err := onRanks(m, o); err != nil {
		return nil, err
	}
	p := &plan{places: o.places(m, layers)}
	for _, at := range p.places {
		if err := m.Check(at); err != nil {
			return nil, fmt.Errorf("lens: a row of %s: %w", at.Site, err)
		}
	}
	if err := p.translate(o.lenses()); err != nil {
		return nil, err
	}
	p.refer(model.Place{Site: model.ResidPost, Layer: shape.Layers - 1})
	if o.Experts {
		if err := p.withExperts(m); err != nil {
			return nil, err
		}
	}
	p.most = room{passPositions, max(1, chunkRows/len(p.rows))}
	p.room = p.most
	o.Track = min(o.Track, o.Top*p.shown()) // there are no more candidates
	return p, nil
}

// places are those of the rows that are asked for, in layers that have them; in all of the layers
// where none has.
func (o *Options) places(m model.Model, layers []int) []model.Place {
	var places []model.Place
	with := map[model.Site][]int{}
	for _, site := range []model.Site{model.AttnOut, model.ResidMid, model.MLPOut, model.ResidPost} {
		with[site] = slices.DeleteFunc(slices.Clone(layers), func(l int) bool { return m.Check(model.Place{Site: site, Layer: l}) != nil })
	}
	add := func(asked bool, site model.Site, layer int) {
		if asked && (len(with[site]) == 0 || slices.Contains(with[site], layer)) {
			places = append(places, model.Place{Site: site, Layer: layer})
		}
	}
	if o.Embed {
		places = append(places, firstState(m))
	}
	for _, l := range layers {
		add(o.Attn, model.AttnOut, l)
		add(o.Mid, model.ResidMid, l)
		add(o.MLP, model.MLPOut, l)
		add(true, model.ResidPost, l)
	}
	return places
}

// translate makes the rows: of each place one by each lens that reads its site, and one as it is where a lens has no
// translator, once.
func (p *plan) translate(lenses []Translator) error {
	names := kinds(lenses)
	for i, at := range p.places {
		plain, before := -1, len(p.rows)
		var unread error
		for k, t := range lenses {
			ok := false
			if t != nil {
				var err error
				var site *SiteError
				if ok, err = t.Has(at); errors.As(err, &site) {
					unread = err
					continue
				} else if err != nil {
					return err
				}
			}
			switch {
			case ok:
				p.rows = append(p.rows, row{state: i, translator: t, by: names[k], lenses: []int{k}})
			case plain < 0:
				plain = len(p.rows)
				p.rows = append(p.rows, row{state: i, lenses: []int{k}})
			default:
				p.rows[plain].lenses = append(p.rows[plain].lenses, k)
			}
		}
		if len(p.rows) == before {
			return unread
		}
	}
	return p.readBy(lenses)
}

// readBy takes a lens that has a matrix of its own, which reads all rows.
func (p *plan) readBy(lenses []Translator) error {
	at := slices.IndexFunc(lenses, func(t Translator) bool { _, is := t.(Head); return is })
	if at < 0 {
		return nil
	}
	head := lenses[at].(Head)
	if len(lenses) > 1 {
		return fmt.Errorf("lens: %s reads states by a matrix of its own, and cannot stand beside another lens: read it alone", head.Name())
	}
	if i := slices.IndexFunc(p.rows, func(r row) bool { return r.translator == nil }); i >= 0 {
		return fmt.Errorf("lens: %s reads states by a matrix of its own, and has none for %s", head.Name(), p.place(i))
	}
	p.head = head
	return nil
}

// name is how the grid calls a row: its place, and which of several lenses reads it.
func (p *plan) name(r int) string {
	name := p.place(r).String()
	if by := p.rows[r].by; by != "" {
		name += " (" + by + ")"
	}
	return name
}

// kinds are the short names of several lenses. One lens has none.
func kinds(lenses []Translator) []string {
	names := make([]string, len(lenses))
	if len(lenses) == 1 {
		return names
	}
	for k, t := range lenses {
		if t != nil {
			names[k] = t.Name()
		}
	}
	return ShortNames(names)
}

// ShortNames are what stands before the colon of lenses' names ([Translator]), with a number where that is not the
// first of its kind: "tuned", "tuned 2". One that has no name gets none.
func ShortNames(lenses []string) []string {
	short := make([]string, len(lenses))
	of := map[string]int{}
	for k, name := range lenses {
		if name == "" {
			continue
		}
		kind, _, _ := strings.Cut(name, ":")
		if of[kind]++; of[kind] > 1 {
			kind = fmt.Sprintf("%s %d", kind, of[kind])
		}
		short[k] = kind
	}
	return short
}

// refer ends the rows with the last layer as the model reads it, to which KL and the
// answer refer, whether it is shown or not.
func (p *plan) refer(last model.Place) {
	n := len(p.rows) - 1
	shown := p.place(n) == last
	if shown && p.rows[n].translator == nil {
		return
	}
	if !shown {
		p.places = append(p.places, last)
	}
	p.rows = append(p.rows, row{state: len(p.places) - 1})
	p.hidden = true
}

// firstState is the stream that enters the first block: the embedding, or where
// positions are embedded too (GPT-2) the sum of both.
func firstState(m model.Model) model.Place {
	if m.Check(model.Place{Site: model.PosEmbed}) == nil {
		return model.Place{Site: model.ResidPre}
	}
	return model.Place{Site: model.Embed}
}
