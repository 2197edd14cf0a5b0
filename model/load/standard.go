package load

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/mlxlens/mlxlens/checkpoint"
	"github.com/mlxlens/mlxlens/internal/exactjson"
	"github.com/mlxlens/mlxlens/mlx/nn"
	"github.com/mlxlens/mlxlens/model"
)

// Standard has the keys that nearly every config.json since Llama has, under the names that
// they have there, and what follows from them. An architecture's Config embeds it.
type Standard struct {
	HiddenSize            int      `json:"hidden_size"`
	IntermediateSize      int      `json:"intermediate_size"`
	NumHiddenLayers       int      `json:"num_hidden_layers"`
	NumAttentionHeads     int      `json:"num_attention_heads"`
	NumKeyValueHeads      int      `json:"num_key_value_heads"` // default: NumAttentionHeads
	HeadDim               int      `json:"head_dim"`            // default: HiddenSize / NumAttentionHeads
	VocabSize             int      `json:"vocab_size"`
	RMSNormEps            float64  `json:"rms_norm_eps"`
	MaxPositionEmbeddings int      `json:"max_position_embeddings"`
	HiddenAct             string   `json:"hidden_act"`
	TieWordEmbeddings     *bool    `json:"tie_word_embeddings"` // absent: tied when there is no lm_head
	SlidingWindow         int      `json:"sliding_window"`      // null: none
	LayerTypes            []string `json:"layer_types"`         // full_attention or sliding_attention

	Rope    *RopeConfig `json:"-"`
	Windows []int       `json:"-"` // keys that each layer's queries see, 0: all

	windowsIgnored bool // by mlx-lm
	layerNorm      bool // the last norm is one
	finalNorm      string
	unbiased       bool // it has no bias
}

// Traits say what an architecture makes of the standard keys.
type Traits struct {
	Arch    string   // the architecture's name, for errors
	Theta   float64  // rope_theta where a config has none
	Partial float64  // the part of each head that turns where a config does not say; 0: all, and a config may not say
	Act     string   // the key of the activation, "" for hidden_act
	Acts    []string // its values that mean the architecture's activation
	Eps     string   // the key of the norms' ε, "" for rms_norm_eps
	OwnKeys bool     // every head has keys and values of its own, of hidden_size/heads dimensions
	Width   bool     // a head has hidden_size/heads dimensions, and the config may not say otherwise

	// LayerNorm makes the last norm a LayerNorm; when false it is an RMSNorm.
	LayerNorm bool
	Unbiased  bool // it has no bias

	FinalNorm string // mlx-lm's module of it; "" for model.norm

	// WindowsIgnored says that mlx-lm ignores the windows of the model_type, which transformers
	// has; a run that they touch is told so.
	WindowsIgnored bool

	// QueryScale says that the architecture reads llama_4_scaling_beta.
	QueryScale bool

	// RopeByLayer says that the architecture reads itself how sliding layers turn.
	RopeByLayer bool
	Slide       func(layer int) bool // which layers slide where layer_types does not say; nil: none
}

// checkEps refuses what is no ε of a norm, and rms_norm_eps where another key says it, unless they
// agree.
func (t Traits) checkEps(raw []byte, eps float64) error {
	key := cmp.Or(t.Eps, "rms_norm_eps")
	if !(eps > 0 && eps <= 1) {
		return fmt.Errorf("%s: config.json: %s is %v, want a number above 0 and at most 1", t.Arch, key, eps)
	}
	if raw == nil || key == "rms_norm_eps" {
		return nil
	}
	var usual struct {
		Eps *float64 `json:"rms_norm_eps"`
	}
	if err := exactjson.Unmarshal(raw, &usual); err != nil {
		return fmt.Errorf("%s: config.json: %w", t.Arch, err)
	}
	if usual.Eps != nil && *usual.Eps != eps {
		return fmt.Errorf("%s: config.json: rms_norm_eps is %v, and %s is %v: the norms' ε is the latter, and no program reads the other; remove one", t.Arch, *usual.Eps, key, eps)
	}
	return nil
}

