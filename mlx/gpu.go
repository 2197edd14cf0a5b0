package mlx

import (
	"fmt"
	"strings"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// MetalAvailable reports whether the library was built for Apple's GPUs and found one.
// Binds mlx_metal_is_available.
func MetalAvailable() bool { return available(capi.MetalIsAvailable) }

// CUDAAvailable reports whether the library was built for Nvidia's GPUs and found one.
// Binds mlx_cuda_is_available.
func CUDAAvailable() bool { return available(capi.CudaIsAvailable) }

func available(f func(*bool) int32) bool {
	if Load() != nil {
		return false
	}
	var yes bool
	if f(&yes) != 0 {
		capi.TakeError()
		return false
	}
	return yes
}

// StartCapture records what the GPU does, for Xcode, into a new file whose name ends in
// .gputrace. The process needs MTL_CAPTURE_ENABLED=1. Binds mlx_metal_start_capture.
func StartCapture(path string) error {
	return metal("start_capture", func() error {
		if e := printable("start_capture", "the path", path); e != nil {
			return e
		}
		return status("start_capture", capi.MetalStartCapture(capi.Bytes(path)))
	})
}

// StopCapture ends what StartCapture began. Binds mlx_metal_stop_capture.
func StopCapture() error {
	return metal("stop_capture", func() error { return status("stop_capture", capi.MetalStopCapture()) })
}

// MetallibPath returns the file of GPU functions that MLX has loaded or will load.
// Binds mlx_metal_get_metallib_path.
func MetallibPath() (path string, err error) {
	err = metal("metallib_path", func() error {
		var text capi.String
		if capi.MetalGetMetallibPath(&text) != 0 {
			return mlxError("metallib_path", nil)
		}
		path = capi.StringData(text).String()
		capi.StringFree(text)
		return nil
	})
	return path, err
}

// SetMetallibPath names that file, before MLX has used the GPU.
// Binds mlx_metal_set_metallib_path.
func SetMetallibPath(path string) error {
	return metal("set_metallib_path", func() error {
		if e := printable("set_metallib_path", "the path", path); e != nil {
			return e
		}
		return status("set_metallib_path", capi.MetalSetMetallibPath(capi.Bytes(path)))
	})
}

// metal calls f inside the gate where there is a Metal library.
func metal(op string, f func() error) error {
	if err := Load(); err != nil {
		return err
	}
	if !MetalAvailable() {
		return newError(op, ErrDevice, "this library was not built for Metal, or finds no GPU")
	}
	return inGate(op, f)
}

// status is the error of a function without operands.
func status(op string, s int32) error {
	if s != 0 {
		return mlxError(op, nil)
	}
	return nil
}

// printable refuses text that the library, when it echoes it, would take for a format or cut
// short.
func printable(op, what, text string) *Error {
	if i := strings.IndexAny(text, "%\x00"); i >= 0 {
		return newError(op, ErrIndex, fmt.Sprintf("%s %q has the character %q, which MLX cannot take there", what, text, text[i]))
	}
	return nil
}
