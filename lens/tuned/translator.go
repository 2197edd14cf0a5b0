package tuned

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"

	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
)

// Translator is a lens on a model's device.
type Translator struct {
	lens     Lens // without its translators
	layers   int
	posEmb   bool // the model embeds positions too
	matrices []nn.Params
}

// Options say how a lens is put on a model.
type Options struct {
	// AnyUnembedding accepts a lens of a model with another unembedding, such as the same
	// model with other quantization.
	AnyUnembedding bool
}

// On copies the translators to the model's device, in float32, where they stay until
// Close; the lens is needed no longer. It fails where the sizes of lens and model
// differ, or their unembeddings.
func (l *Lens) On(m model.Model, o Options) (*Translator, error) {
	if err := l.fits(m, o); err != nil {
		return nil, err
	}
	posEmb := m.Check(model.Place{Site: model.PosEmbed}) == nil
	d := &Translator{lens: *l, layers: l.Layers(), posEmb: posEmb}
	d.lens.Translators = nil
	own := mlx.On(m.Device())
	for _, t := range l.Translators {
		of := nn.Params{}
		for _, part := range partNames(l.DModel, l.Rank()) {
			of[part] = mlx.FromSlice(own, *t.part(part), shapeOf(part, l.DModel, l.Rank())...)
		}
		d.matrices = append(d.matrices, of)
		for _, a := range of {
			if err := a.Err(); err != nil {
				d.Close()
				return nil, err
			}
		}
	}
	return d, nil
}

func (l *Lens) fits(m model.Model, o Options) error {
	shape := m.Shape()
	of := ""
	if l.Model != "" {
		of = fmt.Sprintf(", of %s", l.Model)
	}
	if l.Layers() != shape.Layers || l.DModel != shape.DModel {
		return fmt.Errorf("tuned: %s is a lens of %d layers and d_model %d%s, and the model has %d layers and d_model %d: use a lens that was trained for this model",
			l.Path, l.Layers(), l.DModel, of, shape.Layers, shape.DModel)
	}
	if l.Unembedding == "" || o.AnyUnembedding {
		return nil
	}
	hash, err := Unembedding(m)
	if err != nil {
		return err
	}
	if hash != l.Unembedding {
		return fmt.Errorf("tuned: %s is a lens of a model with another unembedding%s: its hash is %.12s…, and this model's is %.12s…: use a lens that was trained for this model, or allow another",
			l.Path, of, l.Unembedding, hash)
	}
	return nil
}

// hashedRows is how many rows of the unembedding are hashed: enough to tell models
// apart, few enough to take no time.
const hashedRows = 256

// Unembedding returns the SHA-256, in hexadecimal, of rows of a model's unembedding: 256
// that are spread evenly over the vocabulary, from the first on, or all where there are
// fewer; each in float32, little-endian. A row r is read off the logits of the unit
// vectors, U·I, so that what an architecture does to its logits is part of it, on the CPU
// wherever the model is: a GPU rounds otherwise. The same weights in another packing are
// another unembedding, and so are packed weights that a GPU holds unpacked in 16 bits.
func Unembedding(m model.Model) (string, error) {
	shape := m.Shape()
	n := min(hashedRows, shape.DVocab)
	ids := make([]int, n)
	for i := range ids {
		ids[i] = i * shape.DVocab / n
	}
	scope := mlx.NewScope(mlx.CPU)
	defer scope.Close()
	units := make([]float32, shape.DModel*shape.DModel)
	plusIdentity(units, shape.DModel, 1)
	columns := m.UnembedIDs(mlx.FromSlice(scope, units, shape.DModel, shape.DModel), ids) // [d_model, n]
	rows := mlx.Contiguous(mlx.Transpose(mlx.AsType(columns, mlx.Float32), 1, 0))
	hash := sha256.New()
	err := mlx.Borrow(rows, func(data []float32) error {
		buffer := make([]byte, 0, 4*len(data))
		for _, x := range data {
			buffer = binary.LittleEndian.AppendUint32(buffer, math.Float32bits(x+0)) // −0 becomes 0
		}
		hash.Write(buffer)
		return nil
	})
	return hex.EncodeToString(hash.Sum(nil)), err
}

// Name returns the lens' name for a grid.
func (d *Translator) Name() string {
	if d.lens.Path == "" {
		return "tuned"
	}
	return "tuned: " + d.lens.Path
}

// Has reports whether a place has a translator. After the last block a lens of resid_pre
// has none: the model decodes that state itself. Places that are no state between two
// blocks (resid_mid, and what attention or an MLP adds), and the embedding in a lens of
// resid_post, are errors.
func (d *Translator) Has(at model.Place) (bool, error) {
	i, err := d.translator(at)
	return err == nil && i < d.layers, err
}

// translator returns the number of a place's translator; layers is none.
func (d *Translator) translator(at model.Place) (int, error) {
	entering := -1 // which block's resid_pre the place is
	switch {
	case at.Site == model.ResidPre || at.Site == model.Embed && !d.posEmb:
		entering = at.Layer
	case at.Site == model.ResidPost:
		entering = at.Layer + 1
	}
	if entering < 0 || entering > d.layers {
		return 0, &lens.SiteError{Err: fmt.Errorf("tuned: %s has no translator of %s: it reads the stream between blocks only; leave that row out", d.name(), at)}
	}
	if d.lens.Site == model.ResidPre {
		return entering, nil
	}
	if entering == 0 {
		return 0, &lens.SiteError{Err: fmt.Errorf("tuned: %s has no translator of %s: it reads what blocks put out (resid_post); leave that row out", d.name(), at)}
	}
	return entering - 1, nil
}

func (d *Translator) name() string {
	if d.lens.Path == "" {
		return "the lens"
	}
	return d.lens.Path
}

// Translate returns W·h + b, or h + W·h + b: [n, d_model] of a place that Has a translator
// to the same, in float32.
func (d *Translator) Translate(at model.Place, h *mlx.Array) *mlx.Array {
	i, err := d.translator(at)
	if err != nil || i >= d.layers {
		return h
	}
	return translate(mlx.AsType(h, mlx.Float32), d.matrices[i], d.lens.Residual)
}

// translate returns W·h + b of states h [n, d_model], or h + W·h + b, by the parts of a translator.
func translate(h *mlx.Array, of nn.Params, residual bool) *mlx.Array {
	y := of[partBias]
	switch {
	case of[partWeight] != nil:
		y = mlx.Add(mlx.MatmulT(h, of[partWeight]), y)
	case of[partUp] != nil:
		y = mlx.Add(mlx.MatmulT(mlx.MatmulT(h, of[partDown]), of[partUp]), y)
	}
	if residual {
		y = mlx.Add(h, y)
	}
	return y
}

// Close frees the translators.
func (d *Translator) Close() {
	for _, of := range d.matrices {
		for _, a := range of {
			a.Free()
		}
	}
	d.matrices = nil
}
