package mlx

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/mlx/internal/capi"
)

// GGUF is what a GGUF file holds. Quantized tensors of the types Q4_0, Q4_1 and Q8_0 are
// three arrays, as MLX's affine quantization has them: name.weight, name.scales and
// name.biases; those of other quantized types are float16. A value of Metadata is a string, a
// []string or an *Array.
type GGUF struct {
	Arrays   map[string]*Array
	Metadata map[string]any
}

// LoadGGUF reads a GGUF file, all of it, into memory. Package checkpoint reads more types, and exactly.
// Binds mlx_load_gguf, mlx_io_gguf_get_keys, mlx_io_gguf_get_array,
// mlx_io_gguf_has_metadata_*, mlx_io_gguf_get_metadata_*.
func LoadGGUF(s *Scope, path string) (*GGUF, error) {
	const op = "load_gguf"
	if err := Load(); err != nil {
		return nil, err
	}
	if e := printable(op, "the path", path); e != nil {
		return nil, e
	}
	file, err := checkpoint.Open(path)
	if err != nil {
		return nil, fileError(op, err)
	}
	defer file.Close()
	if e := loadable(file); e != nil {
		return nil, e
	}
	if s == nil {
		s = On(DefaultDevice())
	}
	g := &GGUF{Arrays: map[string]*Array{}, Metadata: map[string]any{}}
	err = inGate(op, func() error { return g.load(op, s, path, slices.Sorted(maps.Keys(file.Metadata))) })
	if err == nil {
		err = file.Verify()
	}
	if err != nil {
		free(g.Arrays)
		return nil, err
	}
	return g, nil
}

// loadable refuses what MLX's reader of GGUF drops in silence or crashes on.
func loadable(file *checkpoint.Checkpoint) error {
	const op = "load_gguf"
	if file.Format != checkpoint.GGUF {
		return newError(op, ErrFile, file.Path+" is a file of "+file.Format.String()+", not GGUF")
	}
	for key, value := range file.Metadata {
		if e := printable(op, "the metadata key", key); e != nil {
			return e
		}
		switch value.(type) {
		case float64, []float64:
			return newError(op, ErrFile, fmt.Sprintf("%s: MLX cannot read the float64 metadata %q (package checkpoint can)", file.Path, key))
		}
	}
	for _, name := range file.Names() {
		if e := printable(op, "the tensor name", name); e != nil {
			return e
		}
		t := file.Tensor(name)
		switch t.Type {
		case checkpoint.F32, checkpoint.F16, checkpoint.Q4_0, checkpoint.Q4_1, checkpoint.Q8_0, checkpoint.Q2_K, checkpoint.Q4_K, checkpoint.Q6_K,
			checkpoint.I8, checkpoint.I16, checkpoint.I32:
		default:
			return newError(op, ErrFile, fmt.Sprintf("%s: MLX cannot read tensor %q of type %s (package checkpoint can)", file.Path, name, t.Type))
		}
		if t.Type.Quantized() && (len(t.Shape) == 0 || len(name) < len(".weight")) {
			return newError(op, ErrFile, fmt.Sprintf("%s: MLX cannot name the parts of tensor %q, %s of shape %v", file.Path, name, t.Type, t.Shape))
		}
	}
	return nil
}

// load is inside the gate.
func (g *GGUF) load(op string, s *Scope, path string, metadata []string) error {
	var h capi.IoGguf
	if capi.LoadGguf(&h, capi.Bytes(path), s.stream.handle()) != 0 {
		return mlxError(op, nil)
	}
	defer capi.IoGgufFree(h)
	var list capi.VectorString
	if capi.IoGgufGetKeys(&list, h) != 0 {
		return mlxError(op, nil)
	}
	defer capi.VectorStringFree(list)
	for _, key := range stringList(list) {
		a, err := s.take(op, func(res *capi.Array) int32 { return capi.IoGgufGetArray(res, h, capi.Bytes(key)) })
		if err != nil {
			return err
		}
		g.Arrays[key] = a
	}
	for _, key := range metadata {
		name := capi.Bytes(key)
		var isText, isList, isArray bool
		if capi.IoGgufHasMetadataString(&isText, h, name) != 0 || capi.IoGgufHasMetadataVectorString(&isList, h, name) != 0 || capi.IoGgufHasMetadataArray(&isArray, h, name) != 0 {
			return mlxError(op, nil)
		}
		switch {
		case isText:
			var text capi.String
			if capi.IoGgufGetMetadataString(&text, h, name) != 0 {
				return mlxError(op, nil)
			}
			g.Metadata[key] = capi.StringData(text).String()
			capi.StringFree(text)
		case isList:
			var texts capi.VectorString
			if capi.IoGgufGetMetadataVectorString(&texts, h, name) != 0 {
				return mlxError(op, nil)
			}
			g.Metadata[key] = stringList(texts)
			capi.VectorStringFree(texts)
		case isArray:
			a, err := s.take(op, func(res *capi.Array) int32 { return capi.IoGgufGetMetadataArray(res, h, name) })
			if err != nil {
				return err
			}
			g.Metadata[key] = a
		}
	}
	return nil
}

