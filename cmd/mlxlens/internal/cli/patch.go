package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/spelling"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

type patchOptions struct {
	modelOptions
	promptOptions
	secondFlags
	editFlags
	memoryFlags
	questionFlags
	foundFlags
	romeFlags
	to          []string // receivers of paths
	throughMLPs bool
	file        string
	shard       shardFlag
	given       func(flag string) bool
	visit       func(func(*pflag.Flag)) // of the flags that were given
	sites       string
	layers      string
	positions   string
	spanFlag
	heads   bool
	window  int
	noising bool
	align   string
}

func newPatchCmd(s *streams) *cobra.Command {
	o := &patchOptions{questionFlags: questionFlags{usual: "logit_diff; prob with --target alone and with --rome; kl where both prompts have the same answer"}}
	cmd := &cobra.Command{
		Use:   "patch [clean] [corrupted]",
		Short: "Put what one prompt computes into another, place by place",
		Long: `Patch runs a corrupted prompt once for each layer and position, with what the clean
prompt computes there put in its place, and shows how much of the clean answer comes back
(activation patching: Vig et al. 2020, arXiv:2004.12265; Heimersheim and Nanda 2024,
arXiv:2404.15255). A number is the recovery

    (x − x_corrupted)/(x_clean − x_corrupted)

of a metric x of the last position: 0 is the corrupted run, 1 the clean one. With --noising
the corrupted prompt's values go into the clean run, on the same scale.

Columns are positions, one at a time; with --positions all there is one column, all of them
together; with --heads a column is a head, at all positions or at those of --positions.
--window patches so many layers at once.

With --to only the direct path from a site to a place is patched (path patching: Wang et al.
2022, arXiv:2211.00593): what attention and MLPs between them add is held as it was.

With --rome there is one prompt, and its --subject is corrupted by noise on its embeddings;
clean states are restored, and a number is how much of the target's probability comes back
(Meng et al. 2022, arXiv:2202.05262), the mean over samples of the noise.

What is measured is by default the logit of the clean run's answer less that of the corrupted
run's. Prompts of different length need --align start or end.`,
		Example: `  mlxlens patch "The capital of France is" "The capital of Italy is"
  mlxlens patch "The capital of France is" "The capital of Italy is" --target " Paris" --vs " Rome" --sites mlp_out
  mlxlens patch "The capital of France is" "The capital of Italy is" --heads --layers 20:
  mlxlens patch "The capital of France is" "The capital of Italy is" --positions all --metric kl --json
  mlxlens patch "The capital of France is" "The capital of Italy is" --to logits --layers 20:
  mlxlens patch --rome "The capital of France is" --subject France --layers 0:30:6 --samples 3`,
		Args: twoPrompts,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.promptOptions.arg(s, o.secondFlags.arg(args))
			o.given, o.visit = cmd.Flags().Changed, cmd.Flags().Visit
			return runPatch(cmd.Context(), s, o)
		},
	}
	for _, group := range []interface{ flags(*cobra.Command) }{&o.modelOptions, &o.promptOptions, &o.secondFlags, &o.editFlags, &o.memoryFlags, &o.questionFlags, &o.shared} {
		group.flags(cmd)
	}
	f := cmd.Flags()
	f.StringVar(&o.sites, "sites", "", "what is put in its place, a grid each: "+"such as resid_pre,attn_out,mlp_out (the default; with --heads z; see mlxlens help sites)")
	f.StringVar(&o.layers, "layers", "", "rows: 0,4,8:12,-1 (default all)")
	f.StringVar(&o.positions, "positions", "", "columns: 0,4,8:12,-1, turns of a conversation such as user:0, or all for one column of all together (default each)")
	o.spanFlag.flags(cmd, "the columns")
	f.BoolVar(&o.heads, "heads", false, "a column for each head")
	f.IntVar(&o.window, "window", 0, "layers that are patched at once, the row's in their middle (default 1; with --rome 10 of attn_out and mlp_out, or all where there are fewer)")
	f.BoolVar(&o.noising, "noising", false, "put what the corrupted prompt computes into the clean run")
	f.StringVar(&o.align, "align", "", "how to pair the positions of prompts of different length: start (the first with the first) or end")
	f.StringArrayVar(&o.to, "to", nil, "patch only what the sites tell this `PLACE` directly: layers.9.q#6, layers.9.mlp_norm or logits (path patching; repeatable)")
	f.BoolVar(&o.throughMLPs, "through-mlps", false, "with --to, let MLPs on the way compute anew")
	o.romeFlags.flags(cmd)
	o.shard.flags(cmd, &o.file, "patch every pair of a .jsonl file, {\"clean\": …, \"corrupted\": …} a line, each a text, token ids or messages, or with --rome {\"prompt\": …, \"subject\": …}")
	o.foundFlags.flags(cmd, experiment.PatchSchema, "jsonl")
	return cmd
}

