package mlx

import (
	"errors"
	"fmt"
	"math"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
	"github.com/mlxlens/mlxlens/mlx/internal/gate"
)

// selfCheck calls the functions whose parameters have changed from one mlx-c to
// the next on tiny arrays with known answers: a wrong call returns 0 with wrong
// numbers. It returns the operations that fail, each with the reason. It fails itself
// where the system gives no thread or no memory: that says nothing of the library.
func selfCheck() (bad map[string]string, err error) {
	bad = map[string]string{}
	inside := gate.Run(func() { // nobody is inside yet
		for _, c := range checks {
			p := probe{s: DefaultStream(CPU).handle()}
			got, want := c.run(&p)
			why := p.compare(got, want)
			if why != "" && starved(why) {
				err = starvedError(why)
			}
			for _, op := range c.ops {
				if why != "" {
					bad[op] = why
				}
			}
			p.free()
		}
	})
	return bad, errors.Join(err, inside)
}

// check is one function with its answer; the operations of this package that
// depend on it are refused when it is wrong.
type check struct {
	ops []string
	run func(p *probe) (got capi.Array, want []float32)
}

var checks = []check{
	{[]string{"attention"}, func(p *probe) (capi.Array, []float32) {
		// two queries, two equal keys: row 0 sees value 1, row 1 the mean
		q := p.array([]float32{1, 0, 1, 0}, 1, 1, 2, 2)
		v := p.array([]float32{1, 3, 5, 7}, 1, 1, 2, 2)
		return p.out(func(res *capi.Array) int32 {
			return capi.FastScaledDotProductAttention(res, q, q, v, 0.5, capi.Bytes("causal"), 0, 0, false, p.s)
		}), []float32{1, 3, 3, 5}
	}},
	{[]string{"rope"}, func(p *probe) (capi.Array, []float32) {
		x := p.array([]float32{1, 0, 0, 0}, 1, 1, 1, 4)
		sin, cos := math.Sincos(2) // position 2 at frequency 1
		return p.out(func(res *capi.Array) int32 {
			return capi.FastRope(res, x, 4, false, capi.OptionalFloat{Value: 100, HasValue: true}, 1, 2, 0, p.s)
		}), []float32{float32(cos), 0, float32(sin), 0}
	}},
	{[]string{"cumsum"}, func(p *probe) (capi.Array, []float32) {
		x := p.array([]float32{1, 2, 3}, 3)
		return p.out(func(res *capi.Array) int32 {
			return capi.CumsumAxis(res, x, 0, true, false, capi.OptionalDtype{}, p.s)
		}), []float32{5, 3, 0}
	}},
	{[]string{"quantize", "dequantize"}, func(p *probe) (capi.Array, []float32) {
		w, s, b := p.packed()
		return p.out(func(res *capi.Array) int32 {
			return capi.Dequantize(res, w, s, b, some(32), some(4), capi.Bytes("affine"), 0, capi.OptionalDtype{}, p.s)
		}), packedRow()
	}},
	{[]string{"quantized_matmul"}, func(p *probe) (capi.Array, []float32) {
		w, s, b := p.packed()
		x := p.array(ones(32), 1, 32)
		return p.out(func(res *capi.Array) int32 {
			return capi.QuantizedMatmul(res, x, w, s, b, true, some(32), some(4), capi.Bytes("affine"), p.s)
		}), []float32{sum(packedRow())}
	}},
	{[]string{"gather_qmm"}, func(p *probe) (capi.Array, []float32) {
		x, w, s, b, zero := p.gathered()
		return p.out(func(res *capi.Array) int32 {
			return gatherQMM(res, x, w, s, b, zero, zero, true, some(32), some(4), capi.Bytes("affine"), false, p.s)
		}), []float32{sum(packedRow())}
	}},
	// Apple's arm64 packs the arguments of these two on the stack, and no other's of those that models call.
	{[]string{"conv2d"}, func(p *probe) (capi.Array, []float32) {
		x, w := p.images()
		return p.out(func(res *capi.Array) int32 {
			return capi.Conv2d(res, x, w, 1, 2, 0, 1, 2, 1, 2, p.s)
		}), []float32{0.70, 1.56, 1.54, 3.72, 0.76, 2.08}
	}},
	{[]string{"conv_general"}, func(p *probe) (capi.Array, []float32) {
		x, w := p.images()
		return p.out(func(res *capi.Array) int32 {
			return capi.ConvGeneral(res, x, w, []int32{1, 2}, []int32{0, 1}, []int32{1, 0}, []int32{2, 1}, []int32{1, 2}, 2, true, p.s)
		}), []float32{0.20, 1.04, 0.28, 1.28, 0.36, 1.52, 0.44, 1.76, 0.27, 0.70, 0.33, 0.84, 0.39, 0.98, 0.45, 1.12}
	}},
	{[]string{"fft"}, func(p *probe) (capi.Array, []float32) {
		x := p.array([]float32{1, 2, 3, 4}, 4)
		f := p.out(func(res *capi.Array) int32 { return capi.FftFft(res, x, 4, 0, capi.FftNormBackward, p.s) })
		return p.out(func(res *capi.Array) int32 { return capi.Real(res, f, p.s) }), []float32{10, -2, -2, -2}
	}},
}

