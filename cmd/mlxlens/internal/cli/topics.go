package cli

import (
	"cmp"
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

func sitesTopic() string {
	var b strings.Builder
	b.WriteString("The sites of a model, in the order of the computation. N is a layer, from 0.\n\n")
	for _, s := range model.Sites() {
		fmt.Fprintf(&b, "  %-24s %-51s %s\n", s.In(model.Ours), s.Means(), s.ShapeText())
	}
	b.WriteString("\nA model may lack some: `mlxlens info` lists those that it has, and says why it lacks the\nothers. Other names of the same places:\n\n")
	for _, s := range model.Sites() {
		fmt.Fprintf(&b, "  %-24s %-32s %-41s %s\n", s.In(model.Ours), orDash(s.In(model.TransformerLens)), orDash(s.In(model.MLXLM)), orDash(s.In(model.InterpEngine)))
	}
	fmt.Fprintf(&b, "  %-24s %-32s %-41s %s\n", "("+string(model.Ours)+")", model.TransformerLens, model.MLXLM, model.InterpEngine)
	return strings.TrimRight(b.String(), "\n")
}

func orDash(s string) string { return cmp.Or(s, "–") }

const editsTopic = `An edit changes what passes a site, and so all that comes after it. What is read at
that site is read after the edit; several edits of a site are made in their order.

  SITE[@POSITIONS][#HEADS]=OP[:ARG]

  SITE       a place of ` + "`mlxlens help sites`" + `, in any dialect
  POSITIONS  0,4,8:12,-1 as elsewhere; none: all, or those that a captured FILE has
  HEADS      likewise, at sites with an axis of heads
  OP         zero               0
             mean               the mean over the prompt's positions, in a run without edits
             mean:@POSITIONS    over some of them
             mean:PROMPTS       over all positions of the prompts of a .txt or .jsonl file
             scale:FACTOR       FACTOR times what is there
             add:FILE           what is there and the numbers of a file, for steering
             set:FILE           the numbers alone, for patching
             clamp:LOW:HIGH     nothing below LOW or above HIGH
             noise:SIZE[:SEED]  what is there and normal noise of that standard deviation
             project-out:FILE   what is there less its part along one or several vectors

  FILE[:NAME][@POSITIONS]
             .npy, .npz or .safetensors: as many numbers as the site's last axis has, for all
             positions and heads or for each its own. NAME chooses an array; without it, it
             is the one that is named as the site, or the only one. A file of
             ` + "`mlxlens capture`" + ` sets its positions; @POSITIONS behind it chooses some, which then
             go wherever the edit says.

  layers.5.mlp_out@3:6=scale:0.5
  layers.8.z#3=zero
  layers.9.resid_post@-1=add:vector.npz
  layers.9.resid_post=set:states.npz
  layers.9.resid_post@-1=set:states.npz@-1`

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
