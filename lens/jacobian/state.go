package jacobian

import (
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/internal/regular"
	"github.com/mlxlens/mlxlens/internal/torchfile"
	"github.com/mlxlens/mlxlens/model"
)

// What a saved fit has beside the keys of a checkpoint.
const (
	keySums      = "jacobian_sum"
	keyPartial   = "row_sum" // in place of keySums, where rows are of different numbers of prompts: no other program divides them right
	keyNext      = "next_idx"
	keySquares   = "row_squares"
	keyCounts    = "row_counts"
	keyDimBatch  = "dim_batch"
	keyLength    = "max_seq_len"
	keyRows      = "rows_per_prompt"
	keySeed      = "seed"
	keySources   = "source_layers"
	keySkipFirst = "skip_first"
)

// Save writes the fit so that Restore goes on from there. Of a fit of all rows it is a checkpoint that TransformerLens and
// [Open] read, and [Merge] takes for a part. metadata are added to what the fit knows of itself, as [Fit.Lens] adds them; what
// they have under [Origin] tells the fit from others, and is no lens'. Restore gives them back.
func (f *Fit) Save(w io.Writer, metadata Metadata) error {
	d := f.m.Shape().DModel
	sums, squares, sources, counts := torchfile.Items{}, torchfile.Items{}, []any{}, []any{}
	for _, layer := range f.sources {
		sources = append(sources, layer)
		sums = append(sums, torchfile.Item{Key: layer, Value: torchfile.Stored{Type: checkpoint.F32, Shape: []int{d, d}, Write: func(w io.Writer) error {
			buffer := make([]byte, 0, 4*d)
			for r := range d {
				buffer = buffer[:0]
				for _, v := range f.sums[layer][r*d : (r+1)*d] {
					buffer = binary.LittleEndian.AppendUint32(buffer, math.Float32bits(v))
				}
				if _, err := w.Write(buffer); err != nil {
					return err
				}
			}
			return nil
		}}})
		squares = append(squares, torchfile.Item{Key: layer, Value: torchfile.Stored{Type: checkpoint.F64, Shape: []int{d}, Write: func(w io.Writer) error {
			return binary.Write(w, binary.LittleEndian, f.squares[layer])
		}}})
	}
	for _, n := range f.counts {
		counts = append(counts, n)
	}
	key := keySums
	if f.o.Rows > 0 {
		key = keyPartial
	}
	return torchfile.Write(w, torchfile.Items{
		{Key: key, Value: sums}, {Key: "n_done", Value: f.done}, {Key: keyNext, Value: f.done + f.short}, {Key: keySources, Value: sources},
		{Key: keyTarget, Value: f.m.Shape().Layers - 1}, {Key: keySkipFirst, Value: f.o.Skip},
		{Key: keySquares, Value: squares}, {Key: keyCounts, Value: counts}, {Key: keyLength, Value: f.o.Length}, {Key: keyDimBatch, Value: f.o.Batch},
		{Key: keyRows, Value: f.o.Rows}, {Key: keySeed, Value: int(f.o.Seed)}, {Key: "metadata", Value: items(f.about(metadata))},
	})
}

// Restore returns a fit that goes on from what Save wrote, and the metadata that were saved. It fails where
// the options are others: another Batch sums the same numbers in other groups, whose last bits differ, and 0 takes the file's.
func Restore(m model.Model, o FitOptions, path string) (*Fit, Metadata, error) {
	file, size, err := regular.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("jacobian: %s: %w", path, err)
	}
	defer file.Close()
	fail := func(err error) (*Fit, Metadata, error) { return nil, nil, fmt.Errorf("jacobian: %s: %w", path, err) }
	t, err := torchfile.Open(file, size)
	if err != nil {
		return fail(err)
	}
	root, ok := t.Root.(*torchfile.Dict)
	if !ok {
		return fail(fmt.Errorf("is no fit that was saved"))
	}
	saved := map[string]int{}
	for _, key := range []string{keyDimBatch, "n_done", keyNext, keyTarget, keySkipFirst, keyLength, keyRows, keySeed} {
		if saved[key], err = whole(root, key, nil); err != nil {
			return fail(fmt.Errorf("is no fit that was saved: %w", err))
		}
	}
	batch := saved[keyDimBatch]
	switch {
	case batch < 1:
		return fail(fmt.Errorf("has %d under %q", batch, keyDimBatch))
	case o.Batch > 0 && o.Batch != batch:
		return fail(fmt.Errorf("was fitted with %s %d, and this fit has %d", keyDimBatch, batch, o.Batch))
	}
	o.Batch = batch
	f, err := NewFit(m, o)
	if err != nil {
		return nil, nil, err
	}
	f.done, f.short = saved["n_done"], saved[keyNext]-saved["n_done"]
	for key, want := range map[string]int{keyTarget: m.Shape().Layers - 1, keySkipFirst: f.o.Skip, keyLength: f.o.Length, keyRows: f.o.Rows, keySeed: int(f.o.Seed)} {
		if saved[key] != want {
			return fail(fmt.Errorf("was fitted with %s %d, and this fit has %d", key, saved[key], want))
		}
	}
	if err := f.restore(t, root); err != nil {
		return fail(err)
	}
	about, err := metadata(root.Values["metadata"])
	if err != nil {
		return fail(err)
	}
	return f, about, nil
}

// restore reads the sums.
func (f *Fit) restore(t *torchfile.File, root *torchfile.Dict) error {
	d := f.m.Shape().DModel
	key := keySums
	if f.o.Rows > 0 {
		key = keyPartial
	}
	sums, ok1 := root.Values[key].(*torchfile.Dict)
	squares, ok2 := root.Values[keySquares].(*torchfile.Dict)
	counts, ok3 := root.Values[keyCounts].(*torchfile.List)
	if !ok1 || !ok2 || !ok3 || len(counts.Values) != d || f.short < 0 || f.done < 0 {
		return fmt.Errorf("lacks %s, %s or %s of d_model %d", key, keySquares, keyCounts, d)
	}
	layers := slices.Collect(maps.Keys(sums.Values))
	if len(layers) != len(f.sources) {
		return fmt.Errorf("has %d layers, and this fit has %d: %s", len(layers), len(f.sources), ranges(f.sources))
	}
	for r, n := range counts.Values {
		n, ok := n.(int)
		if f.counts[r] = n; !ok || n < 0 || n > f.done {
			return fmt.Errorf("has %v prompts of row %d, and %d of all", counts.Values[r], r, f.done)
		}
	}
	for _, layer := range f.sources {
		sum, ok1 := sums.Values[layer].(torchfile.Tensor)
		square, ok2 := squares.Values[layer].(torchfile.Tensor)
		if !ok1 || !ok2 {
			return fmt.Errorf("has no sums of layer %d", layer)
		}
		a, err := t.Array(sum, tensorName(layer), []int{d, d})
		if err != nil {
			return err
		}
		if f.sums[layer], err = a.Float32(); err != nil {
			return err
		}
		if a, err = t.Array(square, tensorName(layer), []int{d}); err != nil {
			return err
		}
		if a.Type != checkpoint.F64 {
			return fmt.Errorf("has squares of %s: want F64", a.Type)
		}
		for r := range d {
			f.squares[layer][r] = math.Float64frombits(binary.LittleEndian.Uint64(a.Bytes[8*r:]))
		}
	}
	return nil
}
