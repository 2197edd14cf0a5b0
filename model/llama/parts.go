package llama

import "github.com/mlxlens/mlxlens/model"

// Parts returns the block's, nil where it is a mixture of experts or its attention is not the plain one.
func (b *block) Parts() *model.Parts {
	mlp, ok := b.mlp.(*model.GatedMLP)
	a := b.attn
	if !ok || a.query.Beta != 0 || a.SoftCap != 0 || a.Sinks != nil || a.Wide || a.Shared != nil {
		return nil
	}
	return &model.Parts{
		AttnNorm: b.attnNorm, MLPNorm: b.mlpNorm, Q: a.q, K: a.k, V: a.v, Attention: a.Attention, Rope: a.rope, MLP: mlp,
	}
}
