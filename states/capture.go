package states

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"slices"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// Capture runs a prompt through the model and returns what passes some places, at the
// input's positions. Of attn_scores and pattern the positions are those of the queries, and
// all keys are there: to a query that does not see a key, because it is later or outside a
// window, the score is the most negative number of its type, and the pattern 0.
//
// Edits change what flows; what is captured at an edited place is what the edit leaves.
//
// Arrays have no batch axis, and the type in which the model computes them: float32,
// float16 or bfloat16. What comes after the last layer that is needed is not computed,
// and neither are positions after the last one. A prompt of more than 512 tokens goes
// through in parts, with a cache: the memory is that of the result, of a part, and of the
// keys and values ([Memory]).
//
// On ranks each one keeps what it computes, and all get the whole: a capture of one is that of another, and
// an edit made of it is made where its layer is.
func Capture(ctx context.Context, m model.Model, in edit.Input, places []model.Place) (*Set, error) {
	sets, err := capture(ctx, m, []edit.Input{in}, places)
	if err != nil {
		return nil, err
	}
	return sets[0], nil
}

// CaptureAll captures many inputs, and yields the set of each, or what is wrong with it, in
// their order. Short ones of like length go through the model together, whatever their
// edits. The numbers are those of Capture, but for the rounding of products of another shape.
//
// After an error of the context nothing more is yielded.
func CaptureAll(ctx context.Context, m model.Model, inputs []edit.Input, places []model.Place) iter.Seq2[*Set, error] {
	return edit.Together(ctx, inputs, model.PassPositions, func(in edit.Input) error {
		_, err := plan(m, []edit.Input{in}, places)
		return err
	}, func(of []edit.Input) ([]*Set, error) {
		defer mlx.TrimCache() // the next batch has another size
		return capture(ctx, m, of, places)
	})
}

// run is the way of a batch through the model.
type run struct {
	*edit.Batch
	m      model.Model
	places []model.Place // in forward order
	tokens int           // that are needed, of the longest
	kept   [][]kept      // [row][place]
	failed error         // of this rank
}

// kept is a row's array of a place, which grows from part to part.
type kept struct {
	typ   checkpoint.Type
	shape []int
	bytes []byte
}

func plan(m model.Model, inputs []edit.Input, places []model.Place) (*run, error) {
	if len(places) == 0 {
		return nil, fmt.Errorf("states: no place was asked for, such as layers.*.resid_post")
	}
	for _, p := range places {
		if err := m.Check(p); err != nil {
			return nil, fmt.Errorf("states: capture: %w", err)
		}
	}
	b, err := edit.NewBatch(m, inputs...)
	if err != nil {
		return nil, fmt.Errorf("states: %w", err)
	}
	if err := b.Reach(m, places); err != nil {
		return nil, fmt.Errorf("states: %w", err)
	}
	r := &run{Batch: b, m: m, places: model.InForwardOrder(places)}
	for _, in := range b.Inputs {
		r.tokens = max(r.tokens, needed(in))
		r.kept = append(r.kept, make([]kept, len(r.places)))
	}
	return r, nil
}

// needed is how many tokens of an input with resolved positions are computed.
func needed(in edit.Input) int { return in.Positions[len(in.Positions)-1] + 1 }

func capture(ctx context.Context, m model.Model, inputs []edit.Input, places []model.Place) ([]*Set, error) {
	r, err := plan(m, inputs, places)
	if err != nil {
		return nil, err
	}
	step := r.tokens
	var cache *model.Cache
	if r.Len() == 1 && r.tokens > model.PassPositions {
		step = model.PassPositions
		cache = model.NewCache(m)
		defer cache.Close()
	}
	for from := 0; from < r.tokens; from += step {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := r.part(from, min(from+step, r.tokens), cache); err != nil {
			return nil, err
		}
	}
	if err := r.share(); err != nil {
		return nil, err
	}
	sets := make([]*Set, r.Len())
	for i, in := range r.Inputs {
		sets[i] = &Set{IDs: slices.Clone(in.IDs), Positions: in.Positions, Metadata: map[string]string{}}
		for j, k := range r.kept[i] {
			sets[i].Arrays = append(sets[i].Arrays, checkpoint.Array{Name: r.places[j].String(), Type: k.typ, Shape: k.shape, Bytes: k.bytes})
		}
	}
	return sets, nil
}

// part computes the positions [from, to), and keeps what is asked for of them.
func (r *run) part(from, to int, cache *model.Cache) error {
	if cache != nil {
		defer mlx.TrimCache() // the next part has scores of another size
	}
	scope := mlx.NewScope(r.m.Device())
	defer scope.Close()
	arrays := make([][]*mlx.Array, r.Len()) // [row][place], nil where nothing is kept
	last := model.Reach(r.m, r.Tokens(scope, from, to), cache, r.Tap(from, to).Then(r.tap(scope, arrays, from, to)), r.places)
	if err := last.Err(); err != nil {
		return err
	}
	var all []*mlx.Array
	for i := range arrays {
		for j, x := range arrays[i] {
			switch {
			case x != nil:
				all = append(all, x)
			case model.Computes(r.m, r.places[j]):
				return fmt.Errorf("states: the model never reached %s", r.places[j])
			}
		}
	}
	if len(all) == 0 {
		return cache.Eval()
	}
	if err := mlx.Eval(all...); err != nil {
		return err
	}
	for i := range arrays {
		for j, x := range arrays[i] {
			if x == nil { // another rank's
				continue
			}
			if err := r.keep(i, j, x, from, to); err != nil {
				if r.m.Part() == nil {
					return err
				}
				r.failed = cmp.Or(r.failed, err) // the other ranks go on, and hear of it when all share
			}
			x.Free()
		}
	}
	if cache == nil || to == r.tokens {
		return nil
	}
	return cache.Eval() // of the last layer, on which nothing that is kept may depend
}

