// Package deepseek is the DeepSeek V2 and V3 architecture (DeepSeek-AI 2024, arXiv:2405.04434 and 2412.19437): keys and values of all heads
// are made of one latent a position, a part of each key turns and is shared by the heads, and most layers are mixtures of experts, a few of which
// every token goes through.
package deepseek

import (
	"fmt"
	"strings"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/load"
)

// New takes the weights that a config asks for. The caller runs the loader's Load.
func New(c *Config, l *load.Loader) (*model.Transformer, error) {
	rope, err := c.Rope.Rotation(l, c.QKRopeHeadDim)
	if err != nil {
		return nil, err
	}
	rope.Still = c.QKNopeHeadDim
	c.note(l)
	l.Ignore(func(name string) bool { // layers that predict tokens further on
		for i := range c.NumNextnPredictLayer {
			if strings.HasPrefix(name, fmt.Sprintf("model.layers.%d.", c.NumHiddenLayers+i)) {
				return true
			}
		}
		return false
	})
	t := l.Transformer(&c.Standard, func(p load.Part, layer int) model.Block { return newBlock(c, l, p, layer, rope) })
	t.Sizes.DValue = c.VHeadDim
	l.HaveRouted(t, &c.Routed)
	return t, nil
}

// note says what mlx-lm computes otherwise.
func (c *Config) note(l *load.Loader) {
	say := func(differs bool, text string) {
		if differs {
			l.Note(model.Note{Text: text})
		}
	}
	kind := c.Rope.Kind()
	say(!c.RopeInterleave, "rope_interleave is false, and dimensions half of a head apart turn together, as in transformers; mlx-lm turns neighbours")
	say(kind == "yarn" && !c.Rope.Truncates(), "truncate is false, and the ends of yarn's ramp are not rounded, as in transformers; mlx-lm rounds them")
	say(c.arch == v2 && kind != "default" && kind != "yarn", "rope_scaling has the type "+kind+", as in transformers; mlx-lm takes yarn")
	say(c.NumExpertsPerTok == 1 && c.NormTopKProb && c.Sparse(c.NumHiddenLayers-1),
		"the weight of a position's only expert is 1 times routed_scaling_factor, as in transformers; mlx-lm does not normalise one alone")
	say(c.arch != v2 && l.Packed(l.Layer(0).Want("kv_up", nil, fusedModule)),
		"kv_b_proj is packed, and taken as it is; mlx-lm packs the matrices of keys and of values in it anew, which rounds them once more")
	switch c.arch {
	case v3:
		c.Rope.NoteNewer(l, 10_000)
	case glmLite:
		c.Rope.NoteNewer(l, 1_000_000)
		say(c.RMSNormEps != latentEps, fmt.Sprintf("the norms of latents have ε %v, as in transformers; mlx-lm gives them rms_norm_eps", latentEps))
	}
}

func newBlock(c *Config, l *load.Loader, p load.Part, layer int, rope *model.Rope) *block {
	return &block{
		attnNorm: p.RMSNorm("attn_norm", c.HiddenSize, c.RMSNormEps),
		attn:     newAttention(c, l, p, layer, rope),
		mlpNorm:  p.RMSNorm("mlp_norm", c.HiddenSize, c.RMSNormEps),
		mlp:      c.MLP(p, &c.Standard, layer),
	}
}

type block struct {
	attnNorm *nn.RMSNorm
	attn     *attention
	mlpNorm  *nn.RMSNorm
	mlp      model.FeedForward
}

// Forward maps resid_pre to resid_post, both [batch, pos, d_model]:
//
//	h = x + Attn(RMSNorm(x))
//	y = h + MLP(RMSNorm(h)), a mixture of experts from first_k_dense_replace on
func (b *block) Forward(x *mlx.Array, layer int, pass *model.Pass) *mlx.Array {
	x = pass.At(model.ResidPre, layer, x)
	n := pass.At(model.AttnNorm, layer, b.attnNorm.Forward(x))
	a := pass.At(model.AttnOut, layer, b.attn.forward(n, layer, pass))
	h := pass.At(model.ResidMid, layer, mlx.Add(x, a))
	n = pass.At(model.MLPNorm, layer, b.mlpNorm.Forward(h))
	m := pass.At(model.MLPOut, layer, b.mlp.Forward(n, layer, pass))
	return pass.At(model.ResidPost, layer, mlx.Add(h, m))
}