// checkFlags finds what is wrong before a model is opened.
func (o *patchOptions) checkFlags() (lens.Alignment, error) {
	align, err := alignment(o.align)
	if err != nil {
		return 0, err
	}
	switch {
	case !o.secondFlags.given() && o.prompt != nil && (o.messages != "" || o.ids != ""):
		return 0, usagef("a prompt excludes --ids and --messages: the corrupted one behind them is --ids-b or --messages-b")
	case !o.secondFlags.given() && !o.rome && o.file == "":
		return 0, usagef("there is no corrupted prompt: give one behind the clean one, --ids-b or --messages-b")
	case o.throughMLPs && len(o.to) == 0:
		return 0, usagef("--through-mlps needs --to")
	case len(o.to) > 0 && (o.given("window") || o.heads || o.align != "" || o.file != "" || o.positions == "all"):
		return 0, usagef("--to excludes --window, --heads, --align, --file and --positions all: senders with heads have a column each")
	case o.given("window") && o.window < 1:
		return 0, usagef("--window %d: want 1 or more", o.window)
	}
	formats := foundFormats
	if o.file != "" {
		formats = []string{"jsonl"}
	}
	for _, check := range []func() error{
		o.checkRome, func() error { return o.secondFlags.check(&o.promptOptions) }, o.questionFlags.check, func() error { return o.foundFlags.check(formats...) }, func() error { return o.spanFlag.check(o.positions) }, func() error { return o.limit(&o.modelOptions) }, func() error { return o.shard.check(o.file) },
	} {
		if err := check(); err != nil {
			return 0, err
		}
	}
	return align, nil
}

// patchRun is a prompt as the model gets it.
type patchRun struct {
	encoded
	in edit.Input
}

// runPatch checks what can be checked before a model is opened, patches and prints.
func runPatch(ctx context.Context, s *streams, o *patchOptions) error {
	align, err := o.checkFlags()
	if err != nil {
		return err
	}
	switch {
	case o.file != "":
		return runPatchFile(ctx, s, o, align)
	case o.rome:
		return runRome(ctx, s, o)
	}
	file, err := o.create(s, o.quiet)
	if err != nil {
		return err
	}
	defer file.drop()
	opened, clean, corrupted, err := o.prompts(ctx, s)
	if err != nil {
		return err
	}
	defer opened.Close()
	if err := sameLength(alignAdvice, opened, clean, corrupted, align); err != nil {
		return err
	}
	if err := s.sameInput(o.originOfFiles, clean.ids, corrupted.ids); err != nil {
		return err
	}
	po, err := o.options(s, opened, clean, corrupted)
	if err != nil {
		return err
	}
	if err := o.asking(ctx, s, opened, clean, corrupted, &po); err != nil {
		return err
	}
	po.Align, po.Stop = align, s.untilAsked(ctx)
	p, err := o.patch(ctx, opened, clean, corrupted, po)
	if err != nil {
		return err
	}
	describePair(&p.Between, opened, clean, corrupted)
	if p.Made, err = o.made(s, opened); err != nil {
		return err
	}
	o.edited, o.interrupted = o.edits, p.Interrupted
	return orStopped(o.show(s, file, p), o.interrupted)
}

