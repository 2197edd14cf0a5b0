package tuned

import (
	"encoding/json"
	"io"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/checkpoint/npz"
)

// WriteSafetensors writes the own form, which keeps all that the lens knows.
func (l *Lens) WriteSafetensors(w io.Writer) error {
	if err := l.check(); err != nil {
		return err
	}
	metadata := map[string]string{keyFormat: format, keySite: string(l.Site), keyForm: l.Form()}
	if l.Model != "" {
		metadata[keyModel] = l.Model
	}
	if l.Unembedding != "" {
		metadata[keyUnembedding] = l.Unembedding
	}
	return checkpoint.WriteSafetensors(w, metadata, l.arrays(l.name))
}

// WriteMLXterp writes the two files of mlxterp's form, NAME.json and NAME.npz, of the
// lens as [Lens.OfPost] has it. They do not say which model it is for.
func (l *Lens) WriteMLXterp(config, arrays io.Writer) error {
	l = l.OfPost()
	if err := l.check(); err != nil {
		return err
	}
	text, err := json.MarshalIndent(map[string]int{"num_layers": l.Layers(), "hidden_dim": l.DModel}, "", "  ")
	if err != nil {
		return err
	}
	if _, err := config.Write(append(text, '\n')); err != nil {
		return err
	}
	return npz.Write(arrays, l.arrays(mlxterpName))
}

func (l *Lens) arrays(name func(layer int, part string) string) []checkpoint.Array {
	var out []checkpoint.Array
	for i, t := range l.Translators {
		out = append(out,
			checkpoint.Float32Array(name(i, "weight"), t.Weight, l.DModel, l.DModel),
			checkpoint.Float32Array(name(i, "bias"), t.Bias, l.DModel))
	}
	return out
}
