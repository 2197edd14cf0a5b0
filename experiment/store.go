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

	from, to int // layers that are there
	values   []map[model.Place]edit.Value
}

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
	bytes := func(places []model.Place) (total int64, err error) {
		for _, in := range s.inputs {
			in.Edits = nil // which take nothing here
			result, _, err := states.Memory(s.m, in, places)
			if err != nil {
				return 0, err
			}
			total += 2 * result // as it is captured, and as float32
		}
		return total, nil
	}
	for s.to < layers {
		more := append(slices.Clone(places), s.places(s.to, s.to+1)...)
		total, err := bytes(more)
		if err != nil {
			return fmt.Errorf("experiment: %w", err)
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
