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
	t.Sizes = c.shape(t.Sizes)
	var shared []string
	if c.dShared() > 0 {
		shared = []string{"model.layers.%d.mlp.shared_experts"}
	}
	l.HaveExperts(t, "model.layers.%d.mlp.gate", c.sparse, shared...)
	return t, nil
}

// note says what mlx-lm computes otherwise.
func (c *Config) note(l *load.Loader) {
	if !c.RopeInterleave {
		l.Note(model.Note{Text: "rope_interleave is false, and dimensions half of a head apart turn together, as in transformers; mlx-lm turns neighbours"})
	}
	if c.NumExpertsPerTok == 1 && c.NormTopKProb && c.sparse(c.NumHiddenLayers-1) {
		l.Note(model.Note{Text: "the weight of a position's only expert is 1 times routed_scaling_factor, as in transformers; mlx-lm does not normalise one alone"})
	}
}

func newBlock(c *Config, l *load.Loader, p load.Part, layer int, rope *model.Rope) *block {
	return &block{
		attnNorm: p.RMSNorm("attn_norm", c.HiddenSize, c.RMSNormEps),
		attn:     newAttention(c, l, p, layer, rope),
		mlpNorm:  p.RMSNorm("mlp_norm", c.HiddenSize, c.RMSNormEps),
		mlp:      newMLP(c, p, layer),
	}
}

func newMLP(c *Config, p load.Part, layer int) model.FeedForward {
	if !c.sparse(layer) {
		return p.GatedMLP(&c.Standard, false, mlx.SiLU)
	}
	router := &model.SigmoidRouter{
		Gate: p.Gate(c.NRoutedExperts, c.HiddenSize), K: c.NumExpertsPerTok, Renormalize: c.NormTopKProb,
		Scale: c.RoutedScalingFactor, Groups: c.NGroup, Kept: c.TopKGroup,
	}
	p.Array("router_correction", []int{c.NRoutedExperts}, &router.Correction, "mlp.gate.e_score_correction_bias")
	moe := &model.MoE{Router: router, Experts: p.GatedExperts(c.NRoutedExperts, c.MoEIntermediateSize, c.HiddenSize)}
	if d := c.dShared(); d > 0 {
		moe.Shared = p.SharedExpert(d, c.HiddenSize, "mlp.shared_experts.")
	}
	return moe
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
