package mlx

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/checkpoint/npz"
	"github.com/mlxlens/mlxlens/mlx/internal/capi"
	"github.com/mlxlens/mlxlens/mlx/internal/gate"
)

// Files are read in Go, which checks the whole header against the file before it believes a
// number in it: MLX's own readers crash on many damaged files, take a short read for zeros and
// another tensor's bytes for the one asked for. What is read is in memory when the function
// returns.

// stored maps types of files to ours.
var stored = map[checkpoint.Type]Dtype{
	checkpoint.F32: Float32, checkpoint.F16: Float16, checkpoint.BF16: BFloat16, checkpoint.F64: Float64, checkpoint.C64: Complex64,
	checkpoint.I8: Int8, checkpoint.I16: Int16, checkpoint.I32: Int32, checkpoint.I64: Int64,
	checkpoint.U8: Uint8, checkpoint.U16: Uint16, checkpoint.U32: Uint32, checkpoint.U64: Uint64, checkpoint.BOOL: Bool,
}

// fromFile makes an array of what a file holds.
func fromFile(s *Scope, a checkpoint.Array) *Array {
	d, ok := stored[a.Type]
	if !ok {
		return failed("load", ErrDtype, "%q is of type %s, which MLX has not", a.Name, a.Type)
	}
	if d == Bool {
		for i, b := range a.Bytes {
			if b > 1 {
				return failed("load", ErrFile, "element %d of %q is %d, not a boolean", i, a.Name, b)
			}
		}
	}
	return FromBytes(s, a.Bytes, d, append([]int{}, a.Shape...)...)
}

// toFile computes a and returns it as a file holds it.
func toFile(name string, a *Array) (checkpoint.Array, error) {
	out := checkpoint.Array{Name: name, Shape: a.Shape()}
	for t, d := range stored {
		if d == a.Dtype() {
			out.Type = t
		}
	}
	if err := a.Err(); err != nil {
		return out, err
	}
	// complex numbers and booleans have no View of their bytes: read each as what it is
	var err error
	switch a.Dtype() {
	case Bool:
		err = Borrow(a, func(xs []bool) error {
			out.Bytes = make([]byte, len(xs))
			for i, x := range xs {
				if x {
					out.Bytes[i] = 1
				}
			}
			return nil
		})
	default:
		err = borrowBytes(a, func(b []byte) { out.Bytes = bytes.Clone(b) })
	}
	return out, err
}

// borrowBytes is Borrow of any type but bool.
func borrowBytes(a *Array, f func([]byte)) error {
	switch a.Dtype().Size() {
	case 1:
		return borrowAs[uint8](a, f)
	case 2:
		return borrowAs[uint16](a, f)
	case 4:
		return borrowAs[uint32](a, f)
	}
	return borrowAs[uint64](a, f)
}

func borrowAs[T Element](a *Array, f func([]byte)) error {
	return borrow(a, func(data []T) error {
		f(capi.BytesOf(data))
		return nil
	})
}

// LoadNpy reads a file that NumPy or MLX saved. A nil scope leaves the array to the
// collector.
func LoadNpy(s *Scope, path string) *Array {
	file, err := openRegular(path)
	if err != nil {
		return &Array{err: fileError("load", err)}
	}
	defer file.Close()
	a := ReadNpy(s, file)
	if a.err != nil && a.err.Kind == ErrFile {
		a.err.Text = path + ": " + a.err.Text
	}
	return a
}

// ReadNpy is LoadNpy from a reader, up to its end.
func ReadNpy(s *Scope, r io.Reader) *Array {
	a, err := npz.DecodeNPY(r)
	if err != nil {
		return &Array{err: fileError("load", err)}
	}
	return fromFile(s, a)
}

// SaveNpy writes an array for NumPy; of bfloat16, which NumPy has not, as float32. The file
// appears when it is whole.
func SaveNpy(path string, a *Array) error {
	return save(path, func(w io.Writer) error { return WriteNpy(w, a) })
}

// WriteNpy is SaveNpy to a writer.
func WriteNpy(w io.Writer, a *Array) error {
	if bad := required("save", a); bad != nil {
		return bad.err
	}
	out, err := toFile("", a)
	if err != nil {
		return err
	}
	if err := npz.EncodeNPY(w, out); err != nil {
		return fileError("save", err)
	}
	return nil
}

