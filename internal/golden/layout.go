package golden

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
)

// Rule makes a tensor of a Hugging Face file of a recorded model's own: tools/golden/layout.py
// has the form. Without parts it is one of zeros, which no program reads.
type Rule struct {
	Name        string  `json:"name"`
	Parts       []Taken `json:"parts"`
	Axis        int     `json:"axis"`        // that the parts are joined along
	Interleaved bool    `json:"interleaved"` // element by element of it, in turn
	Type        string  `json:"type"`        // that the bytes are read as, "" for the parts'
	Shape       []int   `json:"shape"`       // nil: as it comes out
	Plus        float32 `json:"plus"`        // added to each element, a float32
}

// Taken is a part of a recorded tensor.
type Taken struct {
	Of      string  `json:"of"`
	Index   *int    `json:"index"`   // one element of the first axis, which goes away
	Rows    *[2]int `json:"rows"`    // of the first axis that is left
	Permute []int   `json:"permute"` // the axes in this order
}

// tensor is a tensor of a file.
type tensor struct {
	name, kind string
	shape      []int
	data       []byte
}

// drawn returns the model's tensors.
func (a *Architecture) drawn() ([]tensor, error) {
	var out []tensor
	for _, t := range a.Tensors {
		data, err := t.draw(nil)
		if err != nil {
			return nil, err
		}
		out = append(out, tensor{t.Name, t.Type, t.Shape, data})
	}
	return out, nil
}

// WriteHF is Write in Hugging Face's layout, of a case that has its rules.
func (a *Architecture) WriteHF(dir string) error {
	own, err := a.drawn()
	if err != nil {
		return err
	}
	named := map[string]tensor{}
	for _, t := range own {
		named[t.name] = t
	}
	var file []tensor
	for _, r := range a.HF {
		t, err := r.made(named)
		if err != nil {
			return err
		}
		file = append(file, t)
	}
	config := a.Config
	if a.HFConfig != nil {
		config = a.HFConfig
	}
	return write(dir, file, config)
}

// made makes the tensor of the recorded ones.
func (r Rule) made(named map[string]tensor) (tensor, error) {
	if len(r.Parts) == 0 {
		return tensor{r.Name, r.Type, r.Shape, make([]byte, product(r.Shape)*sizes[r.Type])}, nil
	}
	var parts []tensor
	for _, p := range r.Parts {
		t, ok := named[p.Of]
		if !ok {
			return tensor{}, fmt.Errorf("golden: tensor %q is made of %q, which the case does not have", r.Name, p.Of)
		}
		parts = append(parts, p.from(t))
	}
	t := joined(parts, r.Axis, r.Interleaved)
	t.name = r.Name
	if r.Type != "" {
		last := len(t.shape) - 1
		t.shape[last] = t.shape[last] * sizes[t.kind] / sizes[r.Type]
		t.kind = r.Type
	}
	if r.Shape != nil {
		t.shape = r.Shape
	}
	if r.Plus != 0 {
		le := binary.LittleEndian
		for at := 0; at < len(t.data); at += 4 {
			le.PutUint32(t.data[at:], math.Float32bits(math.Float32frombits(le.Uint32(t.data[at:]))+r.Plus))
		}
	}
	return t, nil
}

// from returns the part of a tensor.
func (p Taken) from(t tensor) tensor {
	rows := func(from, to int) {
		row := len(t.data) / t.shape[0]
		t.data = t.data[from*row : to*row]
		t.shape = append([]int{to - from}, t.shape[1:]...)
	}
	if p.Index != nil {
		rows(*p.Index, *p.Index+1)
		t.shape = t.shape[1:]
	}
	if p.Rows != nil {
		rows(p.Rows[0], p.Rows[1])
	}
	if p.Permute != nil {
		t = permuted(t, p.Permute)
	}
	return t
}

// permuted returns a tensor with its axes in another order.
func permuted(t tensor, axes []int) tensor {
	size := sizes[t.kind]
	strides := make([]int, len(axes)) // of the file's axes, in elements of t
	shape := make([]int, len(axes))
	for i, axis := range axes {
		shape[i], strides[i] = t.shape[axis], product(t.shape[axis+1:])
	}
	data := make([]byte, 0, len(t.data))
	at := make([]int, len(axes))
	for range product(shape) {
		from := 0
		for i, n := range at {
			from += n * strides[i]
		}
		data = append(data, t.data[from*size:(from+1)*size]...)
		for i := len(at) - 1; i >= 0; i-- {
			if at[i]++; at[i] < shape[i] {
				break
			}
			at[i] = 0
		}
	}
	return tensor{t.name, t.kind, shape, data}
}

// joined puts tensors one behind the other along an axis, or its elements in turn.
func joined(parts []tensor, axis int, interleaved bool) tensor {
	first := parts[0]
	out := tensor{kind: first.kind, shape: slices.Clone(first.shape)}
	out.shape[axis] = 0
	for _, p := range parts {
		out.shape[axis] += p.shape[axis]
	}
	outer := product(first.shape[:axis])
	if interleaved {
		outer *= first.shape[axis]
	}
	for o := range outer {
		for _, p := range parts {
			block := len(p.data) / outer
			out.data = append(out.data, p.data[o*block:(o+1)*block]...)
		}
	}
	return out
}

func product(shape []int) int {
	n := 1
	for _, s := range shape {
		n *= s
	}
	return n
}

// sizes are the bytes of an element.
var sizes = map[string]int{"float32": 4, "bfloat16": 2, "float16": 2, "uint32": 4, "uint8": 1}

// write makes a directory's config.json and model.safetensors.
func write(dir string, tensors []tensor, config []byte) error {
	type entry struct {
		Dtype   string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	header, data := map[string]entry{}, []byte{}
	for _, t := range tensors {
		from := len(data)
		data = append(data, t.data...)
		header[t.name] = entry{safetensorsTypes[t.kind], t.shape, [2]int{from, len(data)}}
	}
	names, err := json.Marshal(header)
	if err != nil {
		return err
	}
	file := binary.LittleEndian.AppendUint64(nil, uint64(len(names)))
	file = append(append(file, names...), data...)
	if err := os.WriteFile(filepath.Join(dir, "model.safetensors"), file, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "config.json"), config, 0o644)
}
