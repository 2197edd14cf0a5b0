package model

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/mlxlens/mlxlens/internal/spelling"
)

// Site is a place in a transformer's computation, by its name. The words are
// TransformerLens' (Nanda and Bloom 2022) without "hook_".
type Site string

// The sites. What passes each, its axes, and its names in other tools stand in the table
// that [Sites] lists; docs/names.md and the help topic are made of it.
const (
	Embed         Site = "embed"
	PosEmbed      Site = "pos_embed"
	ResidPre      Site = "resid_pre"
	AttnNorm      Site = "attn_norm"
	ConvOut       Site = "conv_out"
	Q             Site = "q"
	K             Site = "k"
	V             Site = "v"
	QNormed       Site = "q_normed"
	KNormed       Site = "k_normed"
	RotQ          Site = "rot_q"
	RotK          Site = "rot_k"
	AttnScores    Site = "attn_scores"
	Pattern       Site = "pattern"
	AttnGate      Site = "attn_gate"
	Z             Site = "z"
	HeadOut       Site = "head_out"
	AttnRaw       Site = "attn_raw"
	AttnOut       Site = "attn_out"
	ResidMid      Site = "resid_mid"
	MLPNorm       Site = "mlp_norm"
	RouterLogits  Site = "router_logits"
	ExpertIDs     Site = "experts"
	ExpertWeights Site = "expert_weights"
	ExpertPost    Site = "expert_post"
	ExpertOut     Site = "expert_out"
	MLPPre        Site = "mlp_pre"
	MLPPreLinear  Site = "mlp_pre_linear"
	MLPPost       Site = "mlp_post"
	SharedOut     Site = "shared_out"
	MLPRaw        Site = "mlp_raw"
	MLPOut        Site = "mlp_out"
	PerLayerEmbed Site = "per_layer_embed"
	PerLayerOut   Site = "per_layer_out"
	ResidPost     Site = "resid_post"
	FinalNormOut  Site = "final_norm"
	Logits        Site = "logits"
)

// Axis is what an axis of a site's array counts.
type Axis string

// The axes.
const (
	Batch  Axis = "batch"
	Pos    Axis = "pos" // of queries, at attn_scores and pattern
	Head   Axis = "head"
	KVHead Axis = "kv_head"
	Key    Axis = "key"
	DModel Axis = "d_model"
	DHead  Axis = "d_head"
	DValue Axis = "d_v" // of a head's values; d_head in most architectures
	DMLP   Axis = "d_mlp"
	Expert Axis = "expert"
	Chosen Axis = "k" // the experts that a position chose, the one of the greatest weight first
	DExp   Axis = "d_expert"
	DPer   Axis = "d_per_layer" // of the embedding that each layer has of its own
	DVocab Axis = "d_vocab"

	Channel Axis = "channel" // of a convolution
)

// siteRow is what is known of a site; a name in another tool is "" where that has none.
type siteRow struct {
	site     Site
	perLayer bool
	axes     []Axis
	means    string

	transformerLens string // behind "blocks.N." in a layer
	mlxLM           string // the module of Llama whose output it is; %d is the layer
	interpEngine    string
}

var (
	stream  = []Axis{Batch, Pos, DModel}
	queries = []Axis{Batch, Pos, Head, DHead}
	keys    = []Axis{Batch, Pos, KVHead, DHead}
	values  = []Axis{Batch, Pos, KVHead, DValue}
	mixed   = []Axis{Batch, Pos, Head, DValue}
	scores  = []Axis{Batch, Head, Pos, Key}
	hidden  = []Axis{Batch, Pos, DMLP}
	chosen  = []Axis{Batch, Pos, Chosen}
)

