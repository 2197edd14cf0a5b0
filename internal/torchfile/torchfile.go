// Package torchfile reads and writes what torch.save writes since version 1.6: a zip archive with
// the pickle data.pkl, and in data/KEY the elements of each storage that the pickle names.
//
// A file is data: of a pickle only what dictionaries, lists, numbers, texts and tensors need is
// understood, and nothing is called. Tensors are read one by one, when they are asked for.
package torchfile

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/mlxlens/mlxlens/checkpoint"
)

// File is an open file.
type File struct {
	Root    any // what was saved
	size    int64
	entries map[string]*zip.File // by their names in the archive's folder
}

// maxPickle bounds data.pkl, which takes some 200 bytes a tensor.
const maxPickle = 16 << 20

// legacy is how a file of torch.save before version 1.6 begins: a pickle of its magic number, and no archive.
const legacy = "\x80\x02\x8a\x0a"

// Begins reports whether a file that begins so is torch.save's, of any version.
func Begins(start []byte) bool {
	return bytes.HasPrefix(start, []byte("PK")) || bytes.HasPrefix(start, []byte(legacy))
}

// Open reads what a file of so many bytes holds, but for the elements of its tensors.
func Open(r io.ReaderAt, size int64) (*File, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		start := make([]byte, len(legacy))
		if _, e := r.ReadAt(start, 0); e == nil && string(start) == legacy {
			return nil, errors.New("is in the form that torch.save had before version 1.6: load it with torch.load, and save it again")
		}
		return nil, fmt.Errorf("is no file of torch.save (version 1.6 or later), or is truncated: %w", err)
	}
	t := &File{size: size, entries: map[string]*zip.File{}}
	folder := ""
	for _, f := range z.File {
		if path.Base(f.Name) == "data.pkl" {
			folder = path.Dir(f.Name) + "/"
		}
	}
	for _, f := range z.File {
		name, ok := strings.CutPrefix(f.Name, folder)
		if !ok {
			continue
		}
		if t.entries[name] != nil {
			return nil, fmt.Errorf("has the entry %q twice", f.Name)
		}
		t.entries[name] = f
	}
	if e := t.entries["byteorder"]; e != nil {
		if order, err := t.read("byteorder", 16); err != nil || string(order) != "little" {
			return nil, fmt.Errorf("has the byte order %q: want little", order)
		}
	}
	pickle, err := t.read("data.pkl", maxPickle)
	if err != nil {
		return nil, err
	}
	if t.Root, err = unpickle(pickle); err != nil {
		return nil, err
	}
	return t, nil
}

// read reads an entry of at most so many bytes.
func (t *File) read(name string, most uint64) ([]byte, error) {
	e := t.entries[name]
	if e == nil {
		return nil, fmt.Errorf("has no entry %q", name)
	}
	n := e.UncompressedSize64
	if n > most {
		return nil, fmt.Errorf("entry %q has %d bytes: want at most %d", name, n, most)
	}
	if e.Method != zip.Store || n > uint64(t.size) { // torch.save does not compress
		return nil, fmt.Errorf("entry %q is compressed, or longer than the file", name)
	}
	r, err := e.Open()
	if err != nil {
		return nil, fmt.Errorf("entry %q: %w", name, err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("entry %q is damaged: %w", name, err)
	}
	return data, nil
}

// Tensors returns the tensors by their names, of a file that has a dictionary of them.
func (t *File) Tensors() (map[string]Tensor, error) {
	root, ok := t.Root.(*Dict)
	if !ok {
		return nil, errors.New("the pickle is no dictionary of tensors")
	}
	tensors := map[string]Tensor{}
	for key, value := range root.Values {
		name, isText := key.(string)
		x, isTensor := value.(Tensor)
		if !isText || !isTensor {
			return nil, fmt.Errorf("the pickle has under %#v something else than a tensor", key)
		}
		tensors[name] = x
	}
	return tensors, nil
}

// Type returns the type of a tensor's elements; name is what errors call it.
func (x Tensor) Type(name string) (checkpoint.Type, error) {
	typ, ok := storages[x.storage.class]
	if !ok {
		return 0, fmt.Errorf("tensor %q is a %s (have: %s)", name, x.storage.class, strings.Join(slices.Sorted(maps.Keys(storages)), ", "))
	}
	return typ, nil
}

// Shape returns a tensor's one or two lengths.
func (x Tensor) Shape() []int { return slices.Clone(x.shape) }

// Array reads a tensor that must have a shape; name is what errors call it.
func (t *File) Array(x Tensor, name string, shape []int) (checkpoint.Array, error) {
	if !slices.Equal(x.shape, shape) {
		return checkpoint.Array{}, fmt.Errorf("tensor %q has the shape %v, not %v", name, x.shape, shape)
	}
	typ, err := x.Type(name)
	if err != nil {
		return checkpoint.Array{}, err
	}
	_, width := typ.Block()
	data, err := t.read("data/"+x.storage.key, uint64(t.size))
	if err != nil {
		return checkpoint.Array{}, fmt.Errorf("tensor %q: %w", name, err)
	}
	a := checkpoint.Array{Name: name, Type: typ, Shape: shape}
	if a.Bytes, err = x.gather(data, width); err != nil {
		return checkpoint.Array{}, fmt.Errorf("tensor %q %w", name, err)
	}
	return a, nil
}

// storages are the classes of floating-point elements.
var storages = map[string]checkpoint.Type{
	"torch.FloatStorage": checkpoint.F32, "torch.HalfStorage": checkpoint.F16,
	"torch.BFloat16Storage": checkpoint.BF16, "torch.DoubleStorage": checkpoint.F64,
}

// Tensor is a view of a storage: element (i, j) stands at offset + i·stride₀ + j·stride₁.
type Tensor struct {
	storage       storage
	offset        int
	shape, stride []int
}

type storage struct {
	class, key string
}

// gather returns the elements in row-major order.
func (x *Tensor) gather(data []byte, width int) ([]byte, error) {
	rows, cols, down, right := 1, x.shape[len(x.shape)-1], 0, x.stride[len(x.stride)-1]
	if len(x.shape) == 2 {
		rows, down = x.shape[0], x.stride[0]
	}
	have := len(data) / width
	fits := func(n, stride int) bool { return stride >= 0 && (n <= 1 || stride <= have/(n-1)) }
	if rows > 1 && down == 0 || cols > 1 && right == 0 {
		return nil, errors.New("is expanded: some of its elements are one (stride 0): save it by .contiguous()")
	}
	if rows < 1 || cols < 1 || rows > have || cols > have || rows*cols > have || x.offset < 0 || x.offset >= have || !fits(rows, down) || !fits(cols, right) ||
		x.offset+(rows-1)*down+(cols-1)*right >= have {
		return nil, errors.New("reaches beyond its storage")
	}
	out := make([]byte, 0, rows*cols*width)
	for i := range rows {
		from := x.offset + i*down
		if right == 1 {
			out = append(out, data[from*width:(from+cols)*width]...)
			continue
		}
		for j := range cols {
			at := (from + j*right) * width
			out = append(out, data[at:at+width]...)
		}
	}
	return out, nil
}
