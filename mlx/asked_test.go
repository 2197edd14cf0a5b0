package mlx_test

import (
	"math"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/require"
)

// withWide makes arguments of which number p, or all integers in it, are wide; false when it has none.
func withWide(s *mlx.Scope, f reflect.Type, p, wide int, shape []int) (args []reflect.Value, has bool) {
	x := mlx.Ones(s, mlx.Float32, shape...)
	args = make([]reflect.Value, f.NumIn())
	for i := range args {
		v := reflect.New(f.In(i)).Elem()
		switch of := f.In(i); {
		case of == reflect.TypeFor[*mlx.Array]():
			v.Set(reflect.ValueOf(x))
		case of == reflect.TypeFor[[]*mlx.Array]():
			v.Set(reflect.ValueOf(one(x)))
		case of == reflect.TypeFor[*mlx.Scope]():
			v.Set(reflect.ValueOf(s))
		case of == reflect.TypeFor[mlx.Dtype]():
			v.Set(reflect.ValueOf(mlx.Float32))
		case of.Kind() == reflect.Func:
			return nil, false
		case i != p:
		case of.Kind() == reflect.Int:
			v.SetInt(int64(wide))
			has = true
		case of == reflect.TypeFor[[]int]():
			v.Set(reflect.ValueOf([]int{0, wide}))
			has = true
		case of.Kind() == reflect.Struct:
			for k := range v.NumField() {
				if v.Field(k).Kind() == reflect.Int && v.Field(k).CanSet() {
					v.Field(k).SetInt(int64(wide))
					has = true
				}
			}
		}
		args[i] = v
	}
	return args, has
}

// became is a number that one of 64 bits becomes on the way to MLX, or that an axis is then.
var became = regexp.MustCompile(`2147483647|-21474836[0-4]\d|axis -10995116277\d\d`)

func TestErrorsNameTheNumberThatWasAsked(t *testing.T) {
	s := scope(t)
	refused := 0
	for name, f := range callable() {
		of := reflect.TypeOf(f)
		for p := range of.NumIn() {
			for _, wide := range []int{1 << 40, -1 << 40} {
				for _, shape := range [][]int{{4}, {2, 2}, {1, 2, 2}} {
					args, has := withWide(s, of, p, wide, shape)
					if !has {
						continue
					}
					call := reflect.ValueOf(f).Call
					if of.IsVariadic() {
						call = reflect.ValueOf(f).CallSlice
					}
					for _, r := range call(args) {
						a, ok := r.Interface().(*mlx.Array)
						if !ok || a.Err() == nil {
							continue
						}
						refused++
						text := strings.NewReplacer("0 to 2147483647", "", "axis -1099511627776", "").Replace(a.Err().Error())
						require.NotRegexp(t, became, text, "%s, parameter %d", name, p+1)
					}
				}
			}
		}
	}
	require.Greater(t, refused, 500)
}

func TestEachGoroutineIsToldItsOwnNumber(t *testing.T) {
	s := scope(t)
	x := mlx.Ones(s, mlx.Float32, 3)
	require.ErrorContains(t, mlx.TopK(x, 1<<40, 0).Err(), "1099511627776")
	require.ErrorContains(t, mlx.Partition(x, -1<<35, 0).Err(), "-34359738368")
	require.ErrorContains(t, mlx.Diagonal(mlx.Ones(s, mlx.Float32, 2, 2), mlx.Diagonals{Axis1: 0, Axis2: 1 << 33}).Err(), "8589934592")
	require.NoError(t, mlx.Diff(x, 1<<40, 0).Err())
	require.ErrorContains(t, mlx.TopK(x, math.MaxInt32, 0).Err(), "2147483647", "and not what the one before was asked")
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for range 200 {
				err := mlx.Sort(x, 1<<40+g).Err()
				require.ErrorContains(t, err, []string{"776", "777", "778", "779", "780", "781", "782", "783"}[g])
			}
		})
	}
	wg.Wait()
}