// Complete fills the defaults that depend on other keys, and checks what raw, a config.json,
// has put into s. raw is nil for a GGUF file, whose Rope is set already.
func (t Traits) Complete(raw []byte, s *Standard) error {
	if err := CheckActivation(t.Arch, cmp.Or(t.Act, "hidden_act"), s.HiddenAct, t.Acts...); err != nil {
		return err
	}
	err := CheckSizes(t.Arch, Size{"hidden_size", s.HiddenSize}, Size{"intermediate_size", s.IntermediateSize}, Size{"num_hidden_layers", s.NumHiddenLayers},
		Size{"num_attention_heads", s.NumAttentionHeads}, Size{"vocab_size", s.VocabSize}, Size{"max_position_embeddings", s.MaxPositionEmbeddings})
	if err != nil {
		return err
	}
	if err := t.checkEps(raw, s.RMSNormEps); err != nil {
		return err
	}
	if t.OwnKeys && s.HeadDim != 0 && s.HeadDim*s.NumAttentionHeads != s.HiddenSize {
		return fmt.Errorf("%s: config.json: head_dim %d is not that of %d heads of hidden_size %d: not implemented", t.Arch, s.HeadDim, s.NumAttentionHeads, s.HiddenSize)
	}
	if t.OwnKeys && s.NumKeyValueHeads != 0 && s.NumKeyValueHeads != s.NumAttentionHeads {
		return fmt.Errorf("%s: config.json: num_key_value_heads %d is not num_attention_heads %d: not implemented", t.Arch, s.NumKeyValueHeads, s.NumAttentionHeads)
	}
	if t.Width && s.HeadDim != 0 && s.HeadDim*s.NumAttentionHeads != s.HiddenSize {
		return fmt.Errorf("%s: config.json: head_dim %d is not that of %d heads of hidden_size %d: not implemented", t.Arch, s.HeadDim, s.NumAttentionHeads, s.HiddenSize)
	}
	if err := CheckHeads(t.Arch, s.HiddenSize, s.NumAttentionHeads, &s.NumKeyValueHeads, &s.HeadDim); err != nil {
		return err
	}
	slide := t.Slide
	if slide == nil {
		slide = func(int) bool { return false }
	}
	if s.Windows, err = Windows(t.Arch, s.NumHiddenLayers, s.LayerTypes, s.SlidingWindow, slide); err != nil {
		return err
	}
	s.windowsIgnored, s.layerNorm, s.unbiased, s.finalNorm = t.WindowsIgnored, t.LayerNorm, t.Unbiased, t.FinalNorm
	if raw != nil {
		s.Rope, err = ReadRope(raw, t.Theta, "full_attention")
		if err != nil {
			return err
		}
		s.Rope.Context = s.MaxPositionEmbeddings
		if s.Rope.perLayer && !t.RopeByLayer && slices.Max(s.Windows) > 0 {
			return fmt.Errorf("%s: config.json: rope_parameters differ by the type of layer, which is not implemented", t.Arch)
		}
		if s.Rope.scaling.Llama4Beta != nil && !t.QueryScale {
			return fmt.Errorf("%s: config.json: llama_4_scaling_beta %v is not implemented for this model_type", t.Arch, *s.Rope.scaling.Llama4Beta)
		}
		return s.Rope.suits(t.Arch, t.Partial)
	}
	return nil
}

// Shape returns the model's sizes.
func (s *Standard) Shape() model.Shape {
	return model.Shape{
		Layers: s.NumHiddenLayers, DModel: s.HiddenSize, Heads: s.NumAttentionHeads, KVHeads: s.NumKeyValueHeads,
		DHead: s.HeadDim, DMLP: s.IntermediateSize, DVocab: s.VocabSize, Context: max(s.Rope.Reach(), s.MaxPositionEmbeddings), ShortContext: s.Rope.shortContext(),
	}
}

// QWidth is how many numbers the queries of a position are: head·d_head.
func (s *Standard) QWidth() int { return s.NumAttentionHeads * s.HeadDim }

// KVWidth is how many its keys are, and its values: kv_head·d_head.
func (s *Standard) KVWidth() int { return s.NumKeyValueHeads * s.HeadDim }

