package nn_test

import (
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
)

// tensor is an array of tools/golden/nn.py: integers as int32, others as float32.
type tensor struct {
	Dtype string `json:"dtype"`
	Shape []int  `json:"shape"`
	Data  string `json:"data"`
}

// recorded is a case of tools/golden/nn.py.
type recorded struct {
	Name   string            `json:"name"`
	In     []*tensor         `json:"in"`
	Out    []tensor          `json:"out"`
	Seeded map[string]tensor `json:"seeded"` // the first elements of each parameter from seed 11
	Grads  map[string]tensor `json:"grads"`
	Inputs map[int]tensor    `json:"by_input"` // gradients by operands
	After  map[string]tensor `json:"after"`    // running statistics after the forward pass
}

func load(t *testing.T, name string, into any) {
	t.Helper()
	f, err := os.Open("testdata/" + name + ".json.gz")
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	require.NoError(t, json.NewDecoder(z).Decode(into))
}

func (x tensor) floats(t *testing.T) []float32 {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(x.Data)
	require.NoError(t, err)
	out := make([]float32, len(raw)/4)
	for i := range out {
		bits := binary.LittleEndian.Uint32(raw[4*i:])
		if x.whole() {
			out[i] = float32(int32(bits))
		} else {
			out[i] = math.Float32frombits(bits)
		}
	}
	return out
}

func (x tensor) whole() bool { return x.Dtype != "float32" && x.Dtype != "bfloat16" }

var dtypes = map[string]mlx.Dtype{"float32": mlx.Float32, "bfloat16": mlx.BFloat16, "int32": mlx.Int32, "uint32": mlx.Uint32, "uint64": mlx.Uint64}

// array makes the tensor's array in s.
func (x *tensor) array(t *testing.T, s *mlx.Scope) *mlx.Array {
	t.Helper()
	if x == nil {
		return nil
	}
	return mlx.AsType(mlx.FromSlice(s, x.floats(t), x.Shape...), dtypes[x.Dtype])
}

// drawn makes the array of a name by the recorder's rule.
func drawn(s *mlx.Scope, name string, center, amplitude float64, d mlx.Dtype, shape ...int) *mlx.Array {
	h := fnv.New64a()
	h.Write([]byte(name))
	n := 1
	for _, k := range shape {
		n *= k
	}
	out, seed := make([]float32, n), h.Sum64()
	for i := range out {
		z := seed + uint64(i+1)*0x9E3779B97F4A7C15
		z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
		z = (z ^ z>>27) * 0x94D049BB133111EB
		z ^= z >> 31
		out[i] = float32(center + amplitude*(float64(z>>40)/(1<<23)-1))
	}
	return mlx.AsType(mlx.FromSlice(s, out, shape...), d)
}

// values computes a as float32.
func values(t *testing.T, a *mlx.Array) []float32 {
	t.Helper()
	out, err := mlx.Data[float32](mlx.AsType(a, mlx.Float32))
	require.NoError(t, err)
	return out
}

// largest is the largest difference between recorded and computed numbers so far, relative to
// 1 + |want|, by type.
var largest = map[string]struct {
	name string
	by   float64
}{}

// told logs the largest differences, and forgets them.
func told(t *testing.T) {
	for dtype, l := range largest {
		t.Logf("%s: %.2g, in %s", dtype, l.by, l.name)
	}
	clear(largest)
}

// agree compares got with a recorded array. The same library computes both, most of it by the
// same operations; where the order of a sum or a fused product differs, float32 differs by
// some units in the last place of the largest terms: tolerance is relative to 1 + |want|. A
// bfloat16 has 8 bits, and a rounding before the last may tip it over.
func agree(t *testing.T, name string, want tensor, got *mlx.Array) {
	t.Helper()
	tolerance := 2e-6
	if want.Dtype == "bfloat16" {
		tolerance = 1.0 / 128
	}
	within(t, name, want, got, tolerance)
}

func within(t *testing.T, name string, want tensor, got *mlx.Array, tolerance float64) {
	t.Helper()
	require.NoError(t, got.Err(), name)
	require.Equal(t, fmt.Sprint(want.Shape), fmt.Sprint(got.Shape()), name)
	require.Equal(t, want.Dtype, got.Dtype().String(), name)
	w, g := want.floats(t), values(t, got)
	for i := range w {
		by := math.Abs(float64(w[i]-g[i])) / (1 + math.Abs(float64(w[i])))
		if w[i] == g[i] {
			by = 0 // infinities
		}
		if !(by <= tolerance) {
			t.Errorf("%s[%d] is %v, want %v", name, i, g[i], w[i])
			return
		}
		if l := largest[want.Dtype]; by > l.by {
			l.by, l.name = by, name
			largest[want.Dtype] = l
		}
	}
}

// scope is where the tests compute.
func scope(t *testing.T) *mlx.Scope {
	s := mlx.NewScope(mlx.CPU)
	t.Cleanup(s.Close)
	return s
}

// setDrawn sets the model's parameters by the recorder's rule.
func setDrawn(t *testing.T, m *nn.Model, name string) {
	t.Helper()
	require.NoError(t, m.Map(func(path string, a *mlx.Array) *mlx.Array {
		center := 0.0
		if len(path) >= 11 && path[len(path)-11:] == "running_var" {
			center = 1
		}
		return drawn(mlx.On(mlx.CPU), name+"/"+path, center, 0.5, mlx.Float32, a.Shape()...)
	}))
}
