package lens

import (
	"fmt"

	"github.com/mlxlens/mlxlens/model"
)

// passPositions is how many positions one forward pass computes. The states of a
// longer prompt, and the scores of its attention, [head, pos, key], are never there at
// once: it goes through in parts, with a cache of keys and values between them.
const passPositions = model.PassPositions

// room is how much is worked on at once.
type room struct {
	pass  int // positions of a forward pass
	chunk int // positions that are scored together
}

// fit makes the room smaller until the work on sequences of so many positions, of which
// so many are read in all, stays within the bound.
func (p *plan) fit(m model.Model, sequences, positions, read int, o *Options) error {
	p.room = p.most
	if o.MaxMemory == 0 {
		return nil
	}
	free, err := model.Free(m, o.MaxMemory)
	if err != nil {
		return err
	}
	for {
		need := p.memory(m, sequences, positions, read, o)
		switch {
		case need <= free:
			return nil
		case p.room.pass > leastPass:
			p.room.pass /= 2
		case p.room.chunk > 1:
			p.room.chunk /= 2
		default:
			return fmt.Errorf("lens: %d positions, of which %d are read in %d rows, need at least %d MB beside the weights, and %d MB are left for them: read fewer positions or rows, or allow more memory",
				positions, read, len(p.rows), (need+1<<20-1)>>20, max(0, free>>20))
		}
		p.room.chunk = min(p.room.chunk, p.room.pass)
	}
}

// leastPass bounds the passes from below: with fewer positions a pass is bound by
// reading the weights, and takes as long.
const leastPass = 16

// memory estimates from above what the work takes at its greatest, in bytes.
func (p *plan) memory(m model.Model, sequences, positions, read int, o *Options) int64 {
	s := m.Shape()
	const float = 4
	pass := min(p.room.pass, positions)
	n := sequences * pass
	states := min(n, read) * len(p.places) * s.DModel
	cache := 0
	if positions > pass {
		cache = s.Remembered(positions)
	}
	chunk := min(p.room.chunk, read)
	// states before and after the norm; the reference's probabilities; a slice of logits, twice
	scoring := 3*chunk*len(p.rows)*s.DModel + chunk*s.DVocab + 2*min(blockRows, chunk*len(p.rows))*vocabSlice
	scoring += 2 * min(vocabSlice, s.DVocab) * s.DModel // of the head, unpacked: the slice at hand and the next
	// the weights of a block that may be unpacked at once: two of the MLP's, one of the attention
	block := s.Block(sequences, pass, positions) + 2*s.DModel*s.DMLP + s.DModel*s.Heads*s.DHead
	work := max(block, scoring) + states + cache
	return int64(float*work) + int64(read*len(p.rows)*p.cellBytes(o))
}

// cellBytes is what a cell takes in Go, before and after it is labelled.
func (p *plan) cellBytes(o *Options) int {
	const score, candidateBytes, targetBytes = 160, 8 + 40, 16 + 48
	return score + 200 + (o.Top+spare+o.Track)*candidateBytes + (len(o.scored())+1)*targetBytes
}
