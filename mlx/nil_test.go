package mlx_test

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/assert"
)

// Functions, pointers, interfaces, maps and lists that are nil, one parameter after the other beside arrays
// that are none of it, are errors or mean what they are left out for: nothing panics.
func TestNilParametersDoNotPanic(t *testing.T) {
	s := scope(t)
	functions := callable()
	maps.Copy(functions, map[string]any{
		"Do":      func(f func() error) error { return mlx.Do(context.Background(), f) },
		"Borrow":  func(a *mlx.Array, f func([]float32) error) error { return mlx.Borrow(a, f) },
		"Compile": func(f mlx.Func) []*mlx.Array { return mlx.Compile(f, true)(one(grid(s, 2, 2))) },
		"ValueAndGrad": func(f mlx.Func) []*mlx.Array {
			values, grads := mlx.ValueAndGrad(f)(grid(s, 2, 2))
			return slices.Concat(values, grads)
		},
		"KeepDims of axes": mlx.KeepDims[func(*mlx.Array, ...int) *mlx.Array],
		"SetForLAPACK":     func(f func(mlx.Stream) mlx.Stream) { mlx.SetForLAPACK(f)() },
		"NewExporter": func(f mlx.Func) error {
			x, err := mlx.NewExporter(t.TempDir()+"/f.mlxfn", f, true)
			if err != nil {
				return err
			}
			return x.Add(grid(s, 2, 2))
		},
		"ExportFunction": func(f mlx.Func) error { return mlx.ExportFunction(t.TempDir()+"/f.mlxfn", f, true, grid(s, 2, 2)) },
		"ExportFunctionKwargs": func(f mlx.FuncKwargs) error {
			return mlx.ExportFunctionKwargs(t.TempDir()+"/f.mlxfn", f, true, one(grid(s, 2, 2)), nil)
		},
	})
	for _, name := range slices.Sorted(maps.Keys(functions)) {
		f := reflect.ValueOf(functions[name])
		for i := -1; i < f.Type().NumIn(); i++ {
			args := make([]reflect.Value, f.Type().NumIn())
			for k := range args {
				args[k] = reflect.Zero(f.Type().In(k))
				switch {
				case k == i:
				case args[k].Type() == reflect.TypeFor[*mlx.Array]():
					args[k] = reflect.ValueOf(grid(s, 2, 2))
				case args[k].Type() == reflect.TypeFor[[]*mlx.Array]():
					args[k] = reflect.ValueOf(one(grid(s, 2, 2)))
				case args[k].Type() == reflect.TypeFor[*mlx.Scope]():
					args[k] = reflect.ValueOf(s)
				}
			}
			notPanics(t, f, args, fmt.Sprintf("%s, %d", name, i+1))
		}
	}
}

// A method of a nil pointer, and of what New has not made, is an error too.
func TestMethodsOfNilDoNotPanic(t *testing.T) {
	for _, receiver := range []any{&mlx.Array{}, &mlx.Scope{}, &mlx.Exporter{}, &mlx.ImportedFunction{}, &mlx.Group{}, &mlx.MetalKernel{}, &mlx.CUDAKernel{}} {
		of := reflect.TypeOf(receiver)
		for _, v := range []reflect.Value{reflect.Zero(of), reflect.ValueOf(receiver)} {
			for i := range of.NumMethod() {
				m := of.Method(i)
				args := []reflect.Value{v}
				for k := 1; k < m.Type.NumIn(); k++ {
					args = append(args, reflect.Zero(m.Type.In(k)))
				}
				notPanics(t, m.Func, args, fmt.Sprintf("%v.%s of %v", of, m.Name, v.IsNil()))
			}
		}
	}
}

func notPanics(t *testing.T, f reflect.Value, args []reflect.Value, text string) {
	t.Helper()
	call := f.Call
	if f.Type().IsVariadic() {
		call = f.CallSlice
	}
	assert.NotPanics(t, func() {
		for _, r := range call(args) {
			switch x := r.Interface().(type) {
			case *mlx.Array:
				_ = mlx.Eval(x)
			case []*mlx.Array:
				_ = mlx.Eval(x...)
			}
		}
	}, text)
}