// Attention returns how a layer attends, with scores scaled by d_head^−½.
func (s *Standard) Attention(layer int) model.Attention {
	return model.Attention{
		Heads: s.NumAttentionHeads, KVHeads: s.NumKeyValueHeads, Scale: 1 / math.Sqrt(float64(s.HeadDim)), Window: s.Windows[layer],
	}
}

// Transformer takes what stands around the blocks of a Llama-shaped model, and has block
// make each block of a layer's weights. The caller changes what
// differs in its architecture, and runs Load.
func (l *Loader) Transformer(s *Standard, block func(p Part, layer int) model.Block) *model.Transformer {
	embed := l.Outside("embed", s.VocabSize, s.HiddenSize)
	embed.LookedUp = !l.tied(s.TieWordEmbeddings, l.Outside("unembed", s.VocabSize, s.HiddenSize), embed)
	t := &model.Transformer{
		Embedding: l.Embedding(embed),
		Modules:   l.modules(),
		Lacks:     Lacking(model.PosEmbed, model.QNormed, model.KNormed, model.AttnRaw, model.MLPRaw),
		Weights:   l.Weights(),
		Sizes:     s.Shape(),
	}
	if window := slices.Max(s.Windows); window > 0 && s.windowsIgnored {
		l.Note(model.Note{Above: window, Text: fmt.Sprintf("the queries of %d layers see %d keys, as in transformers; mlx-lm lets them see all",
			len(s.Windows)-len(slices.DeleteFunc(slices.Clone(s.Windows), func(w int) bool { return w > 0 })), window)})
	}
	for i := range s.NumHiddenLayers {
		t.Blocks = append(t.Blocks, block(l.Layer(i), i))
	}
	norm := l.Outside("final_norm", s.HiddenSize)
	if s.finalNorm != "" {
		norm.Modules = append(l.within(s.finalNorm), strings.TrimPrefix(s.finalNorm, "model."))
		t.Modules[model.FinalNormOut] = l.Path(s.finalNorm)
	}
	if s.layerNorm {
		norm.Unbiased = s.unbiased
		t.Norm = l.LayerNorm(norm, s.RMSNormEps)
	} else {
		t.Norm = l.RMSNorm(norm, s.RMSNormEps)
	}
	t.Head = l.Head(s.TieWordEmbeddings, s.VocabSize, s.HiddenSize)
	return t
}

// PostNorms has a norm follow attention, and another the MLP: what these add to the stream comes
// out of the norms, and attn_raw and mlp_raw are what goes in.
func (l *Loader) PostNorms(t *model.Transformer) {
	for _, half := range []struct {
		raw, out model.Site
		norm     string
	}{
		{model.AttnRaw, model.AttnOut, "post_attention_layernorm"},
		{model.MLPRaw, model.MLPOut, "post_feedforward_layernorm"},
	} {
		t.Modules[half.raw], t.Modules[half.out] = t.Modules[half.out], l.Path("model.layers.%d."+half.norm)
		delete(t.Lacks, half.raw)
	}
}

// Fused has one matrix make both branches of the MLP: no module's output is either.
func (l *Loader) Fused(t *model.Transformer) {
	delete(t.Modules, model.MLPPre)
	delete(t.Modules, model.MLPPreLinear)
}

// Multiplied has what attention and the MLP give multiplied before it is added to the stream:
// attn_raw and mlp_raw are before the factor, as the modules' outputs and TransformerLens' hooks are.
func (l *Loader) Multiplied(t *model.Transformer) {
	t.Renamed = map[string]model.Site{"hook_attn_out": model.AttnRaw, "hook_mlp_out": model.MLPRaw}
	for raw, out := range map[model.Site]model.Site{model.AttnRaw: model.AttnOut, model.MLPRaw: model.MLPOut} {
		t.Modules[raw] = t.Modules[out]
		delete(t.Modules, out)
		delete(t.Lacks, raw)
	}
}

// tied reports whether the head is the embedding, as [Loader.Head] has it.
func (l *Loader) tied(said *bool, head, embed Want) bool {
	return (said != nil && *said || said == nil && !l.Has(head)) && !l.differ(head, embed)
}

