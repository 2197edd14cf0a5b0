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
		{Use: "outputs", Short: "Where answers go, and how a file of prompts is continued", Long: outputsTopic},
		{Use: "exit-codes", Short: "What the exit codes mean", Long: exitCodesTopic()},
		{Use: "environment", Short: "The environment variables that mlxlens reads", Long: environmentTopic()},
	}
}

func sitesTopic() string {
	var b strings.Builder
	b.WriteString(`A site is a place in a model whose values can be read and changed. Here they are
in the order of the computation, with their shapes without the batch axis. A site
in a layer is written layers.N.SITE, with N from 0: layers.5.resid_post.

`)
	inLayers := false
	for _, s := range model.Sites() {
		if s.PerLayer() != inLayers {
			inLayers = s.PerLayer()
			b.WriteString(map[bool]string{true: "in each layer:\n", false: "after the layers:\n"}[inLayers])
		}
		fmt.Fprintf(&b, "  %-14s  %-37s  %s\n", s, s.Means(), strings.Replace(s.ShapeText(), "[batch, ", "[", 1))
	}
	b.WriteString(`
attn_out and mlp_out are always what is added to the stream. Where a norm follows
attention or the MLP (Gemma 2 and 3, OLMo 2), attn_out and mlp_out are after it,
and attn_raw and mlp_raw before it. A model may lack some sites: ` + "`mlxlens info --all`" + `
lists those that it has, and says why it lacks the others.

Several places are separated by commas, and may select layers: layers.*.resid_post,
layers.0:4.mlp_out (without layer 4), layers.-1.z (the last layer).

Places can also be written as in TransformerLens and in interp-engine:

`)
	for _, s := range model.Sites() {
		hook, point := s.In(model.TransformerLens), s.In(model.InterpEngine)
		if hook != "" || point != "" {
			fmt.Fprintf(&b, "  %-23s  %-31s  %s\n", s.In(model.Ours), orDash(hook), orDash(point))
		}
	}
	b.WriteString(`
or by the module of mlx-lm whose output they are. These are Llama's; other models
have names of their own. The leading "model." may be left out.

`)
	for _, s := range model.Sites() {
		if module := s.In(model.MLXLM); module != "" {
			fmt.Fprintf(&b, "  %-23s  %s\n", s.In(model.Ours), module)
		}
	}
	return strings.TrimRight(b.String(), "\n")
}

func orDash(s string) string { return cmp.Or(s, "–") }

