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

	Strided      bool // inputs come in the layout that they have, and not in row-major order
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
	h, err := metalKernels.prepare(k)
	if err != nil {
		return nil, err
	}
	kernel := &MetalKernel{k, h}
	runtime.AddCleanup(kernel, metalKernels.freeLater, h)
	return kernel, nil
}

// Call returns the kernel's results for the inputs.
// Binds mlx_fast_metal_kernel_apply and mlx_fast_metal_kernel_config_*.
func (k *MetalKernel) Call(l Launch, inputs ...*Array) []*Array {
	if k == nil {
		k = &MetalKernel{}
	}
	defer runtime.KeepAlive(k)
	return metalKernels.call(k.source, k.h, l, inputs)
}

// CUDAKernel is a kernel for Nvidia's GPUs.
type CUDAKernel struct {
	source KernelSource
	h      capi.FastCudaKernel
}

// NewCUDAKernel prepares a kernel; the GPU's compiler sees it when a result is evaluated.
// Binds mlx_fast_cuda_kernel_new.
func NewCUDAKernel(k KernelSource) (*CUDAKernel, error) {
	h, err := cudaKernels.prepare(k)
	if err != nil {
		return nil, err
	}
	kernel := &CUDAKernel{k, h}
	runtime.AddCleanup(kernel, cudaKernels.freeLater, h)
	return kernel, nil
}

// Call returns the kernel's results for the inputs.
// Binds mlx_fast_cuda_kernel_apply and mlx_fast_cuda_kernel_config_*.
func (k *CUDAKernel) Call(l Launch, inputs ...*Array) []*Array {
	if k == nil {
		k = &CUDAKernel{}
	}
	defer runtime.KeepAlive(k)
	return cudaKernels.call(k.source, k.h, l, inputs)
}

// kernelFunctions are the library's functions for one kind of kernel: K is its handle of a
// kernel, C that of how one is launched.
type kernelFunctions[K, C ~uintptr] struct {
	op        string
	language  string
	available func() bool

	create func(k KernelSource, inputs, outputs capi.VectorString, source, header *byte) K
	free   func(K)
	apply  func(res *capi.VectorArray, k K, inputs capi.VectorArray, config C, s capi.Stream) int32

	newConfig        func() C
	freeConfig       func(C)
	setGrid          func(c C, x, y, z int32) int32
	setThreadGroup   func(c C, x, y, z int32) int32
	setVerbose       func(c C, verbose bool) int32
	setInitValue     func(c C, value float32) int32
	addOutput        func(c C, shape []int32, d capi.Dtype) int32
	addTemplateInt   func(c C, name *byte, value int32) int32
	addTemplateBool  func(c C, name *byte, value bool) int32
	addTemplateDtype func(c C, name *byte, value capi.Dtype) int32
}

var metalKernels = kernelFunctions[capi.FastMetalKernel, capi.FastMetalKernelConfig]{
	op: "metal_kernel", language: "Metal", available: MetalAvailable,
	create: func(k KernelSource, inputs, outputs capi.VectorString, source, header *byte) capi.FastMetalKernel {
		return capi.FastMetalKernelNew(capi.Bytes(k.Name), inputs, outputs, source, header, !k.Strided, k.Atomic)
	},
	free: capi.FastMetalKernelFree, apply: capi.FastMetalKernelApply,
	newConfig: capi.FastMetalKernelConfigNew, freeConfig: capi.FastMetalKernelConfigFree,
	setGrid: capi.FastMetalKernelConfigSetGrid, setThreadGroup: capi.FastMetalKernelConfigSetThreadGroup,
	setVerbose: capi.FastMetalKernelConfigSetVerbose, setInitValue: capi.FastMetalKernelConfigSetInitValue,
	addOutput:        capi.FastMetalKernelConfigAddOutputArg,
	addTemplateInt:   capi.FastMetalKernelConfigAddTemplateArgInt,
	addTemplateBool:  capi.FastMetalKernelConfigAddTemplateArgBool,
	addTemplateDtype: capi.FastMetalKernelConfigAddTemplateArgDtype,
}

