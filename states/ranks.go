package states

import (
	"fmt"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/model"
)

// piece is what one rank has kept for all, without its numbers: a row's array of a place.
type piece struct {
	Row, Place int
	Type       checkpoint.Type
	Shape      []int
	Bytes      int
}

// share gives every rank what the others have kept of their layers. What each computes, behind the last block, stays its
// own.
func (r *run) share() error {
	part := r.m.Part()
	if part == nil {
		return nil
	}
	var pieces []piece
	var numbers [][]byte
	for i := range r.kept {
		for j := range r.kept[i] {
			if k := &r.kept[i][j]; k.shape != nil && !r.places[j].AfterBlocks() {
				pieces, numbers = append(pieces, piece{i, j, k.typ, k.shape, len(k.bytes)}), append(numbers, k.bytes)
			}
		}
	}
	all, err := model.ExchangeAs(part.Ranks, pieces, r.failed)
	if err != nil {
		return err
	}
	coming := make([]arriving, len(all))
	for rank, pieces := range all {
		if rank == part.Ranks.Rank() {
			continue
		}
		if coming[rank], err = r.expect(rank, pieces); err != nil {
			return err
		}
	}
	if err := part.Ranks.ExchangeParts(numbers, nil, func(rank int, data []byte) { coming[rank].take(data) }); err != nil {
		return err
	}
	for i := range r.kept {
		for j := range r.kept[i] {
			if r.kept[i][j].shape == nil {
				return fmt.Errorf("states: no rank has kept %s", r.places[j])
			}
		}
	}
	return nil
}

// arriving are arrays whose bytes come one after another.
type arriving []*kept

func (a *arriving) take(data []byte) {
	for len(data) > 0 && len(*a) > 0 {
		k := (*a)[0]
		n := min(len(data), cap(k.bytes)-len(k.bytes))
		k.bytes, data = append(k.bytes, data[:n]...), data[n:]
		if len(k.bytes) == cap(k.bytes) {
			*a = (*a)[1:]
		}
	}
}

// expect makes room for what another rank has kept.
func (r *run) expect(rank int, pieces []piece) (arriving, error) {
	var all arriving
	for _, p := range pieces {
		if p.Row < 0 || p.Row >= len(r.kept) || p.Place < 0 || p.Place >= len(r.places) || r.kept[p.Row][p.Place].shape != nil || p.Bytes < 1 {
			return nil, fmt.Errorf("states: rank %d sent an array of row %d and place %d, where %d rows of %d places are kept: the ranks differ in what they were given", rank, p.Row, p.Place, len(r.kept), len(r.places))
		}
		k := &r.kept[p.Row][p.Place]
		k.typ, k.shape, k.bytes = p.Type, p.Shape, make([]byte, 0, p.Bytes)
		all = append(all, k)
	}
	return all, nil
}
