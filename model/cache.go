package model

import (
	"fmt"
	"slices"

	"github.com/mlxlens/mlxlens/mlx"
)

// PassPositions is how many positions of a long prompt one pass computes: enough for the
// matrix products to be efficient, few enough for the scores of attention, [head, pos,
// key], to stay small.
const PassPositions = 512

// Cache holds what the layers of a model remember of the positions that it has seen, so that
// each next position is computed alone: attention its keys and values, of which a layer with a
// window keeps no more than it looks at; a recurrent mixer its state, and the end of what it
// convolves. A nil Cache remembers nothing. A Cache belongs to one
// goroutine at a time, and to one sequence (or batch of equal length).
type Cache struct {
	device mlx.Device
	layers []memory
	seen   int // positions
	blocks int // that passes go through; −1: none went yet
	exact  bool
}

// NewCache returns an empty cache for a model.
func NewCache(m Model) *Cache {
	return &Cache{device: m.Device(), layers: make([]memory, m.Shape().Layers), blocks: -1}
}

// Fork returns a cache that has seen what c has, in each of so many sequences, and goes on by
// itself. c is of one sequence; its arrays are shared until a pass adds to them. A fork takes room
// for what comes and no more: it is made for few passes.
func (c *Cache) Fork(sequences int) *Cache {
	f := &Cache{device: c.device, layers: make([]memory, len(c.layers)), seen: c.seen, blocks: c.blocks, exact: true}
	scope := mlx.NewScope(c.device)
	defer scope.Close()
	for i := range c.layers {
		from, to := &c.layers[i], &f.layers[i]
		to.rows, to.oldest = from.rows, from.oldest
		for _, a := range []struct {
			dst **mlx.Array
			src *mlx.Array
		}{{&to.k, from.k}, {&to.v, from.v}, {&to.state, from.state}, {&to.tail, from.tail}} {
			if a.src == nil {
				continue
			}
			x := scope.Hold(a.src)
			if a.dst == &to.k || a.dst == &to.v {
				x = mlx.Slice(x, 2, mlx.Between(0, from.rows))
			}
			*a.dst = mlx.On(c.device).Hold(mlx.BroadcastTo(x, append([]int{sequences}, x.Shape()[1:]...)...))
		}
	}
	return f
}

// Len returns how many positions were seen, 0 of a nil Cache.
func (c *Cache) Len() int {
	if c == nil {
		return 0
	}
	return c.seen
}

// begin checks that a pass goes through as many blocks as those before it: the others would
// lack keys and values.
func (c *Cache) begin(blocks int) error {
	if c == nil || c.blocks == blocks {
		return nil
	}
	if c.blocks >= 0 {
		return fmt.Errorf("model: the cache was filled by passes through %d blocks, and this one goes through %d: use another cache", c.blocks, blocks)
	}
	c.blocks = blocks
	return nil
}

// advance counts the positions of a pass.
func (c *Cache) advance(n int) {
	if c != nil {
		c.seen += n
	}
}

// Eval computes what passes have added: a pass of whose results nothing else is
// wanted.
func (c *Cache) Eval() error {
	if c == nil {
		return nil
	}
	var all []*mlx.Array
	for i := range c.layers {
		all = append(all, c.layers[i].arrays()...)
	}
	return mlx.Eval(all...)
}

// Bytes returns the memory that it takes.
func (c *Cache) Bytes() int {
	total := 0
	for i := range c.layers {
		for _, a := range c.layers[i].arrays() {
			total += a.Size() * a.Dtype().Size()
		}
	}
	return total
}

// Close frees what is remembered; the cache is empty then.
func (c *Cache) Close() {
	for i := range c.layers {
		for _, a := range c.layers[i].arrays() {
			a.Free()
		}
		c.layers[i] = memory{}
	}
	c.seen, c.blocks = 0, -1
}

// add remembers k, [batch, kv_head, pos, d_head], and v, [batch, kv_head, pos, d_v], and returns those of all
// positions that the new ones may look at, the newest last. Only for a single
// position with a window that is full, and unless ordered is asked for, they stand in
// another order, which attention does not depend on.
func (c *Cache) add(layer int, k, v *mlx.Array, window int, ordered bool) (keys, values *mlx.Array) {
	if c == nil {
		return k, v
	}
	l := &c.layers[layer].kv
	n := k.Dim(2)
	switch {
	case window == 0 || l.rows+n <= window:
		if l.rows+n > l.capacity() {
			room := c.room(l.rows + n)
			l.set(c, extended(l.k, k, l.rows, room), extended(l.v, v, l.rows, room))
		}
		l.set(c, mlx.SliceUpdate(l.k, k, 2, l.rows), mlx.SliceUpdate(l.v, v, 2, l.rows))
		l.rows += n
		return within(mlx.Slice(l.k, 2, mlx.Between(0, l.rows)), k), within(mlx.Slice(l.v, 2, mlx.Between(0, l.rows)), v)
	case n == 1 && l.rows == window && !ordered:
		l.set(c, mlx.SliceUpdate(l.k, k, 2, l.oldest), mlx.SliceUpdate(l.v, v, 2, l.oldest))
		l.oldest = (l.oldest + 1) % window
		return within(mlx.Slice(l.k, 2, mlx.Between(0, window)), k), within(mlx.Slice(l.v, 2, mlx.Between(0, window)), v)
	}
	// the first of the new positions sees window−1 before it
	keys, values = l.latest(l.k, k, window-1), l.latest(l.v, v, window-1)
	total := keys.Dim(2)
	l.rows, l.oldest = min(window, total), 0
	l.set(c, mlx.Contiguous(mlx.Slice(keys, 2, mlx.Between(total-l.rows, total))), mlx.Contiguous(mlx.Slice(values, 2, mlx.Between(total-l.rows, total))))
	return keys, values
}