// prompts opens the model and encodes the prompt, and the second where there is one.
func (o *patchOptions) prompts(ctx context.Context, s *streams) (opened *auto.Opened, clean, corrupted patchRun, err error) {
	text, ids, err := o.promptOptions.read(s)
	if err != nil {
		return nil, clean, corrupted, err
	}
	promptB, textB, idsB, err := o.secondFlags.read(s, &o.promptOptions, text, ids)
	if err != nil {
		return nil, clean, corrupted, err
	}
	if opened, err = o.open(s, text != nil || textB != nil); err != nil {
		return nil, clean, corrupted, err
	}
	if clean, err = o.run(ctx, s, opened, &o.promptOptions, text, ids); err == nil && o.secondFlags.given() {
		corrupted, err = o.run(ctx, s, opened, promptB, textB, idsB)
	}
	if err != nil {
		opened.Close()
	}
	return opened, clean, corrupted, err
}

// originOfFiles adds the options that name files, with the digests of these.
func (o *patchOptions) originOfFiles(options map[string]string) error {
	return originOfEdits(o.edits, options)
}

// alignAdvice is what to do with prompts of different length.
const alignAdvice = "give --align start or end"

// sameLength refuses prompts of different length that nobody has aligned.
func sameLength(advice string, opened *auto.Opened, clean, corrupted patchRun, align lens.Alignment) error {
	if na, nb := len(clean.ids), len(corrupted.ids); align == lens.AlignEqual && na != nb {
		return usagef("the prompts have %d and %d tokens: %s\n  clean:     %s\n  corrupted: %s", na, nb, advice, shown(opened, clean.ids), shown(opened, corrupted.ids))
	}
	return nil
}

// patch patches places, or paths.
func (o *patchOptions) patch(ctx context.Context, opened *auto.Opened, clean, corrupted patchRun, po experiment.PatchOptions) (*experiment.Patching, error) {
	if len(o.to) == 0 {
		return experiment.Patch(ctx, opened.Model, clean.in, corrupted.in, po)
	}
	paths := experiment.PathOptions{PatchOptions: po, Recompute: o.throughMLPs}
	for _, text := range o.to {
		if text == "logits" {
			if len(o.to) > 1 {
				return nil, usagef("--to logits stands alone: name it, or places of layers")
			}
			break
		}
		place, heads, some := strings.Cut(text, "#")
		at, err := opened.Model.Paths().Place(place)
		if err != nil {
			return nil, usagef("--to %q: %w", text, err)
		}
		r := experiment.Receiver{Place: at}
		axis := at.Site.Axis(model.Head, model.KVHead)
		if some && axis < 0 {
			return nil, usagef("--to %q: %s has no heads", text, at.Site)
		}
		if some {
			if r.Heads, err = selection(heads, opened.Model.Shape().In(at.Layer).Size(at.Site.Axes()[axis]), "head"); err != nil {
				return nil, err
			}
		}
		paths.Receivers = append(paths.Receivers, r)
	}
	return experiment.PathPatch(ctx, opened.Model, clean.in, corrupted.in, paths)
}

// run encodes a prompt.
func (o *patchOptions) run(ctx context.Context, s *streams, opened *auto.Opened, prompt *promptOptions, text *string, ids []int) (r patchRun, err error) {
	if r.encoded, err = prompt.encode(opened, text, ids); err != nil {
		return r, err
	}
	r.in.IDs = r.ids
	r.in.Edits, err = newEditor(ctx, s, opened, prompt, &o.editFlags, o.quiet).parse(o.edits, r.encoded)
	o.note(s, opened, r.ids)
	return r, err
}

// shown are the tokens of a prompt in words.
func shown(opened *auto.Opened, ids []int) string {
	if opened.Tokenizer == nil {
		return strings.Trim(strings.Join(strings.Fields(fmt.Sprint(ids)), " "), "[]")
	}
	return pieces(opened.Tokenizer, ids)
}

