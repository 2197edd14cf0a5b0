package jacobian

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/internal/exactjson"
	"github.com/mlxlens/mlxlens/internal/regular"
	"github.com/mlxlens/mlxlens/internal/torchfile"
	"github.com/mlxlens/mlxlens/model"
)

// format is what our safetensors say that they are.
const format = "mlxlens.jacobian/1"

// ErrOther is what Open returns for a file that is whole and no Jacobian lens, such as a tuned one.
var ErrOther = errors.New("is no Jacobian lens")

// Open reads a lens, or a checkpoint of a fit, in the form that the file has. Its matrices are
// read later; [Lens.Close] closes it.
func Open(path string) (*Lens, error) {
	f, size, err := regular.Open(path)
	if err != nil {
		return nil, fmt.Errorf("jacobian: %s: %w", path, err)
	}
	l, err := read(path, f, size)
	if err == nil && l.file == nil {
		l.file = f
	} else {
		f.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("jacobian: %s: %w", path, err)
	}
	l.Path = path
	if err := l.check(); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// read tells the forms apart by how a file begins.
func read(path string, f *os.File, size int64) (*Lens, error) {
	start := make([]byte, 4)
	if _, err := f.ReadAt(start, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if !torchfile.Begins(start) {
		return openSafetensors(path)
	}
	t, err := torchfile.Open(f, size)
	if err != nil {
		return nil, err
	}
	root, ok := t.Root.(*torchfile.Dict)
	if !ok {
		return nil, fmt.Errorf("%w: it holds no dictionary", ErrOther)
	}
	if _, ok := root.Values["J"]; ok {
		return openArtifact(t, root, size)
	}
	if _, ok := root.Values["jacobian_sum"]; ok {
		return openCheckpoint(t, root, size)
	}
	if _, ok := root.Values[keyPartial]; ok {
		return nil, fmt.Errorf("is a checkpoint of a fit by some rows of each prompt, whose rows are of different numbers of prompts: it is a lens when the fit has ended")
	}
	return nil, fmt.Errorf(`%w: it has neither "J", as a lens, nor "jacobian_sum", as a checkpoint of a fit`, ErrOther)
}

// openArtifact reads {"J", "n_prompts", "d_model", "metadata", "shard"}.
func openArtifact(t *torchfile.File, root *torchfile.Dict, size int64) (*Lens, error) {
	l := &Lens{Target: Unknown}
	var err error
	if l.DModel, err = whole(root, "d_model", nil); err != nil {
		return nil, err
	}
	if l.Prompts, err = whole(root, "n_prompts", new(int)); err != nil {
		return nil, err
	}
	if l.Metadata, err = metadata(root.Values["metadata"]); err != nil {
		return nil, err
	}
	shard, err := metadata(root.Values[keyShard])
	if err != nil {
		return nil, err
	}
	maps.Copy(l.Metadata, shard)
	if err := l.target(); err != nil {
		return nil, err
	}
	return l, l.matrices(t, root.Values["J"], "J", 1, size)
}

// target takes the target layer from the metadata, where fits put it.
func (l *Lens) target() error {
	switch v := l.Metadata[keyTarget].(type) {
	case nil:
	case int:
		l.Target = v
	default:
		return fmt.Errorf("its metadata have the %s %v, which is no number", keyTarget, v)
	}
	return nil
}

// openCheckpoint reads {"jacobian_sum", "n_done", "target_layer"}, and what says where it is from.
func openCheckpoint(t *torchfile.File, root *torchfile.Dict, size int64) (*Lens, error) {
	l := &Lens{Target: Unknown}
	var err error
	if l.Metadata, err = metadata(root.Values["metadata"]); err != nil {
		return nil, err
	}
	for _, key := range []string{keyModel, keyRevision, keyCorpus, keyTarget} {
		switch v := root.Values[key].(type) {
		case nil:
		case string, int:
			l.Metadata[key] = v
		default:
			return nil, fmt.Errorf("has %#v under %q: want a text or a whole number", v, key)
		}
	}
	if err := l.target(); err != nil {
		return nil, err
	}
	if l.Prompts, err = whole(root, "n_done", nil); err != nil {
		return nil, err
	}
	if l.Prompts < 1 {
		return nil, fmt.Errorf("is a checkpoint of a fit that has done %d prompts: there is no mean of them", l.Prompts)
	}
	if d, ok := root.Values["jacobian_sum"].(*torchfile.Dict); ok {
		for _, v := range d.Values {
			if x, ok := v.(torchfile.Tensor); ok {
				l.DModel = x.Shape()[0]
			}
		}
	}
	return l, l.matrices(t, root.Values["jacobian_sum"], "jacobian_sum", l.Prompts, size)
}

// whole returns a number of the dictionary; without it absent, or an error where that is nil.
func whole(root *torchfile.Dict, key string, absent *int) (int, error) {
	v, ok := root.Values[key]
	if !ok && absent != nil {
		return *absent, nil
	}
	switch v := v.(type) {
	case int:
		return v, nil
	case nil:
		if !ok {
			return 0, fmt.Errorf("has no %q: want a whole number", key)
		}
		return 0, fmt.Errorf("has None under %q: want a whole number", key)
	case float64:
		return 0, fmt.Errorf("has the float %v under %q: want a whole number, an int", v, key)
	default:
		return 0, fmt.Errorf("has %#v under %q: want a whole number", v, key)
	}
}

// matrices takes the layers of a dictionary, whose tensors are divided by n when they are read.
func (l *Lens) matrices(t *torchfile.File, value any, key string, n int, size int64) error {
	d, ok := value.(*torchfile.Dict)
	if !ok {
		return fmt.Errorf("has under %q no dictionary of layers", key)
	}
	tensors := map[int]torchfile.Tensor{}
	for k, v := range d.Values {
		layer, isInt := k.(int)
		x, isTensor := v.(torchfile.Tensor)
		if !isInt || !isTensor {
			return fmt.Errorf("has under %q the key %#v: want layers, and a tensor of each", key, k)
		}
		if shape := x.Shape(); !slices.Equal(shape, []int{l.DModel, l.DModel}) {
			return fmt.Errorf("layer %d has the shape %v, and d_model is %d", layer, shape, l.DModel)
		}
		if _, err := x.Type(tensorName(layer)); err != nil {
			return err
		}
		tensors[layer] = x
		l.Layers = append(l.Layers, layer)
	}
	slices.Sort(l.Layers)
	// torch.save does not compress, and the fits' layers do not share their bytes: what is read is bounded by the file
	if least := 2 * int64(len(l.Layers)) * int64(l.DModel) * int64(l.DModel); l.DModel <= maxDModel && least > size {
		return fmt.Errorf("has %d bytes, and %d matrices of d_model %d take at least %d: it is cut short, or layers share a tensor's numbers, which is not read: save a clone of each", size, len(l.Layers), l.DModel, least)
	}
	l.matrix = func(layer int) (checkpoint.Array, float32, error) {
		a, err := t.Array(tensors[layer], tensorName(layer), []int{l.DModel, l.DModel})
		return a, float32(n), err
	}
	return nil
}

// What metadata may hold.
const (
	maxValues = 1 << 20 // a fit names each of its prompts
	maxDepth  = 8
)

// metadata returns what a file says beside its matrices. Values that are no plain ones, such as tensors, are left out.
func metadata(v any) (Metadata, error) {
	left := maxValues
	if v == nil {
		return Metadata{}, nil
	}
	d, ok := v.(*torchfile.Dict)
	if !ok {
		return nil, errors.New("has metadata that are no dictionary")
	}
	plain, _, err := plainValue(d, maxDepth, &left)
	if err != nil {
		return nil, err
	}
	return plain.(Metadata), nil
}

func plainValue(v any, depth int, left *int) (plain any, ok bool, err error) {
	if *left--; *left < 0 || depth < 0 {
		return nil, false, errors.New("has metadata that are too large, or hold themselves")
	}
	switch v := v.(type) {
	case nil, bool, int, float64, string:
		return v, true, nil
	case torchfile.Tuple:
		return plainList(v, depth, left)
	case *torchfile.List:
		return plainList(v.Values, depth, left)
	case *torchfile.Dict:
		out := Metadata{}
		for key, value := range v.Values {
			name, isText := key.(string)
			x, ok, err := plainValue(value, depth-1, left)
			if err != nil {
				return nil, false, err
			}
			if ok && isText {
				out[name] = x
			}
		}
		return out, true, nil
	}
	return nil, false, nil
}

func plainList(values []any, depth int, left *int) (any, bool, error) {
	out := []any{}
	for _, value := range values {
		x, ok, err := plainValue(value, depth-1, left)
		if err != nil {
			return nil, false, err
		}
		if ok {
			out = append(out, x)
		}
	}
	return out, true, nil
}

// tensorName is a matrix's name in our safetensors.
func tensorName(layer int) string {
	return model.Place{Site: model.ResidPost, Layer: layer}.String()
}

// openSafetensors reads the own form.
func openSafetensors(path string) (*Lens, error) {
	c, err := checkpoint.OpenFile(path)
	if err != nil {
		return nil, err
	}
	l, err := fromSafetensors(c)
	if err != nil {
		c.Close()
		return nil, err
	}
	l.file = c
	return l, nil
}

func fromSafetensors(c *checkpoint.Checkpoint) (*Lens, error) {
	text := func(key string) string {
		s, _ := c.Metadata[key].(string)
		return s
	}
	if version := text("format"); version != format && strings.HasPrefix(version, "mlxlens.jacobian/") {
		return nil, fmt.Errorf("its metadata have the format %q, and this version reads %q: take a newer mlxlens", version, format)
	} else if version != format {
		return nil, fmt.Errorf("%w: its metadata have the format %q, not %q", ErrOther, text("format"), format)
	}
	l := &Lens{Target: Unknown}
	var err error
	if l.Prompts, err = strconv.Atoi(text(keyPrompts)); err != nil {
		return nil, fmt.Errorf("its metadata have the %s %q, which is no number", keyPrompts, text(keyPrompts))
	}
	if l.Metadata, err = fromJSON(text("metadata")); err != nil {
		return nil, err
	}
	if err := l.target(); err != nil {
		return nil, err
	}
	names := map[int]string{} // TransformerLens' spelling of a place is read, too
	for _, name := range c.Names() {
		place, err := model.ParsePlace(name)
		t := c.Tensor(name)
		if err != nil || place.Site != model.ResidPost || len(t.Shape) != 2 || t.Shape[0] != t.Shape[1] {
			return nil, fmt.Errorf("has the tensor %s of shape %v: want square ones of layers.N.resid_post", name, t.Shape)
		}
		if l.DModel != 0 && t.Shape[0] != l.DModel {
			return nil, fmt.Errorf("has matrices of d_model %d and %d", l.DModel, t.Shape[0])
		}
		if other, twice := names[place.Layer]; twice {
			return nil, fmt.Errorf("has two matrices of layer %d, %s and %s", place.Layer, other, name)
		}
		l.DModel, names[place.Layer] = t.Shape[0], name
		l.Layers = append(l.Layers, place.Layer)
	}
	slices.Sort(l.Layers)
	l.matrix = func(layer int) (checkpoint.Array, float32, error) {
		a, err := c.Tensor(names[layer]).Array()
		return a, 1, err
	}
	return l, nil
}

// fromJSON reads metadata; whole numbers are ints.
func fromJSON(text string) (Metadata, error) {
	if text == "" {
		return Metadata{}, nil
	}
	var raw map[string]json.RawMessage
	if err := exactjson.Unmarshal([]byte(text), &raw); err != nil {
		return nil, fmt.Errorf("its metadata are no JSON: %w", err)
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var all map[string]any
	if err := d.Decode(&all); err != nil {
		return nil, fmt.Errorf("its metadata are no JSON: %w", err)
	}
	return numbered(all).(Metadata), nil
}

func numbered(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := Metadata{}
		for key, x := range v {
			out[key] = numbered(x)
		}
		return out
	case []any:
		for i := range v {
			v[i] = numbered(v[i])
		}
		return v
	case json.Number:
		if n, err := strconv.Atoi(v.String()); err == nil {
			return n
		}
		x, _ := v.Float64() // a number that is too large is +Inf
		return x
	}
	return v
}
