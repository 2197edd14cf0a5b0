package nn

import (
	"math"
	"slices"

	"github.com/mlxlens/mlxlens/mlx"
)

// MultiHeadAttention is Out(softmax(q·kᵀ/√d_head + mask)·v) of heads that share the projections'
// dimensions (Vaswani et al. 2017, arXiv:1706.03762).
type MultiHeadAttention struct {
	Heads                                  int
	QueryProj, KeyProj, ValueProj, OutProj *Linear
}

// AttentionDims are the dimensions of MultiHeadAttention. A zero stands for Model.
type AttentionDims struct {
	Model          int // of queries and keys after their projections
	QueryIn, KeyIn int // of what comes in
	ValueIn        int // 0: KeyIn
	Value, Out     int // of values after their projection, of the result
	Bias           bool
}

// NewMultiHeadAttention returns heads with a dense layer each for queries, keys, values and
// the result.
func NewMultiHeadAttention(keys *Keys, heads int, d AttentionDims) *MultiHeadAttention {
	or := func(x *int, standard int) {
		if *x == 0 {
			*x = standard
		}
	}
	or(&d.QueryIn, d.Model)
	or(&d.KeyIn, d.Model)
	or(&d.ValueIn, d.KeyIn)
	or(&d.Value, d.Model)
	or(&d.Out, d.Model)
	return &MultiHeadAttention{
		Heads:     heads,
		QueryProj: NewLinear(keys, d.QueryIn, d.Model, d.Bias),
		KeyProj:   NewLinear(keys, d.KeyIn, d.Model, d.Bias),
		ValueProj: NewLinear(keys, d.ValueIn, d.Value, d.Bias),
		OutProj:   NewLinear(keys, d.Value, d.Out, d.Bias),
	}
}

// Forward maps queries [batch, pos, in], and keys and values [batch, key, in], to
// [batch, pos, out]. mask, added to the scores or boolean, broadcasts to [batch, head, pos,
// key] and may be nil.
func (a *MultiHeadAttention) Forward(queries, keys, values, mask *mlx.Array) *mlx.Array {
	q, k, v := a.QueryProj.Forward(queries), a.KeyProj.Forward(keys), a.ValueProj.Forward(values)
	if bad := wrong(q, k, v); bad != nil {
		return bad
	}
	for _, x := range []*mlx.Array{q, k, v} {
		if x.Ndim() != 3 || a.Heads < 1 || x.Dim(-1)%a.Heads != 0 {
			return failed("multi_head_attention", mlx.ErrShape, "%v in %d heads (want: [batch pos dims], the dims a multiple)", x.Shape(), a.Heads)
		}
	}
	split := func(x *mlx.Array) *mlx.Array { // [batch, head, pos, d_head]
		return mlx.Transpose(mlx.Unflatten(x, -1, a.Heads, -1), 0, 2, 1, 3)
	}
	q, k, v = split(q), split(k), split(v)
	z := mlx.Attention(q, k, v, math.Sqrt(1/float64(q.Dim(-1))), false, mask)
	return a.OutProj.Forward(mlx.Flatten(mlx.Transpose(z, 0, 2, 1, 3), -2, -1))
}

// AdditiveCausalMask returns [n, n] with 0 where a key is not after the query and the type's
// least number elsewhere.
func AdditiveCausalMask(s *mlx.Scope, n int, d mlx.Dtype) *mlx.Array {
	least := map[mlx.Dtype]float64{
		mlx.Float32: -math.MaxFloat32, mlx.Float64: -math.MaxFloat64,
		mlx.Float16: -65504, mlx.BFloat16: -0x1.fep127, // (2 − 2⁻¹⁰)·2¹⁵, (2 − 2⁻⁷)·2¹²⁷
	}[d]
	if least == 0 {
		return failed("additive_causal_mask", mlx.ErrDtype, "a mask of %v (have: floating types)", d)
	}
	at := mlx.Arange(s, 0, float64(n), 1, mlx.Int32)
	after := mlx.AsType(mlx.Less(mlx.ExpandDims(at, 1), at), d)
	return mlx.Multiply(after, mlx.Weak(after, least))
}

// TransformerOptions says how encoders and decoders are built.
type TransformerOptions struct {
	Dims       int     // d_model
	Heads      int     //
	MLPDims    int     // 0: 4·Dims
	Dropout    float64 //
	Activation Func    // of the MLP, nil: ReLU
	NormLast   bool    // x ← norm(x + f(x)) in place of x ← x + f(norm(x))
	Checkpoint bool    // compute layers again for the gradient instead of keeping what they made
}

