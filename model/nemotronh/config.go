// Package nemotronh is the architecture of Nemotron-H, Nemotron Nano 2 and Nemotron 3 (NVIDIA 2025,
// arXiv:2504.03624, arXiv:2508.14444): a layer is one of four things alone, a state space of Mamba-2 (Dao and
// Gu 2024, arXiv:2405.21060), attention without positions, an MLP of one branch, or experts and such
// an MLP that all positions pass.
package nemotronh

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/mlxlens/mlxlens/internal/exactjson"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/load"
	"github.com/mlxlens/mlxlens/model/mamba2"
)

// Config holds the keys of config.json that the model depends on. Defaults are those of
// transformers.
type Config struct {
	load.Standard
	LayerNormEpsilon float64 `json:"layer_norm_epsilon"`
	MLPHiddenAct     string  `json:"mlp_hidden_act"`
	MLPBias          bool    `json:"mlp_bias"`

	HybridOverridePattern pattern  `json:"hybrid_override_pattern"` // M, *, - or E for each layer
	LayersBlockType       []string `json:"layers_block_type"`       // the same in words, and so is layer_types

	// of the state space
	MambaNumHeads  int               `json:"mamba_num_heads"`
	MambaHeadDim   int               `json:"mamba_head_dim"`
	MambaHiddenAct string            `json:"mamba_hidden_act"`
	SSMStateSize   int               `json:"ssm_state_size"`
	NGroups        int               `json:"n_groups"`
	ConvKernel     int               `json:"conv_kernel"`
	UseConvBias    bool              `json:"use_conv_bias"`
	UseBias        bool              `json:"use_bias"`
	MambaProjBias  *bool             `json:"mamba_proj_bias"` // not read, as in transformers
	TimeStepMin    float64           `json:"time_step_min"`   // the least step
	TimeStepLimit  []exactjson.Float `json:"time_step_limit"` // not read, as in transformers
	olderNames                       // of some of them

	// of the experts
	NRoutedExperts                  int     `json:"n_routed_experts"`
	NumLocalExperts                 int     `json:"num_local_experts"` // the same
	NSharedExperts                  *int    `json:"n_shared_experts"`
	NumExpertsPerTok                int     `json:"num_experts_per_tok"`
	MoEIntermediateSize             int     `json:"moe_intermediate_size"`
	MoESharedExpertIntermediateSize int     `json:"moe_shared_expert_intermediate_size"`
	MoELatentSize                   *int    `json:"moe_latent_size"` // of what the experts see; null: d_model
	NormTopKProb                    bool    `json:"norm_topk_prob"`
	RoutedScalingFactor             float64 `json:"routed_scaling_factor"`
	NGroup                          int     `json:"n_group"`
	TopKGroup                       int     `json:"topk_group"`

	Kinds []Kind `json:"-"` // of the layers

	weightsUnsaid, headUnsaid bool // the config says nothing of norm_topk_prob, or of head_dim
}

// olderNames are those that transformers reads in the place of a key where they are there.
type olderNames struct {
	MambaNGroups  *int     `json:"mamba_n_groups"`
	MambaDConv    *int     `json:"mamba_d_conv"`
	MambaConvBias *bool    `json:"mamba_conv_bias"`
	MambaDtMin    *float64 `json:"mamba_dt_min"`
}

// Kind is what a layer is.
type Kind byte

// The kinds, by their letters in hybrid_override_pattern.
const (
	Mamba     Kind = 'M'
	Attention Kind = '*'
	MLP       Kind = '-'
	Experts   Kind = 'E'
)

// inWords are their names in layers_block_type.
var inWords = map[string]Kind{"mamba": Mamba, "linear_attention": Mamba, "attention": Attention, "full_attention": Attention, "mlp": MLP, "moe": Experts}

// pattern is a text of letters, or a list of them.
type pattern string

// UnmarshalJSON implements json.Unmarshaler.
func (p *pattern) UnmarshalJSON(text []byte) error {
	var letters []string
	if json.Unmarshal(text, &letters) == nil && letters != nil {
		*p = pattern(strings.Join(letters, ""))
		return nil
	}
	if json.Unmarshal(text, (*string)(p)) != nil {
		return fmt.Errorf("hybrid_override_pattern is %.40s, want a text of letters, one a layer, or a list of them", text)
	}
	return nil
}

const arch = "nemotron_h"

