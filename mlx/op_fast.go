package mlx

import (
	"math"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// RMSNorm returns x/√(mean x² + eps)·weight over the last axis, the mean in
// float32 (Zhang and Sennrich 2019, arXiv:1910.07467). x: [..., d], weight: [d] or
// nil. Binds mlx_fast_rms_norm.
func RMSNorm(x, weight *Array, eps float64) *Array {
	const op = "rms_norm"
	if bad := required(op, x); bad != nil {
		return bad
	}
	return build(op, []*Array{x, weight}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.FastRmsNorm(res, x.h, handle(weight), float32(eps), s)
	}).follows("normed")
}

// LayerNorm returns (x − mean x)/√(var x + eps)·weight + bias over the last axis
// (Ba et al. 2016, arXiv:1607.06450). x: [..., d]; weight, bias: [d] or nil.
// Binds mlx_fast_layer_norm.
func LayerNorm(x, weight, bias *Array, eps float64) *Array {
	const op = "layer_norm"
	if bad := required(op, x); bad != nil {
		return bad
	}
	return build(op, []*Array{x, weight, bias}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.FastLayerNorm(res, x.h, handle(weight), handle(bias), float32(eps), s)
	}).follows("normed")
}

// Rotary says how RoPE turns pairs of dimensions.
type Rotary struct {
	Dims        int     // leading dimensions of a head that turn
	Traditional bool    // pairs are neighbours; when false, one of each half of Dims
	Base        float64 // frequencies are Base^(−2i/Dims), unless Freqs is given
	Scale       float64 // factor on positions
	Freqs       *Array  // [Dims/2] float32 wavelengths over 2π (1/frequency), or nil
}

// RoPE turns each pair of dimensions by an angle proportional to its position (Su
// et al. 2021, arXiv:2104.09864). x: [..., pos, d_head]; the first position is
// offset. Binds mlx_fast_rope.
func RoPE(x *Array, r Rotary, offset int) *Array {
	const op = "rope"
	if bad := required(op, x); bad != nil {
		return bad
	}
	base := capi.OptionalFloat{Value: float32(r.Base), HasValue: r.Freqs == nil}
	return build(op, []*Array{x, r.Freqs}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.FastRope(res, x.h, c32(r.Dims), r.Traditional, base, float32(r.Scale), c32(offset), handle(r.Freqs), s)
	})
}

// RoPEDynamic is RoPE with a computed first position: offset is a 0-d integer array, or one
// position for each element of the first axis. Binds mlx_fast_rope_dynamic.
func RoPEDynamic(x *Array, r Rotary, offset *Array) *Array {
	const op = "rope"
	if bad := required(op, x, offset); bad != nil {
		return bad
	}
	base := capi.OptionalFloat{Value: float32(r.Base), HasValue: r.Freqs == nil}
	return build(op, []*Array{x, r.Freqs, offset}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.FastRopeDynamic(res, x.h, c32(r.Dims), r.Traditional, base, float32(r.Scale), offset.h, handle(r.Freqs), s)
	})
}

// Attention returns softmax(scale·q·kᵀ + mask)·v without forming the pattern
// (Vaswani et al. 2017, arXiv:1706.03762). q: [batch, head, pos, d_head], k and v:
// [batch, kv_head, key, d_head] with head a multiple of kv_head. causal masks keys
// after the query, the last query at the last key; mask, added to the scores or
// boolean, broadcasts to [batch, head, pos, key] and may be nil. One further array [head]
// holds attention sinks: scores of a key whose value is 0 (Xiao et al. 2023,
// arXiv:2309.17453). Binds mlx_fast_scaled_dot_product_attention.
func Attention(q, k, v *Array, scale float64, causal bool, mask *Array, sinks ...*Array) *Array {
	const op = "attention"
	if bad := required(op, q, k, v); bad != nil {
		return bad
	}
	if causal && mask != nil || len(sinks) > 1 {
		return failed(op, ErrShape, "causal and a mask exclude each other, and sinks are one array")
	}
	mode := ""
	switch {
	case causal:
		mode = "causal"
	case mask != nil:
		mode = "array"
	}
	if q.err == nil && k.err == nil && v.err == nil && k.Ndim() == 4 && k.Dim(1) == 0 {
		return failed(op, ErrShape, "keys %s have no heads, and MLX divides by their number", k)
	}
	operands := append([]*Array{q, k, v, mask}, sinks...)
	var sink *Array
	if len(sinks) == 1 {
		sink = sinks[0]
	}
	return build(op, operands, func(res *capi.Array, s capi.Stream) int32 {
		const forceFused = false
		return capi.FastScaledDotProductAttention(res, q.h, k.h, v.h, float32(scale), capi.Bytes(mode), handle(mask), handle(sink), forceFused, s)
	})
}