// addToChunk is add for queries that see their own chunk of so many positions alone: of the others
// nothing is remembered, and the first key begins a chunk.
func (c *Cache) addToChunk(layer int, k, v *mlx.Array, chunk int) (keys, values *mlx.Array) {
	if c == nil {
		return k, v
	}
	l := &c.layers[layer].kv
	if l.rows == chunk {
		l.rows = 0
	}
	keys, values = c.add(layer, k, v, 0, true)
	if l.rows > chunk {
		newest := mlx.Between((l.rows-1)/chunk*chunk, l.rows)
		l.set(c, mlx.Contiguous(mlx.Slice(keys, 2, newest)), mlx.Contiguous(mlx.Slice(values, 2, newest)))
		l.rows = (l.rows-1)%chunk + 1
	}
	return keys, values
}

// memory is one layer's part of a cache.
type memory struct {
	kv
	state *mlx.Array // of a recurrence
	tail  *mlx.Array // the last inputs of a convolution, [batch, pos, channel]
}

// arrays returns those that there are.
func (m *memory) arrays() []*mlx.Array {
	return slices.DeleteFunc([]*mlx.Array{m.k, m.v, m.state, m.tail}, func(a *mlx.Array) bool { return a == nil })
}

// kv is what attention remembers: rows of k and v, [batch, kv_head, capacity, d_head], in
// the order of their positions from oldest on, and around.
type kv struct {
	k, v   *mlx.Array
	rows   int // in use
	oldest int
}

func (l *kv) capacity() int {
	if l.k == nil {
		return 0
	}
	return l.k.Dim(2)
}

// set takes new arrays in place of the old. These end here, so that an update
// computed from them alone is made where they lie.
func (l *kv) set(c *Cache, k, v *mlx.Array) {
	c.keep(&l.k, k)
	c.keep(&l.v, v)
}

// keep takes a new array in place of one that it frees.
func (c *Cache) keep(dst **mlx.Array, a *mlx.Array) {
	old := *dst
	*dst = mlx.On(c.device).Hold(a)
	if old != nil {
		old.Free()
	}
}

// cacheStep is how many positions room is made for at a time.
const cacheStep = 256

// room returns for how many rows there is to be room when so many are needed.
func (c *Cache) room(rows int) int {
	if c.exact {
		return rows
	}
	return (rows + cacheStep - 1) / cacheStep * cacheStep
}

// extended returns x with room for so many rows, of which it keeps the first; like has the shape
// and type of what will come.
func extended(x, like *mlx.Array, rows, room int) *mlx.Array {
	zeros := mlx.Zeros(like.Scope(), like.Dtype(), like.Dim(0), like.Dim(1), room-rows, like.Dim(3))
	if x == nil {
		return zeros
	}
	kept := mlx.Slice(x, 2, mlx.Between(0, rows))
	defer kept.Free() // made of the cache alone, it has no scope
	return mlx.Concatenate(2, kept, zeros)
}

// latest returns the last n rows of x in the order of their positions, and then next.
func (l *kv) latest(x, next *mlx.Array, n int) *mlx.Array {
	if x == nil {
		return next
	}
	var parts []*mlx.Array
	drop := max(0, l.rows-n)
	if l.oldest+drop < l.rows {
		parts = append(parts, mlx.Slice(x, 2, mlx.Between(l.oldest+drop, l.rows)))
	}
	if head := l.oldest; head > 0 {
		parts = append(parts, mlx.Slice(x, 2, mlx.Between(max(0, drop-(l.rows-l.oldest)), head)))
	}
	out := mlx.Concatenate(2, append(parts, next)...)
	for _, p := range parts {
		p.Free() // made of the cache alone, it has no scope
	}
	return out
}

// within moves a view of the cache, which has no scope, into like's.
func within(view, like *mlx.Array) *mlx.Array {
	defer view.Free()
	return like.Scope().Hold(view)
}
