package load

import (
	"errors"
	"fmt"
	"slices"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/mlx"
)

// packed takes a weight in MLX's own packing: uint32 [out, in·bits/32] with scales
// and, for the affine mode, biases [out, in/group].
func (l *Loader) packed(w Want, path string, q mlx.Quantization, dense bool, weight, scales, biases **mlx.Array, quant *mlx.Quantization) {
	t, s, b := l.ck.Tensor(path+".weight"), l.ck.Tensor(path+".scales"), l.ck.Tensor(path+".biases")
	l.taken[t.Name] = true
	if s == nil {
		l.missing = append(l.missing, path+".scales")
		return
	}
	l.taken[s.Name] = true
	if q.Mode == "affine" {
		if b == nil {
			l.missing = append(l.missing, path+".biases")
			return
		}
		l.taken[b.Name] = true
	}
	if what := w.unpackedOnly(); what != "" {
		l.wrong = append(l.wrong, fmt.Sprintf("tensor %q is packed in %s, and the model needs %s, which only plain numbers allow", t.Name, describeQuantization(q), what))
		return
	}
	out, in := w.Shape[0], w.Shape[1]
	wantW, wantS := []int{out, in * q.Bits / 32}, []int{out, in / max(q.GroupSize, 1)}
	scaleOK := s.Type == checkpoint.U8
	if q.Mode == "affine" {
		_, scaleOK = floatType[s.Type]
	}
	if !scaleOK || t.Type != checkpoint.U32 || !slices.Equal(t.Shape, wantW) || !slices.Equal(s.Shape, wantS) || b != nil && !slices.Equal(b.Shape, wantS) {
		l.wrong = append(l.wrong, fmt.Sprintf("tensor %q is %s%v with scales %s%v, and a matrix %v in %s needs U32%v with scales %v",
			t.Name, t.Type, t.Shape, s.Type, s.Shape, w.Shape, describeQuantization(q), wantW, wantS))
		return
	}
	n := out * in
	if dense && q.Mode == "affine" {
		l.describe(describeQuantization(q), n*4)
		l.job(n, func(work *buffers) error {
			buf := grown(&work.floats, n)
			if err := unpackAffine(buf, t, s, b, q); err != nil {
				return err
			}
			return l.put(weight, mlx.FromSlice(l.scope, buf, out, in))
		}, t, s, b)
		return
	}
	*quant = q
	l.describe(describeQuantization(q), n*q.Bits/8+s.NumElements()*4)
	reads := []*checkpoint.Tensor{t, s}
	if b != nil {
		reads = append(reads, b)
	}
	l.job(n/8, func(*buffers) error {
		codes := mlx.FromBytes(l.scope, t.Bytes(), mlx.Uint32, wantW...)
		if q.Mode != "affine" { // scales of one byte, each mode's own code
			bytes := mlx.FromBytes(l.scope, s.Bytes(), mlx.Uint8, wantS...)
			if !dense {
				return errors.Join(l.put(weight, codes), l.put(scales, bytes))
			}
			defer bytes.Free()
			*quant = mlx.Quantization{}
			a := replaced(codes, mlx.Dequantize(codes, bytes, nil, q, mlx.Float32))
			return errors.Join(mlx.Eval(a), l.put(weight, a))
		}
		ss, err := l.stored(s)
		if err != nil {
			return err
		}
		bs, err := l.stored(b)
		if err != nil {
			return err
		}
		return errors.Join(l.put(weight, codes), l.put(scales, ss), l.put(biases, bs))
	}, reads...)
}

// stored makes an array of a floating tensor: in float32 on the CPU, as stored on a
// GPU.
func (l *Loader) stored(t *checkpoint.Tensor) (*mlx.Array, error) {
	d, ok := floatType[t.Type]
	if !ok {
		return nil, fmt.Errorf("model: tensor %q is %s, want F32, F16 or BF16", t.Name, t.Type)
	}
	if !l.wide {
		return mlx.FromBytes(l.scope, t.Bytes(), d, t.Shape...), nil
	}
	wide := make([]float32, t.NumElements())
	if err := t.Float32(wide, 0, t.Shape[0]); err != nil {
		return nil, err
	}
	return mlx.FromSlice(l.scope, wide, t.Shape...), nil
}

// unpackAffine computes w = scale·q + bias in float32, element 0 in the lowest bits
// of the little-endian stream that a row of words is.
func unpackAffine(dst []float32, t, s, b *checkpoint.Tensor, q mlx.Quantization) error {
	groups := s.NumElements()
	scales, biases := make([]float32, groups), make([]float32, groups)
	if err := s.Float32(scales, 0, s.Shape[0]); err != nil {
		return err
	}
	if err := b.Float32(biases, 0, b.Shape[0]); err != nil {
		return err
	}
	raw := t.Bytes()
	bytesPerGroup := q.GroupSize * q.Bits / 8
	for g := range groups {
		in := raw[g*bytesPerGroup : (g+1)*bytesPerGroup]
		out := dst[g*q.GroupSize : (g+1)*q.GroupSize]
		scale, bias := scales[g], biases[g]
		switch q.Bits {
		case 4:
			var table [16]float32
			for i := range table {
				table[i] = scale*float32(i) + bias
			}
			for i, x := range in {
				out[2*i], out[2*i+1] = table[x&15], table[x>>4]
			}
		case 8:
			for i, x := range in {
				out[i] = scale*float32(x) + bias
			}
		default: // 2, 3, 5 and 6 bits: a group is a whole number of bytes
			var acc uint64
			have, next := 0, 0
			for i := range out {
				for have < q.Bits {
					acc |= uint64(in[next]) << have
					next++
					have += 8
				}
				out[i] = scale*float32(acc&(1<<q.Bits-1)) + bias
				acc >>= q.Bits
				have -= q.Bits
			}
		}
	}
	return nil
}
