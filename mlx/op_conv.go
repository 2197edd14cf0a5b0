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

// conv checks what MLX divides by or multiplies in 32 bits, and calls op, which is over the
// given number of spatial axes, 0 for as many as x has.
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
	if c.Groups == 0 {
		c.Groups = 1
	}
	if bad := c.fit(op, spatial, x, w); bad != nil {
		return bad
	}
	steps, bad := c.steps(op, spatial)
	if bad != nil {
		return bad
	}
	if bad := steps.reach(op, x, w); bad != nil {
		return bad
	}
	return build(op, []*Array{x, w}, func(res *capi.Array, s capi.Stream) int32 {
		return steps.call(op, c, res, x.h, w.h, s)
	})
}

func isTransposed(op string) bool { return strings.HasPrefix(op, "conv_transpose") }

// fit refuses operands and options that do not belong together.
func (c Conv) fit(op string, spatial int, x, w *Array) *Array {
	if spatial < 1 || spatial > 3 || x.Ndim() != spatial+2 || w.Ndim() != spatial+2 {
		return failed(op, ErrShape, "input %s and weight %s (want: [batch, %s, in] and [out, %[3]s, in])", x, w, plural(max(spatial, 1), "spatial axis"))
	}
	general := op == "conv_general"
	if !general && (c.PaddingBehind != nil || c.InputDilation != nil || c.Flip) || !isTransposed(op) && c.OutputPadding != nil {
		return failed(op, ErrShape, "PaddingBehind, InputDilation and Flip are for conv_general, OutputPadding is for conv_transpose")
	}
	in, out := x.Dim(-1), w.Dim(0)
	if c.Groups < 1 || in < 1 || out < 1 || in != w.Dim(-1)*c.Groups || out%c.Groups != 0 {
		return failed(op, ErrShape, "input %s and weight %s in %s", x, w, plural(c.Groups, "group"))
	}
	return nil
}

// convSteps are the options of a Conv, a number for each spatial axis.
type convSteps struct {
	stride, dilation, inputDilation []int32
	before, behind                  []int32 // padding of the input
	output                          []int32 // padding of the result
}

func (c Conv) steps(op string, spatial int) (p convSteps, bad *Array) {
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
	p.stride = full("stride", c.Stride, 1, 1)
	p.before = full("padding", c.Padding, 0, 0)
	p.dilation = full("dilation", c.Dilation, 1, 1)
	p.behind = p.before
	if c.PaddingBehind != nil {
		p.behind = full("padding behind", c.PaddingBehind, 0, 0)
	}
	p.inputDilation = full("input dilation", c.InputDilation, 1, 1)
	p.output = full("output padding", c.OutputPadding, 0, 0)
	return p, bad
}

// reach refuses a spatial axis along which nothing is left, or more than 32 bits count.
func (p convSteps) reach(op string, x, w *Array) *Array {
	in, out := x.Dim(-1), w.Dim(0)
	for i := range p.stride {
		n, k := float64(x.Dim(i+1)), float64(w.Dim(i+1))
		if n < 1 || k < 1 {
			return failed(op, ErrShape, "input %s and weight %s have an empty axis", x, w)
		}
		reach := float64(p.dilation[i])*(k-1) + 1
		length := (n-1)*float64(p.inputDilation[i]) + 1 + float64(p.before[i]) + float64(p.behind[i])
		if isTransposed(op) {
			length = (n-1)*float64(p.stride[i]) + reach - 2*float64(p.before[i]) + float64(p.output[i])
			if length < 1 {
				return failed(op, ErrShape, "no result is left along spatial axis %d of %s with padding %d", i, x, p.before[i])
			}
		} else if length < reach {
			return failed(op, ErrShape, "the weight %s reaches over %v places of the %v along spatial axis %d of %s with its padding", w, reach, length, i, x)
		}
		if max(length, reach)*float64(max(in, out, 1)) > math.MaxInt32 {
			return failed(op, ErrMemory, "spatial axis %d of %s becomes %v long", i, x, length)
		}
	}
	return nil
}

// call calls op's C function.
func (p convSteps) call(op string, c Conv, res *capi.Array, x, w capi.Array, s capi.Stream) int32 {
	st, pad, d, o, g := p.stride, p.before, p.dilation, p.output, int32(c.Groups)
	switch op {
	case "conv1d":
		return capi.Conv1d(res, x, w, st[0], pad[0], d[0], g, s)
	case "conv2d":
		return capi.Conv2d(res, x, w, st[0], st[1], pad[0], pad[1], d[0], d[1], g, s)
	case "conv3d":
		return capi.Conv3d(res, x, w, st[0], st[1], st[2], pad[0], pad[1], pad[2], d[0], d[1], d[2], g, s)
	case "conv_transpose1d":
		return capi.ConvTranspose1d(res, x, w, st[0], pad[0], d[0], o[0], g, s)
	case "conv_transpose2d":
		return capi.ConvTranspose2d(res, x, w, st[0], st[1], pad[0], pad[1], d[0], d[1], o[0], o[1], g, s)
	case "conv_transpose3d":
		return capi.ConvTranspose3d(res, x, w, st[0], st[1], st[2], pad[0], pad[1], pad[2], d[0], d[1], d[2], o[0], o[1], o[2], g, s)
	}
	return capi.ConvGeneral(res, x, w, st, pad, p.behind, d, p.inputDilation, g, c.Flip, s)
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
