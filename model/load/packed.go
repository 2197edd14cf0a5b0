package load

import (
	"errors"
	"fmt"
	"slices"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/mlx"
)

// packed is a weight in MLX's own packing: uint32 [out, in·bits/32] with scales and, for
// the affine mode, biases [out, in/group].
type packed struct {
	q                      mlx.Quantization
	weight, scales, biases *checkpoint.Tensor // no biases: nil
	shape                  []int              // of the matrix: [out, in]
}

// shapes returns those of the codes, and of the scales and biases.
func (p *packed) shapes() (codes, scales []int) {
	out, in := p.shape[0], p.shape[1]
	return []int{out, in * p.q.Bits / 32}, []int{out, in / max(p.q.GroupSize, 1)}
}

func (p *packed) affine() bool { return p.q.Mode == "affine" }

// packed takes a weight in MLX's own packing.
func (l *Loader) packed(w Want, path string, q mlx.Quantization, dense bool, weight, scales, biases **mlx.Array, quant *mlx.Quantization) {
	p := &packed{q: q, weight: l.ck.Tensor(path + ".weight"), scales: l.ck.Tensor(path + ".scales"), biases: l.ck.Tensor(path + ".biases"), shape: w.Shape}
	if !l.takePacked(p, path) {
		return
	}
	if problem := p.misfit(w); problem != "" {
		l.wrong = append(l.wrong, problem)
		return
	}
	n := w.Shape[0] * w.Shape[1]
	if dense && p.affine() {
		l.describe(describeQuantization(q), n*4)
		l.job(n, func(work *buffers) error {
			buf := grown(&work.floats, n)
			if err := unpackAffine(buf, p); err != nil {
				return err
			}
			return l.put(weight, mlx.FromSlice(l.scope, buf, w.Shape...))
		}, p.weight, p.scales, p.biases)
		return
	}
	*quant = q
	l.describe(describeQuantization(q), n*q.Bits/8+p.scales.NumElements()*4)
	if p.affine() {
		l.job(n/8, func(*buffers) error { return l.asPacked(p, weight, scales, biases) }, p.weight, p.scales, p.biases)
		return
	}
	l.noteCodes(p)
	reads := []*checkpoint.Tensor{p.weight, p.scales}
	if p.biases != nil {
		reads = append(reads, p.biases)
	}
	l.job(n/8, func(*buffers) error {
		if dense {
			*quant = mlx.Quantization{}
		}
		return l.coded(p, dense, weight, scales)
	}, reads...)
}

// inferred returns how a weight is packed that a config does not list: group size and bits
// follow from the shapes, and modes other than the affine one from these. Where they make no
// packing that exists, it is the config's default.
func inferred(w Want, weight, scales *checkpoint.Tensor, missing mlx.Quantization) mlx.Quantization {
	if scales == nil || len(w.Shape) != 2 || len(weight.Shape) != 2 || len(scales.Shape) != 2 {
		return missing
	}
	in, groups := w.Shape[1], scales.Shape[1]
	q := mlx.Quantization{GroupSize: in / max(groups, 1), Bits: weight.Shape[1] * 32 / in, Mode: "affine"}
	if scales.Type == checkpoint.U8 {
		q.Mode = map[[2]int]string{{16, 4}: "nvfp4", {32, 4}: "mxfp4", {32, 8}: "mxfp8"}[[2]int{q.GroupSize, q.Bits}]
	}
	if q.Mode == "" || q.GroupSize*groups != in || q.Bits*in != weight.Shape[1]*32 || q.Err() != nil {
		return missing
	}
	return q
}

// takePacked marks the tensors of a packed weight as taken, and reports whether they are there.
func (l *Loader) takePacked(p *packed, path string) bool {
	l.taken[p.weight.Name] = true
	if p.scales == nil {
		l.missing = append(l.missing, path+".scales")
		return false
	}
	l.taken[p.scales.Name] = true
	if p.affine() {
		if p.biases == nil {
			l.missing = append(l.missing, path+".biases")
			return false
		}
		l.taken[p.biases.Name] = true
	}
	return true
}

// misfit says why the tensors are not what w needs, "" if they are.
func (p *packed) misfit(w Want) string {
	t, s := p.weight, p.scales
	if what := w.unpackedOnly(); what != "" {
		return fmt.Sprintf("tensor %q is packed in %s, and the model needs %s, which only plain numbers allow", t.Name, describeQuantization(p.q), what)
	}
	codes, scales := p.shapes()
	scaleOK := s.Type == checkpoint.U8
	if p.affine() {
		_, scaleOK = floatType[s.Type]
	}
	if scaleOK && t.Type == checkpoint.U32 && slices.Equal(t.Shape, codes) && slices.Equal(s.Shape, scales) && (p.biases == nil || slices.Equal(p.biases.Shape, scales)) {
		return ""
	}
	return fmt.Sprintf("tensor %q is %s%v with scales %s%v, and a matrix %v in %s needs U32%v with scales %v",
		t.Name, t.Type, t.Shape, s.Type, s.Shape, w.Shape, describeQuantization(p.q), codes, scales)
}

// asPacked makes the arrays of the affine mode.
func (l *Loader) asPacked(p *packed, weight, scales, biases **mlx.Array) error {
	shape, _ := p.shapes()
	codes := mlx.FromBytes(l.scope, p.weight.Bytes(), mlx.Uint32, shape...)
	ss, err := l.stored(p.scales)
	if err != nil {
		return err
	}
	bs, err := l.stored(p.biases)
	if err != nil {
		return err
	}
	return errors.Join(l.put(weight, codes), l.put(scales, ss), l.put(biases, bs))
}

// coded makes the arrays of the modes whose scales are bytes, each mode's own code.
func (l *Loader) coded(p *packed, dense bool, weight, scales **mlx.Array) error {
	shape, scaleShape := p.shapes()
	codes := mlx.FromBytes(l.scope, p.weight.Bytes(), mlx.Uint32, shape...)
	bytes := mlx.FromBytes(l.scope, p.scales.Bytes(), mlx.Uint8, scaleShape...)
	if !dense {
		return errors.Join(l.put(weight, codes), l.put(scales, bytes))
	}
	defer bytes.Free()
	a := replaced(codes, mlx.Dequantize(codes, bytes, nil, p.q, mlx.Float32))
	return errors.Join(mlx.Eval(a), l.put(weight, a))
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
func unpackAffine(dst []float32, p *packed) error {
	q, groups := p.q, p.scales.NumElements()
	scales, biases := make([]float32, groups), make([]float32, groups)
	if err := p.scales.Float32(scales, 0, p.scales.Shape[0]); err != nil {
		return err
	}
	if err := p.biases.Float32(biases, 0, p.biases.Shape[0]); err != nil {
		return err
	}
	raw := p.weight.Bytes()
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
