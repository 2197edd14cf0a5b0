package nn

import (
	"math"

	"github.com/mlxlens/mlxlens/mlx"
)

// uniform draws evenly from ±√(1/in), as mlx.nn's layers begin.
func uniform(keys *Keys, in int, shape ...int) *mlx.Array {
	bound := math.Sqrt(1 / float64(in))
	return InitUniform(-bound, bound, mlx.Float32)(keys, shape...)
}

func ones(keys *Keys, n int) *mlx.Array { return InitConstant(1, mlx.Float32)(keys, n) }

func none(keys *Keys, n int) *mlx.Array { return InitConstant(0, mlx.Float32)(keys, n) }

// Linear is y = x·Wᵀ + b. The weight is dense [out, in], or packed with Scales and
// Biases as Quant says. On the CPU a packed weight that is not large is unpacked for an x of
// many rows.
type Linear struct {
	Weight *mlx.Array
	Scales *mlx.Array // nil: Weight is dense
	Biases *mlx.Array // the quantization's offsets, not b
	Quant  mlx.Quantization
	Bias   *mlx.Array // b: [out], or nil
}

// NewLinear returns a dense layer with weights, and a bias if there is one, evenly distributed
// in ±1/√in.
func NewLinear(keys *Keys, in, out int, bias bool) *Linear {
	l := &Linear{Weight: uniform(keys, in, out, in)}
	if bias {
		l.Bias = uniform(keys, in, out)
	}
	return l
}

// packed keeps packed weights from training, as mlx.nn does.
func (l *Linear) packed() bool { return l.Scales != nil }

// Forward maps [..., in] to [..., out].
func (l *Linear) Forward(x *mlx.Array) *mlx.Array {
	return l.add(l.product(x, l.Weight, l.Scales, l.Biases))
}

// Rows is Forward for the outputs [from, to) alone: x [..., in] to [..., to−from].
func (l *Linear) Rows(x *mlx.Array, from, to int) *mlx.Array {
	if from == 0 && to == l.Out() {
		return l.Forward(x)
	}
	return l.part(x, func(a *mlx.Array) *mlx.Array { return mlx.Slice(a, 0, mlx.Between(from, to)) })
}

// Take is Forward for single outputs alone: x [..., in] to [..., len(outputs)].
func (l *Linear) Take(x *mlx.Array, outputs []int) *mlx.Array {
	at := make([]int32, len(outputs))
	for i, o := range outputs {
		at[i] = int32(o)
	}
	indices := mlx.FromSlice(x.Scope(), at)
	return l.part(x, func(a *mlx.Array) *mlx.Array { return mlx.Take(a, indices, 0) })
}

// part is Forward with some rows of the parameters. For a float32 x those that a 16-bit file has are widened
// before they are unpacked, so that what comes out does not depend on where the weights are held.
func (l *Linear) part(x *mlx.Array, rows func(*mlx.Array) *mlx.Array) *mlx.Array {
	some := &Linear{Quant: l.Quant}
	for _, p := range []struct{ dst, src **mlx.Array }{
		{&some.Weight, &l.Weight}, {&some.Scales, &l.Scales}, {&some.Biases, &l.Biases}, {&some.Bias, &l.Bias},
	} {
		if *p.src != nil {
			*p.dst = rows(*p.src)
			defer (*p.dst).Free() // made of weights alone, it has no scope
			if l.Scales != nil && p.src != &l.Weight && (*p.dst).Dtype().IsFloat() && x.Dtype() == mlx.Float32 {
				*p.dst = mlx.AsType(*p.dst, mlx.Float32)
				defer (*p.dst).Free()
			}
		}
	}
	return some.Forward(x)
}

// Dense returns W, [out, in], as an array of scope: unpacked to dtype where it is packed.
func (l *Linear) Dense(scope *mlx.Scope, dtype mlx.Dtype) *mlx.Array {
	if l.Scales == nil {
		return scope.Hold(l.Weight)
	}
	w := mlx.Dequantize(l.Weight, l.Scales, l.Biases, l.Quant, dtype)
	defer w.Free() // made of weights alone, it has no scope
	return scope.Hold(w)
}

func (l *Linear) product(x, w, scales, biases *mlx.Array) *mlx.Array {
	if scales == nil {
		return mlx.MatmulT(x, w)
	}
	if unpacks(x, w) {
		dense := mlx.Dequantize(w, scales, biases, l.Quant, mlx.Float32)
		defer dense.Free() // made of weights alone, it has no scope
		return mlx.MatmulT(x, dense)
	}
	return mlx.QuantizedMatmul(x, w, scales, biases, l.Quant)
}

