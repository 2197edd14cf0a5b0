package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/mlx"
	"github.com/mlxlens/mlxlens/model"
)

// helpTopics are pages of text: commands that do nothing.
func helpTopics() []*cobra.Command {
	return []*cobra.Command{
		{Use: "sites", Short: "The places in a model that can be read", Long: sitesTopic()},
		{Use: "edits", Short: "How to change what flows through a model", Long: editsTopic},
		{Use: "exit-codes", Short: "What the exit codes mean", Long: exitCodesTopic()},
		{Use: "environment", Short: "The environment variables that mlxlens reads", Long: environmentTopic()},
	}
}

// siteMeanings says in a line what passes each site, and its shape.
var siteMeanings = map[model.Site][2]string{
	model.Embed: {"token embedding", "[batch, pos, d_model]"}, model.PosEmbed: {"position embedding (GPT-2)", "[batch, pos, d_model]"},
	model.ResidPre: {"stream entering the block", "[batch, pos, d_model]"}, model.AttnNorm: {"first norm, after its gain", "[batch, pos, d_model]"},
	model.Q: {"queries before RoPE", "[batch, pos, head, d_head]"}, model.K: {"keys before RoPE", "[batch, pos, kv_head, d_head]"},
	model.V: {"values", "[batch, pos, kv_head, d_head]"}, model.RotQ: {"queries after RoPE", "[batch, pos, head, d_head]"},
	model.RotK: {"keys after RoPE", "[batch, pos, kv_head, d_head]"}, model.AttnScores: {"scaled and masked, before softmax", "[batch, head, q, k]"},
	model.Pattern: {"after softmax", "[batch, head, q, k]"}, model.Z: {"pattern·v, before the output matrix", "[batch, pos, head, d_head]"},
	model.AttnOut: {"what attention adds", "[batch, pos, d_model]"}, model.ResidMid: {"resid_pre + attn_out", "[batch, pos, d_model]"},
	model.MLPNorm: {"second norm, after its gain", "[batch, pos, d_model]"}, model.MLPPre: {"before the nonlinearity", "[batch, pos, d_mlp]"},
	model.MLPPreLinear: {"the linear branch of a gated MLP", "[batch, pos, d_mlp]"}, model.MLPPost: {"input of the down matrix", "[batch, pos, d_mlp]"},
	model.MLPOut: {"what the MLP adds", "[batch, pos, d_model]"}, model.ResidPost: {"resid_mid + mlp_out: what trace reads", "[batch, pos, d_model]"},
	model.FinalNormOut: {"after the last norm", "[batch, pos, d_model]"}, model.Logits: {"unembedded", "[batch, pos, d_vocab]"},
}

func sitesTopic() string {
	var b strings.Builder
	b.WriteString("The sites of a model, in the order of the computation. N is a layer, from 0.\n\n")
	for _, s := range model.Sites() {
		fmt.Fprintf(&b, "  %-24s %-38s %s\n", place(s), siteMeanings[s][0], siteMeanings[s][1])
	}
	b.WriteString(`
TransformerLens' hook names (blocks.3.hook_resid_post) and mlx-lm's module paths
(model.layers.3, whose output is layers.3.resid_post) name the same places.`)
	return b.String()
}

const editsTopic = `An edit changes what passes a site, and so all that comes after it. What trace reads
at that site is read after the edit; several edits of a site are made in their order.

  SITE[@POSITIONS][#HEADS]=OP[:ARG]

  SITE       a place of ` + "`mlxlens help sites`" + `, in any of the three dialects
  POSITIONS  0,4,8:12,-1 as elsewhere; none: all
  HEADS      likewise, at sites with a head axis: q k v rot_q rot_k z attn_scores pattern
  OP         zero          0
             scale:FACTOR  FACTOR times what is there
             add:FILE      what is there and a vector, for steering
             set:FILE      the vector alone

  FILE       .npy, .npz or .safetensors, with :NAME where it holds several arrays:
             as many numbers as the site's last axis has

  layers.5.mlp_out@3:6=scale:0.5
  layers.8.z#3=zero
  layers.9.resid_post@-1=add:vector.npz`

func exitCodesTopic() string {
	var b strings.Builder
	for _, e := range exitCodes {
		fmt.Fprintf(&b, "  %3d  %s\n", e.code, e.means)
	}
	return strings.TrimRight(b.String(), "\n")
}

func environmentTopic() string {
	var b strings.Builder
	for _, v := range [][2]string{
		{envModel, "the model when -m names none"},
		{mlx.EnvLibrary, "libmlxc, or the folder that holds it, instead of the search"},
		{mlx.EnvBLAS, "the BLAS to open before libmlx, or none (Linux)"},
		{"HF_HUB_CACHE, HF_HOME", "where the Hugging Face cache is: $HF_HUB_CACHE, else $HF_HOME/hub,"},
		{"XDG_CACHE_HOME", "else $XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub"},
		{"HF_TOKEN, HF_TOKEN_PATH", "the token for the hub, or its file (default $HF_HOME/token)"},
		{"HF_ENDPOINT", "the hub's address"},
		{"HF_HUB_OFFLINE", "1: take models from the cache only, and download nothing"},
		{"HF_HUB_DISABLE_SYMLINKS", "1: keep files, not links, in the snapshots of the cache"},
		{"HTTPS_PROXY, NO_PROXY", "the proxy for downloads"},
		{"NO_COLOR", "no colour when it is set"},
		{"COLORTERM", "truecolor or 24bit: 16 million colours instead of 256"},
	} {
		fmt.Fprintf(&b, "  %-24s %s\n", v[0], v[1])
	}
	return strings.TrimRight(b.String(), "\n")
}
