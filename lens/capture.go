package lens

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/mlxlens/mlxlens/activation"
	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// ParsePlaces reads places, comma-separated, in any dialect of the model's Paths. In place
// of a layer's number may stand *, -1 (the last), or a range as [ParseIndices] reads it:
// layers.*.resid_post, layers.0:4.mlp_out, blocks.-1.hook_resid_post, model.layers.::2.mlp.
// The result is in forward order, each once.
func ParsePlaces(text string, m model.Model) ([]model.Place, error) {
	var all []model.Place
	for one := range strings.SplitSeq(text, ",") {
		places, err := parsePlaces(strings.TrimSpace(one), m.Paths(), m.Shape().Layers)
		if err != nil {
			return nil, err
		}
		all = append(all, places...)
	}
	return inForwardOrder(all), nil
}

func parsePlaces(text string, paths model.Paths, layers int) ([]model.Place, error) {
	parts := strings.Split(text, ".")
	at := slices.IndexFunc(parts, func(part string) bool {
		return part == "*" || strings.ContainsAny(part, "0123456789:-") && strings.Trim(part, "0123456789:-") == ""
	})
	if at < 0 {
		place, err := paths.Place(text)
		if err != nil {
			return nil, fmt.Errorf("lens: place %q: %w", text, err)
		}
		return []model.Place{place}, nil
	}
	chosen := parts[at]
	if chosen == "*" {
		chosen = ":"
	}
	numbers, err := ParseIndices(chosen, layers, "layer")
	if err != nil {
		return nil, fmt.Errorf("lens: place %q: %w", text, err)
	}
	var places []model.Place
	for _, n := range numbers {
		parts[at] = fmt.Sprint(n)
		place, err := paths.Place(strings.Join(parts, "."))
		if err != nil {
			return nil, fmt.Errorf("lens: place %q: %w", text, err)
		}
		places = append(places, place)
	}
	return places, nil
}

// inForwardOrder sorts places as a pass goes by them, and drops repeated ones.
func inForwardOrder(places []model.Place) []model.Place {
	part := func(p model.Place) int { // before, in, and after the blocks
		switch {
		case p.Site < model.ResidPre:
			return 0
		case p.Site.PerLayer():
			return 1
		}
		return 2
	}
	out := slices.Clone(places)
	slices.SortFunc(out, func(a, b model.Place) int {
		return cmp.Or(cmp.Compare(part(a), part(b)), cmp.Compare(a.Layer, b.Layer), cmp.Compare(a.Site, b.Site))
	})
	return slices.Compact(out)
}

// Capture runs a prompt through the model and returns the activations at places, for some
// positions; negative ones count from the end, nil: all. Of attn_scores and pattern the
// positions are those of the queries, and all keys are there: to a query that does not
// see a key, because it is later or outside a window, the score is the most negative
// number of its type, and the pattern 0.
//
// Edits change what flows; what is captured at an edited place is what the edit leaves.
//
// Arrays have no batch axis, and the type in which the model computes them: float32,
// float16 or bfloat16. What comes after the last layer that is needed is not computed,
// and neither are positions after the last one. A prompt of more than 512 tokens goes
// through in parts, with a cache: the memory is that of the result, of a part, and of the
// keys and values ([CaptureMemory]).
func Capture(ctx context.Context, m model.Model, ids []int, places []model.Place, positions []int, edits ...Edit) (*activation.Set, error) {
	c, err := planCapture(m, len(ids), places, positions)
	if err != nil {
		return nil, err
	}
	for _, e := range edits {
		if err := e.check(m); err != nil {
			return nil, err
		}
	}
	c.edits, c.prompt = edits, len(ids)
	if err := inVocabulary(ids, m.Shape().DVocab, "id"); err != nil {
		return nil, err
	}
	set := &activation.Set{IDs: slices.Clone(ids), Positions: c.positions, Metadata: map[string]string{}}
	ids = ids[:c.tokens()]
	var cache *model.Cache
	if len(ids) > passPositions {
		cache = model.NewCache(m)
		defer cache.Close()
	}
	for from := 0; from < len(ids); from += passPositions {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := c.part(m, ids, from, min(from+passPositions, len(ids)), cache); err != nil {
			return nil, err
		}
	}
	for i, k := range c.kept {
		set.Arrays = append(set.Arrays, checkpoint.Array{Name: c.places[i].String(), Type: k.typ, Shape: k.shape, Bytes: k.bytes})
	}
	return set, nil
}

