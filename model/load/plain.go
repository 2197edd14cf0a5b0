package load

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/mlx"
)

// matrix takes a weight that may be packed, in safetensors by its scales, in GGUF
// by its type.
func (l *Loader) matrix(w Want, path string, dense bool, to packedArrays) {
	t := l.ck.Tensor(path + ".weight")
	if t.Type.Quantized() {
		l.ggufMatrix(w, t, dense, to)
		return
	}
	s := l.ck.Tensor(path + ".scales")
	q := l.quant.of(path, s != nil)
	if q == nil {
		l.floats(single(t), w, to.weight)
		return
	}
	if !l.quant.lists(path) {
		*q = inferred(w, single(t), single(s), *q)
	}
	p := &packed{q: *q, weight: single(t), scales: single(s), biases: single(l.ck.Tensor(path + ".biases")), shape: w.Shape}
	l.packed(p, w, path, dense, to)
}

// floats takes an unpacked tensor: in float32 on the CPU, which computes in it, and
// as stored on a GPU.
func (l *Loader) floats(s *stack, w Want, dst **mlx.Array) {
	l.take(s)
	shape := w.stored()
	if what := s.mixed(); what != "" {
		l.wrong = append(l.wrong, what)
		return
	}
	if !slices.Equal(s.shape, shape) {
		l.wrong = append(l.wrong, fmt.Sprintf("tensor %q has shape %v, want %v", s.name(), s.shape, shape))
		return
	}
	d, ok := floatType[s.typ()]
	if !ok {
		l.wrong = append(l.wrong, fmt.Sprintf("tensor %q is %s, want F32, F16 or BF16", s.name(), s.typ()))
		return
	}
	if w.Rows != nil {
		s = single(s.parts[0].Rows(w.Rows))
	}
	n := s.size()
	wide := l.wide && !w.LookedUp
	if wide {
		d = mlx.Float32
	}
	l.describe(strings.ToLower(s.typ().String()), product(w.Shape)*d.Size())
	l.job(n, func(work *buffers) error {
		var a *mlx.Array
		if wide {
			buf := grown(&work.floats, n)
			if err := s.float32(buf); err != nil {
				return err
			}
			a = mlx.FromSlice(l.scope, buf, s.shape...)
		} else {
			raw, err := s.bytes()
			if err != nil {
				return err
			}
			a = mlx.FromBytes(l.scope, raw, d, s.shape...)
		}
		if last := len(s.shape) - 1; w.Columns.Of > 1 {
			a = replaced(a, mlx.Contiguous(mlx.Slice(a, last, w.Columns.span(s.shape[last]/w.Columns.Of))))
		}
		if w.Transposed {
			a = replaced(a, mlx.Contiguous(mlx.Swapaxes(a, -1, -2)))
		}
		if w.PlusOne { // in the stored type, as mlx-lm adds it
			a = replaced(a, mlx.Shift(a, 1))
		}
		return errors.Join(mlx.Eval(a), l.put(dst, a))
	}, s.parts...)
}

// stored returns the shape that the file has.
func (w Want) stored() []int {
	shape := slices.Clone(w.Shape)
	if n := len(shape); w.Transposed {
		shape[n-1], shape[n-2] = shape[n-2], shape[n-1]
	}
	shape[len(shape)-1] *= max(w.Columns.Of, 1)
	return shape
}

// replaced frees a, of which b was made.
func replaced(a, b *mlx.Array) *mlx.Array {
	a.Free()
	return b
}

var floatType = map[checkpoint.Type]mlx.Dtype{
	checkpoint.F32: mlx.Float32, checkpoint.F16: mlx.Float16, checkpoint.BF16: mlx.BFloat16,
}

// describe completes the note of the weight that find has just found.
func (l *Loader) describe(form string, bytes int) {
	if len(l.resolved) > 0 {
		r := &l.resolved[len(l.resolved)-1]
		if r.Form == "" {
			r.Form = form
		}
		r.Bytes += bytes
	}
}
