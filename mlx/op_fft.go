package mlx

import (
	"strconv"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// Fourier transforms are computed in complex64. n is the length along the axis after zeros are
// added or elements cut off; 0 keeps the length.

// FFTNorm says where the factor 1/N goes.
type FFTNorm uint8

// Where the factor of a transform and its inverse goes.
const (
	Backward = FFTNorm(capi.FftNormBackward) // into the inverse
	Ortho    = FFTNorm(capi.FftNormOrtho)    // √ of it into each
	Forward  = FFTNorm(capi.FftNormForward)  // into the transform
)

func (n FFTNorm) valid() bool { return n <= Forward }

type fourier = func(res *capi.Array, a capi.Array, n, axis int32, norm capi.FftNorm, s capi.Stream) int32
type fourierN = func(res *capi.Array, a capi.Array, n, axes []int32, norm capi.FftNorm, s capi.Stream) int32

// transform calls a transform of one axis. half says which side of it is the half spectrum.
func transform(op string, f fourier, x *Array, n, axis int, norm FFTNorm, half bool) *Array {
	if bad := required(op, x); bad != nil {
		return bad
	}
	if x.err != nil {
		return x
	}
	if !norm.valid() {
		return failed(op, ErrIndex, "there is no norm %d", norm)
	}
	if n == 0 {
		n = x.Dim(axis)
		if half {
			n = 2 * (n - 1)
		}
	}
	if e := lengths(op, x, []int{n}, []int{axis}); e != nil {
		return &Array{err: e}
	}
	return build(op, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return f(res, x.h, c32(n), c32(axis), capi.FftNorm(norm), s)
	})
}

// transformN calls a transform of several axes: the last two or all when none are given.
func transformN(op string, f fourierN, two bool, x *Array, lengthsOf, axes []int, norm FFTNorm, half bool) *Array {
	if bad := required(op, x); bad != nil {
		return bad
	}
	if x.err != nil {
		return x
	}
	if !norm.valid() {
		return failed(op, ErrIndex, "there is no norm %d", norm)
	}
	if len(axes) == 0 {
		from := 0
		if two {
			from = x.Ndim() - 2
		}
		if len(lengthsOf) > 0 {
			from = x.Ndim() - len(lengthsOf)
		}
		for i := max(from, 0); i < x.Ndim(); i++ {
			axes = append(axes, i)
		}
	}
	if two && len(axes) != 2 || len(axes) == 0 || len(lengthsOf) > 0 && len(lengthsOf) != len(axes) {
		return failed(op, ErrShape, "lengths %v and axes %v for %s", lengthsOf, axes, x)
	}
	n := make([]int, len(axes))
	for i, axis := range axes {
		switch {
		case len(lengthsOf) > 0 && lengthsOf[i] != 0:
			n[i] = lengthsOf[i]
		case half && i == len(axes)-1:
			n[i] = 2 * (x.Dim(axis) - 1)
		default:
			n[i] = x.Dim(axis)
		}
	}
	if e := lengths(op, x, n, axes); e != nil {
		return &Array{err: e}
	}
	return build(op, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return f(res, x.h, int32s(n), int32s(axes), capi.FftNorm(norm), s)
	})
}

// lengths checks what MLX multiplies and allocates.
func lengths(op string, x *Array, n, axes []int) *Error {
	shape := x.Shape()
	for i, axis := range axes {
		if axis < 0 {
			axis += len(shape)
		}
		if axis < 0 || axis >= len(shape) {
			return newError(op, ErrIndex, "axis "+strconv.Itoa(axes[i])+" of "+x.String())
		}
		if n[i] < 1 {
			return newError(op, ErrShape, "length "+strconv.Itoa(n[i])+" along axis "+strconv.Itoa(axes[i])+" of "+x.String()+" (have: 1 and more)")
		}
		shape[axis] = n[i]
	}
	return checkShape(op, shape, Complex64)
}

// FFT returns Σ x[n]·e^(−2πikn/N) along axis, normalised as norm says. Binds mlx_fft_fft.
func FFT(x *Array, n, axis int, norm FFTNorm) *Array {
	return transform("fft", capi.FftFft, x, n, axis, norm, false)
}

// IFFT returns 1/N·Σ x[k]·e^(2πikn/N) along axis, the inverse of FFT, normalised as norm says.
// Binds mlx_fft_ifft.
func IFFT(x *Array, n, axis int, norm FFTNorm) *Array {
	return transform("ifft", capi.FftIfft, x, n, axis, norm, false)
}

// RFFT returns the first N/2+1 values of FFT along axis, which hold all of a real x, normalised
// as norm says. Binds mlx_fft_rfft.
func RFFT(x *Array, n, axis int, norm FFTNorm) *Array {
	return transform("rfft", capi.FftRfft, x, n, axis, norm, false)
}