const editsTopic = `An edit changes what passes a place in the model, and so all that is computed
from it. What is read at that place is read after the edit. Several edits of one
place are made in the order in which they are given.

  SITE[@POSITIONS][/KEYS][#HEADS]=OP[:ARG]

SITE is a place of ` + "`mlxlens help sites`" + `, in any of its dialects.

POSITIONS and HEADS are selections such as 0,4,8:12,-1. Without POSITIONS the edit
is made at those that a captured FILE has, or else at all; without HEADS in all
heads. Heads of k and v are those of keys and values. With --chat or --messages
POSITIONS and KEYS may name turns: user:0 is the first message of that role,
assistant:-1 the last, user all of them; ` + "`mlxlens tokenize --chat`" + ` shows where they
stand.

Of attn_scores and pattern POSITIONS are those of the tokens that look, and KEYS those
that are looked at, all of them without KEYS.

OP is what becomes of a value x there:

  zero               0
  mean               the mean over the prompt, in a run without edits
  mean:@POSITIONS    the mean over some positions of the prompt
  mean:PROMPTS       the mean over all prompts in a .txt or .jsonl file
  scale:FACTOR       FACTOR times x
  add:FILE[*FACTOR]  x plus the numbers in a file, or FACTOR times them, for steering
  set:FILE           the numbers in a file, for patching
  clamp:LOW:HIGH     x, but not below LOW and not above HIGH
  noise:SIZE[:SEED]  x plus normal noise of standard deviation SIZE
  project-out:FILE   x less its part along a vector, or in the span of several (ablation)
  steer:FILE[*FACTOR]         x plus FACTOR times a vector that is made as long as the
                              median x at the edit's positions of the prompt
  swap:FILE[*FACTOR]          x with its coordinates along two vectors exchanged; with a
                              FACTOR so much of the way
  swap-clamped:FILE[*FACTOR]  the same, to the coordinates of a run without edits, at the
                              positions of the prompt
  mask               of attn_scores: the score of KEYS becomes the lowest number there
                     is, and softmax shares their weight among the other keys; a
                     position that is left without a key attends to nothing

FILE is written NAME.npz[:ARRAY][@POSITIONS], or .npy, or .safetensors. The array
has as many numbers as the last axis of the site, once for all positions and heads
or for each its own, in the order in which the edit writes them. ARRAY chooses it;
without it, it is the one that is named as the place, or the only one in the file. A
file of ` + "`mlxlens capture`" + ` knows its positions, and is set at these. With @POSITIONS behind it, some of them are taken,
and set at the positions of the edit. A file of ` + "`mlxlens steer`" + ` or ` + "`mlxlens probe`" + `
knows its model and its place: another model is refused, and another place unless
ARRAY names it. DIR#NUMBER is the direction of a feature of a sparse autoencoder
(` + "`mlxlens features`" + `), at the place that the dictionary reconstructs.

In place of FILE the numbers themselves may stand, a JSON array: [0.5,-1], or [[0.5,-1],[0,2]]
for positions, heads or directions of their own.

In place of FILE directions of tokens may stand, in the coordinates of a lens (Gurnee et al.
2026): [LENS:]TOKEN, or several of them with commas, each "TEXT" or <ID>. LENS is what --lens
takes, a Jacobian or a tuned lens, logit without it: the direction is the row of
unembedding·lens that scores the token, without the final norm. They are there in the
stream (resid_post of the lens' layers) and, of the logit lens, in what is added to it.
Two steers in several layers are measured one after the other; what a text goes on with
is steered by as much as the prompt.

  halve what the MLP of layer 5 adds, at the positions 3, 4 and 5:
    layers.5.mlp_out@3:6=scale:0.5
  leave out what it adds at the last message of the user:
    layers.5.mlp_out@user:-1=zero
  take head 3 of layer 8 out:
    layers.8.z#3=zero
  hide the first three tokens from the last, in layer 4 (zero at pattern would take
  their weight, and not share it):
    layers.4.attn_scores@-1/0:3=mask
  steer the last position:
    layers.9.resid_post@-1=add:vector.npz
  set it to zeros but for its first number, of a model that is 4 wide:
    layers.9.resid_post@-1=set:[1,0,0,0]
  steer all of them, twice as strongly, the other way round:
    layers.9.resid_post=add:vector.npz*-2
  steer by a feature of a sparse autoencoder, or leave its direction out:
    layers.9.resid_post=add:sae#1234*4
    layers.9.resid_post=project-out:sae#1234
  steer towards a token, by half the length of the stream; take two tokens out of it;
  exchange two of them in two layers, which a live swap would undo:
    'layers.9.resid_post=steer:" Paris"*0.5'
    'layers.9.resid_post=project-out:jlens.pt:" Paris"," London"'
    'layers.8.resid_post=swap-clamped:jlens.pt:" France"," China"'
    'layers.9.resid_post=swap-clamped:jlens.pt:" France"," China"'
  patch every position that was captured, or only the last:
    layers.9.resid_post=set:states.npz
    layers.9.resid_post@-1=set:states.npz@-1`

