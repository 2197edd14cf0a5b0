package mlx_test

import (
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"

	"github.com/mlxlens/mlxlens/mlx"
)

// callable are the exported functions that make or take arrays, but for those that write files,
// whose paths are the caller's, and for Borrow, whose function may do anything.
func callable() map[string]any {
	out := takingArrays()
	for _, name := range []string{"SaveNpy", "SaveSafetensors", "ExportFunction", "ExportFunctionKwargs", "Borrow"} {
		delete(out, name)
	}
	for name, f := range map[string]any{
		"Arange": mlx.Arange, "Bartlett": mlx.Bartlett, "Blackman": mlx.Blackman, "CausalMask": mlx.CausalMask, "Eye": mlx.Eye, "FFTFreq": mlx.FFTFreq,
		"FromBytes": mlx.FromBytes, "FromSlice": mlx.FromSlice[int32], "Full": mlx.Full[float64], "Full[int]": mlx.Full[int], "Hamming": mlx.Hamming, "Hanning": mlx.Hanning,
		"Identity": mlx.Identity, "Linspace": mlx.Linspace, "Ones": mlx.Ones, "RFFTFreq": mlx.RFFTFreq, "RandomKey": mlx.RandomKey, "Scalar": mlx.Scalar[complex64],
		"Tri": mlx.Tri, "Zeros": mlx.Zeros, "Data[bool]": mlx.Data[bool], "KeepDims of one": mlx.KeepDims[func(*mlx.Array, int) *mlx.Array],
		"Grad": func(f mlx.Func, nums []int, args []*mlx.Array) []*mlx.Array { return mlx.Grad(f, nums...)(args...) },
		"Vmap": func(f mlx.Func, in, out []int, args []*mlx.Array) []*mlx.Array { return mlx.Vmap(f, in, out)(args) },
		"Compile": func(f mlx.Func, shapeless bool, args []*mlx.Array) []*mlx.Array {
			return mlx.Compile(f, shapeless)(args)
		},
		"Checkpoint":     func(f mlx.Func, args []*mlx.Array) []*mlx.Array { return mlx.Checkpoint(f)(args) },
		"CustomFunction": func(f mlx.Func, args []*mlx.Array) []*mlx.Array { return mlx.CustomFunction(f, mlx.Rules{})(args) },
	} {
		out[name] = f
	}
	return out
}

// describeArguments writes arguments so that a call can be made again by hand.
func describeArguments(args []reflect.Value) string {
	var parts []string
	for _, a := range args {
		if a.Kind() == reflect.Func {
			parts = append(parts, "func")
			continue
		}
		parts = append(parts, fmt.Sprintf("%+v", a.Interface()))
	}
	return strings.Join(parts, ", ")
}

func (c *caller) arguments(f reflect.Type) []reflect.Value {
	args := make([]reflect.Value, f.NumIn())
	for i := range args {
		args[i] = c.value(f.In(i))
	}
	return args
}

// pick returns one of some values.
func pick[T any](c *caller, xs ...T) T { return xs[c.IntN(len(xs))] }

// value makes an argument of a type.
func (c *caller) value(of reflect.Type) reflect.Value {
	switch of {
	case reflect.TypeFor[*mlx.Array]():
		return reflect.ValueOf(c.array())
	case reflect.TypeFor[*mlx.Scope]():
		return reflect.ValueOf(pick(c, c.s, c.s, c.s, nil))
	case reflect.TypeFor[mlx.Dtype]():
		return reflect.ValueOf(c.dtype())
	case reflect.TypeFor[mlx.Indexer]():
		return reflect.ValueOf(c.indexer())
	case reflect.TypeFor[mlx.Func]():
		return reflect.ValueOf(c.function())
	case reflect.TypeFor[io.Writer]():
		w := pick[io.Writer](c, io.Discard, io.Discard, nil)
		return reflect.ValueOf(&w).Elem()
	case reflect.TypeFor[func(x *mlx.Array) *mlx.Array]():
		return reflect.ValueOf(pick(c, mlx.Exp, mlx.Sin, mlx.LogicalNot, nil))
	case reflect.TypeFor[func(x *mlx.Array, axes ...int) *mlx.Array]():
		return reflect.ValueOf(pick(c, mlx.Sum, mlx.Max, mlx.Norm, nil))
	case reflect.TypeFor[func(x *mlx.Array, axis int) *mlx.Array]():
		return reflect.ValueOf(pick(c, mlx.Argmax, mlx.Sort, mlx.Argmin, nil))
	}
	v := reflect.New(of).Elem()
	switch of.Kind() {
	case reflect.Bool:
		v.SetBool(c.IntN(2) == 0)
	case reflect.String:
		v.SetString(pick(c, "", "ij,jk->ik", "i,i->", "...i->...", "ii", "%s%n", "constant", "edge", "reflect", "symmetric", "left", "right", "xy", "ij", "fro", "nuc", "affine", "affine", "mxfp4", "mxfp8", "nvfp4"))
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Int8:
		v.SetInt(int64(c.number()))
	case reflect.Uint8, reflect.Uint16, reflect.Uint64:
		v.SetUint(uint64(c.IntN(5)))
	case reflect.Float64, reflect.Float32:
		v.SetFloat(c.float())
	case reflect.Complex64:
		v.SetComplex(complex(c.float(), c.float()))
	case reflect.Slice:
		for range c.IntN(4) {
			v = reflect.Append(v, c.value(of.Elem()))
		}
	case reflect.Array:
		for i := range v.Len() {
			v.Index(i).Set(c.value(of.Elem()))
		}
	case reflect.Map:
		v = reflect.MakeMap(of)
		for range c.IntN(3) {
			v.SetMapIndex(c.value(of.Key()), c.value(of.Elem()))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if c.IntN(3) > 0 && v.Field(i).CanSet() {
				v.Field(i).Set(c.value(of.Field(i).Type))
			}
		}
	}
	return v
}