// IRFFT returns the real inverse of RFFT along axis, normalised as norm says. n is the length of
// the result along it; 0 stands for 2·(length−1). Binds mlx_fft_irfft.
func IRFFT(x *Array, n, axis int, norm FFTNorm) *Array {
	return transform("irfft", capi.FftIrfft, x, n, axis, norm, true)
}

// FFT2 is FFT over the last two axes, or the two given. lengths holds one for each axis, or is nil.
// Binds mlx_fft_fft2.
func FFT2(x *Array, lengths, axes []int, norm FFTNorm) *Array {
	return transformN("fft2", capi.FftFft2, true, x, lengths, axes, norm, false)
}

// FFTN is FFT over all axes, or those given. lengths holds one for each axis, or is nil.
// Binds mlx_fft_fftn.
func FFTN(x *Array, lengths, axes []int, norm FFTNorm) *Array {
	return transformN("fftn", capi.FftFftn, false, x, lengths, axes, norm, false)
}

// IFFT2 is IFFT over the last two axes, or the two given. lengths holds one for each axis, or is nil.
// Binds mlx_fft_ifft2.
func IFFT2(x *Array, lengths, axes []int, norm FFTNorm) *Array {
	return transformN("ifft2", capi.FftIfft2, true, x, lengths, axes, norm, false)
}

// IFFTN is IFFT over all axes, or those given. lengths holds one for each axis, or is nil.
// Binds mlx_fft_ifftn.
func IFFTN(x *Array, lengths, axes []int, norm FFTNorm) *Array {
	return transformN("ifftn", capi.FftIfftn, false, x, lengths, axes, norm, false)
}

// RFFT2 is RFFT over the last two axes, or the two given. The last of them is halved, as RFFT does.
// lengths holds one for each axis, or is nil. Binds mlx_fft_rfft2.
func RFFT2(x *Array, lengths, axes []int, norm FFTNorm) *Array {
	return transformN("rfft2", capi.FftRfft2, true, x, lengths, axes, norm, false)
}

// RFFTN is RFFT over all axes, or those given. The last of them is halved, as RFFT does.
// lengths holds one for each axis, or is nil. Binds mlx_fft_rfftn.
func RFFTN(x *Array, lengths, axes []int, norm FFTNorm) *Array {
	return transformN("rfftn", capi.FftRfftn, false, x, lengths, axes, norm, false)
}

// IRFFT2 is IRFFT over the last two axes, or the two given. The last of them is the halved one.
// lengths holds one for each axis, or is nil. Binds mlx_fft_irfft2.
func IRFFT2(x *Array, lengths, axes []int, norm FFTNorm) *Array {
	return transformN("irfft2", capi.FftIrfft2, true, x, lengths, axes, norm, true)
}

// IRFFTN is IRFFT over all axes, or those given. The last of them is the halved one.
// lengths holds one for each axis, or is nil. Binds mlx_fft_irfftn.
func IRFFTN(x *Array, lengths, axes []int, norm FFTNorm) *Array {
	return transformN("irfftn", capi.FftIrfftn, false, x, lengths, axes, norm, true)
}

// FFTShift returns x with frequency 0 moved to the middle of axes; none means all. Binds mlx_fft_fftshift.
func FFTShift(x *Array, axes ...int) *Array { return shifted("fftshift", capi.FftFftshift, x, axes) }

// IFFTShift returns x as it was before FFTShift. Binds mlx_fft_ifftshift.
func IFFTShift(x *Array, axes ...int) *Array { return shifted("ifftshift", capi.FftIfftshift, x, axes) }

func shifted(op string, f func(*capi.Array, capi.Array, []int32, capi.Stream) int32, x *Array, axes []int) *Array {
	if bad := required(op, x); bad != nil {
		return bad
	}
	if len(axes) == 0 {
		for i := range x.Ndim() {
			axes = append(axes, i)
		}
	}
	return buildIn(op, nil, same, []*Array{x}, func(res *capi.Array, s capi.Stream) int32 {
		return f(res, x.h, int32s(axes), s)
	})
}

// FFTFreq returns the frequencies of FFT's n values for samples at distance d, in cycles per
// unit of d: 0, 1, … and the negative ones, over n·d. Binds mlx_fft_fftfreq.
func FFTFreq(s *Scope, n int, d float64) *Array {
	return frequencies("fftfreq", capi.FftFftfreq, s, n, n, d)
}

// RFFTFreq returns the frequencies of RFFT's n/2+1 values. Binds mlx_fft_rfftfreq.
func RFFTFreq(s *Scope, n int, d float64) *Array {
	return frequencies("rfftfreq", capi.FftRfftfreq, s, n, n/2+1, d)
}

func frequencies(op string, f func(*capi.Array, int32, float64, capi.Stream) int32, s *Scope, n, length int, d float64) *Array {
	if n < 1 || d == 0 {
		return failed(op, ErrShape, "%d samples at distance %v (have: 1 and more, and a distance other than 0)", n, d)
	}
	return create(op, s, []int{length}, Float32, nil, func(res *capi.Array, st capi.Stream) int32 {
		return f(res, c32(n), d, st)
	})
}
