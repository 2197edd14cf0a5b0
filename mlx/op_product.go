package mlx

import (
	"math"
	"slices"
	"strings"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// Outer returns a[i]·b[j] over the elements of a and b in row-major order, [len a, len b].
// Binds mlx_outer.
func Outer(a, b *Array) *Array { return binary("outer", capi.Outer, a, b) }

// Inner returns Σ a[…, k]·b[…, k], [a's first axes…, b's first axes…]. Binds mlx_inner.
func Inner(a, b *Array) *Array { return binary("inner", capi.Inner, a, b) }

// Kron returns the Kronecker product, a[i]·b in place of each element of a. Binds mlx_kron.
func Kron(a, b *Array) *Array { return binary("kron", capi.Kron, a, b) }

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

// BlockMaskedMM returns a·b where each mask, nil for none, says which blocks of blockSize by
// blockSize take part: out of the result, lhs of a, rhs of b. A mask is bool, or a factor for
// each block. Binds mlx_block_masked_mm.
func BlockMaskedMM(a, b *Array, blockSize int, out, lhs, rhs *Array) *Array {
	const op = "block_masked_mm"
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

// matrices checks indices of matrices in a stack of them: those of x's axes but the last two.
func matrices(op string, x, indices *Array, what string) (safe, bad *Array) {
	if indices == nil || indices.err != nil || x.err != nil {
		return indices, nil
	}
	shape := x.Shape()
	return inRange(op, indices, numElements(shape[:max(len(shape)-2, 0)]), 1, "the stack of "+what)
}

// GatherMM returns a[lhs]·b[rhs], products of matrices picked from stacks: lhs and rhs hold
// places among a's and b's first axes, nil for all in order. sorted tells that rhs ascends,
// which is faster. Binds mlx_gather_mm.
func GatherMM(a, b, lhs, rhs *Array, sorted bool) *Array {
	const op = "gather_mm"
	if bad := required(op, a, b); bad != nil {
		return bad
	}
	lhs, bad := matrices(op, a, lhs, "left matrices")
	if bad == nil {
		rhs, bad = matrices(op, b, rhs, "right matrices")
	}
	if bad != nil {
		return bad
	}
	return build(op, []*Array{a, b, lhs, rhs}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.GatherMm(res, a.h, b.h, handle(lhs), handle(rhs), sorted, s)
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
	safe, bad := inRange(op, segments, a.Dim(1)+1, 1, "the summed axis")
	if bad != nil {
		return bad
	}
	if b := segments.host; b != nil && b.lo < 0 {
		return failed(op, ErrIndex, "segments from %d", b.lo)
	}
	if d := safe.Dtype(); d >= Int8 && d <= Int64 {
		safe = AsType(clamp(safe, 0, a.Dim(1)), Uint32)
	}
	return build(op, []*Array{a, b, safe}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.SegmentedMm(res, a.h, b.h, safe.h, s)
	})
}

// GatherQMM is GatherMM with b packed: transpose says that b[rhs] are [out, in·bits/32] and
// the product is x·wᵀ, else [in, out·bits/32]. biases is nil for modes without.
// Binds mlx_gather_qmm.
func GatherQMM(x, w, scales, biases, lhs, rhs *Array, transpose bool, q Quantization, sorted bool) *Array {
	const op = "gather_qmm"
	if bad := required(op, x, w, scales); bad != nil {
		return bad
	}
	for _, a := range []*Array{x, w, scales, biases} {
		if a != nil && a.err != nil {
			return a
		}
	}
	if e := q.fits(op, w, scales, biases); e != nil {
		return &Array{err: e}
	}
	lhs, bad := matrices(op, x, lhs, "left matrices")
	if bad == nil {
		rhs, bad = matrices(op, w, rhs, "packed matrices")
	}
	if bad != nil {
		return bad
	}
	return build(op, []*Array{x, w, scales, biases, lhs, rhs}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.GatherQmm(res, x.h, w.h, scales.h, handle(biases), handle(lhs), handle(rhs), transpose,
			some(q.GroupSize), some(q.Bits), capi.Bytes(q.Mode), sorted, s)
	})
}

// QQMM returns x·wᵀ with both operands rounded to the packing q, of a mode without biases. w
// is packed and has scales, or is not and scales is nil; xScale is a global scale of x as
// q.GlobalScale is one of w, both or none given. MLX has it on GPUs. Binds mlx_qqmm.
func QQMM(x, w, scales *Array, q Quantization, xScale *Array) *Array {
	const op = "qqmm"
	if bad := required(op, x, w); bad != nil {
		return bad
	}
	if e := q.checkBoth(op, w, scales); e != nil {
		return &Array{err: e}
	}
	return build(op, []*Array{x, w, scales, xScale, q.GlobalScale}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.Qqmm(res, x.h, w.h, handle(scales), some(q.GroupSize), some(q.Bits), capi.Bytes(q.Mode), handle(xScale), handle(q.GlobalScale), s)
	})
}

