package mlx_test

import (
	"bufio"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
)

// testdata/weak.jsonl.gz is from tools/golden/weak.py: an array of each type, a Python number
// beside it, and what mlx.core 0.32.2 makes of the two.
type weakCase struct {
	Op, Dtype, Kind, To, Bytes string

	X     []float64
	C     json.RawMessage
	First bool
	Shape []int
}

var weakOps = map[string]func(a, b *mlx.Array) *mlx.Array{
	"add": mlx.Add, "subtract": mlx.Subtract, "multiply": mlx.Multiply, "divide": mlx.Divide, "floor_divide": mlx.FloorDivide,
	"remainder": mlx.Remainder, "power": mlx.Power, "maximum": mlx.Maximum, "minimum": mlx.Minimum, "less": mlx.Less, "less_equal": mlx.LessEqual,
	"greater": mlx.Greater, "greater_equal": mlx.GreaterEqual, "equal": mlx.Equal, "not_equal": mlx.NotEqual, "logaddexp": mlx.Logaddexp,
}

// weak returns the recorded number beside x, and Scale and Shift by it.
func (c weakCase) weak(t *testing.T, x *mlx.Array) (k, scaled, shifted *mlx.Array) {
	switch c.Kind {
	case "bool":
		return besides(x, string(c.C) == "true")
	case "int":
		n, err := strconv.Atoi(string(c.C))
		require.NoError(t, err)
		return besides(x, n)
	case "float":
		var text string
		require.NoError(t, json.Unmarshal(c.C, &text))
		f, err := strconv.ParseFloat(text, 64)
		require.NoError(t, err)
		return besides(x, f)
	}
	var z [2]float64
	require.NoError(t, json.Unmarshal(c.C, &z))
	return besides(x, complex(z[0], z[1]))
}

func besides[C mlx.Number](x *mlx.Array, c C) (k, scaled, shifted *mlx.Array) {
	return mlx.Weak(x, c), mlx.Scale(x, c), mlx.Shift(x, c)
}

// wraps reports a number that mlx.core cuts to fewer bits without a word, which is refused here.
func (c weakCase) wraps() bool {
	n, err := strconv.Atoi(string(c.C))
	return c.Kind == "int" && err == nil && (c.Dtype == "uint64" && n < 0 || c.Dtype == "bool" && n != int(int32(n)))
}

func TestNumbersBesideArraysAreWhatPythonMakesOfThem(t *testing.T) {
	file, err := os.Open("testdata/weak.jsonl.gz")
	require.NoError(t, err)
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	require.NoError(t, err)
	count := map[string]int{}
	for lines := bufio.NewScanner(unzipped); lines.Scan(); {
		var c weakCase
		require.NoError(t, json.Unmarshal(lines.Bytes(), &c))
		c.check(t)
		count[c.Op]++
	}
	require.Len(t, count, len(weakOps))
	require.Greater(t, count["add"], 600)
}

func (c weakCase) check(t *testing.T) {
	if later() && c.Op == "floor_divide" && (c.To == "" || !dtypeNamed(c.To).IsFloat()) {
		return // rounds down, and takes complex numbers
	}
	s := mlx.NewScope(mlx.CPU)
	defer s.Close()
	x := mlx.AsType(mlx.FromSlice(s, c.X), dtypeNamed(c.Dtype))
	k, scaled, shifted := c.weak(t, x)
	a, b := x, k
	if c.First {
		a, b = k, x
	}
	results := []*mlx.Array{weakOps[c.Op](a, b)}
	switch {
	case c.Op == "multiply":
		results = append(results, scaled)
	case c.Op == "add":
		results = append(results, shifted)
	}
	what := fmt.Sprintf("%s of %s and %s %s, the number first: %v", c.Op, c.Dtype, c.Kind, c.C, c.First)
	for _, r := range results {
		if c.To == "" || c.wraps() {
			require.Error(t, mlx.Eval(r), what)
			continue
		}
		got, err := raw(r)
		require.NoError(t, err, what)
		d := dtypeNamed(c.To)
		require.Equal(t, fmt.Sprintf("%s%v", d, c.Shape), r.String(), what)
		bytes, err := hex.DecodeString(c.Bytes)
		require.NoError(t, err)
		equalWithin(t, elements(d, bytes), elements(d, got), roundings(d), what)
	}
}

// equalWithin compares numbers, each with a tolerance relative to it; of integers and booleans the
// recorded one is exact.
func equalWithin(t *testing.T, want, got []float64, relative float64, what string) {
	t.Helper()
	require.Len(t, got, len(want), what)
	for i, w := range want {
		if g := got[i]; g != w && !(g != g && w != w) && !(math.Abs(g-w) <= relative*math.Abs(w)) {
			require.Equal(t, want, got, what)
		}
	}
}

func TestANumberThatTheTypeDoesNotHoldIsNamed(t *testing.T) {
	s := scope(t)
	for text, y := range map[string]*mlx.Array{
		"mlx: scale: 300 beside int8[2]: int8 holds -128 to 127 (convert the array with AsType first)":                     mlx.Scale(mlx.Ones(s, mlx.Int8, 2), 300),
		"mlx: shift: -1 beside uint64[]: uint64 holds 0 to 18446744073709551615 (convert the array with AsType first)":     mlx.Shift(mlx.Ones(s, mlx.Uint64), -1),
		"mlx: weak: 4294967296 beside bool[]: int32 holds -2147483648 to 2147483647 (convert the array with AsType first)": mlx.Weak(mlx.Ones(s, mlx.Bool), 1<<32),
	} {
		require.ErrorIs(t, y.Err(), mlx.ErrDtype)
		require.EqualError(t, y.Err(), text)
	}
}

func TestAWeakNumberIsComputedAndOfTheArraysScope(t *testing.T) {
	s := scope(t)
	x := mlx.Exp(mlx.Ones(s, mlx.Float16, 1000))
	k := mlx.Weak(x, 0.1)
	third, err := mlx.Item[float64](mlx.Weak(mlx.Ones(s, mlx.Float64, 1), 1.0/3))
	require.NoError(t, err)
	require.Equal(t, 1.0/3, third, "float64 keeps all digits")
	require.Same(t, x.Scope(), k.Scope())
	require.NoError(t, mlx.Eval(k))
	require.False(t, x.Ready(), "a number needs nothing of the array")
	s.Close()
	require.ErrorIs(t, mlx.Eval(k), mlx.ErrFreed)
}