// CrossEntropy returns −ln softmax(logits)[target] for each row. logits: [..., d_vocab],
// targets: [...] integers, result [...]. Targets are checked or clamped as Take's indices.
// Binds mlx_fast_cross_entropy.
func CrossEntropy(logits, targets *Array) *Array {
	const op = "cross_entropy"
	if bad := required(op, logits, targets); bad != nil {
		return bad
	}
	for _, a := range []*Array{logits, targets} {
		if a.err != nil {
			return a
		}
	}
	if b := targets.host; b != nil && b.lo < 0 && targets.Size() > 0 {
		return failed(op, ErrIndex, "a target is %d", b.lo)
	}
	n := logits.Dim(-1)
	if bad := fixed(op); bad != nil {
		return bad
	}
	safe, bad := inRangeFrom(op, targets, 0, n, 1, "the axis of classes")
	if bad != nil {
		return bad
	}
	return build(op, []*Array{logits, safe}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.FastCrossEntropy(res, logits.h, safe.h, s)
	})
}

// Causal is how many queries see how many keys, with a Window above 0 how many at a time, and with a
// Chunk above 0 those of the query's own chunk of so many, the first key beginning one.
type Causal struct {
	Queries, Keys int
	Window, Chunk int
}

// CausalMask returns [Queries, Keys] booleans, true where query i may see key j, the last
// query standing at the last key: j ≤ i + Keys − Queries, and with a window above 0 j > i +
// Keys − Queries − Window, so that a query sees Window keys, its own included (Beltagy et
// al. 2020, arXiv:2004.05150); with a chunk above 0 ⌊j/Chunk⌋ = ⌊(i + Keys − Queries)/Chunk⌋ (Llama 4).
func CausalMask(s *Scope, c Causal) *Array {
	keys := float64(c.Keys)
	rows := ExpandDims(Arange(s, keys-float64(c.Queries), keys, 1, Int32), 1)
	cols := ExpandDims(Arange(s, 0, keys, 1, Int32), 0)
	seen := GreaterEqual(rows, cols)
	if c.Window > 0 {
		seen = LogicalAnd(seen, Less(Subtract(rows, cols), Full(s, float64(c.Window), Int32)))
	}
	if c.Chunk > 0 {
		chunk := Full(s, float64(c.Chunk), Int32)
		seen = LogicalAnd(seen, Equal(FloorDivide(rows, chunk), FloorDivide(cols, chunk)))
	}
	return seen
}

// Masked returns scores where allowed holds, and the most negative finite number
// of their type elsewhere, which a softmax turns to 0.
func Masked(scores, allowed *Array) *Array {
	const op = "masked"
	if bad := required(op, scores, allowed); bad != nil {
		return bad
	}
	lowest := float32(-math.MaxFloat32)
	switch scores.Dtype() {
	case Float16:
		lowest = -65504 // the largest finite binary16
	case BFloat16:
		lowest = -0x1.fep127 // the largest finite bfloat16
	}
	return build(op, []*Array{scores, allowed}, func(res *capi.Array, s capi.Stream) int32 {
		var k capi.Array
		scalar := capi.ArrayNewFloat32(lowest)
		status := capi.Astype(&k, scalar, capi.ArrayDtype(scores.h), s)
		if status == 0 {
			status = capi.Where(res, allowed.h, scores.h, k, s)
		}
		freeTemporary(scalar, k)
		return status
	}).follows("broadcast")
}
