package npz

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/internal/regular"
)

// maxDeflate is the most that deflate can make of a byte (RFC 1951: 258 bytes of two
// bits), so that no small file asks for much memory.
const maxDeflate = 1032

// File is an open .npz file.
type File struct {
	path    string
	size    uint64
	closer  io.Closer
	entries map[string]*zip.File
	names   []string
}

// Open opens a file and reads its directory; an array is read when it is asked for.
func Open(path string) (*File, error) {
	r, size, err := regular.Open(path)
	if err != nil {
		return nil, fmt.Errorf("npz: %s: %w", path, err)
	}
	f, err := NewFile(path, r, size)
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	f.closer = r
	return f, nil
}

// NewFile reads the directory of a file of so many bytes, which errors call by its path.
func NewFile(path string, r io.ReaderAt, size int64) (*File, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("npz: %s: is no .npz file, or is truncated: %w", path, err)
	}
	if err := checkTotal(z.File, uint64(size)); err != nil {
		return nil, fmt.Errorf("npz: %s: %w", path, err)
	}
	f := &File{path: path, size: uint64(size), entries: map[string]*zip.File{}}
	for _, e := range z.File {
		name, ok := strings.CutSuffix(e.Name, ".npy")
		if !ok {
			continue
		}
		if f.entries[name] != nil {
			return nil, fmt.Errorf("npz: %s: has the array %q twice", path, name)
		}
		f.entries[name] = e
		f.names = append(f.names, name)
	}
	slices.Sort(f.names)
	return f, nil
}

// Numbers compress to a half at best, and a gigabyte of zeros is never needed: what claims to
// hold more than freeTotal is believed up to so many times its size. Entries that share their
// bytes count each.
const (
	freeTotal = 256 << 20
	maxRatio  = 64
)

// checkTotal refuses an archive whose entries would take far more memory than its size
// justifies. An entry that lies about itself is an error when it is read.
func checkTotal(entries []*zip.File, size uint64) error {
	total := uint64(0)
	for _, e := range entries {
		if e.UncompressedSize64 > maxDeflate*(size+1) {
			continue
		}
		if total += e.UncompressedSize64; total > freeTotal && total/maxRatio > size {
			return fmt.Errorf("has %d bytes and claims to hold more than %d times as many: save it without compression", size, maxRatio)
		}
	}
	return nil
}

// Names returns the names of the arrays, sorted, without .npy.
func (f *File) Names() []string { return slices.Clone(f.names) }

// Close closes the file.
func (f *File) Close() error {
	if f.closer == nil {
		return nil
	}
	return f.closer.Close()
}

// Array reads an array. Want is the shape that it must have; nil: any.
func (f *File) Array(name string, want []int) (checkpoint.Array, error) {
	e := f.entries[name]
	if e == nil {
		return checkpoint.Array{}, fmt.Errorf("npz: %s: has no array %q (have: %s)", f.path, name, strings.Join(f.names, ", "))
	}
	a, err := f.read(e, want)
	if err != nil {
		return checkpoint.Array{}, fmt.Errorf("npz: %s: array %q %w", f.path, name, err)
	}
	a.Name = name
	return a, nil
}

func (f *File) read(e *zip.File, want []int) (checkpoint.Array, error) {
	most := min(e.CompressedSize64, f.size)
	if e.Method != zip.Store {
		most = maxDeflate * (most + 1)
	}
	if e.UncompressedSize64 > most {
		return checkpoint.Array{}, fmt.Errorf("claims %d bytes, which its %d in the file cannot hold", e.UncompressedSize64, min(e.CompressedSize64, f.size))
	}
	r, err := e.Open()
	if err != nil {
		return checkpoint.Array{}, fmt.Errorf("cannot be read: %w", err)
	}
	defer r.Close()
	return readArray(r, e.UncompressedSize64, want)
}

// Write writes arrays as an .npz file that is not compressed, as numpy.savez does. A
// bfloat16 array, which NumPy has not, is widened to float32.
func Write(w io.Writer, arrays []checkpoint.Array) error {
	z := zip.NewWriter(w)
	names := map[string]bool{}
	for _, a := range arrays {
		if names[a.Name] {
			return fmt.Errorf("npz: the name %q stands for two arrays", a.Name)
		}
		names[a.Name] = true
		if err := write(z, a); err != nil {
			return fmt.Errorf("npz: array %q: %w", a.Name, err)
		}
	}
	return z.Close()
}

func write(z *zip.Writer, a checkpoint.Array) error {
	e, err := z.CreateHeader(&zip.FileHeader{Name: a.Name + ".npy", Method: zip.Store})
	if err != nil {
		return err
	}
	return EncodeNPY(e, a)
}