// take makes an array of s of what f returns, and computes it.
func (s *Scope) take(op string, f func(res *capi.Array) int32) (*Array, error) {
	a := &Array{stream: s.stream}
	if s.owns() {
		a.scope.Store(s.owner())
	}
	if f(&a.h) != 0 || capi.ArrayEval(a.h) != 0 {
		freeTemporary(a.h)
		return nil, mlxError(op, nil)
	}
	a.settle(op)
	return a, a.Err()
}

// SaveGGUF writes a GGUF file of arrays of float32, float16 and the integers that GGUF has.
// The file appears when it is whole.
// Binds mlx_save_gguf, mlx_io_gguf_set_array, mlx_io_gguf_set_metadata_*.
func SaveGGUF(path string, g *GGUF) error {
	const op = "save_gguf"
	if err := Load(); err != nil {
		return err
	}
	if filepath.Ext(path) != ".gguf" {
		return newError(op, ErrFile, path+" does not end in .gguf, as MLX wants it")
	}
	if g == nil {
		return newError(op, errNoArray, "there is nothing to save: the GGUF is nil")
	}
	all, e := g.savable(op)
	if e != nil {
		return e
	}
	if err := Eval(all...); err != nil {
		return err
	}
	return save(path, func(w io.Writer) error {
		file, ok := w.(*os.File)
		if !ok || filepath.Dir(file.Name()) == "/dev" {
			return newError(op, ErrFile, path+" is not a file that MLX can open itself")
		}
		if e := printable(op, "the path", file.Name()); e != nil {
			return e
		}
		if e := start(op, &Array{}, nil, all); e != nil {
			return e
		}
		defer finish(all)
		return inGate(op, func() error { return g.save(op, file.Name()) })
	})
}

// savable returns every array of g, or what MLX's writer cannot write.
func (g *GGUF) savable(op string) (all []*Array, e *Error) {
	for _, key := range slices.Sorted(maps.Keys(g.Arrays)) {
		if e := printable(op, "the tensor name", key); e != nil {
			return nil, e
		}
		if e := writable(op, key, g.Arrays[key], Float32, Float16, Int8, Int16, Int32); e != nil {
			return nil, e
		}
		all = append(all, g.Arrays[key])
	}
	for key, value := range g.Metadata {
		if e := printable(op, "the metadata key", key); e != nil {
			return nil, e
		}
		if e := writableMetadata(op, key, value); e != nil {
			return nil, e
		}
		if a, ok := value.(*Array); ok {
			all = append(all, a)
		}
	}
	return all, nil
}

func writableMetadata(op, key string, value any) *Error {
	switch v := value.(type) {
	case string:
		return printable(op, "the metadata "+key, v)
	case []string:
		for _, text := range v {
			if e := printable(op, "the metadata "+key, text); e != nil {
				return e
			}
		}
	case *Array:
		if e := writable(op, key, v, Uint8, Int8, Uint16, Int16, Uint32, Int32, Uint64, Int64, Float32, Bool); e != nil {
			return e
		}
		if v.Ndim() > 1 {
			return newError(op, ErrShape, fmt.Sprintf("the metadata %q is %s, which has more than one axis", key, v))
		}
	default:
		return newError(op, ErrDtype, fmt.Sprintf("the metadata %q is a %T (have: string, []string, *mlx.Array)", key, value))
	}
	return nil
}

// writable refuses an array that MLX's writer has no type for.
func writable(op, key string, a *Array, have ...Dtype) *Error {
	if bad := required(op, a); bad != nil {
		return bad.err
	}
	if a.err != nil {
		return a.err
	}
	if !slices.Contains(have, a.Dtype()) {
		return newError(op, ErrDtype, fmt.Sprintf("%q is %s (have: %v)", key, a.Dtype(), have))
	}
	if a.Size() == 0 || a.Ndim() > 4 {
		return newError(op, ErrShape, fmt.Sprintf("%q is %s, and GGUF has tensors of 0 to 4 axes, none empty", key, a))
	}
	return nil
}

// save is inside the gate.
func (g *GGUF) save(op, path string) error {
	h := capi.IoGgufNew()
	defer capi.IoGgufFree(h)
	for _, key := range slices.Sorted(maps.Keys(g.Arrays)) {
		if capi.IoGgufSetArray(h, capi.Bytes(key), g.Arrays[key].h) != 0 {
			return mlxError(op, nil)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(g.Metadata)) {
		var s int32
		switch v := g.Metadata[key].(type) {
		case string:
			s = capi.IoGgufSetMetadataString(h, capi.Bytes(key), capi.Bytes(v))
		case []string:
			list := names(v)
			s = capi.IoGgufSetMetadataVectorString(h, capi.Bytes(key), list)
			capi.VectorStringFree(list)
		case *Array:
			s = capi.IoGgufSetMetadataArray(h, capi.Bytes(key), v.h)
		}
		if s != 0 {
			return mlxError(op, nil)
		}
	}
	return status(op, capi.SaveGguf(capi.Bytes(path), h))
}
