package experiment

import (
	"context"
	"slices"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// all makes every patch, the rows of a few layers at a time.
func (p *patching) all(ctx context.Context) error {
	each := p.answer + 1 - p.starts[0] // positions of a run, at most
	total := 0.0
	for i, layer := range p.out.Rows {
		total += p.work(p.perRow(i), p.lowest(layer))
	}
	p.tell(total, p.o.Progress)
	for from := 0; from < len(p.out.Rows); {
		var err error
		if p.out.Interrupted, err = p.stopped(p.o.Stop); err != nil || p.out.Interrupted {
			return err
		}
		to, rows := from, 0
		for to < len(p.out.Rows) && (to == from || rows*each < togetherPositions) {
			rows += p.perRow(to)
			to++
		}
		if err := p.rows(ctx, from, to); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// perRow is how many patches a row has.
func (p *patching) perRow(row int) int {
	n := 0
	for _, site := range p.o.Sites {
		if p.m.Check(model.Place{Site: site, Layer: p.out.Rows[row]}) == nil {
			n += len(p.out.Recovery[site][row])
		}
	}
	return n
}

// around returns the first layer of a window around one, and the one behind its last: ⌊w/2⌋ lie
// before the layer (Meng et al. 2022).
func around(layer, window, layers int) (from, to int) {
	return max(0, layer-window/2), min(layers, layer-window/2+window)
}

// lowest is the first layer that the row of a layer patches.
func (p *patching) lowest(layer int) int {
	from, _ := around(layer, p.o.Window, p.m.Shape().Layers)
	return from
}

// rows makes the patches of some rows.
func (p *patching) rows(ctx context.Context, from, to int) error {
	lowest := p.lowest(p.out.Rows[from])
	runs := &sweep{runner: p.runner, layer: lowest, set: p.set, ask: func(last *mlx.Array) ([]float64, error) { return p.o.ask(p.m, last, p.clean) }}
	for row := from; row < to; row++ {
		for _, site := range p.o.Sites {
			for column := range p.out.Recovery[site][row] {
				v, there, err := p.variant(ctx, site, row, column, lowest)
				c := cell{site: site, row: row, column: column}
				switch {
				case err != nil:
					return err
				case !there:
				case v.edits == nil: // what is put there is there
					p.set(c, p.out.unchanged())
				default:
					if err := runs.add(ctx, c, v); err != nil {
						return err
					}
				}
			}
		}
	}
	return runs.finish(ctx)
}

func (p *patching) set(c cell, x float64) {
	p.out.Values[c.site][c.row][c.column] = lens.Number(x)
	p.out.Recovery[c.site][c.row][c.column] = p.out.Baseline.recovery(x)
}

// variant returns a cell's run, without edits where it would change nothing, and whether the model
// has its place.
func (p *patching) variant(ctx context.Context, site model.Site, row, column, keep int) (v variant, there bool, err error) {
	layer := p.out.Rows[row]
	head := -1
	positions := p.out.Positions
	switch p.o.Columns {
	case ByPosition:
		positions = positions[column : column+1]
	case ByHead:
		head = column
	}
	if p.m.Check(model.Place{Site: site, Layer: layer}) != nil || head >= heads(p.m, model.Place{Site: site, Layer: layer}) {
		return v, false, nil
	}
	positions = slices.DeleteFunc(slices.Clone(positions), func(i int) bool { return i < p.pair.differs })
	if len(positions) == 0 {
		return v, true, nil
	}
	v.from = positions[0]
	from, to := around(layer, p.o.Window, p.m.Shape().Layers)
	for at := from; at < to; at++ {
		place := model.Place{Site: site, Layer: at}
		if p.m.Check(place) != nil || head >= heads(p.m, place) {
			continue
		}
		value, err := p.source.at(ctx, 0, place, keep)
		if err != nil {
			return v, true, err
		}
		v.edits = append(v.edits, p.pair.set(place, positions, head, value))
	}
	return v, true, nil
}

// set returns the edit that puts what the source has at a place into some positions, in one head,
// or for −1 in all that there is.
func (p *pair) set(place model.Place, positions []int, head int, value edit.Value) edit.Edit {
	e := edit.Edit{Place: place, Positions: positions, Op: edit.Set}
	if head >= 0 {
		e.Heads = []int{head}
	}
	if place.Site.Axis(model.Key) >= 0 {
		e.Value = keyedRows(value, positions, head)
		return e
	}
	sizes := value.Shape[1:]
	if head >= 0 {
		sizes = []int{1, sizes[1]}
	}
	e.Value.Shape = append([]int{len(positions)}, sizes...)
	for _, i := range positions {
		row := rowOf(value, p.of[i])
		if head >= 0 {
			row = row[head*sizes[1] : (head+1)*sizes[1]]
		}
		e.Value.Data = append(e.Value.Data, row...)
	}
	return e
}

// keyedRows takes positions of a value [head, pos, key], of one head, or for −1 of all.
func keyedRows(v edit.Value, positions []int, head int) edit.Value {
	heads, rows, keys := v.Shape[0], v.Shape[1], v.Shape[2]
	from, to := 0, heads
	if head >= 0 {
		from, to = head, head+1
	}
	out := edit.Value{Shape: []int{to - from, len(positions), keys}}
	for h := from; h < to; h++ {
		for _, i := range positions {
			row := slices.Index(v.Positions, i)
			out.Data = append(out.Data, v.Data[(h*rows+row)*keys:(h*rows+row+1)*keys]...)
		}
	}
	return out
}