func (o TransformerOptions) mlp() int {
	if o.MLPDims == 0 {
		return 4 * o.Dims
	}
	return o.MLPDims
}

func (o TransformerOptions) activation() Func {
	if o.Activation == nil {
		return mlx.ReLU
	}
	return o.Activation
}

// around returns x + f(norm(x)), or with last norm(x + f(x)).
func around(x *mlx.Array, norm *LayerNorm, last bool, f func(*mlx.Array) *mlx.Array) *mlx.Array {
	if last {
		return norm.Forward(mlx.Add(x, f(x)))
	}
	return mlx.Add(x, f(norm.Forward(x)))
}

// TransformerEncoderLayer is self-attention and an MLP, each beside the stream:
//
//	h = x + Dropout(Attention(LN1(x)))
//	y = h + Linear2(Dropout(f(Linear1(LN2(h)))))
type TransformerEncoderLayer struct {
	Attention          *MultiHeadAttention
	LN1, LN2           *LayerNorm
	Linear1, Linear2   *Linear
	Dropout1, Dropout2 *Dropout
	Activation         Func
	NormLast           bool
}

// NewTransformerEncoderLayer returns a layer with mlx.nn's beginnings.
func NewTransformerEncoderLayer(keys *Keys, o TransformerOptions) *TransformerEncoderLayer {
	l := &TransformerEncoderLayer{Activation: o.activation(), NormLast: o.NormLast}
	l.Attention = NewMultiHeadAttention(keys, o.Heads, AttentionDims{Model: o.Dims})
	l.LN1, l.LN2 = NewLayerNorm(keys, o.Dims), NewLayerNorm(keys, o.Dims)
	l.Linear1, l.Linear2 = NewLinear(keys, o.Dims, o.mlp(), true), NewLinear(keys, o.mlp(), o.Dims, true)
	l.Dropout1, l.Dropout2 = &Dropout{P: o.Dropout, Keys: keys}, &Dropout{P: o.Dropout, Keys: keys}
	return l
}

// Forward maps x: [batch, pos, d_model] to that shape; mask is as in MultiHeadAttention.
func (l *TransformerEncoderLayer) Forward(x, mask *mlx.Array) *mlx.Array {
	x = around(x, l.LN1, l.NormLast, func(y *mlx.Array) *mlx.Array {
		return l.Dropout1.Forward(l.Attention.Forward(y, y, y, mask))
	})
	return around(x, l.LN2, l.NormLast, func(y *mlx.Array) *mlx.Array {
		return l.Linear2.Forward(l.Dropout2.Forward(l.Activation(l.Linear1.Forward(y))))
	})
}

// TransformerEncoder is layers and a norm behind them.
type TransformerEncoder struct {
	Layers     []*TransformerEncoderLayer
	LN         *LayerNorm
	Checkpoint bool
}

// NewTransformerEncoder returns n layers.
func NewTransformerEncoder(keys *Keys, n int, o TransformerOptions) *TransformerEncoder {
	e := &TransformerEncoder{Checkpoint: o.Checkpoint}
	for range n {
		e.Layers = append(e.Layers, NewTransformerEncoderLayer(keys, o))
	}
	e.LN = NewLayerNorm(keys, o.Dims)
	return e
}

// Forward maps x: [batch, pos, d_model] to that shape.
func (e *TransformerEncoder) Forward(x, mask *mlx.Array) *mlx.Array {
	for _, l := range e.Layers {
		x = through(l, e.Checkpoint, func(a []*mlx.Array) *mlx.Array { return l.Forward(a[0], a[1]) }, x, mask)
	}
	return e.LN.Forward(x)
}

// through returns f(args), of which some may be nil; with checkpoint it is computed again for
// the gradient by module's parameters and args.
func through(module any, checkpoint bool, f func([]*mlx.Array) *mlx.Array, args ...*mlx.Array) *mlx.Array {
	if !checkpoint {
		return f(args)
	}
	var given []*mlx.Array
	for _, a := range args {
		if a != nil {
			given = append(given, a)
		}
	}
	return CheckpointOf(module, func(given []*mlx.Array) []*mlx.Array {
		all := slices.Clone(args)
		for i, k := 0, 0; i < len(all); i++ {
			if all[i] != nil {
				all[i] = given[k]
				k++
			}
		}
		return []*mlx.Array{f(all)}
	})(given)[0]
}
