package mlx_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/stretchr/testify/require"
)

// callsToFuzz is how many calls TestAnyCallIsSurvived makes: a few seconds of them, or as many as
// the environment says (make fuzz).
func callsToFuzz(t *testing.T) int {
	n := 10000
	if testing.Short() {
		n = 1000
	}
	if text := os.Getenv("MLXLENS_FUZZ_CALLS"); text != "" {
		var err error
		n, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	return n
}

// Every exported operation is called with whatever its parameters' types allow. A result is a
// value or an *mlx.Error: nothing panics, ends the process or never returns.
func TestAnyCallIsSurvived(t *testing.T) {
	seed := uint64(1)
	if text := os.Getenv("MLXLENS_FUZZ_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
	}
	if os.Getenv(childOf) == t.Name() {
		last, err := os.OpenFile(os.Getenv("MLX_TEST_LAST_CALL"), os.O_RDWR, 0)
		require.NoError(t, err)
		fuzzCalls(t, seed, callsToFuzz(t), last)
		return
	}
	last, err := os.CreateTemp(t.TempDir(), "last")
	require.NoError(t, err)
	defer last.Close()
	defer func() {
		if t.Failed() {
			text, _ := os.ReadFile(last.Name())
			t.Logf("seed %d, last call: %s", seed, strings.TrimRight(string(text), " \x00"))
		}
	}()
	inChild(t, "MLX_TEST_LAST_CALL="+last.Name())
}

// caller makes arguments for calls.
type caller struct {
	*rand.Rand
	s    *mlx.Scope
	pool []*mlx.Array // results of earlier calls, small
}

// fuzzCalls notes each call in a file before it is made: there a process that ends leaves it.
func fuzzCalls(t *testing.T, seed uint64, n int, last *os.File) {
	_, err := mlx.SetMemoryLimit(1 << 30)
	require.NoError(t, err)
	functions := callable()
	names := make([]string, 0, len(functions))
	for name := range functions {
		names = append(names, name)
	}
	slices.Sort(names)
	c := &caller{Rand: rand.New(rand.NewPCG(seed, 0)), s: mlx.NewScope(mlx.CPU)}
	failed, computed := 0, 0
	for i := range n {
		if i%200 == 199 { // what is in the pool ends with its scope
			c.s.Close()
			c.s, c.pool = mlx.NewScope(mlx.CPU), nil
		}
		name := names[c.IntN(len(names))]
		f := reflect.ValueOf(functions[name])
		args := c.arguments(f.Type())
		text := fmt.Sprintf("%d %s(%s)", i, name, describeArguments(args))
		_, err := last.WriteAt([]byte(fmt.Sprintf("%-4000.4000s", text)), 0)
		require.NoError(t, err)
		call := f.Call
		if f.Type().IsVariadic() {
			call = f.CallSlice
		}
		var out []reflect.Value
		require.NotPanics(t, func() { out = call(args) }, text)
		for _, r := range out {
			err := c.compute(t, r, text)
			if err == nil {
				computed++
				continue
			}
			failed++
			var e *mlx.Error
			require.ErrorAs(t, err, &e, text)
		}
	}
	c.s.Close()
	t.Logf("%d calls of %d functions: %d results, %d errors", n, len(names), computed, failed)
}

// compute evaluates what a call returned, unless it is large.
func (c *caller) compute(t *testing.T, r reflect.Value, text string) error {
	var arrays []*mlx.Array
	switch x := r.Interface().(type) {
	case *mlx.Array:
		arrays = []*mlx.Array{x}
	case []*mlx.Array:
		arrays = x[:min(len(x), 8)]
	case error:
		return x
	default:
		return nil
	}
	for _, a := range arrays {
		if a == nil || a.Size() > 1<<14 {
			continue
		}
		if err := mlx.Eval(a); err != nil {
			return err
		}
		_, err := a.Format()
		require.NoError(t, err, text)
		if len(c.pool) < 20 && a.Size() <= 256 {
			c.pool = append(c.pool, a)
		}
	}
	return nil
}
