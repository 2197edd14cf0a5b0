package mlx

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
	"github.com/mlxlens/mlxlens/mlx/internal/gate"
)

// KernelSource is the source of a function that runs on the GPU, a thread for each element of
// a grid. MLX writes the signature: Source is its body alone, in Metal's or CUDA's language,
// with the names given here and, where Source mentions them, the inputs' shapes, strides and
// numbers of axes as name_shape, name_strides, name_ndim.
type KernelSource struct {
	Name    string   // of the function
	Inputs  []string // names of the inputs
	Outputs []string // names of the results
	Source  string   // the body
	Header  string   // what stands before the function: includes, helpers

	Strided      bool // inputs come in the layout that they have; else row-major
	Atomic       bool // the results are atomic, Metal only
	SharedMemory int  // bytes of dynamic shared memory, CUDA only
}

// Launch says how a kernel runs.
type Launch struct {
	Grid        [3]int // threads along each axis
	ThreadGroup [3]int // threads of a group along each axis
	Outputs     []KernelOutput
	Init        *float64       // what the results are filled with before, nil for nothing
	Template    map[string]any // constants of the source by name: an int, a bool or a Dtype
	Verbose     bool           // print the whole source
}

// KernelOutput is the shape and type of a result.
type KernelOutput struct {
	Shape []int
	Dtype Dtype
}

// check refuses what the library would crash on or what names nothing.
func (k KernelSource) check(op string) *Error {
	if k.Name == "" || len(k.Outputs) == 0 || k.Source == "" {
		return newError(op, ErrShape, "a kernel needs a name, a result and a source")
	}
	for _, name := range slices.Concat([]string{k.Name}, k.Inputs, k.Outputs) {
		for i, r := range name {
			if !(r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || i > 0 && r >= '0' && r <= '9') {
				return newError(op, ErrIndex, fmt.Sprintf("%q is no identifier", name))
			}
		}
	}
	if strings.ContainsRune(k.Source+k.Header, 0) {
		return newError(op, ErrIndex, "the source has a NUL")
	}
	return nil
}

// echoed is source that the library may print as a format, in an error of the GPU's compiler:
// a spliced line behind each % leaves it the same source, and no format.
func echoed(source string) *byte { return capi.Bytes(strings.ReplaceAll(source, "%", "%\\\n")) }

// names makes a list of texts.
func names(texts []string) capi.VectorString {
	list := capi.VectorStringNew()
	for _, text := range texts {
		capi.VectorStringAppendValue(list, capi.Bytes(text))
	}
	return list
}

func (l Launch) check(op string, k KernelSource, inputs []*Array) *Error {
	if len(inputs) != len(k.Inputs) || len(l.Outputs) != len(k.Outputs) {
		return newError(op, ErrShape, fmt.Sprintf("%d inputs and %d results for a kernel of %v and %v", len(inputs), len(l.Outputs), k.Inputs, k.Outputs))
	}
	for i := range 3 {
		if g, t := l.Grid[i], l.ThreadGroup[i]; g < 1 || t < 1 || g > 1<<30 || t > 1024 {
			return newError(op, ErrShape, fmt.Sprintf("a grid of %v in groups of %v (have: 1 and more along each axis)", l.Grid, l.ThreadGroup))
		}
	}
	for _, o := range l.Outputs {
		if e := checkShape(op, o.Shape, o.Dtype); e != nil {
			return e
		}
	}
	for name, v := range l.Template {
		if e := (KernelSource{Name: name, Outputs: k.Outputs, Source: k.Source}).check(op); e != nil {
			return e
		}
		switch v := v.(type) {
		case int, bool:
		case Dtype:
			if !v.valid() {
				return newError(op, ErrDtype, fmt.Sprintf("%s is %v, which is no data type", name, v))
			}
		default:
			return newError(op, ErrDtype, fmt.Sprintf("%s is a %T (have: int, bool, mlx.Dtype)", name, v))
		}
	}
	return nil
}

// MetalKernel is a kernel for Apple's GPUs.
type MetalKernel struct {
	source KernelSource
	h      capi.FastMetalKernel
}

// NewMetalKernel prepares a kernel; the GPU's compiler sees it when a result is evaluated.
// Binds mlx_fast_metal_kernel_new.
func NewMetalKernel(k KernelSource) (*MetalKernel, error) {
	const op = "metal_kernel"
	if err := Load(); err != nil {
		return nil, err
	}
	if e := k.check(op); e != nil {
		return nil, e
	}
	if !MetalAvailable() {
		return nil, newError(op, ErrDevice, "this library was not built for Metal, or finds no GPU")
	}
	kernel := &MetalKernel{source: k}
	in, out := names(k.Inputs), names(k.Outputs)
	kernel.h = capi.FastMetalKernelNew(capi.Bytes(k.Name), in, out, echoed(k.Source), echoed(k.Header), !k.Strided, k.Atomic)
	capi.VectorStringFree(in)
	capi.VectorStringFree(out)
	if kernel.h == 0 {
		return nil, mlxError(op, nil)
	}
	runtime.AddCleanup(kernel, func(h capi.FastMetalKernel) {
		gate.Later(func() { capi.FastMetalKernelFree(h) })
	}, kernel.h)
	return kernel, nil
}

