package mlx_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/mlxlens/mlxlens/mlx"
)

func FuzzReadNpy(f *testing.F) {
	for _, file := range damagedNpy() {
		f.Add(file)
	}
	f.Add(npyFile("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }\n", 16))
	f.Fuzz(func(t *testing.T, file []byte) {
		s := mlx.NewScope(mlx.CPU)
		defer s.Close()
		checkFile(t, mlx.Eval(mlx.ReadNpy(s, bytes.NewReader(file))))
	})
}

func FuzzReadSafetensors(f *testing.F) {
	for _, file := range damagedSafetensors() {
		if len(file) < 1<<12 {
			f.Add(file)
		}
	}
	f.Add(safetensors(`{"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}`, 16))
	f.Fuzz(func(t *testing.T, file []byte) {
		s := mlx.NewScope(mlx.CPU)
		defer s.Close()
		arrays, _, err := mlx.ReadSafetensors(s, bytes.NewReader(file))
		checkFile(t, err)
		for _, a := range arrays {
			checkFile(t, mlx.Eval(a))
		}
	})
}

func FuzzLoadGGUF(f *testing.F) {
	s := mlx.NewScope(mlx.CPU)
	path := filepath.Join(f.TempDir(), "seed.gguf")
	err := mlx.SaveGGUF(path, &mlx.GGUF{
		Arrays:   map[string]*mlx.Array{"a.weight": mlx.Ones(s, mlx.Float32, 2, 32), "b": mlx.Ones(s, mlx.Float16, 3)},
		Metadata: map[string]any{"general.name": "x", "tokens": []string{"a", "bc"}, "n": mlx.Scalar(s, uint32(7)), "xs": mlx.FromSlice(s, []float32{1, 2})},
	})
	if err != nil {
		f.Fatal(err)
	}
	seed, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	for _, typ := range []uint32{0, 1, 2, 3, 4, 5, 8, 10, 12, 14, 24, 26, 28, 30, 31, 34, 39, 99, math.MaxUint32} {
		f.Add(ggufOf(typ, 2, 256))
		f.Add(ggufOf(typ, 256))
		f.Add(ggufOf(typ))
	}
	for _, dims := range [][]uint64{{0}, {1 << 32, 1 << 32}, {1 << 31, 1 << 31, 4}, {1 << 62}, {1 << 30, 1 << 30, 16}, {2, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 1, 1}} {
		f.Add(ggufOf(0, dims...))
		f.Add(ggufOf(2, dims...))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		path := filepath.Join(t.TempDir(), "x.gguf")
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		s := mlx.NewScope(mlx.CPU)
		defer s.Close()
		g, err := mlx.LoadGGUF(s, path)
		checkFile(t, err)
		if err == nil {
			for _, a := range g.Arrays {
				checkFile(t, mlx.Eval(a))
			}
		}
	})
}

// ggufOf is a file with one tensor of a type and dimensions, and data for 512 floats.
func ggufOf(typ uint32, dims ...uint64) []byte {
	le := binary.LittleEndian
	out := append([]byte("GGUF"), 3, 0, 0, 0)
	out = le.AppendUint64(le.AppendUint64(out, 1), 0)
	out = append(le.AppendUint64(out, 8), "a.weight"...)
	out = le.AppendUint32(out, uint32(len(dims)))
	for _, d := range dims {
		out = le.AppendUint64(out, d)
	}
	out = le.AppendUint64(le.AppendUint32(out, typ), 0)
	for len(out)%32 != 0 {
		out = append(out, 0)
	}
	return append(out, bytes.Repeat([]byte{1}, 2048)...)
}

func checkFile(t *testing.T, err error) {
	t.Helper()
	var e *mlx.Error
	if err != nil && !errors.As(err, &e) {
		t.Fatalf("%v is no *mlx.Error", err)
	}
}
