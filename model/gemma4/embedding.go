package gemma4

import (
	"math"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/load"
)

// layerEmbeddings gives each layer an embedding of the tokens of its own.
type layerEmbeddings struct {
	table      *nn.Embedding // E: [d_vocab, layer·d_per_layer]
	projection *nn.Linear    // W: [layer·d_per_layer, d_model]
	norm       *nn.RMSNorm   // [d_per_layer]
	layers     int
}

// newLayerEmbeddings returns nil where a model has none.
func newLayerEmbeddings(c *Config, l *load.Loader) *layerEmbeddings {
	d := c.HiddenSizePerLayer
	if d == 0 {
		return nil
	}
	n := c.NumHiddenLayers
	table := l.Outside("per_layer_embed", c.VocabSizePerLayer, n*d)
	table.LookedUp = true
	return &layerEmbeddings{
		table:      l.Embedding(table),
		projection: l.Linear(l.Outside("per_layer_projection", n*d, c.HiddenSize)),
		norm:       l.RMSNorm(l.Outside("per_layer_norm", d), c.RMSNormEps),
		layers:     n,
	}
}

// of returns those of all layers, [batch, pos, layer, d_per_layer], of the pass's tokens and of x, the
// embedding that enters the first layer, [batch, pos, d_model]:
//
//	e = (RMSNorm(x·W·d_model^−½) + E[tokens]·√d_per_layer)·2^−½
func (e *layerEmbeddings) of(x *mlx.Array, pass *model.Pass) *mlx.Array {
	byLayer := func(a *mlx.Array) *mlx.Array { return mlx.Reshape(a, x.Dim(0), x.Dim(1), e.layers, -1) }
	own := byLayer(e.table.Forward(pass.Tokens))
	own = mlx.Scale(own, math.Sqrt(float64(own.Dim(3))))
	projected := e.norm.Forward(byLayer(mlx.Scale(e.projection.Forward(x), 1/math.Sqrt(float64(x.Dim(2))))))
	return mlx.Scale(mlx.Add(projected, own), math.Sqrt(0.5))
}

func newLayerInput(c *Config, p load.Part, of *layerEmbeddings) *layerInput {
	d := c.HiddenSizePerLayer
	return &layerInput{
		embeddings: of,
		gate:       p.Linear("per_layer_gate", d, c.HiddenSize, false, "per_layer_input_gate"),
		projection: p.Linear("per_layer_out", c.HiddenSize, d, false, "per_layer_projection"),
		norm:       p.RMSNorm("per_layer_out_norm", c.HiddenSize, c.RMSNormEps, "post_per_layer_input_norm"),
	}
}

// layerInput is what a layer makes of its embedding of the tokens.
type layerInput struct {
	embeddings *layerEmbeddings
	gate       *nn.Linear  // G: [d_per_layer, d_model]
	projection *nn.Linear  // P: [d_model, d_per_layer]
	norm       *nn.RMSNorm // [d_model]
}

// of returns the layer's embedding, [batch, pos, d_per_layer]. Those of all layers are made of what enters
// the first one, which asks first.
func (in *layerInput) of(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	all := pass.Once("embeddings of the layers", func() []*mlx.Array { return []*mlx.Array{in.embeddings.of(x, pass)} })[0]
	one := mlx.Slice(x.Scope().Hold(all), 2, mlx.Between(layer, layer+1))
	return mlx.Reshape(one, x.Dim(0), x.Dim(1), -1)
}

// forward maps the stream y [batch, pos, d_model] and the layer's embedding e to what is added:
//
//	out = RMSNorm((GELU(y·G) ⊙ e)·P)
func (in *layerInput) forward(y, e *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	return pass.Norm(in.norm, layer, in.projection.Forward(mlx.Multiply(mlx.GELUTanh(in.gate.Forward(y)), e)))
}
