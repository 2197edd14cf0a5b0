package gemma4

import (
	"fmt"
	"math"
	"strings"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/load"
)

// New takes the weights that a config asks for. The caller runs the loader's Load.
func New(c *Config, l *load.Loader) (*model.Transformer, error) {
	global, err := c.Rope.Rotation(l, c.GlobalHeadDim)
	if err != nil {
		return nil, err
	}
	local, err := c.LocalRope.Rotation(l, c.HeadDim)
	if err != nil {
		return nil, err
	}
	if c.wrapped {
		l.Wrapped()
	}
	embeddings := newLayerEmbeddings(c, l)
	t := l.Transformer(&c.Standard, func(p load.Part, layer int) model.Block {
		if c.Windows[layer] > 0 {
			return newBlock(c, p, layer, local, embeddings)
		}
		return newBlock(c, p, layer, global, embeddings)
	})
	t.Sizes = c.shape()
	t.EmbedScale = math.Sqrt(float64(c.HiddenSize))
	if t.SoftCap = load.OrNone(c.FinalLogitSoftcapping); t.SoftCap != 0 {
		delete(t.Modules, model.Logits) // the head's output is not capped
	}
	haveSites(c, l, t)
	return t, nil
}

// haveSites says which sites the layers have.
func haveSites(c *Config, l *load.Loader, t *model.Transformer) {
	l.PostNorms(t)
	t.Modules[model.MLPNorm] = l.Path("model.layers.%d.pre_feedforward_layernorm")
	delete(t.Lacks, model.QNormed)
	delete(t.Lacks, model.KNormed)
	if c.EnableMoEBlock {
		l.HaveRouter(t, "model.layers.%d.router.proj")
		delete(t.Lacks, model.SharedOut)
		delete(t.Modules, model.MLPRaw) // the sum of two branches
		t.Modules[model.SharedOut] = l.Path("model.layers.%d.post_feedforward_layernorm_1")
	}
	if c.HiddenSizePerLayer > 0 {
		delete(t.Lacks, model.PerLayerEmbed)
		delete(t.Lacks, model.PerLayerOut)
		t.Modules[model.PerLayerOut] = l.Path("model.layers.%d.post_per_layer_input_norm")
	}
	var unused []string // that files have all the same
	for layer := range c.NumHiddenLayers {
		if c.looksBack(layer) {
			t.Lack(layer, fmt.Sprintf("it looks at the keys and values of layer %d", c.source(layer)), model.K, model.KNormed, model.RotK, model.V)
			for _, module := range []string{"k_proj", "v_proj", "k_norm", "v_norm"} {
				unused = append(unused, fmt.Sprintf("layers.%d.self_attn.%s.", layer, module))
			}
		}
	}
	l.Ignore(func(name string) bool {
		for _, module := range unused {
			if strings.HasPrefix(name, module) || strings.Contains(name, "."+module) {
				return true
			}
		}
		return false
	})
}

func newBlock(c *Config, p load.Part, layer int, rope *model.Rope, embeddings *layerEmbeddings) *block {
	norm := func(role string, module ...string) *nn.RMSNorm {
		return p.RMSNorm(role, c.HiddenSize, c.RMSNormEps, module...)
	}
	b := &block{
		preAttnNorm:  norm("attn_norm"),
		attn:         newAttention(c, p, layer, rope),
		postAttnNorm: norm("post_attn_norm", "post_attention_layernorm"),
		preMLPNorm:   norm("mlp_norm", "pre_feedforward_layernorm"),
		postMLPNorm:  norm("post_mlp_norm", "post_feedforward_layernorm"),
	}
	sizes := c.Standard
	sizes.IntermediateSize = c.dMLP(layer)
	b.mlp = p.GatedMLP(&sizes, false, mlx.GELUTanh)
	if c.EnableMoEBlock {
		b.experts = newMixture(c, p)
	}
	if embeddings != nil {
		b.embedding = newLayerInput(c, p, embeddings)
	}
	p.Array("layer_scalar", []int{1}, &b.scalar, "layer_scalar")
	return b
}

type block struct {
	preAttnNorm, postAttnNorm *nn.RMSNorm
	attn                      *attention
	preMLPNorm, postMLPNorm   *nn.RMSNorm
	mlp                       *model.GatedMLP
	experts                   *mixture    // beside the MLP; nil: none
	embedding                 *layerInput // nil: none
	scalar                    *mlx.Array  // [1]
}

// Forward maps resid_pre to resid_post, both [batch, pos, d_model]:
//
//	h = x + RMSNorm(Attn(RMSNorm(x)))
//	m = RMSNorm(MLP(RMSNorm(h))), in a mixture with experts beside the MLP
//	y = (h + m + e(h + m))·s, with e of the layer's embedding of the tokens, where there is one
func (b *block) Forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	var e *mlx.Array
	if b.embedding != nil {
		e = b.embedding.of(x, layer, pass)
	}
	x = pass.At(model.ResidPre, layer, x)
	n := pass.At(model.AttnNorm, layer, b.preAttnNorm.Forward(x))
	a := pass.At(model.AttnRaw, layer, b.attn.forward(n, layer, pass))
	a = pass.At(model.AttnOut, layer, b.postAttnNorm.Forward(a))
	h := pass.At(model.ResidMid, layer, mlx.Add(x, a))
	n = pass.At(model.MLPNorm, layer, b.preMLPNorm.Forward(h))
	m := b.mlp.Forward(n, layer, pass)
	if b.experts != nil {
		m = b.experts.beside(m, h, layer, pass)
	}
	m = pass.At(model.MLPRaw, layer, m)
	m = pass.At(model.MLPOut, layer, b.postMLPNorm.Forward(m))
	y := mlx.Add(h, m)
	if b.embedding != nil {
		e = pass.At(model.PerLayerEmbed, layer, e)
		y = mlx.Add(y, pass.At(model.PerLayerOut, layer, b.embedding.forward(y, e, layer, pass)))
	}
	return pass.At(model.ResidPost, layer, mlx.Multiply(y, b.scalar))
}
