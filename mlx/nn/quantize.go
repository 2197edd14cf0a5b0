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

// QQLinear is y = x·Wᵀ with x and W rounded to a packing without biases, nvfp4 or mxfp8. In
// training W is dense and rounded at each call; Train(false) packs it. MLX has the product on
// GPUs.
type QQLinear struct {
	Weight *mlx.Array // [out, in], or packed
	Scales *mlx.Array // nil: Weight is dense
	Quant  mlx.Quantization
	Dtype  mlx.Dtype // of the dense weight
}

// NewQQLinear returns a layer with weights evenly distributed in ±1/√in.
func NewQQLinear(keys *Keys, in, out int, q mlx.Quantization) *QQLinear {
	return &QQLinear{Weight: uniform(keys, in, out, in), Quant: q, Dtype: mlx.Float32}
}

func (l *QQLinear) packed() bool { return l.Scales != nil }

// Train packs or unpacks the weight.
func (l *QQLinear) Train(training bool) {
	switch {
	case !training && l.Scales == nil:
		l.Dtype = l.Weight.Dtype()
		w, scales, _ := mlx.Quantize(l.Weight, l.Quant)
		l.Weight, l.Scales = kept(w), kept(scales)
	case training && l.Scales != nil:
		l.Weight, l.Scales = kept(mlx.Dequantize(l.Weight, l.Scales, nil, l.Quant, l.Dtype)), nil
	}
}

// Forward maps [..., in] to [..., out].
func (l *QQLinear) Forward(x *mlx.Array) *mlx.Array {
	return mlx.QQMM(x, l.Weight, l.Scales, l.Quant, nil)
}