// ParseConfig reads a config.json. It rejects what would change the mathematics and
// is not implemented; other unknown keys are fine.
func ParseConfig(raw []byte) (*Config, error) {
	one, untied := 1, false
	c := &Config{
		Standard: load.Standard{
			HiddenSize: 4096, IntermediateSize: 21504, NumAttentionHeads: 32, NumKeyValueHeads: 8, HeadDim: 128, VocabSize: 131_072, MaxPositionEmbeddings: 4096,
			TieWordEmbeddings: &untied,
		},
		LayerNormEpsilon: 1e-5, MLPHiddenAct: "relu2", MambaHiddenAct: "silu", MambaNumHeads: 128, MambaHeadDim: 64, SSMStateSize: 128, NGroups: 8,
		ConvKernel: 4, UseConvBias: true, TimeStepMin: 0.001, NSharedExperts: &one, NumExpertsPerTok: 2, MoEIntermediateSize: 7688,
		MoESharedExpertIntermediateSize: 7688, NormTopKProb: true, RoutedScalingFactor: 1, NGroup: 1, TopKGroup: 1,
	}
	own := map[string]load.Harmless{"tie_word_embeddings": load.Is(false), "rope_scaling": load.Null, "rope_parameters": load.Null} // no program reads them
	err := load.ReadConfig(arch, raw, c, own, "mlp_bias", "use_bias", "n_routed_experts", "num_local_experts", "layer_types")
	if err != nil {
		return nil, err
	}
	c.rename()
	for _, read := range []func() error{func() error { return c.missing(raw) }, c.layers, c.checkMamba, c.checkExperts} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	c.RMSNormEps, c.HiddenAct = c.LayerNormEpsilon, c.MLPHiddenAct
	return c, load.Traits{Arch: arch, Act: "mlp_hidden_act", Acts: []string{"relu2"}, Eps: "layer_norm_epsilon", Theta: 10_000}.Complete(raw, &c.Standard)
}

// missing notes which keys the config has not.
func (c *Config) missing(raw []byte) error {
	says := map[string]any{}
	if err := exactjson.Unmarshal(raw, &says); err != nil {
		return fmt.Errorf("%s: config.json: %w", arch, err)
	}
	c.weightsUnsaid, c.headUnsaid = says["norm_topk_prob"] == nil, says["head_dim"] == nil
	return nil
}

// rename takes keys by their older names.
func (c *Config) rename() {
	if c.MambaNGroups != nil {
		c.NGroups = *c.MambaNGroups
	}
	if c.MambaDConv != nil {
		c.ConvKernel = *c.MambaDConv
	}
	if c.MambaConvBias != nil {
		c.UseConvBias = *c.MambaConvBias
	}
	if c.MambaDtMin != nil {
		c.TimeStepMin = *c.MambaDtMin
	}
}

// layers reads what each layer is.
func (c *Config) layers() error {
	types := map[string][]Kind{}
	for _, letter := range c.HybridOverridePattern {
		if kind := Kind(letter); !strings.ContainsRune("M*-E", letter) {
			return fmt.Errorf("%s: config.json: hybrid_override_pattern has %q, want M, *, - or E for each layer", arch, letter)
		} else {
			types["hybrid_override_pattern"] = append(types["hybrid_override_pattern"], kind)
		}
	}
	for key, words := range map[string][]string{"layers_block_type": c.LayersBlockType, "layer_types": c.LayerTypes} {
		for _, word := range words {
			kind, ok := inWords[word]
			if !ok {
				return fmt.Errorf("%s: config.json: %s %q is not implemented (have: mamba, linear_attention, attention, full_attention, mlp, moe)", arch, key, word)
			}
			types[key] = append(types[key], kind)
		}
	}
	c.LayerTypes = nil // of the rest of the config it says no more
	for _, key := range []string{"hybrid_override_pattern", "layers_block_type", "layer_types"} {
		switch kinds := types[key]; {
		case kinds == nil:
		case c.Kinds != nil && !slices.Equal(kinds, c.Kinds):
			return fmt.Errorf("%s: config.json: hybrid_override_pattern, layers_block_type and layer_types say different things of the layers: programs differ in which they read; remove the wrong one", arch)
		default:
			c.Kinds = kinds
		}
	}
	switch {
	case c.Kinds == nil:
		return fmt.Errorf("%s: config.json: neither hybrid_override_pattern nor layers_block_type says what the layers are", arch)
	case c.NumHiddenLayers != 0 && c.NumHiddenLayers != len(c.Kinds):
		return fmt.Errorf("%s: config.json: the config says of %d layers what they are, and num_hidden_layers is %d", arch, len(c.Kinds), c.NumHiddenLayers)
	}
	c.NumHiddenLayers = len(c.Kinds)
	return nil
}