// probe runs one check and collects the handles that it makes.
type probe struct {
	s      capi.Stream
	live   []capi.Array
	failed bool
}

func (p *probe) add(h capi.Array) capi.Array {
	p.live = append(p.live, h)
	return h
}

func (p *probe) array(xs []float32, shape ...int32) capi.Array {
	return p.add(capi.ArrayNewData(capi.Data(xs), shape, capi.DtypeFloat32))
}

func (p *probe) out(f func(res *capi.Array) int32) capi.Array {
	var h capi.Array
	if f(&h) != 0 {
		p.failed = true
		return 0
	}
	return p.add(h)
}

// packed returns one row of 32 weights, quantized by hand: q = i mod 16, w = q/2 − 1.
func (p *probe) packed() (w, scales, biases capi.Array) {
	words := make([]uint32, 4)
	for i := range 32 {
		words[i/8] |= uint32(i%16) << (i % 8 * 4)
	}
	w = p.add(capi.ArrayNewData(capi.Data(words), []int32{1, 4}, capi.DtypeUint32))
	return w, p.array([]float32{0.5}, 1, 1), p.array([]float32{-1}, 1, 1)
}

// packedRow is what packed stands for.
func packedRow() []float32 {
	row := make([]float32, 32)
	for i := range row {
		row[i] = float32(i%16)/2 - 1
	}
	return row
}

// gathered returns a row of ones, a stack of one packed matrix, and the index that picks it.
func (p *probe) gathered() (x, w, scales, biases, zero capi.Array) {
	w, scales, biases = p.packed()
	for _, h := range []*capi.Array{&w, &scales, &biases} {
		flat := *h
		*h = p.out(func(res *capi.Array) int32 { return capi.ExpandDims(res, flat, 0, p.s) })
	}
	return p.array(ones(32), 1, 1, 32), w, scales, biases, p.add(capi.ArrayNewData(capi.Data([]uint32{0}), []int32{1}, capi.DtypeUint32))
}

// free drops what the probe made.
func (p *probe) free() {
	for _, h := range p.live {
		capi.ArrayFree(h)
	}
}

// images returns an image of 3 rows, 4 columns and 2 channels, of 1 to 24, and weights of 2 by 2 for each
// channel, of 0.01 to 0.08.
func (p *probe) images() (x, w capi.Array) {
	pixels, weights := make([]float32, 24), make([]float32, 8)
	for i := range pixels {
		pixels[i] = float32(i + 1)
	}
	for i := range weights {
		weights[i] = float32(i+1) / 100
	}
	return p.array(pixels, 1, 3, 4, 2), p.array(weights, 2, 2, 2, 1)
}

func (p *probe) compare(got capi.Array, want []float32) string {
	if p.failed || got == 0 || capi.ArrayEval(got) != 0 {
		return "it fails: " + reasonOf(capi.TakeError())
	}
	if n := capi.ArraySize(got); n != len(want) || capi.ArrayDtype(got) != capi.DtypeFloat32 {
		return fmt.Sprintf("%d elements instead of %d", n, len(want))
	}
	for i, x := range capi.SliceAt[float32](capi.ArrayDataFloat32(got), len(want)) {
		if d := math.Abs(float64(x - want[i])); !(d <= 1e-4*(1+math.Abs(float64(want[i])))) { // float32 rounding over 32 terms
			return fmt.Sprintf("element %d is %v instead of %v", i, x, want[i])
		}
	}
	return ""
}

func ones(n int) []float32 {
	xs := make([]float32, n)
	for i := range xs {
		xs[i] = 1
	}
	return xs
}

func sum(xs []float32) (t float32) {
	for _, x := range xs {
		t += x
	}
	return t
}