// CaptureMemory returns how many bytes Capture of so many tokens gives, and how many the
// work takes at its greatest beyond the weights, the result among them, both from above:
// as if all were float32.
func CaptureMemory(m model.Model, tokens int, places []model.Place, positions []int) (result, work int64, err error) {
	c, err := planCapture(m, tokens, places, positions)
	if err != nil {
		return 0, 0, err
	}
	const float = 4
	s := m.Shape()
	elements := func(p model.Place, read int) int64 {
		if scores(p.Site) {
			return int64(read) * int64(s.Heads) * int64(c.tokens())
		}
		return int64(read) * int64(max(1, headsOf(p.Site, s))) * int64(lastAxis(p.Site, s))
	}
	n := min(passPositions, c.tokens())
	part := int64(n) * int64(6*s.DModel+3*s.DMLP+4*s.Heads*s.DHead) // a block, as in memory
	part += 3 * int64(n) * int64(s.Heads) * int64(c.tokens())       // scores of attention
	for _, p := range c.places {
		result += float * elements(p, len(c.positions))
		part += elements(p, min(n, len(c.positions)))
		if p.Site == model.Logits {
			part += elements(p, n) // before positions are chosen
		}
	}
	if c.tokens() > n {
		part += 5 * int64(s.Layers) * int64(s.KVHeads*s.DHead) * int64(c.tokens()+256) / 2 // keys and values; the layer that grows is there twice
	}
	return result, result + float*part, nil
}

// scores reports whether a site is [batch, head, pos, key].
func scores(s model.Site) bool { return headAxis(s) == 1 }

// headsOf returns how many heads a site has, 0 for those without.
func headsOf(s model.Site, shape model.Shape) int {
	if headAxis(s) == 0 {
		return 0
	}
	return headsAt(s, shape)
}

// capture is a prompt's way through the model.
type capture struct {
	places    []model.Place // in forward order
	positions []int
	number    map[model.Place]int
	kept      []kept // by place
	edits     []Edit
	prompt    int // its tokens
}

// kept grows from part to part.
type kept struct {
	typ   checkpoint.Type
	shape []int
	bytes []byte
}

func planCapture(m model.Model, tokens int, places []model.Place, positions []int) (*capture, error) {
	if tokens == 0 {
		return nil, fmt.Errorf("lens: the prompt is empty: there is no activation to capture")
	}
	if n := m.Shape().Context; tokens > n {
		return nil, fmt.Errorf("lens: the prompt has %d tokens, and the model was made for %d", tokens, n)
	}
	if len(places) == 0 {
		return nil, fmt.Errorf("lens: no place was asked for, such as layers.*.resid_post")
	}
	paths := m.Paths()
	for _, p := range places {
		if _, err := paths.Place(p.String()); err != nil {
			return nil, fmt.Errorf("lens: capture: %w", err)
		}
	}
	at, err := indices(positions, tokens, "position")
	if err != nil {
		return nil, err
	}
	c := &capture{places: inForwardOrder(places), positions: at, number: map[model.Place]int{}}
	for i, p := range c.places {
		c.number[p] = i
	}
	c.kept = make([]kept, len(c.places))
	return c, nil
}

// tokens is how many of the prompt's are needed.
func (c *capture) tokens() int { return c.positions[len(c.positions)-1] + 1 }