// has reports whether some layer is of a kind.
func (c *Config) has(kind Kind) bool { return slices.Contains(c.Kinds, kind) }

// are returns which layers are of a kind.
func (c *Config) are(kind Kind) func(layer int) bool {
	return func(layer int) bool { return c.Kinds[layer] == kind }
}

// checkMamba refuses sizes of the state space that cannot be.
func (c *Config) checkMamba() error {
	if !c.has(Mamba) {
		return nil
	}
	if err := load.CheckActivation(arch, "mamba_hidden_act", c.MambaHiddenAct, "silu"); err != nil {
		return err
	}
	return c.mamba().Check(arch, mamba2.Keys{
		Heads: "mamba_num_heads", DHead: "mamba_head_dim", DState: "ssm_state_size", Groups: "n_groups", Width: "conv_kernel", Step: "time_step_min",
	})
}

// mamba returns the sizes of the state space.
func (c *Config) mamba() mamba2.Sizes {
	return mamba2.Sizes{
		DModel: c.HiddenSize, Heads: c.MambaNumHeads, DHead: c.MambaHeadDim, DState: c.SSMStateSize, Groups: c.NGroups, Width: c.ConvKernel,
		ProjBias: c.UseBias, ConvBias: c.UseConvBias, Eps: c.LayerNormEpsilon, LeastStep: c.TimeStepMin, MostStep: math.Inf(1),
	}
}

// checkExperts refuses numbers of experts that cannot be.
func (c *Config) checkExperts() error {
	if !c.has(Experts) {
		return nil
	}
	sparse := load.Sparse{NumExperts: c.NRoutedExperts, NumLocalExperts: c.NumLocalExperts, NumExpertsPerTok: c.NumExpertsPerTok, MoEIntermediateSize: c.MoEIntermediateSize}
	if err := sparse.Complete(arch, c.NumHiddenLayers, 8); err != nil {
		return err
	}
	c.NRoutedExperts = sparse.NumExperts
	if err := load.CheckSizes(arch, load.Size{Key: "moe_shared_expert_intermediate_size", Value: c.MoESharedExpertIntermediateSize}, load.Size{Key: "moe_latent_size", Value: c.dLatent()}); err != nil {
		return err
	}
	groups := c.NGroup > 0 && c.TopKGroup > 0 && c.TopKGroup <= c.NGroup && c.NRoutedExperts%c.NGroup == 0
	switch {
	case !groups || c.NGroup > 1 && (c.NRoutedExperts/c.NGroup < 2 || c.NRoutedExperts/c.NGroup*c.TopKGroup < c.NumExpertsPerTok):
		return fmt.Errorf("%s: config.json: n_group %d and topk_group %d do not leave %d of %d experts to choose", arch, c.NGroup, c.TopKGroup, c.NumExpertsPerTok, c.NRoutedExperts)
	case c.NSharedExperts == nil:
		return fmt.Errorf("%s: config.json: n_shared_experts is null, and programs differ in what they make of that: write 1", arch)
	case !(c.RoutedScalingFactor > 0):
		return fmt.Errorf("%s: config.json: routed_scaling_factor is %v, want a number above 0", arch, c.RoutedScalingFactor)
	}
	return nil
}

// dLatent is how many numbers of a position the experts see.
func (c *Config) dLatent() int {
	if c.MoELatentSize == nil {
		return c.HiddenSize
	}
	return *c.MoELatentSize
}

// shape completes the model's sizes.
func (c *Config) shape(s model.Shape) model.Shape {
	if c.has(Experts) {
		s.Experts, s.TopK, s.DExpert = c.NRoutedExperts, c.NumExpertsPerTok, c.MoEIntermediateSize
	}
	if c.has(Mamba) {
		c.mamba().Shape(&s)
	}
	s.Own = make([]model.LayerShape, s.Layers)
	for layer, kind := range c.Kinds {
		own := &s.Own[layer]
		switch kind {
		case Mamba:
			c.mamba().Layer(own)
		case MLP:
			own.Memoryless = true
		case Experts:
			own.Memoryless, own.DMLP = true, c.MoESharedExpertIntermediateSize
		}
	}
	return s
}
