package experiment

import (
	"context"
	"fmt"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// watcher sees what passes some sites of the layers that are watched.
type watcher interface {
	sites() []model.Site
	visit(p *part, at model.Place, x *mlx.Array) *mlx.Array
}

// watch is a run of a batch whose attention is looked at on its way, part by part: what is not
// kept of a layer's pattern goes when the layer's work is done.
type watch struct {
	m        model.Model
	batch    *edit.Batch
	heads    []Head
	of       map[int][]int      // the heads of each layer
	tokens   int                // that are computed, of the longest
	step     int                // positions of a part
	progress func(done float64) // nil: nobody is told
}

func newWatch(m model.Model, inputs []edit.Input, heads []Head) (*watch, error) {
	b, err := edit.NewBatch(m, inputs...)
	if err != nil {
		return nil, fmt.Errorf("experiment: %w", err)
	}
	w := &watch{m: m, batch: b, heads: heads, of: map[int][]int{}, tokens: b.Longest, step: model.PassPositions}
	for _, h := range heads {
		w.of[h.Layer] = append(w.of[h.Layer], h.Head)
	}
	if err := b.Reach(m, w.places(model.Pattern)); err != nil {
		return nil, fmt.Errorf("experiment: %w", err)
	}
	return w, nil
}

// places are those of sites in the layers that are watched, of those that the model has.
func (w *watch) places(sites ...model.Site) []model.Place {
	var places []model.Place
	for layer := range w.m.Shape().Layers {
		for _, site := range sites {
			if at := (model.Place{Site: site, Layer: layer}); w.of[layer] != nil && w.m.Check(at) == nil {
				places = append(places, at)
			}
		}
	}
	return places
}

// fit chooses how many positions a part has, so that the work stays below a bound: each takes so
// many numbers beside its block, and the result so many bytes.
func (w *watch) fit(bound int64, each int, result int64) error {
	if bound == 0 {
		return nil
	}
	s, rows := w.m.Shape(), w.batch.Len()
	free, err := model.Free(w.m, bound)
	if err != nil {
		return err
	}
	for {
		n := min(w.step, w.tokens)
		need := result + 4*(int64(s.Block(rows, n, w.tokens))+int64(n)*int64(each))
		if n < w.tokens {
			need += 4 * int64(rows) * int64(s.Remembered(w.tokens))
		}
		switch {
		case need <= free:
			return nil
		case n > leastPart:
			w.step = max(leastPart, n/2)
		default:
			return fmt.Errorf("experiment: the attention of %d heads to %d tokens needs at least %d MB beside the weights, and %d MB are left for it: choose fewer heads, positions or keys, or allow more memory",
				len(w.heads), w.tokens, (need+1<<20-1)>>20, max(0, free>>20))
		}
	}
}

// part is the positions [from, to) of a watch.
type part struct {
	*watch
	from, to int
	scope    *mlx.Scope
	kept     []*mlx.Array
	once     map[int]*mlx.Array // what a watcher makes for so many keys
	read     []func(data []float32)
}

// keep reads an array of float32 when the part is computed.
func (p *part) keep(x *mlx.Array, read func(data []float32)) {
	p.kept, p.read = append(p.kept, p.scope.Hold(mlx.Contiguous(x))), append(p.read, read)
}

// numbers are those of a layer's heads that are watched.
func (p *part) numbers(layer int) *mlx.Array {
	numbers := make([]int32, len(p.of[layer]))
	for i, h := range p.of[layer] {
		numbers[i] = int32(h)
	}
	return mlx.FromSlice(p.scope, numbers, len(numbers))
}

// self returns a pattern in the shape of x, [1, head, pos, key], by which each position looks at
// itself alone.
func (p *part) self(x *mlx.Array) *mlx.Array {
	n, keys := x.Dim(2), x.Dim(3)
	eye := mlx.Eye(p.scope, mlx.Grid{Rows: n, Cols: keys, Offset: keys - n}, x.Dtype())
	return mlx.BroadcastTo(mlx.Reshape(eye, 1, 1, n, keys), x.Shape()...)
}

// run computes the parts in order, and lets a watcher see them.
func (w *watch) run(ctx context.Context, by watcher) error {
	var cache *model.Cache
	if w.tokens > w.step {
		cache = model.NewCache(w.m)
		defer cache.Close()
	}
	for from := 0; from < w.tokens; from += w.step {
		if err := ctx.Err(); err != nil {
			return err
		}
		to := min(from+w.step, w.tokens)
		if err := w.part(from, to, cache, by); err != nil {
			return err
		}
		if w.progress != nil {
			w.progress(float64(to) / float64(w.tokens))
		}
	}
	return nil
}

func (w *watch) part(from, to int, cache *model.Cache, by watcher) error {
	if cache != nil {
		defer mlx.TrimCache() // the next part has scores of another size
	}
	scope := mlx.NewScope(w.m.Device())
	defer scope.Close()
	p := &part{watch: w, from: from, to: to, scope: scope, once: map[int]*mlx.Array{}}
	wanted := map[model.Place]bool{}
	for _, at := range w.places(by.sites()...) {
		wanted[at] = true
	}
	tap := &model.Tap{
		Wanted: func(at model.Place) bool { return wanted[at] },
		Visit:  func(at model.Place, x *mlx.Array) *mlx.Array { return by.visit(p, at, x) },
	}
	last := model.Reach(w.m, w.batch.Tokens(scope, from, to), cache, w.batch.Tap(from, to).Then(tap), w.places(model.Pattern))
	if err := last.Err(); err != nil {
		return err
	}
	if len(p.kept) > 0 {
		if err := mlx.Eval(p.kept...); err != nil {
			return err
		}
	}
	for i, x := range p.kept {
		if err := mlx.Borrow(x, func(data []float32) error { p.read[i](data); return nil }); err != nil {
			return err
		}
		x.Free()
	}
	if cache == nil || to == w.tokens {
		return nil
	}
	return cache.Eval()
}
