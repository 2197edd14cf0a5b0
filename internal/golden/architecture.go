package golden

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"

	"github.com/mlxlens/mlxlens/mlx"
)

// Architecture is a tiny random model and what its judges compute with it, mlx-lm or transformers
// or both: a case of tools/golden/architectures.py. Its weights are drawn anew by the same rule,
// under mlx-lm's names.
type Architecture struct {
	Name     string          `json:"name"`
	Config   json.RawMessage `json:"config"`
	Tensors  []Drawn         `json:"tensors"`
	Runs     []LogitRun      `json:"runs"`
	Greedy   GreedyRun       `json:"greedy"`
	BFloat16 *LogitRun       `json:"bfloat16"`      // in that type; the others in float32
	CUDA     *LogitRun       `json:"bfloat16_cuda"` // BFloat16 on an Nvidia GPU

	HF       []Rule            `json:"hf"`        // the layout of Hugging Face's files; nil: no such layout, or an old case
	HFConfig json.RawMessage   `json:"hf_config"` // the config.json beside it; nil: Config
	Judges   map[string]string `json:"judges"`    // versions by name; nil: an old case
	Apart    float64           `json:"apart"`     // the largest difference between the judges, as a part of the largest logit
}

// LogitRun is a forward pass: the logits at some positions, and the L2 norm of the
// stream after each layer, [layer][pos].
type LogitRun struct {
	IDs       []int32     `json:"ids"`
	Positions []int       `json:"positions"`
	Logits    [][]float64 `json:"logits"`
	Norms     [][]float64 `json:"norms"`
}

// GreedyRun is a continuation, each token the likeliest.
type GreedyRun struct {
	IDs         []int32 `json:"ids"`
	NewIDs      []int32 `json:"new_ids"`
	SmallestGap float64 `json:"smallest_gap"` // between the two best logits
}

// Drawn is a tensor's rule: [name, type, shape, center, amplitude].
type Drawn struct {
	Name      string
	Type      string
	Shape     []int
	Center    float64
	Amplitude float64
}

// UnmarshalJSON reads the list form.
func (d *Drawn) UnmarshalJSON(raw []byte) error {
	return json.Unmarshal(raw, &[]any{&d.Name, &d.Type, &d.Shape, &d.Center, &d.Amplitude})
}

// LoadArchitecture reads a case.
func LoadArchitecture(path string) (*Architecture, error) {
	var file struct {
		Schema string `json:"schema"`
		Architecture
	}
	if err := Read(path, &file); err != nil {
		return nil, err
	}
	if want := "mlxlens-golden/architecture/1"; file.Schema != want {
		return nil, fmt.Errorf("golden: %s: schema %q, want %q", path, file.Schema, want)
	}
	return &file.Architecture, nil
}

// Write makes the checkpoint, a directory with config.json and model.safetensors.
func (a *Architecture) Write(dir string) error {
	return a.WriteAs(dir, func(name string) (string, bool) { return name, false })
}

// WriteAs is Write for another layout, which names a tensor in its own way and may
// transpose it.
func (a *Architecture) WriteAs(dir string, layout func(name string) (file string, transposed bool)) error {
	tensors, err := a.drawn()
	if err != nil {
		return err
	}
	for i, t := range tensors {
		name, transposed := layout(t.name)
		if transposed {
			t = permuted(t, []int{1, 0})
		}
		t.name = name
		tensors[i] = t
	}
	return write(dir, tensors, a.Config)
}

var safetensorsTypes = map[string]string{"float32": "F32", "bfloat16": "BF16", "float16": "F16", "uint32": "U32", "uint8": "U8"}

// draw appends the tensor's elements: splitmix64 (Steele et al. 2014) seeded with
// FNV-1a of the name, element i its value i+1.
func (d *Drawn) draw(data []byte) ([]byte, error) {
	h := fnv.New64a()
	h.Write([]byte(d.Name))
	seed, n := h.Sum64(), 1
	for _, s := range d.Shape {
		n *= s
	}
	for i := range n {
		z := seed + (uint64(i)+1)*0x9E3779B97F4A7C15
		z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
		z = (z ^ z>>27) * 0x94D049BB133111EB
		z ^= z >> 31
		x := float32(d.Center + d.Amplitude*(float64(z>>40)/(1<<23)-1))
		switch d.Type {
		case "float32":
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(x))
		case "bfloat16":
			data = binary.LittleEndian.AppendUint16(data, uint16(mlx.BrainOf(x)))
		case "float16":
			data = binary.LittleEndian.AppendUint16(data, uint16(mlx.HalfOf(x)))
		case "uint32":
			data = binary.LittleEndian.AppendUint32(data, uint32(z>>32)&uint32(d.Amplitude))
		case "uint8":
			data = append(data, byte(uint64(d.Center)+(z>>40)%uint64(d.Amplitude)))
		default:
			return nil, fmt.Errorf("golden: tensor %q has type %q", d.Name, d.Type)
		}
	}
	return data, nil
}
