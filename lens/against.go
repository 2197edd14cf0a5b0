package lens

import (
	"context"
	"fmt"
	"slices"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// What Against holds at once.
const (
	// sequencePositions go through the model together, padding counted; their states are kept.
	sequencePositions = 2048
	// logitBytes is what one array of logits of the whole vocabulary may take: of 256k ids it has 64 positions.
	logitBytes = 64 << 20
)

// Against runs sequences of ids, several together, and calls visit with what the model answers at some
// of their positions and with what passes each place there, float32 [n, d_model], until all
// positions were visited once. How they are cut depends on the sequences and the model alone. The arrays end
// when visit returns.
func Against(ctx context.Context, m model.Model, sequences [][]int, places []model.Place, visit func(final *Reference, states []*mlx.Array) error) error {
	last := model.Place{Site: model.ResidPost, Layer: m.Shape().Layers - 1}
	wanted, end := slices.Clone(places), slices.Index(places, last)
	if end < 0 {
		wanted, end = append(wanted, last), len(places)
	}
	for _, part := range passes(sequences) {
		if err := ctx.Err(); err != nil {
			return err
		}
		scope := mlx.NewScope(m.Device())
		states, err := States(scope, m, part, wanted)
		if err == nil {
			err = chunks(ctx, m, states, end, func(final *Reference, states []*mlx.Array) error { return visit(final, states[:len(places)]) })
		}
		scope.Close()
		mlx.TrimCache() // the next pass has another size
		if err != nil {
			return err
		}
	}
	return nil
}

// AgainstMemory estimates from above what Against takes at its greatest beside the weights, in bytes, for so
// many places of sequences, and what a visit to [Reference.Gradient] takes.
func AgainstMemory(m model.Model, sequences [][]int, places int) int64 {
	s := m.Shape()
	most := 0
	for _, part := range passes(sequences) {
		longest := 0
		for _, ids := range part {
			longest = max(longest, len(ids))
		}
		n := len(part) * longest
		rows := min(n, max(1, logitBytes/(4*s.DVocab)))
		// the weights of a block that may be unpacked at once: two of the MLP's, one of the attention
		block := s.Block(len(part), longest, longest) + 2*s.DModel*s.DMLP + s.DModel*s.Heads*s.DHead
		// logits, probabilities and their difference, once more in parts, and on the way back; the head, unpacked
		scoring := 10*rows*s.DVocab + 3*min(headNumbers, s.DVocab*s.DModel) + (places+9)*rows*s.DModel
		most = max(most, max(block, scoring)+(places+1)*n*s.DModel)
	}
	return 4 * int64(most)
}

// passes cuts sequences into those that go through the model together.
func passes(sequences [][]int) [][][]int {
	var out [][][]int
	longest := 0
	for _, ids := range sequences {
		longest = max(longest, len(ids))
		if n := len(out); n > 0 && (len(out[n-1])+1)*longest <= sequencePositions {
			out[n-1] = append(out[n-1], ids)
			continue
		}
		out, longest = append(out, [][]int{ids}), len(ids)
	}
	return out
}

// chunks visits the positions of states, of which one is what the model decodes.
func chunks(ctx context.Context, m model.Model, states []*mlx.Array, last int, visit func(final *Reference, states []*mlx.Array) error) error {
	rows := max(1, logitBytes/(4*m.Shape().DVocab))
	for from, n := 0, states[last].Dim(0); from < n; from += rows {
		if err := ctx.Err(); err != nil {
			return err
		}
		scope := states[last].Scope().NewScope()
		part := make([]*mlx.Array, len(states))
		for i, h := range states {
			part[i] = mlx.AsType(mlx.Slice(scope.Hold(h), 0, mlx.Between(from, min(from+rows, n))), mlx.Float32)
		}
		final, err := NewReference(m, part[last])
		if err == nil {
			err = visit(final, part)
		}
		scope.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// States runs sequences together, the shorter padded behind, and returns what passes each place at their
// positions, computed, [positions, d_model], those of the first sequence first.
func States(scope *mlx.Scope, m model.Model, sequences [][]int, places []model.Place) ([]*mlx.Array, error) {
	inputs := make([]edit.Input, len(sequences))
	for i, ids := range sequences {
		inputs[i].IDs = ids
	}
	if err := model.Whole(m, "lens: what reads the states of sequences"); err != nil {
		return nil, err
	}
	b, err := edit.NewBatch(m, inputs...)
	if err != nil {
		return nil, fmt.Errorf("lens: %w", err)
	}
	for _, at := range places {
		if err := m.Check(at); err != nil {
			return nil, fmt.Errorf("lens: %w", err)
		}
	}
	pass := scope.NewScope()
	defer pass.Close()
	keep, kept := model.Keep(pass, places)
	out := model.Reach(m, b.Tokens(pass, 0, b.Longest), nil, b.Tap(0, b.Longest).Then(keep), places)
	at := mlx.FromSlice(pass, b.Read(0, b.Longest))
	for i, x := range kept {
		if x == nil {
			if out.Err() != nil {
				return nil, out.Err()
			}
			return nil, fmt.Errorf("lens: the model never reached %s", places[i])
		}
		kept[i] = pick(scope, x, at)
	}
	return kept, mlx.Eval(kept...)
}
