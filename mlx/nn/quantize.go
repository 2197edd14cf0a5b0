package nn

import (
	"fmt"
	"strings"

	"github.com/mlxlens/mlxlens/mlx"
)

// Quantize packs the dense Linear and Embedding layers of the model in place, those that where
// takes if it is given: mlx.nn's QuantizedLinear and QuantizedEmbedding are the same types with
// Scales. Packed weights are not trained, but a bias is. One error names all layers that cannot be
// packed so; nothing is changed then.
func Quantize(m *Model, q mlx.Quantization, where ...func(path string, module any) bool) error {
	type change struct {
		weight, scales, biases *mlx.Array
		put                    func(w, s, b *mlx.Array)
	}
	var changes []change
	var wrong []string
	err := m.Modules(func(path string, module any) {
		for _, f := range where {
			if !f(path, module) {
				return
			}
		}
		var c change
		switch l := module.(type) {
		case *Linear:
			if l.packed() || l.Weight == nil {
				return
			}
			c.weight, c.scales, c.biases = mlx.Quantize(l.Weight, q)
			c.put = func(w, s, b *mlx.Array) { l.Weight, l.Scales, l.Biases, l.Quant = w, s, b, q }
		case *Embedding:
			if l.packed() || l.Weight == nil {
				return
			}
			dtype := l.Weight.Dtype()
			c.weight, c.scales, c.biases = mlx.Quantize(l.Weight, q)
			c.put = func(w, s, b *mlx.Array) { l.Weight, l.Scales, l.Biases, l.Quant, l.Dtype = w, s, b, q, dtype }
		default:
			return
		}
		if err := mlx.Eval(c.weight, c.scales); err != nil {
			wrong = append(wrong, fmt.Sprintf("%q: %v", path, err))
			return
		}
		changes = append(changes, c)
	})
	if err != nil {
		return err
	}
	if wrong != nil {
		return fmt.Errorf("nn: quantize: %s", strings.Join(wrong, "; "))
	}
	for _, c := range changes {
		c.put(kept(c.weight), kept(c.scales), kept(c.biases))
	}
	return nil
}
