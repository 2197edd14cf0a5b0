package checkpoint

import (
	"fmt"
	"slices"
)

// Tensor is one tensor of an open checkpoint, or a view of one with its rows in
// another order. None of its fields may be changed.
//
// A row is what one index of the outermost dimension selects: a tensor [a b c] has a
// rows of b·c elements, a vector one row for each element, a scalar one row. Only a
// vector in quantized blocks, which cannot be taken apart by element, is one row.
type Tensor struct {
	Name string
	Type Type

	// Shape is row-major, outermost dimension first, in both formats: the weight of
	// a linear layer is [out, in] (GGUF stores the reverse). A scalar has none.
	Shape []int

	file     *mapping
	start    int // of the tensor in the file, in bytes
	size     int // of the tensor in the file, in bytes
	stored   int // rows in the file
	rowLen   int // elements
	rowBytes int
	order    []int // row r of a view is stored row order[r]; nil: as stored
	err      error // of Rows, returned by every reader
}

func newTensor(m *mapping, e headerTensor) *Tensor {
	t := &Tensor{Name: e.name, Type: e.typ, Shape: e.shape, file: m, start: e.start, size: e.end - e.start}
	t.stored, t.rowLen = 1, 1
	for i, d := range e.shape {
		if i == 0 && !(len(e.shape) == 1 && e.typ.Quantized()) {
			t.stored = d
		} else {
			t.rowLen *= d
		}
	}
	elements, bytes := e.typ.Block()
	t.rowBytes = t.rowLen / elements * bytes
	return t
}

// NumElements returns the product of the shape.
func (t *Tensor) NumElements() int { return t.NumRows() * t.rowLen }

// NumRows returns how many rows the tensor has.
func (t *Tensor) NumRows() int {
	if t.order != nil {
		return len(t.order)
	}
	return t.stored
}

// RowLen returns how many elements a row has.
func (t *Tensor) RowLen() int { return t.rowLen }

// RowBytes returns how many bytes a row takes as stored.
func (t *Tensor) RowBytes() int { return t.rowBytes }

// File returns the path of the file that has the tensor.
func (t *Tensor) File() string { return t.file.path }

// Bytes returns the tensor as stored: the mapped file itself, little-endian, row by
// row, at whatever address the file's layout gives. It is valid until the checkpoint
// is closed and must not be written to. It is nil for a view made by Rows, whose
// rows do not lie in order (use Read), and after Close.
func (t *Tensor) Bytes() []byte {
	if t.order != nil || t.err != nil {
		return nil
	}
	t.file.mu.RLock()
	defer t.file.mu.RUnlock()
	return t.data()
}

// data returns the stored bytes; the caller holds the file's lock.
func (t *Tensor) data() []byte {
	if t.file.data == nil {
		return nil
	}
	return t.file.data[t.start : t.start+t.size : t.start+t.size]
}

// Rows returns a view of the tensor whose row r is row order[r] of t. It may leave
// rows out and repeat them; its outermost dimension is len(order). Nothing is
// copied. An index out of range is the error of every reader of the view.
func (t *Tensor) Rows(order []int) *Tensor {
	v := *t
	v.order = make([]int, len(order))
	for i, r := range order {
		if r < 0 || r >= t.NumRows() {
			if v.err == nil {
				v.err = fmt.Errorf("row %d at index %d of an order is out of range: the tensor has %d rows", r, i, t.NumRows())
			}
			continue
		}
		if t.order != nil {
			r = t.order[r]
		}
		v.order[i] = r
	}
	switch {
	case len(t.Shape) == 0 || t.Type.Quantized() && len(t.Shape) == 1:
		if v.err == nil && len(order) != 1 {
			v.err = fmt.Errorf("an order of %d rows does not fit: the tensor is one row", len(order))
		}
	default:
		v.Shape = slices.Clone(t.Shape)
		v.Shape[0] = len(order)
	}
	return &v
}

// Merge returns a view of the tensor as stored whose first n axes are one: [expert, out, in] as
// [expert·out, in], whose rows Rows can choose. A view made by Rows, and a tensor with fewer axes,
// stay as they are.
func (t *Tensor) Merge(n int) *Tensor {
	if t.order != nil || n < 2 || len(t.Shape) < n {
		return t
	}
	v := *t
	rows := 1
	for _, d := range t.Shape[:n] {
		rows *= d
	}
	v.Shape = append([]int{rows}, t.Shape[n:]...)
	v.rowLen, v.rowBytes = t.rowLen*t.stored/max(rows, 1), t.rowBytes*t.stored/max(rows, 1)
	v.stored = rows
	return &v
}

// Read copies rows [fromRow, toRow) as they are stored. dst has
// (toRow-fromRow)·RowBytes bytes.
func (t *Tensor) Read(dst []byte, fromRow, toRow int) error {
	if err := t.check("read", fromRow, toRow); err != nil {
		return err
	}
	if err := t.fits("read", "bytes", len(dst), (toRow-fromRow)*t.rowBytes); err != nil {
		return err
	}
	return t.each("read", fromRow, toRow, func(at int, src []byte) {
		copy(dst[at*t.rowBytes:], src)
	})
}

// each calls f for runs of stored rows that make up rows [from, to): with the number
// of rows before the run, and its bytes. The file cannot be unmapped meanwhile.
func (t *Tensor) each(op string, from, to int, f func(at int, src []byte)) error {
	t.file.mu.RLock()
	defer t.file.mu.RUnlock()
	data := t.data()
	if data == nil {
		return t.failed(op, errClosed)
	}
	err := readMapped(func() {
		if t.order == nil {
			f(0, data[from*t.rowBytes:to*t.rowBytes])
			return
		}
		for i := from; i < to; {
			first, n := t.order[i], 1
			for i+n < to && t.order[i+n] == first+n {
				n++
			}
			f(i-from, data[first*t.rowBytes:(first+n)*t.rowBytes])
			i += n
		}
	})
	if err != nil {
		return t.failed(op, err)
	}
	return nil
}

func (t *Tensor) check(op string, from, to int) error {
	switch {
	case t.err != nil:
		return t.failed(op, t.err)
	case from < 0 || to < from || to > t.NumRows():
		return t.failed(op, fmt.Errorf("rows %d to %d are out of range: it has %d rows", from, to, t.NumRows()))
	}
	return nil
}

func (t *Tensor) fits(op, what string, have, want int) error {
	if have != want {
		return t.failed(op, fmt.Errorf("the destination has %d %s, the rows asked for take %d", have, what, want))
	}
	return nil
}

func (t *Tensor) failed(op string, err error) error {
	return fmt.Errorf("checkpoint: %s: %s of tensor %q: %w", t.file.path, op, t.Name, err)
}
