package mlx

import (
	"strconv"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// Quantization says how a matrix is packed: in groups of GroupSize weights along a
// row, each of Bits bits, w = scale·q + bias for the affine mode; the other modes
// (mxfp4, mxfp8, nvfp4) have scales only. What is 0 or "" is mlx.core's default.
type Quantization struct {
	GroupSize int    // 64, of the other modes 32, of nvfp4 16
	Bits      int    // 4, of mxfp8 8
	Mode      string // "affine" (the default), "mxfp4", "mxfp8", "nvfp4"

	// GlobalScale is a 0-d float32 array by which nvfp4 divides all scales, so that they fit
	// their 8 bits; nil for none.
	GlobalScale *Array
}

// full returns q with its defaults.
func (q Quantization) full() Quantization {
	if q.Mode == "" {
		q.Mode = "affine"
	}
	group, bits := 32, 4
	switch q.Mode {
	case "affine":
		group = 64
	case "mxfp8":
		bits = 8
	case "nvfp4":
		group = 16
	}
	if q.GroupSize == 0 {
		q.GroupSize = group
	}
	if q.Bits == 0 {
		q.Bits = bits
	}
	return q
}

// Err returns an error if MLX has no such packing.
func (q Quantization) Err() error {
	if e := q.full().check("quantization"); e != nil {
		return e
	}
	return nil
}

// check refuses what MLX's CPU kernels abort the process for.
func (q Quantization) check(op string) *Error {
	ok := false
	switch q.Mode {
	case "affine":
		ok = (q.GroupSize == 32 || q.GroupSize == 64 || q.GroupSize == 128) &&
			(q.Bits >= 2 && q.Bits <= 6 || q.Bits == 8)
	case "mxfp4":
		ok = q.GroupSize == 32 && q.Bits == 4
	case "mxfp8":
		ok = q.GroupSize == 32 && q.Bits == 8
	case "nvfp4":
		ok = q.GroupSize == 16 && q.Bits == 4
	}
	if ok && q.GlobalScale != nil {
		g := q.GlobalScale
		if q.Mode != "nvfp4" || g.err == nil && (g.Ndim() != 0 || g.Dtype() != Float32) {
			return newError(op, ErrShape, "the global scale is "+g.String()+" for mode "+strconv.Quote(q.Mode)+" (want: nvfp4 and float32[])")
		}
	}
	if !ok {
		return newError(op, ErrShape, "mode "+strconv.Quote(q.Mode)+" with "+strconv.Itoa(q.Bits)+" bits in groups of "+strconv.Itoa(q.GroupSize)+
			" does not exist (have: affine with 2, 3, 4, 5, 6, 8 bits in groups of 32, 64, 128; mxfp4 4/32; mxfp8 8/32; nvfp4 4/16)")
	}
	return nil
}

// unscaled refuses a global scale where MLX's product takes none, and would leave it out.
func (q Quantization) unscaled(op string) *Error {
	if q.GlobalScale == nil {
		return nil
	}
	return newError(op, ErrShape, "MLX's product takes no global scale: Dequantize the weight with it, or multiply the result by what it stands for")
}

// fits checks packed: [..., out, in·bits/32] uint32 against scales: [..., out,
// in/group], which MLX trusts.
func (q Quantization) fits(op string, packed, scales, biases *Array) *Error {
	if e := q.check(op); e != nil {
		return e
	}
	w, s := packed.Shape(), scales.Shape()
	if packed.Dtype() != Uint32 || len(w) < 2 || len(s) != len(w) || w[len(w)-2] != s[len(s)-2] ||
		w[len(w)-1]*32 != s[len(s)-1]*q.GroupSize*q.Bits {
		return newError(op, ErrShape, "packed weight "+packed.String()+" and scales "+scales.String()+
			" do not fit "+strconv.Itoa(q.Bits)+" bits in groups of "+strconv.Itoa(q.GroupSize))
	}
	switch {
	case q.Mode == "affine" && biases == nil:
		return newError(op, ErrShape, "the affine mode needs biases")
	case q.Mode != "affine" && biases != nil:
		return newError(op, ErrShape, "mode "+strconv.Quote(q.Mode)+" has no biases")
	case biases != nil && biases.String() != scales.String():
		return newError(op, ErrShape, "scales "+scales.String()+" and biases "+biases.String()+" differ")
	}
	return nil
}

// QuantizedMatmul returns x·wᵀ with w packed, w: [out, in·bits/32] uint32, scales
// and biases: [out, in/group], x: [..., in], result [..., out]. biases is nil for
// modes without, and q has no GlobalScale. Binds mlx_quantized_matmul.
func QuantizedMatmul(x, w, scales, biases *Array, q Quantization) *Array {
	const op = "quantized_matmul"
	q = q.full()
	if bad := required(op, x, w, scales); bad != nil {
		return bad
	}
	if e := q.unscaled(op); e != nil {
		return &Array{err: e}
	}
	if w.err == nil && scales.err == nil && (biases == nil || biases.err == nil) {
		if e := q.fits(op, w, scales, biases); e != nil {
			return &Array{err: e}
		}
	}
	return build(op, []*Array{x, w, scales, biases}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.QuantizedMatmul(res, x.h, w.h, scales.h, handle(biases), true, some(q.GroupSize), some(q.Bits), capi.Bytes(q.Mode), s)
	})
}

