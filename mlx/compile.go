package mlx

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"

	"github.com/mlxlens/mlxlens/mlx/internal/capi"
	"github.com/mlxlens/mlxlens/mlx/internal/gate"
)

// CompileMode says what becomes of a function that [Compile] returns.
type CompileMode int32

// What becomes of a compiled function.
const (
	CompileDisabled   = CompileMode(capi.CompileModeDisabled)   // it is called as it is
	CompileNoSimplify = CompileMode(capi.CompileModeNoSimplify) // operations are fused
	CompileNoFuse     = CompileMode(capi.CompileModeNoFuse)     // equal operations are merged
	CompileEnabled    = CompileMode(capi.CompileModeEnabled)    // both
)

// SetCompileMode says for the whole process what compiling does. At first it is enabled where
// there is a GPU, for functions that are not first called with arrays of the CPU alone, and disabled
// elsewhere: on a CPU, fused operations are translated by a C++ compiler at
// run time, which not every machine has and not each of which takes MLX's code, and are no faster. It counts for functions
// whose first call comes after it.
// Binds mlx_set_compile_mode.
func SetCompileMode(mode CompileMode) error {
	const op = "set_compile_mode"
	if err := Load(); err != nil {
		return err
	}
	if mode < CompileDisabled || mode > CompileEnabled {
		return newError(op, ErrIndex, "there is no compile mode "+strconv.Itoa(int(mode))+" (have: 0 to 3)")
	}
	return inGate(op, func() error {
		err := status(op, capi.SetCompileMode(capi.CompileMode(mode)))
		if err == nil {
			loaded.compiles, loaded.compilesCPU = mode != CompileDisabled, mode != CompileDisabled
		}
		return err
	})
}

// Compile returns f that is traced at its first call, and afterwards only for arguments of
// other shapes or types: MLX merges and fuses the operations of the trace. With shapeless,
// other shapes need no new trace where the operations allow it: elementwise, reductions, softmax, norms,
// products over axes that stay, what moves, joins and takes along axes. Where they do not, or where f
// looks at a length that has changed, f is traced for the new shapes alone. What f computes from arrays
// that are not its arguments is a constant of the trace. Binds mlx_detail_compile.
//
// MLX keeps traces for each thread; goroutines move between threads, so that f may be called
// again for arguments that it has seen. A trace ends with the function that Compile returned.
func Compile(f Func, shapeless bool) Func {
	const op = "compile"
	k := newKernel(f, shapeless)
	exact := k
	if shapeless {
		exact = newKernel(f, false)
	}
	return func(args []*Array) []*Array {
		expect := []int{1}
		defer runtime.KeepAlive(k)
		defer runtime.KeepAlive(exact)
		if e := nothingEmpty(op, shapeless, args); e != nil {
			return []*Array{{err: e}}
		}
		return transformed(op, args, expect, func(in capi.VectorArray, results []capi.VectorArray) int32 {
			if !shapeless || k.serves(args) {
				if status := k.call(op, args, &results[0], in, &expect[0]); !shapeless || status != 0 || k.serves(args) {
					return status
				}
				capi.VectorArrayFree(results[0]) // of a trace that does not even hold for these
				results[0] = 0
			}
			return exact.call(op, args, &results[0], in, &expect[0])
		})[0]
	}
}

func newKernel(f Func, shapeless bool) *kernel {
	k := &kernel{f: f, shapeless: shapeless, traces: &traces{caches: map[uintptr]capi.CompileCache{}}}
	// what it holds must not lead back to k
	runtime.AddCleanup(k, func(t *traces) { gate.Later(t.end) }, k.traces)
	return k
}

// serves reports whether no trace for other shapes is kept that MLX would use for arguments for which it does
// not hold. Where nothing is compiled, f is called as it is. Inside the gate.
func (k *kernel) serves(args []*Array) bool {
	if !loaded.compiles {
		return true
	}
	shapes := argumentShapes(args)
	for _, t := range k.tapes {
		if t.isFor(args, nil, shapes) && t.check("compile", shapes) != nil {
			return false
		}
	}
	return trace.depth == 0 // else f is called as it is, and no trace is kept
}