// GatherQQMM is QQMM of matrices picked from stacks as GatherMM does.
// Binds mlx_gather_qqmm.
func GatherQQMM(x, w, scales, lhs, rhs *Array, q Quantization, xScale *Array, sorted bool) *Array {
	const op = "gather_qqmm"
	if bad := required(op, x, w); bad != nil {
		return bad
	}
	if e := q.checkBoth(op, w, scales); e != nil {
		return &Array{err: e}
	}
	lhs, bad := matrices(op, x, lhs, "left matrices")
	if bad == nil {
		rhs, bad = matrices(op, w, rhs, "packed matrices")
	}
	if bad != nil {
		return bad
	}
	return build(op, []*Array{x, w, scales, lhs, rhs, xScale, q.GlobalScale}, func(res *capi.Array, s capi.Stream) int32 {
		return capi.GatherQqmm(res, x.h, w.h, handle(scales), handle(lhs), handle(rhs), some(q.GroupSize), some(q.Bits), capi.Bytes(q.Mode),
			handle(xScale), handle(q.GlobalScale), sorted, s)
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

// Conv says how a convolution goes. A slice holds a number for each spatial axis, or one for
// all; nil stands for the default.
type Conv struct {
	Stride        []int // distance of neighbouring results, 1
	Padding       []int // zeros before the input, and behind unless PaddingBehind is given, 0
	PaddingBehind []int // zeros behind the input, ConvGeneral only
	Dilation      []int // distance of neighbouring weights, 1
	InputDilation []int // distance of neighbouring inputs, 1, ConvGeneral only
	OutputPadding []int // further results behind, 0, ConvTranspose only
	Groups        int   // parts of the channels that do not mix, 1
	Flip          bool  // turn the weights round, as a convolution in mathematics does, ConvGeneral only
}

// Conv1D returns the cross-correlation Σ x[b, i·stride + j·dilation − padding, c]·w[o, j, c].
// x: [batch, length, in], w: [out, kernel, in/groups], result [batch, ⌊(length + 2·padding −
// dilation·(kernel−1) − 1)/stride⌋ + 1, out]. Binds mlx_conv1d.
func Conv1D(x, w *Array, c Conv) *Array { return c.conv("conv1d", 1, x, w) }

// Conv2D is Conv1D over two axes. x: [batch, height, width, in], w: [out, height, width,
// in/groups]. Binds mlx_conv2d.
func Conv2D(x, w *Array, c Conv) *Array { return c.conv("conv2d", 2, x, w) }

// Conv3D is Conv1D over three axes. x: [batch, depth, height, width, in], w: [out, depth,
// height, width, in/groups]. Binds mlx_conv3d.
func Conv3D(x, w *Array, c Conv) *Array { return c.conv("conv3d", 3, x, w) }

// ConvGeneral is the convolution over one to three axes with every option.
// Binds mlx_conv_general.
func ConvGeneral(x, w *Array, c Conv) *Array { return c.conv("conv_general", 0, x, w) }

// ConvTranspose1D is the transpose of Conv1D: each input adds to kernel results. x: [batch,
// length, in], w: [out, kernel, in/groups], result [batch, (length−1)·stride − 2·padding +
// dilation·(kernel−1) + 1 + output padding, out]. Binds mlx_conv_transpose1d.
func ConvTranspose1D(x, w *Array, c Conv) *Array { return c.conv("conv_transpose1d", 1, x, w) }

// ConvTranspose2D is ConvTranspose1D over two axes. Binds mlx_conv_transpose2d.
func ConvTranspose2D(x, w *Array, c Conv) *Array { return c.conv("conv_transpose2d", 2, x, w) }

// ConvTranspose3D is ConvTranspose1D over three axes. Binds mlx_conv_transpose3d.
func ConvTranspose3D(x, w *Array, c Conv) *Array { return c.conv("conv_transpose3d", 3, x, w) }

// conv checks what MLX divides by or multiplies in 32 bits, and calls op.
func (c Conv) conv(op string, spatial int, x, w *Array) *Array {
	if bad := required(op, x, w); bad != nil {
		return bad
	}
	for _, a := range []*Array{x, w} {
		if a.err != nil {
			return a
		}
	}
	if spatial == 0 {
		spatial = x.Ndim() - 2
	}
	if spatial < 1 || spatial > 3 || x.Ndim() != spatial+2 || w.Ndim() != spatial+2 {
		return failed(op, ErrShape, "input %s and weight %s (want: [batch, %s, in] and [out, %[3]s, in])", x, w, plural(max(spatial, 1), "spatial axis"))
	}
	general, transposed := op == "conv_general", strings.HasPrefix(op, "conv_transpose")
	if !general && (c.PaddingBehind != nil || c.InputDilation != nil || c.Flip) || !transposed && c.OutputPadding != nil {
		return failed(op, ErrShape, "PaddingBehind, InputDilation and Flip are for conv_general, OutputPadding is for conv_transpose")
	}
	groups := c.Groups
	if groups == 0 {
		groups = 1
	}
	in, out := x.Dim(-1), w.Dim(0)
	if groups < 1 || in < 1 || out < 1 || in != w.Dim(-1)*groups || out%groups != 0 {
		return failed(op, ErrShape, "input %s and weight %s in %s", x, w, plural(groups, "group"))
	}
	var bad *Array
	full := func(name string, xs []int, otherwise, least int) []int32 {
		if len(xs) == 0 {
			xs = []int{otherwise}
		}
		if len(xs) == 1 {
			xs = slices.Repeat(xs, spatial)
		}
		if len(xs) != spatial || slices.Min(xs) < least || slices.Max(xs) > 1<<20 {
			bad = failed(op, ErrShape, "%s %v for %s (want: %d to %d)", name, xs, plural(spatial, "spatial axis"), least, 1<<20)
		}
		return int32s(xs)
	}
	stride, low := full("stride", c.Stride, 1, 1), full("padding", c.Padding, 0, 0)
	high, dilation := low, full("dilation", c.Dilation, 1, 1)
	if c.PaddingBehind != nil {
		high = full("padding behind", c.PaddingBehind, 0, 0)
	}
	inputDilation, behind := full("input dilation", c.InputDilation, 1, 1), full("output padding", c.OutputPadding, 0, 0)
	if bad != nil {
		return bad
	}
	for i := range spatial {
		n, k := float64(x.Dim(i+1)), float64(w.Dim(i+1))
		if n < 1 || k < 1 {
			return failed(op, ErrShape, "input %s and weight %s have an empty axis", x, w)
		}
		reach := float64(dilation[i])*(k-1) + 1
		length := (n-1)*float64(inputDilation[i]) + 1 + float64(low[i]) + float64(high[i])
		if transposed {
			length = (n-1)*float64(stride[i]) + reach - 2*float64(low[i]) + float64(behind[i])
			if length < 1 {
				return failed(op, ErrShape, "no result is left along spatial axis %d of %s with padding %d", i, x, low[i])
			}
		} else if length < reach {
			return failed(op, ErrShape, "the weight %s reaches over %v places of the %v along spatial axis %d of %s with its padding", w, reach, length, i, x)
		}
		if max(length, reach)*float64(max(in, out, 1)) > math.MaxInt32 {
			return failed(op, ErrMemory, "spatial axis %d of %s becomes %v long", i, x, length)
		}
	}
	return build(op, []*Array{x, w}, func(res *capi.Array, s capi.Stream) int32 {
		st, p, d, o, g := stride, low, dilation, behind, int32(groups)
		switch op {
		case "conv1d":
			return capi.Conv1d(res, x.h, w.h, st[0], p[0], d[0], g, s)
		case "conv2d":
			return capi.Conv2d(res, x.h, w.h, st[0], st[1], p[0], p[1], d[0], d[1], g, s)
		case "conv3d":
			return capi.Conv3d(res, x.h, w.h, st[0], st[1], st[2], p[0], p[1], p[2], d[0], d[1], d[2], g, s)
		case "conv_transpose1d":
			return capi.ConvTranspose1d(res, x.h, w.h, st[0], p[0], d[0], o[0], g, s)
		case "conv_transpose2d":
			return capi.ConvTranspose2d(res, x.h, w.h, st[0], st[1], p[0], p[1], d[0], d[1], o[0], o[1], g, s)
		case "conv_transpose3d":
			return capi.ConvTranspose3d(res, x.h, w.h, st[0], st[1], st[2], p[0], p[1], p[2], d[0], d[1], d[2], o[0], o[1], o[2], g, s)
		}
		return capi.ConvGeneral(res, x.h, w.h, st, p, high, d, inputDilation, g, c.Flip, s)
	})
}

// plural is a count with its word.
func plural(n int, word string) string {
	switch {
	case n == 1:
		return "1 " + word
	case strings.HasSuffix(word, "axis"):
		return itoa(n) + " " + strings.TrimSuffix(word, "axis") + "axes"
	}
	return itoa(n) + " " + word + "s"
}
