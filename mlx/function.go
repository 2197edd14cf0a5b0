package mlx

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"sync"

	"github.com/mlxlens/mlxlens/internal/regular"
	"github.com/mlxlens/mlxlens/mlx/internal/capi"
	"github.com/mlxlens/mlxlens/mlx/internal/gate"
)

// FuncKwargs is a [Func] with named arguments too.
type FuncKwargs = func(args []*Array, kwargs map[string]*Array) []*Array

// Exporter writes traces of one function to a file that any MLX front end can import, on a
// machine with the same MLX. Close ends the file.
type Exporter struct {
	mu        sync.Mutex
	h         capi.FunctionExporter
	path      string
	shapeless bool
	tapes     []*lengthsTape
}

// NewExporter starts a file, by custom named .mlxfn. With shapeless, a trace serves arguments
// of other shapes too. Binds mlx_function_exporter_new.
func NewExporter(path string, f Func, shapeless bool) (*Exporter, error) {
	const op = "export_function"
	if err := creatable(op, path); err != nil {
		return nil, err
	}
	x := &Exporter{path: path, shapeless: shapeless}
	err := inGate(op, func() error {
		fun := capi.NewClosure(func(in capi.VectorArray) (capi.VectorArray, bool) { return callback(op, in, hollow(op, all, f)) })
		defer capi.ClosureFree(fun)
		if x.h = capi.FunctionExporterNew(capi.Bytes(path), fun, shapeless); x.h == 0 {
			return mlxError(op, nil)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return x, nil
}

// creatable refuses a path that the library would crash on or could not write.
func creatable(op, path string) error {
	if err := Load(); err != nil {
		return err
	}
	if e := printable(op, "the path", path); e != nil {
		return e
	}
	file, err := os.Create(path)
	if err != nil {
		return fileError(op, err)
	}
	return file.Close()
}

// Add writes the trace of a call with these arguments: the arguments themselves are not
// written, but their shapes and types are. Binds mlx_function_exporter_apply.
func (x *Exporter) Add(args ...*Array) error { return x.AddKwargs(args, nil) }

// AddKwargs is Add. mlx-c's exporter hands no named arguments to a function, and so there must be
// none: ExportFunctionKwargs writes a trace with them. Binds mlx_function_exporter_apply_kwargs.
func (x *Exporter) AddKwargs(args []*Array, kwargs map[string]*Array) error {
	const op = "export_function"
	if x == nil {
		return newError(op, ErrFreed, "the exporter is nil")
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.h == 0 {
		return newError(op, ErrFreed, "the exporter was closed")
	}
	if len(kwargs) > 0 {
		return newError(op, ErrIndex, fmt.Sprintf("the exporter cannot hand named arguments (%v) to its function: use ExportFunctionKwargs", slices.Sorted(maps.Keys(kwargs))))
	}
	t := newTape(x.shapeless, nil)
	err := traced(op, args, kwargs, func(in capi.VectorArray, named capi.MapStringToArray) int32 {
		trace.tape = t
		return withoutShapes(x.shapeless, func() int32 {
			if kwargs == nil {
				return capi.FunctionExporterApply(x.h, in)
			}
			return capi.FunctionExporterApplyKwargs(x.h, in, named)
		})
	})
	if err != nil || t == nil {
		return err
	}
	x.tapes = append(x.tapes, t)
	return t.usable(op)
}

// Close ends the file. Binds mlx_function_exporter_free.
func (x *Exporter) Close() error {
	if x == nil {
		return nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.h == 0 {
		return nil
	}
	err := inGate("export_function", func() error {
		capi.FunctionExporterFree(x.h)
		x.h = 0
		return nil
	})
	if err != nil {
		return err
	}
	return appendTapes(x.path, x.tapes...)
}

// ExportFunction writes one trace of f. Binds mlx_export_function.
func ExportFunction(path string, f Func, shapeless bool, args ...*Array) error {
	const op = "export_function"
	if err := creatable(op, path); err != nil {
		return err
	}
	t := newTape(shapeless, nil)
	err := traced(op, args, nil, func(in capi.VectorArray, _ capi.MapStringToArray) int32 {
		trace.tape = t
		return closure(op, hollow(op, all, f), func(fun capi.Closure) int32 {
			return withoutShapes(shapeless, func() int32 { return capi.ExportFunction(capi.Bytes(path), fun, in, shapeless) })
		})
	})
	if err != nil || t == nil {
		return err
	}
	if err := appendTapes(path, t); err != nil {
		return err
	}
	return t.usable(op)
}

// ExportFunctionKwargs writes one trace of a function with named arguments.
// Binds mlx_export_function_kwargs.
func ExportFunctionKwargs(path string, f FuncKwargs, shapeless bool, args []*Array, kwargs map[string]*Array) error {
	const op = "export_function"
	if err := creatable(op, path); err != nil {
		return err
	}
	t := newTape(shapeless, slices.Sorted(maps.Keys(kwargs)))
	err := traced(op, args, kwargs, func(in capi.VectorArray, named capi.MapStringToArray) int32 {
		trace.tape = t
		fun := capi.NewClosureKwargs(func(in capi.VectorArray, named capi.MapStringToArray) (list capi.VectorArray, ok bool) {
			ok = protect(op, func(s *Scope) *Error {
				names, e := standInsByName(s, named, slices.Collect(maps.Keys(kwargs)))
				if e != nil {
					return e
				}
				args := standIns(s, in)
				for _, name := range slices.Sorted(maps.Keys(names)) {
					args = append(args, names[name])
				}
				t.begin(args)
				named := func(args []*Array) []*Array { return f(args[:len(args)-len(names)], names) }
				out := hollow(op, all, named)(args)
				t.finish(out)
				return handles(op, out, &list)
			})
			return list, ok
		})
		defer capi.ClosureKwargsFree(fun)
		return withoutShapes(shapeless, func() int32 {
			return capi.ExportFunctionKwargs(capi.Bytes(path), fun, in, named, shapeless)
		})
	})
	if err != nil || t == nil {
		return err
	}
	if err := appendTapes(path, t); err != nil {
		return err
	}
	return t.usable(op)
}

// standInsByName takes the arrays of a map into a scope.
func standInsByName(s *Scope, named capi.MapStringToArray, names []string) (map[string]*Array, *Error) {
	out := map[string]*Array{}
	for _, name := range names {
		a := &Array{stream: s.stream}
		a.scope.Store(s)
		a.fates.Store(trace.within)
		if capi.MapStringToArrayGet(&a.h, named, capi.Bytes(name)) != 0 {
			return nil, newError("transform", ErrMLX, fmt.Sprintf("MLX passed no argument %q", name))
		}
		a.settle("transform")
		out[name] = a
	}
	return out, nil
}

// traced calls f inside the gate with lists of the arguments, ready for callbacks.
func traced(op string, args []*Array, kwargs map[string]*Array, f func(in capi.VectorArray, named capi.MapStringToArray) int32) error {
	_, err := withNames(op, args, kwargs, nil, func(in capi.VectorArray, named capi.MapStringToArray, _ []capi.VectorArray) int32 {
		return f(in, named)
	})
	return err
}

// withNames is transformed with named arguments.
func withNames(op string, args []*Array, kwargs map[string]*Array, expect []int, f func(in capi.VectorArray, named capi.MapStringToArray, results []capi.VectorArray) int32) ([][]*Array, error) {
	names := slices.Sorted(maps.Keys(kwargs))
	all := slices.Clone(args)
	for _, name := range names {
		if e := printable(op, "the name", name); e != nil {
			return nil, e
		}
		all = append(all, kwargs[name])
	}
	var fault error
	out := transformed(op, all, append(expect, 1)[:max(len(expect), 1)], func(_ capi.VectorArray, results []capi.VectorArray) int32 {
		in := vector(args)
		defer capi.VectorArrayFree(in)
		named := capi.MapStringToArrayNew()
		defer capi.MapStringToArrayFree(named)
		for i, name := range names {
			if s := capi.MapStringToArrayInsert(named, capi.Bytes(name), all[len(args)+i].h); s != 0 {
				return s
			}
		}
		return f(in, named, results)
	})
	if len(out[0]) > 0 {
		fault = out[0][0].Err()
	}
	return out, fault
}

// ImportedFunction is a function read from a file that an [Exporter], or another MLX front
// end, wrote.
type ImportedFunction struct {
	h     capi.ImportedFunction
	tapes []*lengthsTape
}

// ImportFunction reads a file of traces. The file is a program of MLX's operations: import
// only what comes from a source that you trust. Binds mlx_imported_function_new.
func ImportFunction(path string) (*ImportedFunction, error) {
	const op = "import_function"
	if err := Load(); err != nil {
		return nil, err
	}
	if e := printable(op, "the path", path); e != nil {
		return nil, e
	}
	file, _, err := regular.Open(path)
	if err != nil {
		return nil, fileError(op, fmt.Errorf("%s: %w", path, err))
	}
	defer file.Close()
	f := &ImportedFunction{}
	if f.tapes, err = readTapes(file); err != nil {
		return nil, fileError(op, fmt.Errorf("%s: %w", path, err))
	}
	err = inGate(op, func() error {
		if f.h = capi.ImportedFunctionNew(capi.Bytes(path)); f.h == 0 {
			return mlxError(op, nil)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	runtime.AddCleanup(f, func(h capi.ImportedFunction) {
		gate.Later(func() { capi.ImportedFunctionFree(h) })
	}, f.h)
	return f, nil
}

// Call returns what the trace for arguments of these shapes and types computes; none is an
// error. Binds mlx_imported_function_apply.
func (f *ImportedFunction) Call(args ...*Array) []*Array { return f.CallKwargs(args, nil) }

// CallKwargs is Call with named arguments. Binds mlx_imported_function_apply_kwargs.
func (f *ImportedFunction) CallKwargs(args []*Array, kwargs map[string]*Array) []*Array {
	const op = "imported_function"
	if f == nil || f.h == 0 {
		return []*Array{failed(op, ErrFreed, "there is no function: ImportFunction reads one")}
	}
	defer runtime.KeepAlive(f)
	if e := f.holds(op, args, kwargs); e != nil {
		return []*Array{{err: e}}
	}
	out, err := withNames(op, args, kwargs, []int{1}, func(in capi.VectorArray, named capi.MapStringToArray, results []capi.VectorArray) int32 {
		trace.fallible = true // nobody knows what is in it
		if kwargs == nil {
			return capi.ImportedFunctionApply(&results[0], f.h, in)
		}
		return capi.ImportedFunctionApplyKwargs(&results[0], f.h, in, named)
	})
	if out == nil {
		return []*Array{failed(op, ErrIndex, "%v", err)}
	}
	return out[0]
}
