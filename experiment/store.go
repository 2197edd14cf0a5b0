package experiment

import (
	"context"
	"fmt"
	"slices"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/states"
)

// store has what inputs of a model compute at some sites of its layers. It captures a few layers
// at a time, and lets those go that come before: of a large model not all fit in memory at once.
type store struct {
	m      model.Model
	inputs []edit.Input // whose positions are those that are kept, nil for all
	sites  []model.Site
	most   int64 // bytes that are captured at a time

	least, whole int64 // bytes of the greatest layer and of all, once they were asked for

	from, to int // layers that are there
	values   []map[model.Place]edit.Value
}

// entering is what enters a block, before an edit of its resid_pre: a pass that is taken up there makes that
// edit itself.
func entering(layer int) model.Place { return model.Place{Site: model.ResidPost, Layer: layer - 1} }

// storeBytes is how much a store captures at a time when no bound is given.
const storeBytes = 1 << 30

// captureBytes is how much is captured at a time: one so many'th of a bound, if there is one.
func captureBytes(bound, part int64) int64 {
	if bound > 0 {
		return bound / part
	}
	return storeBytes
}

// at returns what an input has at a place, the layers before keep being let go.
func (s *store) at(ctx context.Context, input int, place model.Place, keep int) (edit.Value, error) {
	if place.Layer < s.from || place.Layer >= s.to {
		if err := s.load(ctx, min(keep, place.Layer), place.Layer); err != nil {
			return edit.Value{}, err
		}
	}
	v, ok := s.values[input][place]
	if !ok {
		return v, fmt.Errorf("experiment: nothing was captured at %s", place)
	}
	return v, nil
}

// load captures the layers from one on, at least up to another.
func (s *store) load(ctx context.Context, from, through int) error {
	layers := s.m.Shape().Layers
	s.from, s.to, s.values = from, through+1, make([]map[model.Place]edit.Value, len(s.inputs))
	places := s.places(from, s.to)
	for s.to < layers {
		more := append(slices.Clone(places), s.places(s.to, s.to+1)...)
		total, err := s.bytes(more)
		if err != nil {
			return err
		}
		if total > s.most {
			break
		}
		places, s.to = more, s.to+1
	}
	if len(places) == 0 {
		return nil
	}
	inputs := slices.Clone(s.inputs)
	for i, in := range inputs { // the runs that this is of may go further than these places
		var err error
		if inputs[i], err = edit.Reaching(s.m, in, places); err != nil {
			return fmt.Errorf("experiment: %w", err)
		}
	}
	i := 0
	for set, err := range states.CaptureAll(ctx, s.m, inputs, places) {
		if err != nil {
			return fmt.Errorf("experiment: %w", err)
		}
		s.values[i] = map[model.Place]edit.Value{}
		for _, at := range places {
			if s.values[i][at], err = set.Value(at); err != nil {
				return err
			}
		}
		i++
	}
	return ctx.Err()
}

// bytes is how much the store takes of some places: as it is captured, and as float32.
func (s *store) bytes(places []model.Place) (total int64, err error) {
	if len(places) == 0 {
		return 0, nil
	}
	for _, in := range s.inputs {
		in.Edits = nil // which take nothing here
		result, _, err := states.Memory(s.m, in, places)
		if err != nil {
			return 0, fmt.Errorf("experiment: %w", err)
		}
		total += 2 * result
	}
	return total, nil
}

// takes is how much the store takes at most: a layer at least.
func (s *store) takes() (int64, error) {
	for layer := 0; layer < s.m.Shape().Layers && (layer > 0 || s.whole == 0); layer++ {
		bytes, err := s.bytes(s.places(layer, layer+1))
		if err != nil {
			return 0, err
		}
		s.least, s.whole = max(s.least, bytes), s.whole+bytes
	}
	return max(s.least, min(s.most, s.whole)), nil
}

// lowest returns the first of the layers up to one that a store can hold together.
func (s *store) lowest(through int) int {
	bytes := int64(1)
	for _, site := range s.sites {
		size := int64(1)
		for _, n := range s.m.Shape().Sizes(site) {
			size *= int64(n)
		}
		for _, in := range s.inputs {
			bytes += 8 * size * int64(max(len(in.Positions), 1))
		}
	}
	return max(0, through+1-max(1, int(s.most/bytes)))
}

// share gives each of some stores its part of what is left of a bound beside what the rest of the work
// needs. A store that can do with less leaves it to the others. What does not fit is refused.
func share(left int64, stores ...*store) (taken int64, err error) {
	for i, s := range stores {
		s.most = max(0, left-taken) / int64(len(stores)-i)
		most, err := s.takes()
		if err != nil {
			return 0, err
		}
		taken += most
	}
	return taken, nil
}

// places are those of the sites in the layers [from, to) that the model has.
func (s *store) places(from, to int) []model.Place {
	var places []model.Place
	for layer := from; layer < to; layer++ {
		for _, site := range s.sites {
			if at := (model.Place{Site: site, Layer: layer}); s.m.Check(at) == nil {
				places = append(places, at)
			}
		}
	}
	return places
}

// rowOf returns the numbers of a value at one of its positions, in the shape of the site's axes
// behind the positions'.
func rowOf(v edit.Value, position int) []float32 {
	row := slices.Index(v.Positions, position)
	size := len(v.Data) / v.Shape[0]
	return v.Data[row*size : (row+1)*size]
}