func (c *caller) number() int {
	if c.IntN(12) == 0 {
		return pick(c, math.MinInt, math.MaxInt, math.MinInt32, math.MaxInt32, 1<<31, 1<<32, -1<<33, 1<<20, 1000, -1000, mlx.Flat, mlx.Unmapped)
	}
	return pick(c, -3, -2, -1, -1, 0, 0, 0, 1, 1, 1, 2, 2, 3, 4, 5, 7, 8, 16, 32, 64)
}

func (c *caller) float() float64 {
	return pick(c, 0, 1, -1, 0.5, 2, 3.7, -2, 1e-5, 1e38, -1e300, math.Inf(1), math.Inf(-1), math.NaN(), 1e-320, 100)
}

func (c *caller) dtype() mlx.Dtype {
	if c.IntN(40) == 0 {
		return mlx.Dtype(c.IntN(256))
	}
	return mlx.Dtype(c.IntN(14))
}

func (c *caller) indexer() mlx.Indexer {
	return pick[mlx.Indexer](c, mlx.At(c.number()), mlx.Between(c.number(), c.number()), mlx.Every(c.number()), mlx.From(c.number()).By(c.number()),
		mlx.Whole, mlx.Ellipsis, mlx.NewAxis, c.array())
}

// function is a Func for the transformations: some operation of its arguments, or nothing good.
func (c *caller) function() mlx.Func {
	axis, outside := c.number(), c.array()
	return pick(c,
		func(a []*mlx.Array) []*mlx.Array { return a },
		func(a []*mlx.Array) []*mlx.Array { return one(mlx.Sum(mlx.Multiply(a[0], a[len(a)-1]))) },
		func(a []*mlx.Array) []*mlx.Array { return one(mlx.Add(mlx.Softmax(a[0], axis), outside)) },
		func(a []*mlx.Array) []*mlx.Array { return one(mlx.Sum(mlx.Take(a[0], a[len(a)-1], axis))) },
		func(a []*mlx.Array) []*mlx.Array { return one(mlx.Sum(mlx.Sort(mlx.Cumsum(a[0], axis), axis))) },
		func(a []*mlx.Array) []*mlx.Array { return one(mlx.Sum(mlx.Matmul(a[0], a[len(a)-1]))) },
		func(a []*mlx.Array) []*mlx.Array { return nil },
		func(a []*mlx.Array) []*mlx.Array { return []*mlx.Array{nil, outside} },
		func(a []*mlx.Array) []*mlx.Array { panic("boom") },
		func(a []*mlx.Array) []*mlx.Array { _ = mlx.Eval(a...); return one(mlx.Sum(a[0])) },
		nil)
}

// array is an operand: of an earlier call, of any type and small shape, or what is none.
func (c *caller) array() *mlx.Array {
	switch k := c.IntN(60); {
	case k == 0:
		return pick(c, nil, &mlx.Array{}, mlx.Failed("fuzz", mlx.ErrMLX))
	case k < 15 && len(c.pool) > 0:
		return pick(c, c.pool...)
	case k < 20:
		return mlx.RandomKey(c.s, c.Uint64())
	case k < 25: // a few of another shape, and views
		return mlx.Transpose(mlx.Index(c.plain(), mlx.Every(pick(c, 1, 2, -1))))
	}
	return c.plain()
}

// plain is an array of small numbers, with a few that are not, from Go data or computed.
func (c *caller) plain() *mlx.Array {
	shape := []int{}
	n := 1
	for range pick(c, 0, 1, 1, 2, 2, 2, 3, 3, 4, 5) {
		shape = append(shape, pick(c, 0, 1, 1, 2, 2, 3, 4, 4, 5, 8, 32, 64))
		n *= shape[len(shape)-1]
	}
	if n > 4096 {
		shape, n = []int{4, 4}, 16
	}
	if c.IntN(4) == 0 { // integers of which much is known
		xs := make([]int32, n)
		for i := range xs {
			xs[i] = int32(c.number())
		}
		return mlx.FromSlice(c.s, xs, shape...)
	}
	xs := make([]float32, n)
	odd := c.IntN(6) == 0
	for i := range xs {
		xs[i] = float32(c.IntN(9) - 4)
		if odd && c.IntN(8) == 0 {
			xs[i] = float32(c.float())
		}
	}
	x := mlx.FromSlice(c.s, xs, shape...)
	return mlx.AsType(x, pick(c, mlx.Float32, mlx.Float32, mlx.Float32, mlx.Float16, mlx.BFloat16, mlx.Float64, mlx.Complex64, mlx.Bool, mlx.Uint8, mlx.Uint32, mlx.Int32, mlx.Int64, mlx.Uint64, mlx.Int8))
}