// What makes it worth to unpack a weight for one product on the CPU, where MLX's own unpacks it anew for each row of x:
// of 4,096 outputs of 576 inputs in four bits that takes 3.7 times as long for 30 rows, 17 times for 240.
const (
	manyRows    = 16
	fewUnpacked = 16 << 20 // numbers, 64 MiB, which are there while the product is made
)

func unpacks(x, w *mlx.Array) bool {
	if x.Err() != nil || w.Err() != nil || x.Ndim() == 0 || x.Device() != mlx.CPU || x.Dtype() != mlx.Float32 {
		return false
	}
	in := x.Dim(-1)
	return x.Size() >= manyRows*in && w.Dim(0)*in <= fewUnpacked
}

func (l *Linear) add(y *mlx.Array) *mlx.Array {
	if l.Bias == nil {
		return y
	}
	return mlx.Add(y, l.Bias)
}

// Out returns the number of outputs.
func (l *Linear) Out() int { return l.Weight.Dim(0) }

// Embedding is a table of d_vocab rows, dense or packed as in Linear.
type Embedding struct {
	Weight *mlx.Array
	Scales *mlx.Array
	Biases *mlx.Array
	Quant  mlx.Quantization
	Dtype  mlx.Dtype // what the rows are unpacked to, or widened where the table has 16 bits; 0: they are as the table is
}

// NewEmbedding returns a dense table with the normal distribution of deviation 1/√d_model.
func NewEmbedding(keys *Keys, vocab, dims int) *Embedding {
	return &Embedding{Weight: InitNormal(0, math.Sqrt(1/float64(dims)), mlx.Float32)(keys, vocab, dims)}
}

func (e *Embedding) packed() bool { return e.Scales != nil }

// Forward maps ids [...] to rows [..., d_model]. Of a packed table, or one of 16 bits, only the rows
// asked for are unpacked.
func (e *Embedding) Forward(ids *mlx.Array) *mlx.Array {
	if e.Scales == nil {
		rows := mlx.Take(e.Weight, ids, 0)
		if e.Dtype == mlx.Float32 {
			rows = mlx.AsType(rows, mlx.Float32)
		}
		return rows
	}
	var biases *mlx.Array
	if e.Biases != nil {
		biases = mlx.Take(e.Biases, ids, 0)
	}
	return mlx.Dequantize(mlx.Take(e.Weight, ids, 0), mlx.Take(e.Scales, ids, 0), biases, e.Quant, e.Dtype)
}

// Unembedding returns the table as the matrix of a tied head, sharing its memory.
func (e *Embedding) Unembedding() *Linear {
	return &Linear{Weight: e.Weight, Scales: e.Scales, Biases: e.Biases, Quant: e.Quant}
}

// RMSNorm is x/√(mean x² + Eps)·Weight (Zhang and Sennrich 2019, arXiv:1910.07467).
type RMSNorm struct {
	Weight *mlx.Array // [d_model]
	Eps    float64
}

// NewRMSNorm returns mlx.nn's: weights 1, ε 1e-5.
func NewRMSNorm(keys *Keys, dims int) *RMSNorm { return &RMSNorm{Weight: ones(keys, dims), Eps: 1e-5} }

// Forward normalises the last axis.
func (n *RMSNorm) Forward(x *mlx.Array) *mlx.Array { return mlx.RMSNorm(x, n.Weight, n.Eps) }

// LayerNorm is (x − mean x)/√(var x + Eps)·Weight + Bias (Ba et al. 2016,
// arXiv:1607.06450).
type LayerNorm struct {
	Weight *mlx.Array // [d_model]
	Bias   *mlx.Array // [d_model]
	Eps    float64
}

// NewLayerNorm returns mlx.nn's: weights 1, a bias of 0, ε 1e-5.
func NewLayerNorm(keys *Keys, dims int) *LayerNorm {
	return &LayerNorm{Weight: ones(keys, dims), Bias: none(keys, dims), Eps: 1e-5}
}

// Forward normalises the last axis.
func (n *LayerNorm) Forward(x *mlx.Array) *mlx.Array {
	return mlx.LayerNorm(x, n.Weight, n.Bias, n.Eps)
}
