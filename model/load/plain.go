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
func (l *Loader) matrix(w Want, path string, dense bool, weight, scales, biases **mlx.Array, quant *mlx.Quantization) {
	t := l.ck.Tensor(path + ".weight")
	if t.Type.Quantized() {
		l.ggufMatrix(w, t, dense, weight, scales, biases, quant)
		return
	}
	s := l.ck.Tensor(path + ".scales")
	q := l.quant.of(path, s != nil)
	if q == nil {
		l.floats(t, w, weight)
		return
	}
	if !l.quant.lists(path) {
		*q = inferred(w, t, s, *q)
	}
	l.packed(w, path, *q, dense, weight, scales, biases, quant)
}

// floats takes an unpacked tensor: in float32 on the CPU, which computes in it, and
// as stored on a GPU.
func (l *Loader) floats(t *checkpoint.Tensor, w Want, dst **mlx.Array) {
	l.taken[t.Name] = true
	shape := slices.Clone(w.Shape)
	if w.Transposed {
		slices.Reverse(shape)
	}
	if !slices.Equal(t.Shape, shape) {
		l.wrong = append(l.wrong, fmt.Sprintf("tensor %q has shape %v, want %v", t.Name, t.Shape, shape))
		return
	}
	d, ok := floatType[t.Type]
	if !ok {
		l.wrong = append(l.wrong, fmt.Sprintf("tensor %q is %s, want F32, F16 or BF16", t.Name, t.Type))
		return
	}
	if w.Rows != nil {
		t = t.Rows(w.Rows)
	}
	n := t.NumElements()
	if l.wide {
		d = mlx.Float32
	}
	l.describe(strings.ToLower(t.Type.String()), n*d.Size())
	l.job(n, func(work *buffers) error {
		var a *mlx.Array
		if l.wide {
			buf := grown(&work.floats, n)
			if err := t.Float32(buf, 0, t.Shape[0]); err != nil {
				return err
			}
			a = mlx.FromSlice(l.scope, buf, shape...)
		} else {
			raw := make([]byte, t.NumRows()*t.RowBytes()) // Bytes has no reordered rows
			if err := t.Read(raw, 0, t.NumRows()); err != nil {
				return err
			}
			a = mlx.FromBytes(l.scope, raw, d, shape...)
		}
		if w.Transposed {
			a = replaced(a, mlx.Contiguous(mlx.Transpose(a)))
		}
		if w.PlusOne { // in the stored type, as mlx-lm adds it
			a = replaced(a, mlx.Shift(a, 1))
		}
		return errors.Join(mlx.Eval(a), l.put(dst, a))
	}, t)
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