// options resolves what depends on the model and the prompts, but for what is asked.
func (o *patchOptions) options(s *streams, opened *auto.Opened, clean, corrupted patchRun) (experiment.PatchOptions, error) {
	changed := corrupted
	if o.noising {
		changed = clean
	}
	po := experiment.PatchOptions{Window: o.window, Noising: o.noising, Label: labels(opened.Tokenizer)}
	var err error
	if po.Sites, err = sites(opened.Model, "sites", o.sites); err != nil {
		return po, err
	}
	if po.Layers, err = selection(o.layers, opened.Model.Shape().Layers, "layer"); err != nil {
		return po, err
	}
	positions := o.or(o.positions)
	if o.heads {
		po.Columns = experiment.ByHead
	}
	if positions == "all" {
		positions = ""
		if !o.heads {
			po.Columns = experiment.Together
		}
	}
	if po.Positions, err = changed.turns.at(positions, len(changed.ids)); err != nil {
		return po, err
	}
	if po.MaxMemory, err = o.bound(s); err != nil {
		return po, err
	}
	po.Progress = s.progressOf("patching", o.quiet)
	return po, nil
}

// asking adds what is asked, for which prompts may have to be run.
func (o *patchOptions) asking(ctx context.Context, s *streams, opened *auto.Opened, clean, corrupted patchRun, po *experiment.PatchOptions) (err error) {
	same := slices.Equal(clean.ids, corrupted.ids)
	if same && o.metric == "" && o.target == "" {
		return usagef("the clean and the corrupted prompt are the same tokens: there is nothing to recover; give another prompt (with a --metric all recoveries are 0)")
	}
	o.within = po.MaxMemory
	if po.Question, err = o.question(ctx, s, opened, clean.in, corrupted.in, o.quiet); err != nil {
		return err
	}
	if same && !o.quiet {
		s.say("the clean and the corrupted prompt are the same tokens: there is nothing to recover")
	}
	return nil
}

// sites reads a flag's list of sites of a layer in any dialect, nil for an empty one.
func sites(m model.Model, flag theFlag, text string) ([]model.Site, error) {
	if text == "" {
		return nil, nil
	}
	var found []model.Site
	var unknown error
	for name := range strings.SplitSeq(text, ",") {
		name = strings.TrimSpace(name)
		site := model.Site(strings.TrimPrefix(name, "hook_"))
		if !slices.Contains(model.Sites(), site) || !site.PerLayer() {
			unknown = errors.Join(unknown, noSite(m, name))
			continue
		}
		if len(m.Paths().LayersWith(site)) == 0 {
			return nil, usagef("%v: %w", flag, m.Check(model.Place{Site: site}))
		}
		found = append(found, site)
	}
	if unknown != nil {
		return nil, usagef("%v: %w (have: %s)", flag, unknown, layerSites(m))
	}
	return found, nil
}

// noSite is the error of a name that is no site: it may be a place, which is of one layer.
func noSite(m model.Model, name string) error {
	last := model.Site(strings.TrimPrefix(name[strings.LastIndex(name, ".")+1:], "hook_"))
	switch {
	case last == model.Embed:
		return failf("%q is no site of a layer: what comes of it is resid_pre of layer 0", name)
	case last == model.FinalNormOut || last == model.Logits:
		return failf("%q is no site of a layer: it is made from resid_post of the last layer", name)
	case slices.Contains(m.Paths().Sites(), last):
		return failf("%q is no site of a layer: give %s, and the layer with --layers", name, last)
	}
	return failf("%q is no site of a layer%s", name, spelling.DidYouMean(string(last), m.Paths().Sites()))
}

// layerSites lists the sites of layers that a model has.
func layerSites(m model.Model) string {
	var names []string
	for _, site := range m.Paths().Sites() {
		if site.PerLayer() && site != model.ExpertIDs {
			names = append(names, string(site))
		}
	}
	return strings.Join(names, ", ")
}