// Call returns the kernel's results for the inputs.
// Binds mlx_fast_metal_kernel_apply and mlx_fast_metal_kernel_config_*.
func (k *MetalKernel) Call(l Launch, inputs ...*Array) []*Array {
	const op = "metal_kernel"
	fail := func(a *Array) []*Array { return slices.Repeat([]*Array{a}, len(k.source.Outputs)) }
	if bad := required(op, inputs...); bad != nil {
		return fail(bad)
	}
	if e := l.check(op, k.source, inputs); e != nil {
		return fail(&Array{err: e})
	}
	defer runtime.KeepAlive(k)
	config := capi.FastMetalKernelConfigNew()
	defer capi.FastMetalKernelConfigFree(config)
	s := capi.FastMetalKernelConfigSetGrid(config, c32(l.Grid[0]), c32(l.Grid[1]), c32(l.Grid[2]))
	s |= capi.FastMetalKernelConfigSetThreadGroup(config, c32(l.ThreadGroup[0]), c32(l.ThreadGroup[1]), c32(l.ThreadGroup[2]))
	s |= capi.FastMetalKernelConfigSetVerbose(config, l.Verbose)
	if l.Init != nil {
		s |= capi.FastMetalKernelConfigSetInitValue(config, float32(*l.Init))
	}
	for _, o := range l.Outputs {
		s |= capi.FastMetalKernelConfigAddOutputArg(config, int32s(o.Shape), capi.Dtype(o.Dtype))
	}
	for _, name := range slices.Sorted(maps.Keys(l.Template)) {
		switch v := l.Template[name].(type) {
		case int:
			s |= capi.FastMetalKernelConfigAddTemplateArgInt(config, capi.Bytes(name), c32(v))
		case bool:
			s |= capi.FastMetalKernelConfigAddTemplateArgBool(config, capi.Bytes(name), v)
		case Dtype:
			s |= capi.FastMetalKernelConfigAddTemplateArgDtype(config, capi.Bytes(name), capi.Dtype(v))
		}
	}
	if s != 0 {
		return fail(&Array{err: mlxError(op, inputs)})
	}
	out := buildList(op, inputs, func(res *capi.VectorArray, st capi.Stream) int32 {
		list := vector(inputs)
		defer capi.VectorArrayFree(list)
		return capi.FastMetalKernelApply(res, k.h, list, config, st)
	})
	if out[0].err != nil {
		return fail(out[0])
	}
	return out
}

// CUDAKernel is a kernel for Nvidia's GPUs.
type CUDAKernel struct {
	source KernelSource
	h      capi.FastCudaKernel
}

// NewCUDAKernel prepares a kernel; the GPU's compiler sees it when a result is evaluated.
// Binds mlx_fast_cuda_kernel_new.
func NewCUDAKernel(k KernelSource) (*CUDAKernel, error) {
	const op = "cuda_kernel"
	if err := Load(); err != nil {
		return nil, err
	}
	if e := k.check(op); e != nil {
		return nil, e
	}
	if !CUDAAvailable() {
		return nil, newError(op, ErrDevice, "this library was not built for CUDA, or finds no GPU")
	}
	kernel := &CUDAKernel{source: k}
	in, out := names(k.Inputs), names(k.Outputs)
	kernel.h = capi.FastCudaKernelNew(capi.Bytes(k.Name), in, out, echoed(k.Source), echoed(k.Header), !k.Strided, c32(k.SharedMemory))
	capi.VectorStringFree(in)
	capi.VectorStringFree(out)
	if kernel.h == 0 {
		return nil, mlxError(op, nil)
	}
	runtime.AddCleanup(kernel, func(h capi.FastCudaKernel) {
		gate.Later(func() { capi.FastCudaKernelFree(h) })
	}, kernel.h)
	return kernel, nil
}

// Call returns the kernel's results for the inputs.
// Binds mlx_fast_cuda_kernel_apply and mlx_fast_cuda_kernel_config_*.
func (k *CUDAKernel) Call(l Launch, inputs ...*Array) []*Array {
	const op = "cuda_kernel"
	fail := func(a *Array) []*Array { return slices.Repeat([]*Array{a}, len(k.source.Outputs)) }
	if bad := required(op, inputs...); bad != nil {
		return fail(bad)
	}
	if e := l.check(op, k.source, inputs); e != nil {
		return fail(&Array{err: e})
	}
	defer runtime.KeepAlive(k)
	config := capi.FastCudaKernelConfigNew()
	defer capi.FastCudaKernelConfigFree(config)
	s := capi.FastCudaKernelConfigSetGrid(config, c32(l.Grid[0]), c32(l.Grid[1]), c32(l.Grid[2]))
	s |= capi.FastCudaKernelConfigSetThreadGroup(config, c32(l.ThreadGroup[0]), c32(l.ThreadGroup[1]), c32(l.ThreadGroup[2]))
	s |= capi.FastCudaKernelConfigSetVerbose(config, l.Verbose)
	if l.Init != nil {
		s |= capi.FastCudaKernelConfigSetInitValue(config, float32(*l.Init))
	}
	for _, o := range l.Outputs {
		s |= capi.FastCudaKernelConfigAddOutputArg(config, int32s(o.Shape), capi.Dtype(o.Dtype))
	}
	for _, name := range slices.Sorted(maps.Keys(l.Template)) {
		switch v := l.Template[name].(type) {
		case int:
			s |= capi.FastCudaKernelConfigAddTemplateArgInt(config, capi.Bytes(name), c32(v))
		case bool:
			s |= capi.FastCudaKernelConfigAddTemplateArgBool(config, capi.Bytes(name), v)
		case Dtype:
			s |= capi.FastCudaKernelConfigAddTemplateArgDtype(config, capi.Bytes(name), capi.Dtype(v))
		}
	}
	if s != 0 {
		return fail(&Array{err: mlxError(op, inputs)})
	}
	out := buildList(op, inputs, func(res *capi.VectorArray, st capi.Stream) int32 {
		list := vector(inputs)
		defer capi.VectorArrayFree(list)
		return capi.FastCudaKernelApply(res, k.h, list, config, st)
	})
	if out[0].err != nil {
		return fail(out[0])
	}
	return out
}
