package tuned

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/checkpoint/npz"
	"github.com/mlxlens/mlxlens/internal/torchfile"
	"github.com/mlxlens/mlxlens/mlx"
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
	if rank := l.Rank(); rank < l.DModel {
		metadata[keyRank] = strconv.Itoa(rank)
	}
	if l.Fitted != (Fitted{}) {
		text, err := json.Marshal(l.Fitted)
		if err != nil {
			return err
		}
		metadata[keyFitted] = string(text)
	}
	arrays := l.arrays(l.name)
	if l.Half {
		for i := range arrays {
			if err := narrow(&arrays[i]); err != nil {
				return err
			}
		}
	}
	return checkpoint.WriteSafetensors(w, metadata, arrays)
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

// WriteAlignment writes the two files of AlignmentResearch's form, config.json and params.pt, of the lens as
// [Lens.OfPre] has it. It has no hash of the unembedding, whose form is its own.
func (l *Lens) WriteAlignment(config, params io.Writer) error {
	l = l.OfPre()
	if err := l.check(); err != nil {
		return err
	}
	of := struct {
		Model    string  `json:"base_model_name_or_path"`
		DModel   int     `json:"d_model"`
		Layers   int     `json:"num_hidden_layers"`
		Bias     bool    `json:"bias"`
		Revision *string `json:"base_model_revision"`
		Hash     *string `json:"unembed_hash"`
		Type     string  `json:"lens_type"`
	}{Model: l.Model, DModel: l.DModel, Layers: l.Layers(), Bias: true, Type: linearLens}
	if l.Fitted.Revision != "" {
		of.Revision = &l.Fitted.Revision
	}
	text, err := json.Marshal(of)
	if err != nil {
		return err
	}
	if _, err := config.Write(append(text, '\n')); err != nil {
		return err
	}
	var items torchfile.Items
	for _, a := range l.arrays(alignmentName) {
		items = append(items, torchfile.Item{Key: a.Name, Value: torchfile.Stored{Type: a.Type, Shape: a.Shape, Write: func(w io.Writer) error {
			_, err := w.Write(a.Bytes)
			return err
		}}})
	}
	return torchfile.Write(params, items)
}

func (l *Lens) arrays(name func(layer int, part string) string) []checkpoint.Array {
	var out []checkpoint.Array
	rank := l.Rank()
	for i, t := range l.Translators {
		for _, part := range partNames(l.DModel, rank) {
			out = append(out, checkpoint.Float32Array(name(i, part), *t.part(part), shapeOf(part, l.DModel, rank)...))
		}
	}
	return out
}

// narrow rounds an array of float32 to float16.
func narrow(a *checkpoint.Array) error {
	xs, err := a.Float32()
	if err != nil {
		return err
	}
	a.Type, a.Bytes = checkpoint.F16, make([]byte, 0, 2*len(xs))
	for i, x := range xs {
		h := mlx.HalfOf(x)
		if y := float64(h.Float32()); math.IsInf(y, 0) {
			return fmt.Errorf("tuned: %s has %g at %d, which float16 has not: write float32", a.Name, x, i)
		}
		a.Bytes = binary.LittleEndian.AppendUint16(a.Bytes, uint16(h))
	}
	return nil
}
