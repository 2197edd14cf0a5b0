package model

import (
	"slices"
	"strings"

	"github.com/mlxlens/mlxlens/mlx/nn"
)

// Llama's kin name their modules as Llama does: this is what they share.

// KinLayers are the patterns of a layer's modules: mlx-lm's and Hugging Face's, those
// of a bare decoder, and llama.cpp's.
var KinLayers = []string{"model.layers.%d.", "layers.%d.", "blk.%d."}

// KinNames returns Llama's module paths by site.
func KinNames() map[Site]string {
	return map[Site]string{
		Embed:        "model.embed_tokens",
		AttnNorm:     "model.layers.%d.input_layernorm",
		AttnOut:      "model.layers.%d.self_attn",
		MLPNorm:      "model.layers.%d.post_attention_layernorm",
		MLPPre:       "model.layers.%d.mlp.gate_proj",
		MLPPreLinear: "model.layers.%d.mlp.up_proj",
		MLPOut:       "model.layers.%d.mlp",
		ResidPost:    "model.layers.%d",
		FinalNormOut: "model.norm",
		Logits:       "lm_head",
	}
}

// KinEmbedding takes the embedding [vocab, dModel]; before stands in front of the
// path, "" in most models.
func (l *Loader) KinEmbedding(before string, vocab, dModel int) *nn.Embedding {
	return l.Embedding(Want{Role: "embed", Modules: []string{before + "model.embed_tokens", "embed_tokens", "token_embd"}, Shape: []int{vocab, dModel}})
}

// KinFinalNorm names the last norm.
func KinFinalNorm(before string, dModel int) Want {
	return Want{Role: "final_norm", Modules: []string{before + "model.norm", "norm", "output_norm"}, Shape: []int{dModel}}
}

// KinHead takes the head [vocab, dModel], nil when it is tied to the embedding: as
// tied says, or when that is nil and the checkpoint has no head.
func (l *Loader) KinHead(before string, tied *bool, vocab, dModel int) *nn.Linear {
	w := Want{Role: "unembed", Modules: []string{before + "lm_head", "output"}, Shape: []int{vocab, dModel}}
	isTied := tied != nil && *tied || tied == nil && !l.Has(w)
	l.Ignore(func(name string) bool {
		return strings.HasSuffix(name, "rotary_emb.inv_freq") ||
			isTied && slices.ContainsFunc(w.Modules, func(m string) bool { return strings.HasPrefix(name, m+".") })
	})
	if isTied {
		return nil
	}
	return l.Linear(w)
}

// HalvesFromPairs returns the row order that undoes llama.cpp's interleaving of
// Llama's q and k: it turns neighbouring pairs of dimensions, the Hugging Face form the
// two halves of a head. Row i of half s of a head is row 2i+s in the file.
func HalvesFromPairs(heads, headDim int) []int {
	order := make([]int, 0, heads*headDim)
	for h := range heads {
		for s := range 2 {
			for i := range headDim / 2 {
				order = append(order, h*headDim+2*i+s)
			}
		}
	}
	return order
}
