package tuned

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/internal/regular"
	"github.com/mlxlens/mlxlens/model"
)

// linearLens is the only lens_type that there is.
const linearLens = "linear_tuned_lens"

// openAlignment reads what the save of AlignmentResearch's TunedLens writes into a
// folder. Its unembed_hash is not compared: it is one of the text in which NumPy prints
// the corners of the matrix, to one decimal, which quantized weights change; the package
// itself only warns.
func openAlignment(folder string) (*Lens, error) {
	config := struct {
		Model  string `json:"base_model_name_or_path"`
		DModel int    `json:"d_model"`
		Layers int    `json:"num_hidden_layers"`
		Bias   bool   `json:"bias"`
		Type   string `json:"lens_type"`
	}{Bias: true, Type: linearLens} // the package's defaults
	file := filepath.Join(folder, "config.json")
	if err := readConfig(file, &config); err != nil {
		return nil, err
	}
	if config.Type != linearLens {
		return nil, fmt.Errorf("tuned: %s: lens_type %q is unknown (have: %s)", file, config.Type, linearLens)
	}
	if err := sizes(file, "num_hidden_layers", config.Layers, "d_model", config.DModel); err != nil {
		return nil, err
	}
	file = filepath.Join(folder, "params.pt")
	f, size, err := regular.Open(file)
	if err != nil {
		return nil, fmt.Errorf("tuned: %s: %w", file, err)
	}
	defer f.Close()
	t, err := openTorch(f, size)
	if err != nil {
		return nil, fmt.Errorf("tuned: %s: %w", file, err)
	}
	// torch.save does not compress, and no two translators share their bytes
	if least := 2 * int64(config.Layers) * int64(config.DModel) * int64(config.DModel); least > size {
		return nil, fmt.Errorf("tuned: %s: has %d bytes, and %d translators of d_model %d take at least %d", file, size, config.Layers, config.DModel, least)
	}
	names := slices.Sorted(maps.Keys(t.tensors))
	if !config.Bias {
		for i := range config.Layers {
			names = append(names, alignmentName(i, "bias"))
		}
	}
	if err := count(file, names, config.Layers, alignmentName); err != nil {
		return nil, err
	}
	l := &Lens{DModel: config.DModel, Site: model.ResidPre, Residual: true, Model: config.Model}
	l.Translators, err = translators(config.Layers, config.DModel, func(layer int, part string, shape []int) (checkpoint.Array, error) {
		if part == "bias" && !config.Bias {
			return checkpoint.Float32Array(part, make([]float32, config.DModel), shape...), nil
		}
		a, err := t.array(alignmentName(layer, part), shape)
		if err != nil {
			err = fmt.Errorf("tuned: %s: %w", file, err)
		}
		return a, err
	})
	return l, err
}

func alignmentName(layer int, part string) string { return strconv.Itoa(layer) + "." + part }

// torchFile is what torch.save writes since version 1.6: a zip archive with the pickle
// data.pkl, and in data/KEY the elements of each storage that the pickle names.
type torchFile struct {
	size    int64
	entries map[string]*zip.File // by their names in the archive's folder
	tensors map[string]tensor
}

// maxPickle bounds data.pkl, which takes some 200 bytes a tensor.
const maxPickle = 16 << 20

func openTorch(r io.ReaderAt, size int64) (*torchFile, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("is no file of torch.save (version 1.6 or later), or is truncated: %w", err)
	}
	t := &torchFile{size: size, entries: map[string]*zip.File{}}
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
	t.tensors, err = unpickle(pickle)
	return t, err
}

// read reads an entry of at most so many bytes.
func (t *torchFile) read(name string, most uint64) ([]byte, error) {
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

// array reads a tensor that must have a shape.
func (t *torchFile) array(name string, shape []int) (checkpoint.Array, error) {
	x, ok := t.tensors[name]
	if !ok {
		return checkpoint.Array{}, fmt.Errorf("has no tensor %q", name)
	}
	if !slices.Equal(x.shape, shape) {
		return checkpoint.Array{}, fmt.Errorf("tensor %q has the shape %v, not %v", name, x.shape, shape)
	}
	typ, ok := storages[x.storage.class]
	if !ok {
		return checkpoint.Array{}, fmt.Errorf("tensor %q is a %s (have: %s)", name, x.storage.class, strings.Join(slices.Sorted(maps.Keys(storages)), ", "))
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

// tensor is a view of a storage: element (i, j) stands at offset + i·stride₀ + j·stride₁.
type tensor struct {
	storage       storage
	offset        int
	shape, stride []int
}

type storage struct {
	class, key string
}

// gather returns the elements in row-major order.
func (x *tensor) gather(data []byte, width int) ([]byte, error) {
	rows, cols, down, right := 1, x.shape[len(x.shape)-1], 0, x.stride[len(x.stride)-1]
	if len(x.shape) == 2 {
		rows, down = x.shape[0], x.stride[0]
	}
	have := len(data) / width
	fits := func(n, stride int) bool { return stride >= 0 && (n <= 1 || stride <= have/(n-1)) }
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
