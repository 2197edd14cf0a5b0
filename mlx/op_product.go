package mlx

import (
	"strings"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// Matmul returns the matrix product over the last two axes, a: [..., n, k], b:
// [..., k, m], result [..., n, m]; the axes before broadcast. Floating types only.
// Binds mlx_matmul.
func Matmul(a, b *Array) *Array { return ofTwo("matmul", capi.Matmul, a, b).follows("product") }

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
	}).follows("product", 1)
}

// Outer returns a[i]·b[j] over the elements of a and b in row-major order, [len a, len b].
// Binds mlx_outer.
func Outer(a, b *Array) *Array { return ofTwo("outer", capi.Outer, a, b) }

// Inner returns Σ a[…, k]·b[…, k], [a's first axes…, b's first axes…]. Binds mlx_inner.
func Inner(a, b *Array) *Array { return ofTwo("inner", capi.Inner, a, b) }

// Kron returns the Kronecker product, a[i]·b in place of each element of a. Binds mlx_kron.
func Kron(a, b *Array) *Array { return ofTwo("kron", capi.Kron, a, b) }

// Vecdot returns Σ conj(a)·b along axis; the other axes broadcast. Binds mlx_vecdot.
func Vecdot(a, b *Array, axis int) *Array {
	const op = "vecdot"
	if bad := required(op, a, b); bad != nil {
		return bad
	}
	return build(op, []*Array{a, b}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.Vecdot(res, a.h, b.h, c32(axis), s)
	})
}

// Tensordot returns Σ a·b over pairs of axes {of a, of b}: [a's other axes…, b's other
// axes…]. Binds mlx_tensordot.
func Tensordot(a, b *Array, axes ...[2]int) *Array {
	const op = "tensordot"
	if bad := required(op, a, b); bad != nil {
		return bad
	}
	ofA, ofB := make([]int, len(axes)), make([]int, len(axes))
	for i, pair := range axes {
		ofA[i], ofB[i] = pair[0], pair[1]
	}
	return build(op, []*Array{a, b}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.Tensordot(res, a.h, b.h, int32s(ofA), int32s(ofB), s)
	})
}

// Einsum returns the sum of products that subscripts describe: "ij,jk->ik" is a matrix
// product, and letters that the result lacks are summed over. Binds mlx_einsum.
func Einsum(subscripts string, operands ...*Array) *Array {
	const op = "einsum"
	if bad := required(op, operands...); bad != nil {
		return bad
	}
	if i := strings.IndexFunc(subscripts, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune(" ,.->", r))
	}); i >= 0 || len(operands) == 0 {
		return failed(op, ErrShape, "subscripts %q for %d operands (want: letters, ',', '...', '->' and an operand for each term)", subscripts, len(operands))
	}
	return build(op, operands, func(res *capi.Array, s capi.Stream) int32 {
		list := vector(operands)
		defer capi.VectorArrayFree(list)
		return capi.Einsum(res, capi.Bytes(subscripts), list, s)
	})
}

// Addmm returns beta·c + alpha·a·b, the matrix product over the last two axes; c broadcasts.
// Binds mlx_addmm.
func Addmm(c, a, b *Array, alpha, beta float64) *Array {
	const op = "addmm"
	if bad := required(op, c, a, b); bad != nil {
		return bad
	}
	return build(op, []*Array{c, a, b}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.Addmm(res, c.h, a.h, b.h, float32(alpha), float32(beta), s)
	})
}

// Masks say which blocks of matrices take part in BlockMaskedMM: bool, or a factor for each
// block; nil for all.
type Masks struct {
	Out   *Array // of the result
	Left  *Array // of the left operand
	Right *Array // of the right one
}

// BlockMaskedMM returns a·b of those blocks of blockSize by blockSize that the masks let take
// part. Binds mlx_block_masked_mm.
func BlockMaskedMM(a, b *Array, blockSize int, masks Masks) *Array {
	const op = "block_masked_mm"
	out, lhs, rhs := masks.Out, masks.Left, masks.Right
	if bad := required(op, a, b); bad != nil {
		return bad
	}
	if blockSize != 32 && blockSize != 64 {
		return failed(op, ErrShape, "blocks of %d (have: 32, 64)", blockSize)
	}
	for _, x := range []*Array{a, b, out, lhs, rhs} {
		if x != nil && x.err != nil {
			return x
		}
	}
	// MLX reads a mask by the counts of blocks
	if a.Ndim() < 2 || b.Ndim() < 2 || a.Dim(-1) != b.Dim(-2) {
		return failed(op, ErrShape, "%s and %s have no matrix product", a, b)
	}
	blocks := func(n int) int { return (n + blockSize - 1) / blockSize }
	m, k, n := blocks(a.Dim(-2)), blocks(a.Dim(-1)), blocks(b.Dim(-1))
	for _, mask := range []struct {
		x    *Array
		rows int
		cols int
	}{{out, m, n}, {lhs, m, k}, {rhs, k, n}} {
		fits := func(n, blocks int) bool { return n == blocks || n == 1 }
		if mask.x != nil && (mask.x.Ndim() < 2 || !fits(mask.x.Dim(-2), mask.rows) || !fits(mask.x.Dim(-1), mask.cols)) {
			return failed(op, ErrShape, "mask %s for %d by %d blocks", mask.x, mask.rows, mask.cols)
		}
	}
	return build(op, []*Array{a, b, out, lhs, rhs}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.BlockMaskedMm(res, a.h, b.h, c32(blockSize), handle(out), handle(lhs), handle(rhs), s)
	})
}