// tap takes the positions that each row reads of [from, to) from what passes each place.
func (r *run) tap(scope *mlx.Scope, arrays [][]*mlx.Array, from, to int) *model.Tap {
	at := make([][]int32, r.Len()) // of the part
	for i, in := range r.Inputs {
		for _, p := range in.Positions {
			if p >= from && p < to {
				at[i] = append(at[i], int32(p-from))
			}
		}
		if len(at[i]) > 0 {
			arrays[i] = make([]*mlx.Array, len(r.places))
		}
	}
	number := map[model.Place]int{}
	for j, p := range r.places {
		number[p] = j
	}
	return &model.Tap{
		Wanted: func(p model.Place) bool { _, ok := number[p]; return ok },
		Visit: func(p model.Place, x *mlx.Array) *mlx.Array {
			j, axis := number[p], p.Site.Axis(model.Pos)
			for i := range arrays {
				if arrays[i] == nil {
					continue
				}
				chosen := x
				if r.Len() > 1 && x.Dim(0) > 1 { // pos_embed is the same for every row
					chosen = mlx.Slice(chosen, 0, mlx.Between(i, i+1))
				}
				if len(at[i]) < to-from {
					chosen = mlx.Take(chosen, mlx.FromSlice(x.Scope(), at[i], len(at[i])), axis)
				}
				arrays[i][j] = scope.Hold(mlx.Contiguous(mlx.Squeeze(chosen, 0)))
			}
			return x
		},
	}
}

// keep adds a row's array of a place in the part [from, to). Where a window lets keys go,
// those of scores and patterns are the last ones before to.
func (r *run) keep(row, place int, x *mlx.Array, from, to int) error {
	typ, bytes, err := bytesOf(x)
	if err != nil {
		return fmt.Errorf("states: capture of %s, positions %d to %d: %w", r.places[place], from, to-1, err)
	}
	k, shape, in := &r.kept[row][place], x.Shape(), r.Inputs[row]
	if r.places[place].Site.Axis(model.Key) < 0 {
		if k.shape == nil {
			k.typ = typ
			k.shape = append([]int{len(in.Positions)}, shape[1:]...)
			k.bytes = make([]byte, 0, len(bytes)/shape[0]*len(in.Positions))
		}
		k.bytes = append(k.bytes, bytes...)
		return nil
	}
	_, width := typ.Block()
	heads, rows, keys, total := shape[0], shape[1], shape[2], needed(in)
	if k.shape == nil {
		k.typ, k.shape = typ, []int{heads, len(in.Positions), total}
		k.bytes = make([]byte, heads*len(in.Positions)*total*width)
		if r.places[place].Site == model.AttnScores {
			fill(k.bytes, typ)
		}
	}
	before, _ := slices.BinarySearch(in.Positions, from) // rows of earlier parts
	first := to - keys
	n := min(keys, total-first) // keys behind are padding, or later than all that is read
	for h := range heads {
		for q := range rows {
			start := ((h*len(in.Positions)+before+q)*total + first) * width
			copy(k.bytes[start:], bytes[(h*rows+q)*keys*width:][:n*width])
		}
	}
	return nil
}

// fill puts the most negative finite number everywhere, which is what masked scores are.
func fill(bytes []byte, typ checkpoint.Type) {
	for i := 0; i < len(bytes); {
		switch typ {
		case checkpoint.F16:
			i += copy(bytes[i:], "\xff\xfb") // −65504
		case checkpoint.BF16:
			i += copy(bytes[i:], "\x7f\xff")
		default:
			i += copy(bytes[i:], "\xff\xff\x7f\xff") // −MaxFloat32
		}
	}
}

// bytesOf reads an array of finite numbers: the rest of a capture means nothing where some are none, and
// an average of it makes all of it so.
func bytesOf(x *mlx.Array) (checkpoint.Type, []byte, error) {
	out, finite := make([]byte, 0, x.Nbytes()), true
	var typ checkpoint.Type
	var err error
	halves := func(v, exponent uint16) {
		out = binary.LittleEndian.AppendUint16(out, v)
		finite = finite && v&exponent != exponent
	}
	switch x.Dtype() {
	case mlx.Float32:
		typ = checkpoint.F32
		err = mlx.Borrow(x, func(data []float32) error {
			const exponent = 0x7f800000
			for _, v := range data {
				bits := math.Float32bits(v)
				out = binary.LittleEndian.AppendUint32(out, bits)
				finite = finite && bits&exponent != exponent
			}
			return nil
		})
	case mlx.Float16:
		typ = checkpoint.F16
		err = mlx.Borrow(x, func(data []mlx.Half) error {
			for _, v := range data {
				halves(uint16(v), 0x7c00)
			}
			return nil
		})
	case mlx.BFloat16:
		typ = checkpoint.BF16
		err = mlx.Borrow(x, func(data []mlx.Brain) error {
			for _, v := range data {
				halves(uint16(v), 0x7f80)
			}
			return nil
		})
	case mlx.Uint32, mlx.Int32: // numbers of experts: float32 holds them, and readers want one type
		return bytesOf(mlx.AsType(x, mlx.Float32))
	default:
		err = fmt.Errorf("it is of %s (have: float32, float16, bfloat16)", x.Dtype())
	}
	if err == nil && !finite {
		err = fmt.Errorf("it holds NaN or an infinity: the numbers grow beyond %s on the way there; look for an edit or a number of the config that is far too large", x.Dtype())
	}
	return typ, out, err
}
