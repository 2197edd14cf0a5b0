package load

import (
	"errors"
	"fmt"
	"slices"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/mlx"
)

// ggufMatrix takes a quantized GGUF tensor: blocks of 32 weights along a row.
func (l *Loader) ggufMatrix(w Want, t *checkpoint.Tensor, dense bool, to packedArrays) {
	l.taken[t.Name] = true
	if !slices.Equal(t.Shape, w.Shape) {
		l.wrong = append(l.wrong, fmt.Sprintf("tensor %q has shape %v, want %v", t.Name, t.Shape, w.Shape))
		return
	}
	// blocks lie along a row, so that rows may come in any order
	if what := (Want{Transposed: w.Transposed, PlusOne: w.PlusOne}).unpackedOnly(); what != "" {
		l.wrong = append(l.wrong, fmt.Sprintf("tensor %q is packed in %s, and the model needs %s, which only plain numbers allow", t.Name, t.Type, what))
		return
	}
	bits := t.Type.AffineBits()
	q := mlx.Quantization{GroupSize: 32, Bits: bits, Mode: "affine"}
	if t.Type == checkpoint.MXFP4 {
		q.Bits, q.Mode = 4, "mxfp4"
	}
	dense = dense || q.Bits == 0 // groups of 16, or no form that MLX has
	if w.Rows != nil {
		t = t.Rows(w.Rows)
	}
	n := t.NumElements()
	if w.Rows == nil {
		t = t.Merge(len(w.Shape) - 1)
	}
	rows := t.Shape[0]
	if dense {
		l.describe(t.Type.String(), n*4)
		l.job(n, func(work *buffers) error {
			buf := grown(&work.floats, n)
			if err := t.Float32(buf, 0, rows); err != nil {
				return err
			}
			return l.put(to.weight, mlx.FromSlice(l.scope, buf, w.Shape...))
		}, t)
		return
	}
	*to.quant = q
	if t.Type == checkpoint.MXFP4 {
		l.describe(t.Type.String(), n/2+n/32)
		l.job(n, func(*buffers) error { return l.mxfp4Blocks(t, w.Shape, to) }, t)
		return
	}
	scale := 2
	if l.wide || t.Type.WideScales() {
		scale = 4
	}
	l.describe(t.Type.String(), n*bits/8+n/32*2*scale)
	l.job(n, func(work *buffers) error { return l.affineBlocks(work, t, w.Shape, bits, to) }, t)
}

// affineBlocks makes the arrays of a tensor whose blocks of 32 have an affine form.
func (l *Loader) affineBlocks(work *buffers, t *checkpoint.Tensor, of []int, bits int, to packedArrays) error {
	last, n, rows := len(of)-1, product(of), t.Shape[0]
	shape := func(cols int) []int { return append(slices.Clone(of[:last]), cols) }
	codes, groups := shape(of[last]*bits/32), shape(of[last]/32)
	words := grown(&work.words, n*bits/32)
	if t.Type.WideScales() {
		both := grown(&work.floats, n/32*2)
		ss, bs := both[:n/32], both[n/32:]
		if err := t.Affine32(0, rows, words, ss, bs); err != nil {
			return err
		}
		return errors.Join(
			l.put(to.weight, mlx.FromSlice(l.scope, words, codes...)),
			l.put(to.scales, mlx.FromSlice(l.scope, ss, groups...)),
			l.put(to.biases, mlx.FromSlice(l.scope, bs, groups...)))
	}
	ss, bs := grown(&work.scales, n/32), grown(&work.biases, n/32)
	if err := t.Affine(0, rows, words, ss, bs); err != nil {
		return err
	}
	return errors.Join(
		l.put(to.weight, mlx.FromSlice(l.scope, words, codes...)),
		l.put(to.scales, l.halves(work, ss, groups...)),
		l.put(to.biases, l.halves(work, bs, groups...)))
}

// mxfp4Blocks makes the arrays of an MXFP4 tensor.
func (l *Loader) mxfp4Blocks(t *checkpoint.Tensor, of []int, to packedArrays) error {
	n := product(of)
	codes, scales := make([]byte, n/2), make([]byte, n/32)
	if err := t.Codes(0, t.Shape[0], codes, scales); err != nil {
		return err
	}
	p := &packed{q: mlx.Quantization{GroupSize: 32, Bits: 4, Mode: "mxfp4"}, shape: of}
	words, groups := p.shapes()
	return errors.Join(
		l.put(to.weight, mlx.FromBytes(l.scope, codes, mlx.Uint32, words...)),
		l.put(to.scales, mlx.FromBytes(l.scope, scales, mlx.Uint8, groups...)))
}

// halves makes a float16 array, widened where the CPU computes.
func (l *Loader) halves(work *buffers, bits []uint16, shape ...int) *mlx.Array {
	if l.wide {
		wide := grown(&work.floats, len(bits))
		for i, h := range bits {
			wide[i] = mlx.Half(h).Float32()
		}
		return mlx.FromSlice(l.scope, wide, shape...)
	}
	hs := make([]mlx.Half, len(bits))
	for i, h := range bits {
		hs[i] = mlx.Half(h)
	}
	return mlx.FromSlice(l.scope, hs, shape...)
}