// part computes the positions [from, to), and keeps what is asked for of them.
func (c *capture) part(m model.Model, ids []int, from, to int, cache *model.Cache) error {
	if cache != nil {
		defer mlx.ClearCache() // the next part has scores of another size
	}
	scope := mlx.NewScope(m.Device())
	defer scope.Close()
	var at []int32 // of the part
	for _, p := range c.positions {
		if p >= from && p < to {
			at = append(at, int32(p-from))
		}
	}
	edits, err := newEditing(c.edits, from, c.prompt)
	if err != nil {
		return err
	}
	arrays := make([]*mlx.Array, len(c.places))
	m.Forward(model.Tokens(scope, ids[from:to]), cache, edits.tap(c.tap(scope, arrays, at, to-from)))
	if len(at) == 0 {
		return cache.Eval()
	}
	for i, x := range arrays {
		if x == nil {
			return fmt.Errorf("lens: the model never reached %s", c.places[i])
		}
	}
	if err := mlx.Eval(arrays...); err != nil {
		return err
	}
	for i, x := range arrays {
		if err := c.keep(i, x, from, to); err != nil {
			return err
		}
		x.Free()
	}
	if cache == nil || to == c.tokens() {
		return nil
	}
	return cache.Eval() // of the last layer, on which no activation may depend
}

// tap takes the positions at, of a part of n, from what passes each place.
func (c *capture) tap(scope *mlx.Scope, arrays []*mlx.Array, at []int32, n int) *model.Tap {
	last := c.places[len(c.places)-1]
	return &model.Tap{
		Wanted: func(site model.Site, layer int) bool {
			_, ok := c.number[model.Place{Site: site, Layer: layer}]
			return ok && len(at) > 0
		},
		Visit: func(site model.Site, layer int, x *mlx.Array) *mlx.Array {
			chosen, axis := x, 1
			if scores(site) {
				axis = 2
			}
			if len(at) < n {
				chosen = mlx.Take(x, mlx.FromSlice(x.Scope(), at, len(at)), axis)
			}
			arrays[c.number[model.Place{Site: site, Layer: layer}]] = scope.Hold(mlx.Contiguous(mlx.Squeeze(chosen, 0)))
			return x
		},
		Until: &last,
	}
}

// keep adds the array of a place in the part [from, to). Where a window lets keys go, those
// of scores and patterns are the last ones before to.
func (c *capture) keep(i int, x *mlx.Array, from, to int) error {
	typ, bytes, err := bytesOf(x)
	if err != nil {
		return fmt.Errorf("lens: capture of %s: %w", c.places[i], err)
	}
	k, shape := &c.kept[i], x.Shape()
	if !scores(c.places[i].Site) {
		if k.shape == nil {
			k.typ = typ
			k.shape = append([]int{len(c.positions)}, shape[1:]...)
			k.bytes = make([]byte, 0, len(bytes)/shape[0]*len(c.positions))
		}
		k.bytes = append(k.bytes, bytes...)
		return nil
	}
	_, width := typ.Block()
	heads, rows, keys := shape[0], shape[1], shape[2]
	total := c.tokens()
	if k.shape == nil {
		k.typ, k.shape = typ, []int{heads, len(c.positions), total}
		k.bytes = make([]byte, heads*len(c.positions)*total*width)
		if c.places[i].Site == model.AttnScores {
			fill(k.bytes, typ)
		}
	}
	before, _ := slices.BinarySearch(c.positions, from) // rows of earlier parts
	for h := range heads {
		for r := range rows {
			start := ((h*len(c.positions)+before+r)*total + to - keys) * width
			copy(k.bytes[start:], bytes[(h*rows+r)*keys*width:(h*rows+r+1)*keys*width])
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

// bytesOf reads an array of floating-point numbers.
func bytesOf(x *mlx.Array) (checkpoint.Type, []byte, error) {
	out := make([]byte, 0, x.Nbytes())
	switch x.Dtype() {
	case mlx.Float32:
		err := mlx.Borrow(x, func(data []float32) error {
			for _, v := range data {
				out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
			}
			return nil
		})
		return checkpoint.F32, out, err
	case mlx.Float16:
		err := mlx.Borrow(x, func(data []mlx.Half) error {
			for _, v := range data {
				out = binary.LittleEndian.AppendUint16(out, uint16(v))
			}
			return nil
		})
		return checkpoint.F16, out, err
	case mlx.BFloat16:
		err := mlx.Borrow(x, func(data []mlx.Brain) error {
			for _, v := range data {
				out = binary.LittleEndian.AppendUint16(out, uint16(v))
			}
			return nil
		})
		return checkpoint.BF16, out, err
	}
	return 0, nil, fmt.Errorf("it is of %s (have: float32, float16, bfloat16)", x.Dtype())
}