const outputsTopic = `Results go to stdout, all else to stderr. A command whose answer cannot be written fails. --output FILE writes them to a file, in the
format that its name ends in or that --format names; "-" and /dev/stdout are stdout.

A file appears under its name when it is whole, with the permissions that the umask
leaves, or those of the file that it replaces, which is said. What a link leads to is
written, and the link stays; pipes and devices are written as they are. A second
process with the same output is refused. What a killed run has left beside an output
is removed by the next run that writes it.

Ctrl-C ends a command at once. A grid of patch, patch --rome or attn --knockout finishes the rows
under way instead, and writes what is done: the other rows are null, blank in CSV and NaN in npz
(and "interrupted" is true, there in "made"), and the exit code is that of an interruption. A second
Ctrl-C ends it at once.

An output is refused that is a file which the command reads, by whatever name, or that
lies in the folder of the model. Beside a model that is one file (GGUF) it may lie.

JSON of one result has "made", from which it can be made again: the version, the arguments, digests
of the model's files and of the files that the arguments name (lenses, values of edits,
conversations, examples), and the commit of a model of the hub. CSV of an experiment has it in the
first line of a last column, npz as an array of bytes, a picture and a page in their metadata. CSV of
trace, a stream of tokens and the lines of --file (which have an origin) have none: the same numbers
are the same bytes there.

A picture (.png, .svg, .pdf) has a title, what its numbers are, and how it was made: the program,
the command and the edits, which the file's metadata have too. --style paper leaves these to the
paper's caption; --picture-width 6.75in makes it as wide as a page, and --title, --font-size,
--numbers and --layer-stride change what is in it.

--file PROMPTS answers a prompt a line, in order. Its output is continued when the
command is run again: each line says what it was made from (origin: the command,
digests of the model's files and of the prompt's ids, the revision, the options) and has a digest
of that; its last key, sum, is a digest of the line before it. Where these differ the
output stays as it is, and what differs is told; so does a file in which anything is not
a line of this command, or a line was changed. A line that was cut by a
kill is written anew, a prompt that failed is tried again and answered in its place.
Prompts go through the model in windows of 64 of the file, wherever a run begins, so
that a continued output is, byte for byte, the one of a run that was not interrupted.
Prompts may be added at the end of the file; in the window that grows by them the last
digits of numbers may be others than in a run of all.

--shard K/N answers part K of N, counted from 1, of the prompts: windows (of 64 in trace, or as many as
--together says; of one in patch and attribute) are dealt like cards, the first to part 1. Lines keep
their numbers of the file, and have a mark of their part (shard: the part, which prompt of how many, a
digest of the file). Each part is an output of its own, which is continued as that of a run of all;
mlxlens merge joins them to what one run writes. A file that has grown is another one to parts of it.

Prompts are UTF-8. A byte order mark before them is left out, and a byte that is not
UTF-8 is read as U+FFFD; both are told. UTF-16 and UTF-32 are refused, by their mark or by the
zero bytes that are in no text.

Text of a file, a model or a server is shown, on a terminal and in a pipe alike, with
its control characters visible: \x1b, \u202e for what would turn text around or has no
shape, ␊ for a line feed; in the cells of a grid by their names: ‹ESC›, ‹NBSP›. A token that is a part of a
character shows which: 日‹2/3›, or ‹E6----› where the others are not known. Generated text keeps line feeds, tabs and joiners. JSON has all characters, those
escaped that a terminal would act on. A text in CSV that a spreadsheet would take for
a formula (= + - @) has an apostrophe before it. Of a message longer than 4000
characters the middle is left out.`

func exitCodesTopic() string {
	var b strings.Builder
	for _, e := range exitCodes {
		fmt.Fprintf(&b, "  %3d  %s\n", e.Code, e.Means)
	}
	b.WriteString(`
A limit on threads or memory (ulimit -u, ulimit -v, a cgroup) that leaves too little to open
the library is a failure too. One that leaves less than Go's own runtime needs, some 10
threads and 1.4 GB of address space, ends the process at its start with a trace of that
runtime ("pthread_create failed", "failed to reserve page summary memory", "out of
memory") and that runtime's exit code, 2, which is not that of a wrong usage then: no
program in Go can catch it.`)
	return b.String()
}

