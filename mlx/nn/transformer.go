package nn

import "github.com/mlxlens/mlxlens/mlx"

// TransformerDecoderLayer is self-attention, attention to an encoder's results, the memory, and
// an MLP, each beside the stream:
//
//	h = x + Dropout(SelfAttention(LN1(x)))
//	m = h + Dropout(CrossAttention(LN2(h), memory))
//	y = m + Linear2(Dropout(f(Linear1(LN3(m)))))
type TransformerDecoderLayer struct {
	SelfAttention, CrossAttention *MultiHeadAttention
	LN1, LN2, LN3                 *LayerNorm
	Linear1, Linear2              *Linear
	Dropout1, Dropout2, Dropout3  *Dropout
	Activation                    Func
	NormLast                      bool
}

// NewTransformerDecoderLayer returns a layer with mlx.nn's beginnings.
func NewTransformerDecoderLayer(keys *Keys, o TransformerOptions) *TransformerDecoderLayer {
	drop := func() *Dropout { return &Dropout{P: o.Dropout, Keys: keys} }
	l := &TransformerDecoderLayer{Activation: o.activation(), NormLast: o.NormLast}
	l.SelfAttention = NewMultiHeadAttention(keys, o.Heads, AttentionDims{Model: o.Dims})
	l.CrossAttention = NewMultiHeadAttention(keys, o.Heads, AttentionDims{Model: o.Dims})
	l.LN1, l.LN2, l.LN3 = NewLayerNorm(keys, o.Dims), NewLayerNorm(keys, o.Dims), NewLayerNorm(keys, o.Dims)
	l.Linear1, l.Linear2 = NewLinear(keys, o.Dims, o.mlp(), true), NewLinear(keys, o.mlp(), o.Dims, true)
	l.Dropout1, l.Dropout2, l.Dropout3 = drop(), drop(), drop()
	return l
}

// Forward maps x: [batch, pos, d_model] to that shape, with memory: [batch, key, d_model].
// The masks are as in MultiHeadAttention.
func (l *TransformerDecoderLayer) Forward(x, memory, mask, memoryMask *mlx.Array) *mlx.Array {
	x = around(x, l.LN1, l.NormLast, func(y *mlx.Array) *mlx.Array {
		return l.Dropout1.Forward(l.SelfAttention.Forward(y, y, y, mask))
	})
	x = around(x, l.LN2, l.NormLast, func(y *mlx.Array) *mlx.Array {
		return l.Dropout2.Forward(l.CrossAttention.Forward(y, memory, memory, memoryMask))
	})
	return around(x, l.LN3, l.NormLast, func(y *mlx.Array) *mlx.Array {
		return l.Linear2.Forward(l.Dropout3.Forward(l.Activation(l.Linear1.Forward(y))))
	})
}

// TransformerDecoder is layers and a norm behind them.
type TransformerDecoder struct {
	Layers     []*TransformerDecoderLayer
	LN         *LayerNorm
	Checkpoint bool
}

// NewTransformerDecoder returns n layers.
func NewTransformerDecoder(keys *Keys, n int, o TransformerOptions) *TransformerDecoder {
	d := &TransformerDecoder{Checkpoint: o.Checkpoint}
	for range n {
		d.Layers = append(d.Layers, NewTransformerDecoderLayer(keys, o))
	}
	d.LN = NewLayerNorm(keys, o.Dims)
	return d
}

// Forward maps x: [batch, pos, d_model] to that shape, with memory: [batch, key, d_model].
func (d *TransformerDecoder) Forward(x, memory, mask, memoryMask *mlx.Array) *mlx.Array {
	for _, l := range d.Layers {
		f := func(a []*mlx.Array) *mlx.Array { return l.Forward(a[0], a[1], a[2], a[3]) }
		x = through(l, d.Checkpoint, f, x, memory, mask, memoryMask)
	}
	return d.LN.Forward(x)
}

// Transformer is an encoder and a decoder (Vaswani et al. 2017, arXiv:1706.03762).
type Transformer struct {
	Encoder *TransformerEncoder
	Decoder *TransformerDecoder
}

// NewTransformer returns an encoder and a decoder of so many layers.
func NewTransformer(keys *Keys, encoders, decoders int, o TransformerOptions) *Transformer {
	return &Transformer{NewTransformerEncoder(keys, encoders, o), NewTransformerDecoder(keys, decoders, o)}
}

// TransformerMasks are what is masked, as in MultiHeadAttention: of the source, of the target,
// and of the source's results as the target sees them.
type TransformerMasks struct{ Source, Target, Memory *mlx.Array }

// Forward maps source and target, [batch, pos, d_model], to the target's shape.
func (t *Transformer) Forward(source, target *mlx.Array, masks TransformerMasks) *mlx.Array {
	return t.Decoder.Forward(target, t.Encoder.Forward(source, masks.Source), masks.Target, masks.Memory)
}
