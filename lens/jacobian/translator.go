package jacobian

import (
	"fmt"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/tuned"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// Translator is a lens on a model's device.
type Translator struct {
	lens     *Lens
	device   mlx.Device
	last     int
	matrices map[int]*mlx.Array // by layer, as the file has them: float16, bfloat16 or float32
}

// Options say how a lens is put on a model.
type Options struct {
	// AnyUnembedding accepts a lens that says that it is of a model with another unembedding, such as the same model with other
	// quantization.
	AnyUnembedding bool
}

// On puts the lens on a model. Matrices are read, and copied to the model's device, when their
// layer is first asked for, and stay until Close, which closes the lens too. It fails where the sizes of lens and model differ, the target is not
// the model's last layer, or their unembeddings differ.
func (l *Lens) On(m model.Model, o Options) (*Translator, error) {
	if err := l.Fits(m, o); err != nil {
		return nil, err
	}
	return &Translator{lens: l, device: m.Device(), last: m.Shape().Layers - 1, matrices: map[int]*mlx.Array{}}, nil
}

// Fits returns why a lens cannot be put on a model, nil where it can.
func (l *Lens) Fits(m model.Model, o Options) error {
	shape := m.Shape()
	of := ""
	if l.Model() != "" {
		of = fmt.Sprintf(", of %s", l.Model())
	}
	last := shape.Layers - 1
	switch highest := l.Layers[len(l.Layers)-1]; {
	case l.DModel != shape.DModel || highest >= last:
		return fmt.Errorf("jacobian: %s is a lens of d_model %d and the layers %s%s, and the model has d_model %d and the layers 0–%d, the last of which has none: use a lens that was fitted for this model",
			l.name(), l.DModel, ranges(l.Layers), of, shape.DModel, last)
	case l.Target != Unknown && l.Target != last:
		return fmt.Errorf("jacobian: %s maps to layer %d%s, and the model's last, which its final norm reads, is %d: use a lens whose target is the last layer",
			l.name(), l.Target, of, last)
	}
	if l.Unembedding() == "" || o.AnyUnembedding {
		return nil
	}
	hash, err := tuned.Unembedding(m)
	if err != nil {
		return err
	}
	if hash != l.Unembedding() {
		return fmt.Errorf("jacobian: %s is a lens of a model with another unembedding%s: its hash is %.12s…, and this model's is %.12s…: use a lens that was fitted for this model, or allow another",
			l.name(), of, l.Unembedding(), hash)
	}
	return nil
}

// Name returns the lens' name for a grid.
func (t *Translator) Name() string {
	if t.lens.Path == "" {
		return "jacobian"
	}
	return "jacobian: " + t.lens.Path
}

// Has reports whether a place has a matrix: what leaves a block has one, but for the last, which the
// model decodes itself. Other places, and layers that were not fitted, are errors.
func (t *Translator) Has(at model.Place) (bool, error) {
	switch {
	case at.Site != model.ResidPost:
		return false, &lens.SiteError{Err: fmt.Errorf("jacobian: %s has no matrix of %s: it reads what blocks put out (resid_post); leave that row out", t.lens.name(), at)}
	case at.Layer == t.last:
		return false, nil
	case !t.lens.Has(at.Layer):
		return false, &lens.LayerError{Err: fmt.Errorf("jacobian: %s has no matrix of layer %d (has: %s): choose among them", t.lens.name(), at.Layer, ranges(t.lens.Layers))}
	}
	return true, nil
}

// Translate returns J·h: [n, d_model] of a place that Has a matrix to the same, in float32.
func (t *Translator) Translate(at model.Place, h *mlx.Array) *mlx.Array {
	if at.Layer == t.last {
		return h
	}
	j, err := t.on(at.Layer)
	if err != nil {
		return mlx.Failed("jacobian", err)
	}
	h = mlx.AsType(h, mlx.Float32)
	return mlx.MatmulT(h, mlx.AsType(h.Scope().Hold(j), mlx.Float32))
}

// types are those of matrices on a device.
var types = map[checkpoint.Type]mlx.Dtype{checkpoint.F16: mlx.Float16, checkpoint.BF16: mlx.BFloat16, checkpoint.F32: mlx.Float32}

// on returns a layer's matrix on the device.
func (t *Translator) on(layer int) (*mlx.Array, error) {
	if t.matrices[layer] == nil {
		a, err := t.lens.array(layer)
		if err != nil {
			return nil, err
		}
		j := mlx.FromBytes(mlx.On(t.device), a.Bytes, types[a.Type], a.Shape...)
		if err := j.Err(); err != nil {
			return nil, err
		}
		t.matrices[layer] = j
	}
	return t.matrices[layer], nil
}

// Close frees the matrices, and closes the lens.
func (t *Translator) Close() {
	for _, j := range t.matrices {
		j.Free()
	}
	clear(t.matrices)
	_ = t.lens.Close() // it was only read
}