// differ reports whether a checkpoint has plain weights for both and they are not the same bytes.
func (l *Loader) differ(a, b Want) bool {
	plain := func(w Want) *checkpoint.Tensor {
		for _, path := range w.Modules {
			if t := l.ck.Tensor(path + ".weight"); t != nil {
				if _, ok := floatType[t.Type]; ok {
					return t
				}
				return nil
			}
		}
		return nil
	}
	x, y := plain(a), plain(b)
	return x != nil && y != nil && (x.Type != y.Type || !slices.Equal(x.Shape, y.Shape) || !bytes.Equal(x.Bytes(), y.Bytes()))
}

// usualReasons say why an architecture lacks a site, where many lack it for the same reason.
var usualReasons = map[model.Site]string{
	model.PosEmbed:     "positions turn queries and keys, and are not embedded",
	model.QNormed:      "queries have no norm of their own",
	model.KNormed:      "keys have no norm of their own",
	model.ResidMid:     "attention and MLP read the same stream, and there is no state between them",
	model.MLPNorm:      "the block has one norm: the MLP reads attn_norm too",
	model.MLPPreLinear: "the MLP has one branch",
	model.AttnRaw:      "no norm follows attention, and attn_out is its output",
	model.MLPRaw:       "no norm follows the MLP, and mlp_out is its output",
}

// rareReasons are those of sites that few architectures have; these delete them from what they
// lack.
var rareReasons = map[model.Site]string{
	model.RouterLogits:  "it has no experts to choose from",
	model.ExpertIDs:     "it has no experts to choose from",
	model.ExpertWeights: "it has no experts to choose from",
	model.ExpertPost:    "it has no experts to choose from",
	model.ExpertOut:     "it has no experts to choose from",
	model.SharedOut:     "it has no expert that all positions share",
	model.ConvOut:       "it has no mixer that convolves",
	model.AttnGate:      "nothing gates what the heads gathered",
	model.PerLayerEmbed: "no layer has an embedding of its own",
	model.PerLayerOut:   "no layer has an embedding of its own",
}

// Lacking returns sites that an architecture lacks with the usual reason of each, as
// [model.Paths] has them, and all that few architectures have.
func Lacking(sites ...model.Site) map[model.Site]string {
	lacks := maps.Clone(rareReasons)
	for _, s := range sites {
		lacks[s] = usualReasons[s]
	}
	return lacks
}

// modules returns the module paths by site, with what stands before them.
func (l *Loader) modules() map[model.Site]string {
	paths := model.LlamaModules()
	for site, path := range paths {
		paths[site] = l.Path(path)
	}
	return paths
}

// Outside names a weight outside the layers.
func (l *Loader) Outside(role string, shape ...int) Want {
	w := Want{Role: role, Shape: shape}
	for i, m := range usual[role] {
		if i == 0 {
			w.Modules = append(w.Modules, l.within(m)...)
			continue
		}
		w.Modules = append(w.Modules, m)
	}
	return w
}

// Head takes the head [vocab, dModel], nil when it is tied to the embedding: as
// tied says, or when that is nil and the checkpoint has no head. One that the checkpoint has
// although they are tied is taken where it differs from the embedding, as in transformers.
func (l *Loader) Head(tied *bool, vocab, dModel int) *nn.Linear {
	w, embed := l.Outside("unembed", vocab, dModel), l.Outside("embed", vocab, dModel)
	isTied := l.tied(tied, w, embed)
	if tied != nil && *tied && !isTied {
		l.Note(model.Note{Text: "tie_word_embeddings is true, and the file has a head that is not the embedding: it is taken, as in transformers; mlx-lm leaves it out"})
	}
	l.Ignore(func(name string) bool {
		return strings.HasSuffix(name, "rotary_emb.inv_freq") ||
			isTied && slices.ContainsFunc(w.Modules, func(m string) bool { return strings.HasPrefix(name, m+".") })
	})
	if isTied {
		return nil
	}
	return l.Linear(w)
}