// LoadSafetensors reads the arrays of a file and its metadata, nil when it has none.
func LoadSafetensors(s *Scope, path string) (arrays map[string]*Array, metadata map[string]string, err error) {
	file, err := openRegular(path)
	if err != nil {
		return nil, nil, fileError("load_safetensors", err)
	}
	defer file.Close()
	arrays, metadata, err = ReadSafetensors(s, file)
	if err != nil {
		return nil, nil, fmt.Errorf("%w (%s)", err, path)
	}
	return arrays, metadata, nil
}

// ReadSafetensors is LoadSafetensors from a reader, up to its end.
func ReadSafetensors(s *Scope, r io.Reader) (arrays map[string]*Array, metadata map[string]string, err error) {
	list, metadata, err := checkpoint.ReadSafetensors(r)
	if err != nil {
		return nil, nil, fileError("load_safetensors", err)
	}
	arrays = make(map[string]*Array, len(list))
	for _, a := range list {
		arrays[a.Name] = fromFile(s, a)
		if err := arrays[a.Name].Err(); err != nil {
			free(arrays)
			return nil, nil, err
		}
	}
	return arrays, metadata, nil
}

func free(arrays map[string]*Array) {
	for _, a := range arrays {
		a.Free()
	}
}

// SaveSafetensors writes arrays in the order of their names, and metadata unless it is nil.
// The file appears when it is whole.
func SaveSafetensors(path string, arrays map[string]*Array, metadata map[string]string) error {
	return save(path, func(w io.Writer) error { return WriteSafetensors(w, arrays, metadata) })
}

// WriteSafetensors is SaveSafetensors to a writer.
func WriteSafetensors(w io.Writer, arrays map[string]*Array, metadata map[string]string) error {
	const op = "save_safetensors"
	names := slices.Sorted(maps.Keys(arrays))
	var list []checkpoint.Array
	for _, name := range names {
		if bad := required(op, arrays[name]); bad != nil {
			return bad.err
		}
		a, err := toFile(name, arrays[name])
		if err != nil {
			return err
		}
		list = append(list, a)
	}
	if err := checkpoint.WriteSafetensors(w, metadata, list); err != nil {
		return fileError(op, err)
	}
	return nil
}

// openRegular opens a file, but none that has no end or no contents.
func openRegular(path string) (*os.File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		file.Close()
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	return file, nil
}

// save writes to a new file beside path and gives it the name when it is whole. What is no
// regular file, such as a device, is written to directly.
func save(path string, write func(io.Writer) error) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return fileError("save", err)
		}
		err = write(file)
		if closed := file.Close(); err == nil && closed != nil {
			err = fileError("save", closed)
		}
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".*."+filepath.Base(path))
	if err != nil {
		return fileError("save", err)
	}
	defer os.Remove(file.Name()) // nothing when it has its name
	if err := write(file); err != nil {
		file.Close()
		return err
	}
	if err := file.Close(); err != nil {
		return fileError("save", err)
	}
	if err := os.Chmod(file.Name(), 0o644); err != nil {
		return fileError("save", err)
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return fileError("save", err)
	}
	return nil
}

// GGUF is what a GGUF file holds. Quantized tensors of the types Q4_0, Q4_1 and Q8_0 are
// three arrays, as MLX's affine quantization has them: name.weight, name.scales and
// name.biases; those of other quantized types are float16. A value of Metadata is a string, a
// []string or an *Array.
type GGUF struct {
	Arrays   map[string]*Array
	Metadata map[string]any
}

// LoadGGUF reads a GGUF file. Package checkpoint reads more types, and exactly.
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
	gate.Run(func() { err = g.load(op, s, path, slices.Sorted(maps.Keys(file.Metadata))) })
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
		a.scope.Store(s)
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
	var all []*Array
	keys := slices.Sorted(maps.Keys(g.Arrays))
	for _, key := range keys {
		if e := printable(op, "the tensor name", key); e != nil {
			return e
		}
		if e := writable(op, key, g.Arrays[key], Float32, Float16, Int8, Int16, Int32); e != nil {
			return e
		}
		all = append(all, g.Arrays[key])
	}
	for key, value := range g.Metadata {
		if e := printable(op, "the metadata key", key); e != nil {
			return e
		}
		switch v := value.(type) {
		case string:
			if e := printable(op, "the metadata "+key, v); e != nil {
				return e
			}
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
			all = append(all, v)
		default:
			return newError(op, ErrDtype, fmt.Sprintf("the metadata %q is a %T (have: string, []string, *mlx.Array)", key, value))
		}
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
		var err error
		gate.Run(func() { err = g.save(op, file.Name()) })
		return err
	})
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
