package tuned

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/internal/regular"
	"github.com/mlxlens/mlxlens/internal/torchfile"
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
	t, err := torchfile.Open(f, size)
	if err != nil {
		return nil, fmt.Errorf("tuned: %s: %w", file, err)
	}
	tensors, err := t.Tensors()
	if err != nil {
		return nil, fmt.Errorf("tuned: %s: %w", file, err)
	}
	// torch.save does not compress, and no two translators share their bytes
	if least := 2 * int64(config.Layers) * int64(config.DModel) * int64(config.DModel); least > size {
		return nil, fmt.Errorf("tuned: %s: has %d bytes, and %d translators of d_model %d take at least %d", file, size, config.Layers, config.DModel, least)
	}
	names := slices.Sorted(maps.Keys(tensors))
	if !config.Bias {
		for i := range config.Layers {
			names = append(names, alignmentName(i, "bias"))
		}
	}
	if err := count(file, names, config.Layers, dense, alignmentName); err != nil {
		return nil, err
	}
	l := &Lens{DModel: config.DModel, Site: model.ResidPre, Residual: true, Model: config.Model}
	l.Translators, err = translators(config.Layers, config.DModel, config.DModel, func(layer int, part string, shape []int) (checkpoint.Array, error) {
		if part == "bias" && !config.Bias {
			return checkpoint.Float32Array(part, make([]float32, config.DModel), shape...), nil
		}
		name := alignmentName(layer, part)
		a, err := t.Array(tensors[name], name, shape)
		if err != nil {
			err = fmt.Errorf("tuned: %s: %w", file, err)
		}
		return a, err
	})
	return l, err
}

func alignmentName(layer int, part string) string { return strconv.Itoa(layer) + "." + part }