// environment holds, group by group, the variables that the program reads, and what each says.
var environment = [][][2]string{
	{
		{envModel, "the model when -m names none"},
		{mlx.EnvLibrary, "libmlxc, or the folder that holds it, instead of the search"},
		{mlx.EnvBLAS, "the BLAS to open before libmlx, or none (Linux)"},
		{"XDG_DATA_HOME", "where a library is looked for: in $XDG_DATA_HOME/mlxlens/lib (default ~/.local/share)"},
		{"XDG_CACHE_HOME", "where the library that mlxlib got is looked for: in $XDG_CACHE_HOME/mlxlens/lib (default ~/.cache; on a Mac always ~/Library/Caches)"},
		{"HOMEBREW_PREFIX", "Homebrew's folder, in which a library is looked for too"},
		{"LD_LIBRARY_PATH", "where the system looks for a library and a BLAS; not asked where a folder in it is not an absolute path (Linux)"},
		{mlx.EnvBLASCore, "whose kernels OpenBLAS takes, instead of those that suit the processor"},
		{"OPENBLAS_NUM_THREADS,", "how many threads OpenBLAS computes with: the first that is set"},
		{"GOTO_NUM_THREADS,", ""},
		{"OMP_NUM_THREADS", ""},
		{"MLX_ENABLE_CACHE_THRASHING_CHECK", "MLX's check of how many graphs it keeps for an NVIDIA GPU: mlxlens turns it off unless it is set"},
	}, {
		{"HF_HUB_CACHE, HF_HOME,", "where the Hugging Face cache is: $HF_HUB_CACHE, else $HF_HOME/hub,"},
		{"XDG_CACHE_HOME", "else $XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub"},
		{"HUGGINGFACE_HUB_CACHE", "an older name of HF_HUB_CACHE"},
		{"HF_TOKEN, HF_TOKEN_PATH", "the token for the hub, or its file (default $HF_HOME/token)"},
		{"HUGGING_FACE_HUB_TOKEN", "an older name of HF_TOKEN"},
		{"HF_HUB_DISABLE_IMPLICIT_TOKEN", "1: send the hub no token"},
		{"HF_ENDPOINT", "the hub's address"},
		{"HF_HUB_OFFLINE", "1: take models from the cache only, and download nothing"},
		{"TRANSFORMERS_OFFLINE", "the same, where HF_HUB_OFFLINE is not set"},
		{"HF_HUB_DISABLE_SYMLINKS", "1: keep files, not links, in the snapshots of the cache"},
		{"HTTPS_PROXY, NO_PROXY", "the proxy for downloads"},
	}, {
		{"MLX_RANK", "which of several processes this is, as mlxlens launch and mlx.launch set it, and one of the next three beside it"},
		{"MLX_HOSTFILE", "a file with the addresses of a ring"},
		{"MLX_JACCL_COORDINATOR", "the first process' address, over Thunderbolt"},
		{"NCCL_HOST_IP", "the first process' address, on NVIDIA GPUs"},
		{"OMPI_COMM_WORLD_RANK,", "the same, as mpirun sets it"},
		{"OMPI_COMM_WORLD_SIZE", ""},
	}, {
		{envPager + ", PAGER", "what shows text of more lines than the terminal has (less; cat or an empty one: nothing does)"},
		{"LESS, LV", "options of these pagers; less gets FRX, and lv -c, unless they are set"},
		{"NO_COLOR", "no colour when it is set, unless --color says always"},
		{"CLICOLOR_FORCE", "other than 0: colour in a pipe too, unless NO_COLOR is set"},
		{"CLICOLOR", "0: no colour, as on a terminal whose TERM is dumb"},
		{"COLORTERM", "truecolor or 24bit: 16 million colours instead of 256"},
	},
}

func environmentTopic() string {
	var b strings.Builder
	for i, group := range environment {
		if i > 0 {
			b.WriteByte('\n')
		}
		for _, v := range group {
			b.WriteString(strings.TrimRight(fmt.Sprintf("  %-33s%s", v[0], v[1]), " ") + "\n")
		}
	}
	return strings.TrimRight(b.String(), "\n")
}