// call calls the compiled function inside the gate.
func (k *kernel) call(op string, args []*Array, result *capi.VectorArray, in capi.VectorArray, returned *int) int32 {
	if status := k.compile(op, args); status != 0 {
		return status
	}
	if k.shapeless && k.compiles {
		trace.tape = &lengthsTape{fused: true}
	}
	status := withoutShapes(k.shapeless, func() int32 { return k.traces.call(result, in) })
	if t := trace.tape; t != nil && t.began && !slices.ContainsFunc(k.tapes, t.equal) { // another thread traces anew
		k.tapes = append(k.tapes, t)
	}
	*returned = k.traces.results
	k.traces.fallible, k.traces.why = k.traces.fallible || trace.fallible, append(k.traces.why, trace.why...)
	trace.fallible, trace.why = k.traces.fallible, slices.Clone(k.traces.why)
	return status
}

// nothingEmpty refuses arrays without elements for a trace that was made of such that have some:
// MLX's kernels end the process.
func nothingEmpty(op string, shapeless bool, args []*Array) *Error {
	for i, a := range args {
		if shapeless && a != nil && a.Err() == nil && !a.freed() && a.Size() == 0 && !a.freed() { // one that was freed is another error
			return newError(op, ErrShape, fmt.Sprintf("argument %d, %s, has no elements, and a trace for other shapes needs some", i+1, a))
		}
	}
	return nil
}

// kernel is one compiled function.
type kernel struct {
	f         Func
	shapeless bool
	once      sync.Once
	compiles  bool // from the first call on: else f is called as it is
	traces    *traces
	tapes     []*lengthsTape // of the traces for other shapes, on any thread; used inside the gate
}

// traces is what the library holds of a compiled function. It is used inside the gate.
type traces struct {
	id       uintptr
	results  int // of the last trace
	fallible bool
	why      []*Error
	compiled capi.Closure
	caches   map[uintptr]capi.CompileCache // by thread
}

// lastTraced numbers compiled functions: MLX finds traces by the number, which is never used
// again. By the function's address, its own choice, one function would get another's trace.
var lastTraced uintptr

// compile makes the closure at the first call, which has these arguments, inside the gate.
func (k *kernel) compile(op string, args []*Array) (status int32) {
	k.once.Do(func() {
		lastTraced++
		k.traces.id = lastTraced
		k.compiles = loaded.compiles && (loaded.compilesCPU || !ofCPU(args))
		if loaded.compiles && !k.compiles {
			capi.SetCompileMode(capi.CompileModeDisabled)
			defer capi.SetCompileMode(capi.CompileModeEnabled)
		}
		f, results, traces := k.f, &k.traces.results, k.compiles
		*results = 1
		plain := capi.NewClosure(func(in capi.VectorArray) (capi.VectorArray, bool) {
			called := counting(f, results)
			if traces && trace.depth == 0 { // inside another function it may be called as it is
				called = hollow(op, all, called)
			}
			return callback(op, in, called)
		})
		status = capi.DetailCompile(&k.traces.compiled, plain, k.traces.id, k.shapeless, nil)
		capi.ClosureFree(plain)
	})
	if k.traces.compiled == 0 && status == 0 {
		status = 1
	}
	return status
}

// ofCPU reports whether there are arrays, all of the CPU.
func ofCPU(args []*Array) bool {
	return len(args) > 0 && !slices.ContainsFunc(args, func(a *Array) bool { return a.Device() != CPU })
}

// call calls the function, and notes which thread's cache holds a trace of it now.
func (t *traces) call(res *capi.VectorArray, in capi.VectorArray) int32 {
	var cache capi.CompileCache
	if capi.DetailCompileCache(&cache) == 0 {
		thread := capi.ThreadID()
		capi.CompileCacheFree(t.caches[thread])
		t.caches[thread] = cache
	}
	return capi.ClosureApply(res, t.compiled, in)
}

// end takes the traces out of every cache. A cache whose thread has ended is gone already,
// and says so.
func (t *traces) end() {
	for _, cache := range t.caches {
		if capi.DetailCompileErase(cache, t.id) != 0 {
			capi.TakeError()
		}
		capi.CompileCacheFree(cache)
	}
	capi.ClosureFree(t.compiled)
}

// ClearCompiled forgets every trace made on this goroutine's thread: compiled functions trace
// again. Binds mlx_detail_compile_clear_cache.
func ClearCompiled() error {
	if err := Load(); err != nil {
		return err
	}
	return inGate("clear_compiled", func() error {
		var cache capi.CompileCache
		defer func() { capi.CompileCacheFree(cache) }()
		if capi.DetailCompileCache(&cache) != 0 || capi.DetailCompileClearCache(cache) != 0 {
			return mlxError("clear_compiled", nil)
		}
		return nil
	})
}
