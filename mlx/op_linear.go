package mlx

import (
	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// Matmul returns the matrix product over the last two axes, a: [..., n, k], b:
// [..., k, m], result [..., n, m]; the axes before broadcast. Floating types only.
// Binds mlx_matmul.
func Matmul(a, b *Array) *Array { return binary("matmul", capi.Matmul, a, b) }

// MatmulT returns x·wᵀ, the product with a weight as checkpoints store it,
// w: [out, in], x: [..., in], result [..., out]. Binds mlx_transpose, mlx_matmul.
func MatmulT(x, w *Array) *Array {
	const op = "matmul"
	if bad := required(op, x, w); bad != nil {
		return bad
	}
	return build(op, []*Array{x, w}, func(res *capi.Array, s capi.Stream) int32 {
		var t capi.Array
		status := capi.Transpose(&t, w.h, s)
		if status == 0 {
			status = capi.Matmul(res, x.h, t, s)
		}
		freeTemporary(t)
		return status
	})
}

// Quantization says how a matrix is packed: in groups of GroupSize weights along a
// row, each of Bits bits, w = scale·q + bias for the affine mode; the other modes
// (mxfp4, mxfp8, nvfp4) have scales only.
type Quantization struct {
	GroupSize int
	Bits      int
	Mode      string // "affine", "mxfp4", "mxfp8", "nvfp4"

	// GlobalScale is a 0-d float32 array by which nvfp4 divides all scales, so that they fit
	// their 8 bits; nil for none.
	GlobalScale *Array
}

// Err returns an error if MLX has no such packing.
func (q Quantization) Err() error {
	if e := q.check("quantization"); e != nil {
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
			return newError(op, ErrShape, "the global scale is "+g.String()+" for mode "+quote(q.Mode)+" (want: nvfp4 and float32[])")
		}
	}
	if !ok {
		return newError(op, ErrShape, "mode "+quote(q.Mode)+" with "+itoa(q.Bits)+" bits in groups of "+itoa(q.GroupSize)+
			" does not exist (have: affine with 2, 3, 4, 5, 6, 8 bits in groups of 32, 64, 128; mxfp4 4/32; mxfp8 8/32; nvfp4 4/16)")
	}
	return nil
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
			" do not fit "+itoa(q.Bits)+" bits in groups of "+itoa(q.GroupSize))
	}
	switch {
	case q.Mode == "affine" && biases == nil:
		return newError(op, ErrShape, "the affine mode needs biases")
	case q.Mode != "affine" && biases != nil:
		return newError(op, ErrShape, "mode "+quote(q.Mode)+" has no biases")
	case biases != nil && biases.String() != scales.String():
		return newError(op, ErrShape, "scales "+scales.String()+" and biases "+biases.String()+" differ")
	}
	return nil
}

// QuantizedMatmul returns x·wᵀ with w packed, w: [out, in·bits/32] uint32, scales
// and biases: [out, in/group], x: [..., in], result [..., out]. biases is nil for
// modes without. Binds mlx_quantized_matmul.
func QuantizedMatmul(x, w, scales, biases *Array, q Quantization) *Array {
	const op = "quantized_matmul"
	if bad := required(op, x, w, scales); bad != nil {
		return bad
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