// Dequantize returns the matrix that w, scales and biases stand for, in the given
// floating type. Binds mlx_dequantize.
func Dequantize(w, scales, biases *Array, q Quantization, d Dtype) *Array {
	const op = "dequantize"
	q = q.full()
	if bad := required(op, w, scales); bad != nil {
		return bad
	}
	if !d.IsFloat() || d == Float64 {
		return failed(op, ErrDtype, "the result cannot be %s (have: float32, float16, bfloat16)", d)
	}
	if w.err == nil && scales.err == nil && (biases == nil || biases.err == nil) {
		if e := q.fits(op, w, scales, biases); e != nil {
			return &Array{err: e}
		}
	}
	return build(op, []*Array{w, scales, biases, q.GlobalScale}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.Dequantize(res, w.h, scales.h, handle(biases), some(q.GroupSize), some(q.Bits), capi.Bytes(q.Mode), handle(q.GlobalScale),
			capi.OptionalDtype{Value: capi.Dtype(d), HasValue: true}, s)
	})
}

// Quantize packs a matrix [..., out, in]; biases is nil for modes without.
// Binds mlx_quantize.
func Quantize(x *Array, q Quantization) (w, scales, biases *Array) {
	const op = "quantize"
	q = q.full()
	bad := required(op, x)
	if bad == nil && x.err == nil {
		if e := q.check(op); e != nil {
			bad = &Array{err: e}
		}
	}
	if bad != nil {
		return bad, bad, bad
	}
	parts := buildList(op, []*Array{x, q.GlobalScale}, func(res *capi.VectorArray, s capi.Stream) int32 {
		return capi.Quantize(res, x.h, some(q.GroupSize), some(q.Bits), capi.Bytes(q.Mode), handle(q.GlobalScale), s)
	})
	switch len(parts) {
	case 3:
		return parts[0], parts[1], parts[2]
	case 2:
		return parts[0], parts[1], nil
	}
	return parts[0], parts[0], parts[0]
}

func some(x int) capi.OptionalInt { return capi.OptionalInt{Value: int32(x), HasValue: true} }

