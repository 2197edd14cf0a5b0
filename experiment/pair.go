package experiment

import (
	"slices"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/model"
)

// pair is two runs, one of which is changed, by what the other computes.
type pair struct {
	answer  int   // the position of the source that is read
	read    int   // that of the run that is changed
	of      []int // for each position of the run that is changed the source's, −1: none
	differs int   // the first position where the source may compute something else
	keyed   bool  // the two have not the same keys
}

func newPair(source, changed edit.Input, how lens.Alignment) (pair, error) {
	a, b := len(source.IDs), len(changed.IDs)
	if a != b && how == lens.AlignEqual {
		return pair{}, refuse("the prompts have %d and %d tokens: say whether their starts or their ends belong together", b, a)
	}
	p := pair{answer: source.Positions[0], read: changed.Positions[0], of: make([]int, b), keyed: a != b, differs: b}
	shift := 0
	if how == lens.AlignEnd {
		shift = a - b
	}
	for i := range p.of {
		p.of[i] = -1
		if j := i + shift; j >= 0 && j < a {
			p.of[i] = j
		}
	}
	for _, in := range []edit.Input{source, changed} {
		for _, e := range in.Edits {
			p.differs = min(p.differs, firstOf(e, len(in.IDs)))
		}
	}
	for i, j := range p.of {
		if j != i || source.IDs[j] != changed.IDs[i] {
			p.differs = min(p.differs, i)
		}
	}
	if a != b { // some rotations depend on the length
		p.differs = 0
	}
	return p, nil
}

// choose resolves positions of the run that is changed, nil for all that have a partner, up to
// the one that is read.
func (p *pair) choose(positions []int) ([]int, error) {
	chosen, err := model.Indices(positions, len(p.of), "position")
	if err != nil {
		return nil, refuse("%w", err)
	}
	if positions == nil {
		chosen = slices.DeleteFunc(chosen, func(i int) bool { return p.of[i] < 0 || i > p.read })
	}
	for _, i := range chosen {
		if p.of[i] < 0 {
			return nil, refuse("position %d has no partner in the other prompt, whose tokens are fewer", i)
		}
		if i > p.read {
			return nil, refuse("position %d is behind the one that is read, %d, and changes nothing there", i, p.read)
		}
	}
	if len(chosen) == 0 {
		return nil, refuse("there is no position to patch")
	}
	return chosen, nil
}

// sources are the positions of the source that belong to some of the run that is changed.
func (p *pair) sources(positions []int) []int {
	var of []int
	for _, i := range positions {
		of = append(of, p.of[i])
	}
	return of
}