// sites is the table, in the order in which a sequential block goes by them.
var sites = []siteRow{
	{Embed, false, stream, "token embedding", "hook_embed", "model.embed_tokens", "embeddings"},
	{PosEmbed, false, stream, "position embedding (GPT-2)", "hook_pos_embed", "", ""},
	{ResidPre, true, stream, "stream entering the block", "hook_resid_pre", "", "resid_pre"},
	{AttnNorm, true, stream, "first norm, after its gain", "ln1.hook_out", "model.layers.%d.input_layernorm", "attn_in"},
	{ConvOut, true, []Axis{Batch, Pos, Channel}, "what a mixer convolves, after its activation, if any", "", "", ""},
	{Q, true, queries, "queries, as projected", "attn.hook_q", "", "q_norm_in"},
	{K, true, keys, "keys, as projected", "attn.hook_k", "", "k_norm_in"},
	{V, true, values, "values", "attn.hook_v", "", "value"},
	{QNormed, true, queries, "queries after their norm, if any", "attn.hook_q_normed", "", "q_norm_out"},
	{KNormed, true, keys, "keys after their norm, if any", "attn.hook_k_normed", "", "k_norm_out"},
	{RotQ, true, queries, "queries after RoPE", "attn.hook_rot_q", "", ""},
	{RotK, true, keys, "keys after RoPE", "attn.hook_rot_k", "", ""},
	{AttnScores, true, scores, "scaled and masked, before softmax", "attn.hook_attn_scores", "", "attn_scores"},
	{Pattern, true, scores, "after softmax", "attn.hook_pattern", "", "attn_probs"},
	{AttnGate, true, mixed, "factors on what the heads gathered, as in z", "", "", ""},
	{Z, true, mixed, "pattern·v, before the output matrix", "attn.hook_z", "", "z"},
	{HeadOut, true, []Axis{Batch, Pos, Head, DModel}, "what each head adds, without the bias", "attn.hook_result", "", ""},
	{AttnRaw, true, stream, "attention's output, before its norm or factor", "attn.hook_out", "", "attn_out"},
	{AttnOut, true, stream, "what attention adds to the stream", "hook_attn_out", "model.layers.%d.self_attn", "attn_out_post"},
	{ResidMid, true, stream, "resid_pre + attn_out", "hook_resid_mid", "", "resid_mid"},
	{MLPNorm, true, stream, "second norm, after its gain", "ln2.hook_out", "model.layers.%d.post_attention_layernorm", "mlp_in"},
	{RouterLogits, true, []Axis{Batch, Pos, Expert}, "what the router says of each expert", "", "", "router_logits"},
	{ExpertIDs, true, chosen, "numbers of the experts chosen, by their weight", "mlp.hook_expert_indices", "", "expert_indices"},
	{ExpertWeights, true, chosen, "their weights, as applied", "", "", "expert_weights"},
	{ExpertPost, true, []Axis{Batch, Pos, Chosen, DExp}, "input of each one's down matrix", "", "", ""},
	{ExpertOut, true, []Axis{Batch, Pos, Chosen, DModel}, "what each one adds, its weight included", "", "", ""},
	{MLPPre, true, hidden, "before the nonlinearity", "mlp.hook_pre", "model.layers.%d.mlp.gate_proj", "mlp_pre"},
	{MLPPreLinear, true, hidden, "the linear branch of a gated MLP", "mlp.hook_pre_linear", "model.layers.%d.mlp.up_proj", "mlp_pre_linear"},
	{MLPPost, true, hidden, "input of the down matrix", "mlp.hook_post", "", "mlp_act"},
	{SharedOut, true, stream, "what the shared expert adds, its gate included", "", "", ""},
	{MLPRaw, true, stream, "the MLP's output, before its norm or factor", "mlp.hook_out", "", "mlp_out"},
	{MLPOut, true, stream, "what the MLP adds to the stream", "hook_mlp_out", "model.layers.%d.mlp", "mlp_out_post"},
	{PerLayerEmbed, true, []Axis{Batch, Pos, DPer}, "token embedding of the layer's own (Gemma 4)", "", "", ""},
	{PerLayerOut, true, stream, "what that embedding adds to the stream", "", "", ""},
	{ResidPost, true, stream, "stream leaving the block", "hook_resid_post", "model.layers.%d", "resid_post"},
	{FinalNormOut, false, stream, "after the last norm", "ln_final.hook_out", "model.norm", "final_norm"},
	{Logits, false, []Axis{Batch, Pos, DVocab}, "unembedded", "", "lm_head", ""},
}

// row returns a site's row, an empty one for a site that is not in the table.
func (s Site) row() *siteRow {
	if i := slices.IndexFunc(sites, func(r siteRow) bool { return r.site == s }); i >= 0 {
		return &sites[i]
	}
	return &siteRow{}
}

// Sites returns every site in the order in which a sequential block goes by them.
func Sites() []Site {
	all := make([]Site, len(sites))
	for i, r := range sites {
		all[i] = r.site
	}
	return all
}

// PerLayer reports whether each layer has the site.
func (s Site) PerLayer() bool { return s.row().perLayer }

// Means says in a few words what passes the site.
func (s Site) Means() string { return s.row().means }

// Axes returns the axes of the site's arrays, the batch first.
func (s Site) Axes() []Axis { return s.row().axes }