// GatherQMM is GatherMM with b packed: transpose says that b[right] are [out, in·bits/32] and
// the product is x·wᵀ; without it they are [in, out·bits/32]. biases is nil for modes that have
// none, and q has no GlobalScale.
// Binds mlx_gather_qmm.
func GatherQMM(x, w, scales, biases *Array, transpose bool, q Quantization, p Picks) *Array {
	const op = "gather_qmm"
	q = q.full()
	if bad := required(op, x, w, scales); bad != nil {
		return bad
	}
	for _, a := range []*Array{x, w, scales, biases} {
		if a != nil && a.err != nil {
			return a
		}
	}
	if e := q.unscaled(op); e != nil {
		return &Array{err: e}
	}
	if e := q.fits(op, w, scales, biases); e != nil {
		return &Array{err: e}
	}
	lhs, rhs, bad := picked(op, x, w, p, "packed matrices")
	if bad != nil {
		return bad
	}
	return build(op, []*Array{x, w, scales, biases, lhs, rhs}, func(res *capi.Array, s capi.Stream) int32 {
		return gatherQMM(res, x.h, w.h, scales.h, handle(biases), handle(lhs), handle(rhs), transpose,
			some(q.GroupSize), some(q.Bits), capi.Bytes(q.Mode), p.Sorted, s)
	})
}

// QQMM returns x·wᵀ with both operands rounded to the packing q, of a mode without biases. w
// is packed and has scales, or is not and scales is nil; xScale is a global scale of x as
// q.GlobalScale is one of w, both or none given. MLX has it on GPUs; on a CPU only of one row of x,
// a packed w and no global scales. Binds mlx_qqmm.
func QQMM(x, w, scales *Array, q Quantization, xScale *Array) *Array {
	const op = "qqmm"
	q = q.full()
	if bad := required(op, x, w); bad != nil {
		return bad
	}
	if e := q.checkBoth(op, w, scales); e != nil {
		return &Array{err: e}
	}
	onCPU := x.err == nil && w.err == nil && homeOf([]*Array{x, w}).Device() == CPU
	if onCPU && (scales == nil || x.Ndim() < 2 || x.Dim(-2) != 1 || xScale != nil || q.GlobalScale != nil) {
		return failed(op, ErrDevice, "a CPU has it of x [... 1 in], a packed weight and no global scales only, and this is x %s: use a GPU, or QuantizedMatmul", x)
	}
	return build(op, []*Array{x, w, scales, xScale, q.GlobalScale}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.Qqmm(res, x.h, w.h, handle(scales), some(q.GroupSize), some(q.Bits), capi.Bytes(q.Mode), handle(xScale), handle(q.GlobalScale), s)
	})
}

// GatherQQMM is QQMM of matrices picked from stacks as GatherMM does. MLX has it on GPUs only.
// Binds mlx_gather_qqmm.
func GatherQQMM(x, w, scales *Array, q Quantization, xScale *Array, p Picks) *Array {
	const op = "gather_qqmm"
	q = q.full()
	if bad := required(op, x, w); bad != nil {
		return bad
	}
	if e := q.checkBoth(op, w, scales); e != nil {
		return &Array{err: e}
	}
	if x.err == nil && w.err == nil && homeOf([]*Array{x, w}).Device() == CPU {
		return failed(op, ErrDevice, "MLX has no such product on a CPU: use a GPU, or GatherQMM")
	}
	lhs, rhs, bad := picked(op, x, w, p, "packed matrices")
	if bad != nil {
		return bad
	}
	return build(op, []*Array{x, w, scales, lhs, rhs, xScale, q.GlobalScale}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.GatherQqmm(res, x.h, w.h, handle(scales), handle(lhs), handle(rhs), some(q.GroupSize), some(q.Bits), capi.Bytes(q.Mode),
			handle(xScale), handle(q.GlobalScale), p.Sorted, s)
	})
}

// checkBoth refuses what products of two packed operands cannot be.
func (q Quantization) checkBoth(op string, w, scales *Array) *Error {
	if e := q.check(op); e != nil {
		return e
	}
	if q.Mode == "affine" {
		return newError(op, ErrShape, `the affine mode has biases (have: mxfp4, mxfp8, nvfp4)`)
	}
	if scales == nil || w.err != nil || scales.err != nil {
		return nil
	}
	return q.fits(op, w, scales, nil)
}
