package mlx

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

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
		return strconv.Itoa(n) + " " + strings.TrimSuffix(word, "axis") + "axes"
	}
	return strconv.Itoa(n) + " " + word + "s"
}