var cudaKernels = kernelFunctions[capi.FastCudaKernel, capi.FastCudaKernelConfig]{
	op: "cuda_kernel", language: "CUDA", available: CUDAAvailable,
	create: func(k KernelSource, inputs, outputs capi.VectorString, source, header *byte) capi.FastCudaKernel {
		return capi.FastCudaKernelNew(capi.Bytes(k.Name), inputs, outputs, source, header, !k.Strided, c32(k.SharedMemory))
	},
	free: capi.FastCudaKernelFree, apply: capi.FastCudaKernelApply,
	newConfig: capi.FastCudaKernelConfigNew, freeConfig: capi.FastCudaKernelConfigFree,
	setGrid: capi.FastCudaKernelConfigSetGrid, setThreadGroup: capi.FastCudaKernelConfigSetThreadGroup,
	setVerbose: capi.FastCudaKernelConfigSetVerbose, setInitValue: capi.FastCudaKernelConfigSetInitValue,
	addOutput:        capi.FastCudaKernelConfigAddOutputArg,
	addTemplateInt:   capi.FastCudaKernelConfigAddTemplateArgInt,
	addTemplateBool:  capi.FastCudaKernelConfigAddTemplateArgBool,
	addTemplateDtype: capi.FastCudaKernelConfigAddTemplateArgDtype,
}

// prepare makes the library's kernel of a source.
func (f *kernelFunctions[K, C]) prepare(k KernelSource) (K, error) {
	if err := Load(); err != nil {
		return 0, err
	}
	if e := k.check(f.op); e != nil {
		return 0, e
	}
	if !f.available() {
		return 0, newError(f.op, ErrDevice, "this library was not built for "+f.language+", or finds no GPU")
	}
	in, out := names(k.Inputs), names(k.Outputs)
	h := f.create(k, in, out, echoed(k.Source), echoed(k.Header))
	capi.VectorStringFree(in)
	capi.VectorStringFree(out)
	if h == 0 {
		return 0, mlxError(f.op, nil)
	}
	return h, nil
}

func (f *kernelFunctions[K, C]) freeLater(h K) { gate.Later(func() { f.free(h) }) }

func (f *kernelFunctions[K, C]) call(k KernelSource, h K, l Launch, inputs []*Array) []*Array {
	if h == 0 {
		return []*Array{failed(f.op, ErrDevice, "there is no kernel: it was not prepared")}
	}
	fail := func(a *Array) []*Array { return slices.Repeat([]*Array{a}, len(k.Outputs)) }
	if bad := required(f.op, inputs...); bad != nil {
		return fail(bad)
	}
	if e := l.check(f.op, k, inputs); e != nil {
		return fail(&Array{err: e})
	}
	config := f.newConfig()
	defer f.freeConfig(config)
	if f.configure(config, l) != 0 {
		return fail(&Array{err: mlxError(f.op, inputs)})
	}
	out := buildList(f.op, inputs, func(res *capi.VectorArray, s capi.Stream) int32 {
		list := vector(inputs)
		defer capi.VectorArrayFree(list)
		return f.apply(res, h, list, config, s)
	})
	if out[0].err != nil {
		return fail(out[0])
	}
	return out
}

// configure tells the library what l says; 0 means that it took all.
func (f *kernelFunctions[K, C]) configure(config C, l Launch) int32 {
	s := f.setGrid(config, c32(l.Grid[0]), c32(l.Grid[1]), c32(l.Grid[2]))
	s |= f.setThreadGroup(config, c32(l.ThreadGroup[0]), c32(l.ThreadGroup[1]), c32(l.ThreadGroup[2]))
	s |= f.setVerbose(config, l.Verbose)
	if l.Init != nil {
		s |= f.setInitValue(config, float32(*l.Init))
	}
	for _, o := range l.Outputs {
		s |= f.addOutput(config, int32s(o.Shape), capi.Dtype(o.Dtype))
	}
	for _, name := range slices.Sorted(maps.Keys(l.Template)) {
		switch v := l.Template[name].(type) {
		case int:
			s |= f.addTemplateInt(config, capi.Bytes(name), c32(v))
		case bool:
			s |= f.addTemplateBool(config, capi.Bytes(name), v)
		case Dtype:
			s |= f.addTemplateDtype(config, capi.Bytes(name), capi.Dtype(v))
		}
	}
	return s
}
