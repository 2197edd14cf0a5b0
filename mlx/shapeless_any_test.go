package mlx_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every operation, in a trace for other shapes, computes for other lengths of its arguments what it computes
// without a trace, or it is an error; compiled, it is traced again where it must be. MLX's own traces
// read outside their operands.
func TestAnyOperationIsRightInTracesForOtherShapes(t *testing.T) {
	if !inChild(t) {
		return
	}
	compiling(t)
	_, err := mlx.SetMemoryLimit(1 << 30)
	require.NoError(t, err)
	rounds, seed := 4, uint64(1)
	if testing.Short() {
		rounds = 1
	}
	if text := os.Getenv("MLXLENS_FUZZ_SEED"); text != "" {
		seed, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
	}
	if text := os.Getenv("MLXLENS_FUZZ_ROUNDS"); text != "" {
		rounds, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	functions := callable()
	var names []string
	for name, f := range functions {
		if givesArrays(reflect.TypeOf(f)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	total, served := 0, map[string]int{}
	for i := range rounds {
		for k, name := range names {
			c := &caller{Rand: rand.New(rand.NewPCG(seed+uint64(i), uint64(k))), s: mlx.NewScope(mlx.CPU)}
			n, of := c.inTraces(t, name, reflect.ValueOf(functions[name]))
			total += of
			served[name] += n
			c.s.Close()
		}
	}
	some := 0
	for _, n := range served {
		some += min(n, 1)
	}
	t.Logf("%d calls of %d operations: %d operations served other shapes from one exported trace", total, len(names), some)
	require.Greater(t, total, 20*rounds)
	require.Greater(t, some, 20)
}

func givesArrays(f reflect.Type) bool {
	for i := range f.NumOut() {
		if of := f.Out(i); of == reflect.TypeFor[*mlx.Array]() || of == reflect.TypeFor[[]*mlx.Array]() {
			return true
		}
	}
	return false
}

// inTraces traces a call that succeeds and repeats it with other lengths; it returns how many an exported trace
// served, of how many.
func (c *caller) inTraces(t *testing.T, name string, f reflect.Value) (served, of int) {
	for range 12 {
		args := c.arguments(f.Type())
		var first []*mlx.Array
		alike := c.IntN(2) == 0
		for _, a := range arraysIn(args) {
			shape := a.Shape()
			if alike && len(first) > 0 {
				shape = first[0].Shape()
			}
			first = append(first, c.computed(shape, a.Dtype()))
		}
		called := func(a []*mlx.Array) []*mlx.Array { return withArrays(f, args, a) }
		if len(first) == 0 || len(first) > 6 || slices.ContainsFunc(first, func(a *mlx.Array) bool { return a.Size() == 0 || a.Size() > 1024 }) {
			continue
		}
		want, err := valuesOf(called(first))
		if again, _ := valuesOf(called(first)); err != nil || fmt.Sprint(again) != fmt.Sprint(want) {
			continue // it fails, or it is random
		}
		traced, ok := c.traces(t, called, first)
		if !ok {
			return 0, 0 // refused by name
		}
		for range 5 {
			other := c.otherLengths(first)
			text := fmt.Sprintf("%s(%s), traced with %v, of %v", name, describeArguments(args), first, other)
			if path := os.Getenv("MLX_TEST_LAST_CALL"); path != "" {
				require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			}
			want, err := valuesOf(called(other))
			for how, g := range traced {
				got, fault := valuesOf(g(other))
				of++
				right := how != "compiled" || err != nil || assert.NoError(t, fault, "%s: %s", how, text)
				if right && fault == nil {
					right = assert.NoError(t, err, "%s gave %v: %s", how, got, text) && assert.True(t, sameValues(want, got), "%s: %s\n%v\n%v", how, text, want, got)
				}
				if !right {
					return served, of
				}
				if how == "exported" && fault == nil && fmt.Sprint(other) != fmt.Sprint(first) {
					served++
				}
			}
		}
		return served, of
	}
	return 0, 0
}

// traces are f compiled and exported, unless it is refused.
func (c *caller) traces(t *testing.T, f mlx.Func, first []*mlx.Array) (map[string]mlx.Func, bool) {
	compiled := mlx.Compile(f, true)
	if mlx.Eval(compiled(first)...) != nil {
		return nil, false
	}
	out := map[string]mlx.Func{"compiled": compiled}
	path := filepath.Join(t.TempDir(), "f.mlxfn")
	if mlx.ExportFunction(path, f, true, first...) == nil {
		imported, err := mlx.ImportFunction(path)
		require.NoError(t, err)
		out["exported"] = func(a []*mlx.Array) []*mlx.Array { return imported.Call(a...) }
	}
	return out, true
}

// computed is an array of small numbers of which nothing is known before it is evaluated.
func (c *caller) computed(shape []int, d mlx.Dtype) *mlx.Array {
	n := 1
	for _, k := range shape {
		n *= k
	}
	xs := make([]float32, n)
	for i := range xs {
		xs[i] = float32(c.IntN(4))
	}
	return mlx.AsType(mlx.Add(mlx.FromSlice(c.s, xs, shape...), mlx.Zeros(c.s, mlx.Float32)), d)
}

// otherLengths are arrays of which every axis of some length has another, or one axis of one array.
func (c *caller) otherLengths(first []*mlx.Array) []*mlx.Array {
	shapes := make([][]int, len(first))
	var lengths [][2]int
	for i, a := range first {
		shapes[i] = a.Shape()
		for k := range shapes[i] {
			lengths = append(lengths, [2]int{i, k})
		}
	}
	if len(lengths) > 0 {
		at := pick(c, lengths...)
		from := shapes[at[0]][at[1]]
		to := pick(c, 1, 2, 3, 4, 5, from+1, max(from-1, 1), 2*from)
		if c.IntN(2) == 0 {
			shapes[at[0]][at[1]] = to
		} else {
			for _, p := range lengths {
				if shapes[p[0]][p[1]] == from {
					shapes[p[0]][p[1]] = to
				}
			}
		}
	}
	out := make([]*mlx.Array, len(first))
	for i, a := range first {
		out[i] = c.computed(shapes[i], a.Dtype())
	}
	return out
}

// replaced is v with each array in it replaced by what next returns.
func replaced(v reflect.Value, next func(*mlx.Array) *mlx.Array) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	out.Set(v)
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if a, ok := v.Interface().(*mlx.Array); ok && a != nil && a.Err() == nil {
			out.Set(reflect.ValueOf(next(a)))
		}
	case reflect.Slice:
		out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		for i := range v.Len() {
			out.Index(i).Set(replaced(v.Index(i), next))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if out.Field(i).CanSet() {
				out.Field(i).Set(replaced(v.Field(i), next))
			}
		}
	}
	return out
}

func arraysIn(args []reflect.Value) (arrays []*mlx.Array) {
	for _, v := range args {
		replaced(v, func(a *mlx.Array) *mlx.Array { arrays = append(arrays, a); return a })
	}
	return arrays
}

// withArrays calls f with other arrays among its arguments, and returns the arrays among its results.
func withArrays(f reflect.Value, args []reflect.Value, arrays []*mlx.Array) (out []*mlx.Array) {
	var with []reflect.Value
	for _, v := range args {
		with = append(with, replaced(v, func(*mlx.Array) *mlx.Array { a := arrays[0]; arrays = arrays[1:]; return a }))
	}
	call := f.Call
	if f.Type().IsVariadic() {
		call = f.CallSlice
	}
	for _, r := range call(with) {
		switch x := r.Interface().(type) {
		case *mlx.Array:
			out = append(out, x)
		case []*mlx.Array:
			out = append(out, x...)
		}
	}
	return out
}

// computedValues are the shape and elements of an array.
type computedValues struct {
	what   string
	values []float32
}

// valuesOf evaluates arrays unless they are large.
func valuesOf(arrays []*mlx.Array) (out []computedValues, err error) {
	for _, a := range arrays {
		if err := a.Err(); err != nil {
			return nil, err
		}
		if a.Size() > 1<<14 {
			return nil, fmt.Errorf("large")
		}
		if a.Dtype() == mlx.Complex64 {
			a = mlx.Stack(0, mlx.Real(a), mlx.Imag(a))
		}
		values, err := mlx.Data[float32](mlx.AsType(a, mlx.Float32))
		if err != nil {
			return nil, err
		}
		out = append(out, computedValues{a.String(), values})
	}
	return out, nil
}

func sameValues(want, got []computedValues) bool {
	return slices.EqualFunc(want, got, func(a, b computedValues) bool {
		return a.what == b.what && slices.EqualFunc(a.values, b.values, func(x, y float32) bool {
			return x == y || x != x && y != y || math.Abs(float64(x-y)) <= 1e-3*(1+math.Abs(float64(x)))
		})
	})
}