// picked checks the indices of matrices in the stacks a and b. right names what b's are.
func picked(op string, a, b *Array, p Picks, right string) (lhs, rhs, bad *Array) {
	if lhs, bad = inStack(op, a, p.Left, "left matrices"); bad == nil {
		rhs, bad = inStack(op, b, p.Right, right)
	}
	return lhs, rhs, bad
}

func inStack(op string, x, indices *Array, what string) (safe, bad *Array) {
	if indices == nil || indices.err != nil || x.err != nil {
		return indices, nil
	}
	axes := allAxes(x)
	return inRange(op, x, indices, axes[:max(len(axes)-2, 0)], 1, "the stack of "+what)
}

// Picks say which matrices of two stacks GatherMM and its kin multiply: places among the axes
// of each stack before its last two, nil for all in order.
type Picks struct {
	Left   *Array // in the left stack
	Right  *Array // in the right one
	Sorted bool   // tells that Right ascends, which is faster
}

// GatherMM returns a[left]·b[right], products of matrices picked from stacks.
// Binds mlx_gather_mm.
func GatherMM(a, b *Array, p Picks) *Array {
	const op = "gather_mm"
	if bad := required(op, a, b); bad != nil {
		return bad
	}
	lhs, rhs, bad := picked(op, a, b, p, "right matrices")
	if bad != nil {
		return bad
	}
	return build(op, []*Array{a, b, lhs, rhs}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.GatherMm(res, a.h, b.h, handle(lhs), handle(rhs), p.Sorted, s)
	})
}

// SegmentedMM returns, for each pair {from, to} of segments, the product of a's columns and
// b's rows from up to to. a: [m, k], b: [k, n], segments: [..., 2] uint32 or int32, result
// [..., m, n]. Binds mlx_segmented_mm.
func SegmentedMM(a, b, segments *Array) *Array {
	const op = "segmented_mm"
	if bad := required(op, a, b, segments); bad != nil {
		return bad
	}
	for _, x := range []*Array{a, b, segments} {
		if x.err != nil {
			return x
		}
	}
	if a.Ndim() != 2 || b.Ndim() != 2 || a.Dim(1) != b.Dim(0) || segments.Ndim() < 1 || segments.Dim(-1) != 2 {
		return failed(op, ErrShape, "%s, %s and segments %s (want: [m k], [k n] and [... 2])", a, b, segments)
	}
	// an end may be k, one more than the last place
	if bad := fixed(op); bad != nil {
		return bad
	}
	safe, bad := inRangeOfLength(op, segments, a.Dim(1)+1, 1, "the summed axis")
	if bad != nil {
		return bad
	}
	if b := segments.host; b != nil && b.lo < 0 {
		return failed(op, ErrIndex, "segments from %d", b.lo)
	}
	if d := safe.Dtype(); d >= Int8 && d <= Int64 {
		safe = AsType(clamp(safe, 0, a.Dim(1)), Uint32)
	}
	// MLX 0.32.2 reads transposed float16 and bfloat16 on a CPU as if they were not
	a, b = Contiguous(a), Contiguous(b)
	return build(op, []*Array{a, b, safe}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.SegmentedMm(res, a.h, b.h, safe.h, s)
	})
}

// HadamardTransform returns the product of the last axis with a Hadamard matrix, times scale;
// 0 stands for 1/√n. The axis has m·2ᵏ elements, m one of 1, 12, 20, 28.
// Binds mlx_hadamard_transform.
func HadamardTransform(x *Array, scale float64) *Array {
	const op = "hadamard_transform"
	if bad := required(op, x); bad != nil {
		return bad
	}
	return buildIn(op, nil, same, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.HadamardTransform(res, x.h, capi.OptionalFloat{Value: float32(scale), HasValue: scale != 0}, s)
	})
}
