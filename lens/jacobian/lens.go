package jacobian

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	"github.com/mlxlens/mlxlens/checkpoint"
)

// Unknown is the target layer of a lens whose file does not say.
const Unknown = -1

// Lens is a Jacobian lens. Its matrices stay in the file that it was read from until they are
// asked for.
type Lens struct {
	Path    string // that it was read from; "" of one that was made here
	DModel  int
	Prompts int   // that the matrices are the mean of; 0 where the file does not say
	Layers  []int // source layers, ascending: the stream behind block l has a matrix

	// Target is the layer whose output the matrices map to; Unknown, it is the model's last.
	Target int

	Metadata Metadata

	// matrix reads what the file has of a layer, [d_model, d_model], and what it is divided by.
	matrix func(layer int) (checkpoint.Array, float32, error)
	file   io.Closer // nil: there is none
}

// Metadata is what a file says beside the matrices: of TransformerLens' fit, or of ours.
// Values are nil, bool, int, float64, string, []any and Metadata.
type Metadata map[string]any

// The keys that both write, and that are compared with a model.
const (
	keyModel       = "model_name"
	keyRevision    = "model_revision"
	keyCorpus      = "corpus"
	keyTarget      = "target_layer"
	keyPrompts     = "n_prompts"
	keySkip        = "skip_first_positions"
	keyUnembedding = "unembedding_sha256"
	keyEstimator   = "estimator"
)

// text returns a value that is text, "" where there is none.
func (m Metadata) text(key string) string {
	s, _ := m[key].(string)
	return s
}

// Model names what the lens was fitted for; "" where the file does not say.
func (l *Lens) Model() string { return l.Metadata.text(keyModel) }

// Corpus names what the lens was fitted to; "" where the file does not say.
func (l *Lens) Corpus() string { return l.Metadata.text(keyCorpus) }

// Unembedding is the hash that tuned.Unembedding gives of the model that the lens was fitted for; "" where the
// file does not say.
func (l *Lens) Unembedding() string { return l.Metadata.text(keyUnembedding) }

// New returns a lens of matrices in memory: row i of [d_model, d_model] is the effect on dimension i of the target.
// n is how many prompts they are the mean of, target the layer that they map to.
func New(matrices map[int][]float32, d, n, target int, metadata Metadata) (*Lens, error) {
	l := &Lens{DModel: d, Prompts: n, Target: target, Layers: slices.Sorted(maps.Keys(matrices)), Metadata: metadata}
	l.matrix = func(layer int) (checkpoint.Array, float32, error) {
		return checkpoint.Float32Array(tensorName(layer), matrices[layer], d, d), 1, nil
	}
	if err := l.check(); err != nil {
		return nil, err
	}
	for _, layer := range l.Layers {
		if len(matrices[layer]) != d*d {
			return nil, fmt.Errorf("jacobian: layer %d has %d numbers, and d_model %d wants %d", layer, len(matrices[layer]), d, d*d)
		}
	}
	return l, nil
}

// maxLayers and maxDModel bound what a file may say: the largest models have 126 layers
// (Llama 3.1 405B) and a d_model of 20,480 (PaLM).
const (
	maxLayers = 4096
	maxDModel = 1 << 16
)

// check refuses what no fit gives.
func (l *Lens) check() error {
	switch {
	case len(l.Layers) == 0:
		return fmt.Errorf("jacobian: %s has no matrices", l.name())
	case l.DModel < 1 || l.DModel > maxDModel:
		return fmt.Errorf("jacobian: %s: d_model is %d, and no model has it", l.name(), l.DModel)
	case l.Layers[0] < 0 || l.Layers[len(l.Layers)-1] >= maxLayers:
		return fmt.Errorf("jacobian: %s has matrices of the layers %d to %d, and no model has them", l.name(), l.Layers[0], l.Layers[len(l.Layers)-1])
	case l.Prompts < 0:
		return fmt.Errorf("jacobian: %s says that it was fitted to %d prompts", l.name(), l.Prompts)
	case l.Target != Unknown && l.Layers[len(l.Layers)-1] >= l.Target:
		return fmt.Errorf("jacobian: %s has a matrix of layer %d, and maps to layer %d: a source is below its target", l.name(), l.Layers[len(l.Layers)-1], l.Target)
	}
	return nil
}

func (l *Lens) name() string { return cmp.Or(l.Path, "the lens") }

// Has reports whether a layer has a matrix.
func (l *Lens) Has(layer int) bool { return slices.Contains(l.Layers, layer) }

// Matrix reads J of a layer, [d_model, d_model], row by row: J·h is what the target layer is expected
// to have more of when the stream has h more.
func (l *Lens) Matrix(layer int) ([]float32, error) {
	a, err := l.array(layer)
	if err != nil {
		return nil, err
	}
	return a.Float32()
}

// array reads J of a layer as it is stored, or in float32 where the file has a sum.
func (l *Lens) array(layer int) (checkpoint.Array, error) {
	if !l.Has(layer) {
		return checkpoint.Array{}, fmt.Errorf("jacobian: %s has no matrix of layer %d (has: %s)", l.name(), layer, ranges(l.Layers))
	}
	a, by, err := l.matrix(layer)
	if err != nil {
		return a, fmt.Errorf("jacobian: %s: layer %d: %w", l.name(), layer, err)
	}
	x, err := a.Float32()
	if err != nil {
		return a, fmt.Errorf("jacobian: %s: layer %d: %w", l.name(), layer, err)
	}
	for i, v := range x {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return a, fmt.Errorf("jacobian: %s: the matrix of layer %d has %v in row %d: its fit went wrong, or the file is damaged", l.name(), layer, v, i/l.DModel)
		}
		x[i] = v / by
	}
	if by == 1 && (a.Type == checkpoint.F16 || a.Type == checkpoint.BF16) {
		return a, nil
	}
	return checkpoint.Float32Array(a.Name, x, l.DModel, l.DModel), nil
}

// Close closes the file; Matrix fails after it.
func (l *Lens) Close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

// ranges writes ascending numbers as 0–3, 7.
func ranges(n []int) string {
	text := ""
	for from := 0; from < len(n); {
		to := from
		for to+1 < len(n) && n[to+1] == n[to]+1 {
			to++
		}
		if text != "" {
			text += ", "
		}
		if text += fmt.Sprint(n[from]); to > from {
			text += fmt.Sprintf("–%d", n[to])
		}
		from = to + 1
	}
	return text
}

// plain returns metadata as JSON.
func (m Metadata) json() (string, error) {
	text, err := json.Marshal(m)
	return string(text), err
}