// Axis returns the number of the first of some axes that the site has, −1 if it has none.
func (s Site) Axis(any ...Axis) int {
	return slices.IndexFunc(s.row().axes, func(a Axis) bool { return slices.Contains(any, a) })
}

// ShapeText returns the site's shape in words: "[batch, pos, d_model]".
func (s Site) ShapeText() string { return "[" + names(s.Axes()) + "]" }

// Size returns how long an axis is. Those of batch, pos and key depend on the pass: 0.
func (s Shape) Size(a Axis) int {
	switch a {
	case Head:
		return s.Heads
	case KVHead:
		return s.KVHeads
	case DModel:
		return s.DModel
	case DHead:
		return s.DHead
	case DValue:
		return cmp.Or(s.DValue, s.DHead)
	case DMLP:
		return s.DMLP
	case DVocab:
		return s.DVocab
	case Expert:
		return s.Experts
	case Chosen:
		return s.TopK
	case DExp:
		return s.DExpert
	case Channel:
		return s.DConv
	case DPer:
		return s.DPerLayer
	}
	return 0
}

// Sizes returns the sizes of a site's axes behind the positions': [d_model], or
// [head, d_head]. Not for attn_scores and pattern, whose last axis grows with the pass.
func (s Shape) Sizes(site Site) []int {
	var out []int
	for _, a := range site.Axes() {
		if a != Batch && a != Pos {
			out = append(out, s.Size(a))
		}
	}
	return out
}

// Dialect is a vocabulary in which places are named.
type Dialect string

// The dialects that input accepts. MLXLM's names differ by architecture: [Paths].
const (
	Ours            Dialect = "mlxlens"
	TransformerLens Dialect = "TransformerLens"
	MLXLM           Dialect = "mlx-lm (Llama)"
	InterpEngine    Dialect = "interp-engine"
)

// In returns how a dialect writes the site, with N for the layer; "" where it has no name.
func (s Site) In(d Dialect) string {
	r := s.row()
	switch d {
	case Ours:
		return Place{Site: s}.text("N")
	case TransformerLens:
		if r.perLayer && r.transformerLens != "" {
			return "blocks.N." + r.transformerLens
		}
		return r.transformerLens
	case MLXLM:
		return strings.Replace(r.mlxLM, "%d", "N", 1)
	case InterpEngine:
		if r.perLayer && r.interpEngine != "" {
			return r.interpEngine + ".N"
		}
		return r.interpEngine
	}
	return ""
}

// alsoTransformerLens has second names of its TransformerBridge.
var alsoTransformerLens = map[string]Site{"hook_in": ResidPre, "hook_out": ResidPost, "attn.hook_in": AttnNorm, "mlp.hook_in": MLPNorm}

// parseSite reads a site's name in a dialect, "" for any of those outside a layer; our own
// names are good in all but interp-engine's, where some of them mean something else.
func parseSite(name string, d Dialect, own map[string]Site) (Site, error) {
	if site, ok := own[name]; ok && d == TransformerLens {
		return site, nil
	}
	if site, ok := alsoTransformerLens[name]; ok && d == TransformerLens {
		return site, nil
	}
	for _, r := range sites {
		switch {
		case name == "":
		case d != InterpEngine && name == string(r.site),
			d != InterpEngine && name == r.transformerLens,
			(d == InterpEngine || d == "") && name == r.interpEngine:
			return r.site, nil
		}
	}
	for ending, why := range map[string]string{
		"hook_normalized": "is before the norm's gain: attn_norm, mlp_norm and final_norm are after it",
		"hook_scale":      "is the norm's divisor, which no site is",
		"hook_attn_in":    "is the stream before the norm: say resid_pre",
		"hook_mlp_in":     "is the stream before the norm: say resid_mid",
	} {
		if strings.HasSuffix(name, ending) {
			return "", fmt.Errorf("%s", why)
		}
	}
	word := name[strings.LastIndex(name, ".")+1:]
	return "", fmt.Errorf("is unknown%s (have: %s)", spelling.DidYouMean(word, Sites()), names(Sites()))
}

// LlamaModules returns mlx-lm's module paths of a Llama by site, as [Paths] has them.
func LlamaModules() map[Site]string {
	modules := map[Site]string{}
	for _, r := range sites {
		if r.mlxLM != "" {
			modules[r.site] = r.mlxLM
		}
	}
	return modules
}

// names lists sites or axes.
func names[T ~string](of []T) string {
	var b strings.Builder
	for i, one := range of {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(one))
	}
	return b.String()
}
