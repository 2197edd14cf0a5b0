package nn

import "github.com/mlxlens/mlxlens/mlx"

// Conv is a convolution over one to three axes, as many as its weight has between the first
// and the last: mlx.nn's Conv1d, Conv2d and Conv3d.
type Conv struct {
	Weight *mlx.Array // [out, kernel..., in/groups]
	Bias   *mlx.Array // [out], or nil
	How    mlx.Conv   // strides, padding, dilation, groups
}

// NewConv returns a convolution with weights evenly distributed in ±1/√(in·kernel) and a bias of
// 0, if there is one. kernel has a length for each axis.
func NewConv(keys *Keys, in, out int, kernel []int, bias bool, how mlx.Conv) *Conv {
	groups := max(how.Groups, 1)
	c := &Conv{How: how}
	if in%groups != 0 {
		c.Weight = failed("conv", mlx.ErrShape, "%d channels in %d groups (want: a multiple)", in, groups)
		return c
	}
	c.Weight, c.Bias = kernels(keys, in, out, in/groups, kernel, bias)
	return c
}

func kernels(keys *Keys, in, out, depth int, kernel []int, bias bool) (w, b *mlx.Array) {
	fan, shape := in, []int{out}
	for _, k := range kernel {
		fan *= k
		shape = append(shape, k)
	}
	if bias {
		b = none(keys, out)
	}
	return uniform(keys, fan, append(shape, depth)...), b
}

// Forward maps [batch, space..., in] to [batch, space..., out].
func (c *Conv) Forward(x *mlx.Array) *mlx.Array {
	return convolved("conv", x, c.Weight, c.Bias, c.How, mlx.Conv1D, mlx.Conv2D, mlx.Conv3D)
}

func convolved(op string, x, w, b *mlx.Array, how mlx.Conv, f ...func(x, w *mlx.Array, c mlx.Conv) *mlx.Array) *mlx.Array {
	if bad := wrong(x, w); bad != nil {
		return bad
	}
	space := w.Ndim() - 2
	if space < 1 || space > len(f) {
		return failed(op, mlx.ErrShape, "weight %v (want: one to three axes between the first and the last)", w.Shape())
	}
	y := f[space-1](x, w, how)
	if b != nil {
		y = mlx.Add(y, b)
	}
	return y
}

// ConvTranspose is the transpose of a convolution over one to three axes: mlx.nn's
// ConvTranspose1d, ConvTranspose2d and ConvTranspose3d.
type ConvTranspose struct {
	Weight *mlx.Array // [out, kernel..., in]
	Bias   *mlx.Array // [out], or nil
	How    mlx.Conv   // strides, padding, dilation, output padding
}

// NewConvTranspose returns one with weights evenly distributed in ±1/√(in·kernel) and a bias of
// 0, if there is one.
func NewConvTranspose(keys *Keys, in, out int, kernel []int, bias bool, how mlx.Conv) *ConvTranspose {
	c := &ConvTranspose{How: how}
	c.Weight, c.Bias = kernels(keys, in, out, in, kernel, bias)
	return c
}

// Forward maps [batch, space..., in] to [batch, space..., out].
func (c *ConvTranspose) Forward(x *mlx.Array) *mlx.Array {
	return convolved("conv_transpose", x, c.Weight, c.Bias, c.How, mlx.ConvTranspose1D, mlx.ConvTranspose2D, mlx.ConvTranspose3D)
}
