package mlx

import (
	"fmt"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
	"github.com/mlxlens/mlxlens/mlx/internal/gate"
)

// Device is where arrays are computed.
type Device uint8

// The devices of MLX.
const (
	CPU Device = iota
	GPU        // Apple's through Metal, or Nvidia's through CUDA
)

func (d Device) String() string {
	switch d {
	case CPU:
		return "cpu"
	case GPU:
		return "gpu"
	}
	return fmt.Sprintf("device(%d)", uint8(d))
}

func (d Device) kind() capi.DeviceType {
	if d == GPU {
		return capi.DeviceTypeGpu
	}
	return capi.DeviceTypeCpu
}

// DefaultDevice returns the GPU when the library can use one, and the CPU when it cannot, or cannot be
// loaded.
func DefaultDevice() Device {
	if GPU.Available() {
		return GPU
	}
	return CPU
}

// Available reports whether the library can compute on d.
// Binds mlx_device_is_available.
func (d Device) Available() bool {
	return Load() == nil && (d == CPU || d == GPU && loaded.gpu)
}

// Count returns how many devices of d's kind the machine has; mlx uses the first.
// Binds mlx_device_count.
func (d Device) Count() (int, error) {
	if err := Load(); err != nil {
		return 0, err
	}
	var n int32
	if capi.DeviceCount(&n, d.kind()) != 0 {
		return 0, mlxError("device_count", nil)
	}
	return int(n), nil
}

// Info returns what MLX tells of the device, each value a string or an int: its name,
// architecture and memory. Binds mlx_device_info_get, mlx_device_info_get_*.
func (d Device) Info() (map[string]any, error) {
	const op = "device_info"
	if err := Load(); err != nil {
		return nil, err
	}
	dev := gate.Device(d.kind())
	if d > GPU || dev == 0 {
		return nil, newError(op, ErrDevice, fmt.Sprintf("the library cannot use %v (have: %v)", d, loaded.library.Devices))
	}
	var info capi.DeviceInfo
	if capi.DeviceInfoGet(&info, dev) != 0 {
		return nil, mlxError(op, nil)
	}
	defer capi.DeviceInfoFree(info)
	var keys capi.VectorString
	if capi.DeviceInfoGetKeys(&keys, info) != 0 {
		return nil, mlxError(op, nil)
	}
	defer capi.VectorStringFree(keys)
	out := map[string]any{}
	for _, key := range stringList(keys) {
		name := capi.Bytes(key)
		var text bool
		if capi.DeviceInfoIsString(&text, info, name) != 0 {
			continue
		}
		if text {
			var value capi.CString
			if capi.DeviceInfoGetString(&value, info, name) == 0 {
				out[key] = value.String()
			}
			continue
		}
		var value int
		if capi.DeviceInfoGetSize(&value, info, name) == 0 {
			out[key] = value
		}
	}
	return out, nil
}

// stringList copies the texts of a list.
func stringList(list capi.VectorString) []string {
	out := make([]string, capi.VectorStringSize(list))
	for i := range out {
		var text capi.CString
		if capi.VectorStringGet(&text, list, i) == 0 {
			out[i] = text.String()
		}
	}
	return out
}

// Stream is a queue of computations on a device, one after the other; those of
// different streams overlap where no array depends on the other. Each device has a
// stream that every goroutine uses in turn, and further ones are for work that shall
// run beside it. A stream is named by the scope that arrays are made in, and results
// follow their operands.
type Stream uint16

// DefaultStream returns the stream that a device has from the start.
func DefaultStream(d Device) Stream { return Stream(d) }

// NewStream makes one more stream on a device. It lasts as long as the process, and a
// process has at most 256. Any goroutine may use it.
// Binds mlx_stream_new_thread_unsafe.
func NewStream(d Device) (Stream, error) {
	if err := Load(); err != nil {
		return 0, err
	}
	n, err := gate.NewStream(d.kind())
	if err != nil || d > GPU {
		return 0, newError("new_stream", ErrDevice, fmt.Sprintf("%v: %v", d, err))
	}
	return Stream(n), nil
}

// Streams returns the streams that were made on usable devices, the devices' own first.
func Streams() []Stream {
	if Load() != nil {
		return nil
	}
	var out []Stream
	for i := range gate.NumStreams() {
		if gate.Stream(i) != 0 {
			out = append(out, Stream(i))
		}
	}
	return out
}

// Device returns where the stream computes.
func (s Stream) Device() Device {
	if int(s) < gate.NumStreams() && gate.Kind(int(s)) == capi.DeviceTypeGpu || s == Stream(GPU) {
		return GPU
	}
	return CPU
}

func (s Stream) String() string { return fmt.Sprintf("stream(%v, %d)", s.Device(), uint16(s)) }

// Scope returns a scope on the stream that owns nothing; its NewScope makes one that owns.
func (s Stream) Scope() *Scope { return &Scope{stream: s} }

// Synchronize waits until all that was started on the stream is done.
// Binds mlx_synchronize.
func (s Stream) Synchronize() error {
	if err := Load(); err != nil {
		return err
	}
	if s.handle() == 0 {
		return newError("synchronize", ErrDevice, fmt.Sprintf("there is no %v", s))
	}
	return s.synchronize("synchronize")
}

// provenMLX is the release of MLX that this package was written against.
const provenMLX = "0.32.2"

// handle returns the library's stream, 0 for one that was never made.
func (s Stream) handle() capi.Stream {
	if int(s) >= gate.MaxStreams {
		return 0
	}
	return gate.Stream(int(s))
}
