package tuned

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/internal/exactjson"
	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
)

// The metadata of a training that is not done.
const (
	stateFormat = "mlxlens.tuned-training/1"
	keyOf       = "of"
	keySteps    = "steps"
)

// WriteState writes what a later training needs to go on from here; of says what is trained, and is compared.
func (t *Trainer) WriteState(w io.Writer, of string) error {
	steps, err := json.Marshal(t.steps)
	if err != nil {
		return err
	}
	scope := mlx.NewScope(t.m.Device())
	defer scope.Close()
	var arrays []checkpoint.Array
	for i := range t.layers {
		all := t.state(scope, i)
		for _, name := range all.Paths() {
			data, err := mlx.Data[float32](all[name])
			if err != nil {
				return err
			}
			arrays = append(arrays, checkpoint.Float32Array(stateName(i, name), data, all[name].Shape()...))
		}
	}
	return checkpoint.WriteSafetensors(w, map[string]string{keyFormat: stateFormat, keyOf: of, keySteps: string(steps)}, arrays)
}

func stateName(layer int, name string) string { return strconv.Itoa(layer) + "." + name }

// state are a layer's parameters, and what the optimizer knows of them.
func (t *Trainer) state(scope *mlx.Scope, layer int) nn.Params {
	all := nn.Params{}
	for part, a := range t.layers[layer] {
		all["lens."+part] = scope.Hold(a)
	}
	for name, a := range t.rules[layer].State(scope) {
		if a.Ndim() > 0 { // numbers of the step are known by it
			all["optimizer."+name] = a
		}
	}
	return all
}

// ReadState goes on from a file that WriteState wrote of the same model, sequences and options. It returns what the
// file says that it is of, and changes nothing where that is another.
func (t *Trainer) ReadState(path, of string) (was string, err error) {
	c, err := checkpoint.OpenFile(path)
	if err != nil {
		return "", fmt.Errorf("tuned: %w", err)
	}
	defer c.Close()
	if format, _ := c.Metadata[keyFormat].(string); format != stateFormat {
		return "", fmt.Errorf("tuned: %s: is no training that goes on: its metadata have the format %q, not %q", path, format, stateFormat)
	}
	if was, _ = c.Metadata[keyOf].(string); was != of {
		return was, nil
	}
	var steps []Step
	text, _ := c.Metadata[keySteps].(string)
	if err := exactjson.Unmarshal([]byte(text), &steps); err != nil {
		return was, fmt.Errorf("tuned: %s: its steps cannot be read: %w", path, err)
	}
	if len(steps) == 0 || len(steps) > t.o.Steps {
		return was, fmt.Errorf("tuned: %s: has %d steps of a training of %d", path, len(steps), t.o.Steps)
	}
	next := make([]nn.Params, len(t.layers))
	for i := range t.layers {
		if next[i], err = t.restored(c, path, i, len(steps)); err != nil {
			return was, err
		}
	}
	for i := range t.layers {
		for _, old := range t.layers[i] {
			old.Free()
		}
		t.layers[i] = next[i]
	}
	t.steps = steps
	return was, nil
}

// restored gives a layer's optimizer its state, and returns the parameters.
func (t *Trainer) restored(c *checkpoint.Checkpoint, path string, layer, steps int) (nn.Params, error) {
	own, params := mlx.On(t.m.Device()), nn.Params{}
	scope := mlx.NewScope(t.m.Device())
	defer scope.Close()
	known := nn.Params{}
	for group := range 2 {
		known["states."+strconv.Itoa(group)+".step"] = mlx.Scalar(scope, uint64(steps))
	}
	prefix := strconv.Itoa(layer) + "."
	for _, name := range c.Names() {
		rest, ours := strings.CutPrefix(name, prefix)
		if !ours {
			continue
		}
		a, err := c.Tensor(name).Array()
		if err != nil {
			return nil, fmt.Errorf("tuned: %s: %w", path, err)
		}
		data, err := a.Float32()
		if err != nil {
			return nil, fmt.Errorf("tuned: %s: %w", path, err)
		}
		if part, isLens := strings.CutPrefix(rest, "lens."); isLens {
			params[part] = mlx.FromSlice(own, data, a.Shape...)
		} else if of, isOptimizer := strings.CutPrefix(rest, "optimizer."); isOptimizer {
			known[of] = mlx.FromSlice(own, data, a.Shape...)
		}
	}
	for part, a := range t.layers[layer] {
		if params[part] == nil || !slices.Equal(params[part].Shape(), a.Shape()) {
			return nil, fmt.Errorf("tuned: %s: lacks %s of %s, or has another shape: it is damaged; remove it to begin again", path, part, t.places[layer])
		}
	}
	if err := t.rules[layer].SetState(known); err != nil {
		return nil, fmt.Errorf("tuned: %s: %w", path, err)
	}
	return params, nil
}
