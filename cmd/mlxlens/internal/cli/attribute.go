package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/model/auto"
)

type attributeOptions struct {
	patchOptions // what it has in common with patches, whose effects it estimates
	by           string
	top          int
	method       string
	steps        int
	baseline     string
	exact        int
	edges        bool
}

func newAttributeCmd(s *streams) *cobra.Command {
	o := &attributeOptions{}
	o.usual = "logit of one prompt; of two logit_diff, prob with --target alone, kl where both have the same answer"
	cmd := &cobra.Command{
		Use:   "attribute [prompt] [corrupted]",
		Short: "Show which parts of a model, or which tokens, make its answer",
		Long: `Attribute takes the logit of a token, or of --target less that of --vs, apart into what
each part of the model adds to it directly (direct logit attribution): the final norm's scale
is held, and the parts sum to the logit. --by component has what embeddings, attention and MLPs
add; head, neuron and expert have finer parts. Where logits are soft-capped, it is what is
capped that is taken apart.

--by token shows what the embedding of each token does to the metric: gradient times input, or
with --method ig integrated gradients from --baseline, a token, or from zero.

With a corrupted prompt it estimates what patch would measure, every patch from one gradient
(attribution patching: Nanda 2023), the change of the metric when a place of the corrupted run
has what the clean one computes; --method ig integrates between the two. --exact N patches the
N greatest as well, and says how the two correlate. --by head has a column for each head;
--edges scores single edges between parts instead (EAP: Syed et al. 2023, arXiv:2310.10348;
with --method ig EAP-IG: Hanna et al. 2024, arXiv:2403.17806).

A gradient misjudges patches where the metric bends between the two runs: saturated attention
and answers, early layers, effects that cancel, and mixtures that choose other experts.`,
		Example: `  mlxlens attribute "The capital of France is"
  mlxlens attribute "The capital of France is" --target " Paris" --vs " Rome" --by head
  mlxlens attribute "The capital of France is" --by neuron --top 10
  mlxlens attribute "The capital of France is" --by token --method ig --baseline " the"
  mlxlens attribute "The capital of France is" "The capital of Italy is" --exact 20
  mlxlens attribute "The capital of France is" "The capital of Italy is" --edges --top 30
  mlxlens attribute --file prompts.jsonl --by head -o attributions.jsonl`,
		Args: twoPrompts,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.promptOptions.arg(s, o.secondFlags.arg(args))
			o.given, o.visit = cmd.Flags().Changed, cmd.Flags().Visit
			return runAttribute(cmd.Context(), s, o)
		},
	}
	for _, group := range []interface{ flags(*cobra.Command) }{&o.modelOptions, &o.promptOptions, &o.secondFlags, &o.editFlags, &o.memoryFlags, &o.questionFlags} {
		group.flags(cmd)
	}
	f := cmd.Flags()
	f.StringVar(&o.by, "by", "component", "what the parts are: component, head, neuron, expert or token; with a corrupted prompt component or head")
	f.IntVar(&o.top, "top", 0, "how many parts or edges, those of the greatest numbers (default all, and 50 neurons or edges)")
	f.StringVar(&o.method, "method", "", "gradient (the default) or ig, integrated gradients")
	f.IntVar(&o.steps, "steps", 0, "points of --method ig (default 8, by token 32)")
	f.StringVar(&o.baseline, "baseline", "", "the token at which --by token --method ig begins (default the zero vector)")
	f.IntVar(&o.exact, "exact", 0, "so many of the greatest effects beside their patches")
	f.BoolVar(&o.edges, "edges", false, "score edges between parts")
	f.StringVar(&o.sites, "sites", "", "with a corrupted prompt, the places, a grid each: such as resid_pre,attn_out,mlp_out (the default; by head z)")
	f.StringVar(&o.layers, "layers", "", "with a corrupted prompt, rows: 0,4,8:12,-1 (default all)")
	f.StringVar(&o.positions, "positions", "", "columns: 0,4,8:12,-1, or turns of a conversation such as user:0 (default the last, with a corrupted prompt each)")
	o.spanFlag.flags(cmd, "the columns")
	f.BoolVar(&o.noising, "noising", false, "estimate patches of the clean run with what the corrupted prompt computes")
	f.StringVar(&o.align, "align", "", "how to pair the positions of prompts of different length: start (the first with the first) or end")
	o.shard.flags(cmd, &o.file, "attribute every line of a .jsonl file, {\"prompt\": …} or {\"clean\": …, \"corrupted\": …}, \"target\" and \"vs\" where they are not what the flags say")
	o.foundFlags.flags(cmd, experiment.AttributeSchema, "jsonl")
	return cmd
}

// checkFlags finds what is wrong before a model is opened.
func (o *attributeOptions) checkFlags() (lens.Alignment, error) {
	align, err := alignment(o.align)
	if err != nil {
		return 0, err
	}
	of := func() error { return o.checkOf(o.secondFlags.given()) }
	formats := foundFormats
	if o.file != "" {
		of, formats = o.checkFile, []string{"jsonl"}
	}
	for _, check := range []func() error{
		of, func() error { return o.secondFlags.check(&o.promptOptions) }, o.questionFlags.check, func() error { return o.foundFlags.check(formats...) },
		func() error { return o.spanFlag.check(o.positions) }, func() error { return o.limit(&o.modelOptions) }, func() error { return o.shard.check(o.file) },
	} {
		if err := check(); err != nil {
			return 0, err
		}
	}
	return align, nil
}

// checkOf finds what does not go with one prompt, or with two.
func (o *attributeOptions) checkOf(two bool) error {
	token := o.by == "token"
	switch {
	case !token && !slices.Contains(experiment.Kinds(), experiment.Kind(o.by)):
		return usagef("--by %q: want component, head, neuron, expert or token", o.by)
	case two && o.by != "component" && o.by != "head":
		return usagef("--by %s is of one prompt: leave the corrupted one out, or take component or head", o.by)
	case !two && (o.edges || o.exact != 0 || o.noising || o.sites != "" || o.layers != "" || o.align != ""):
		return usagef("--edges, --exact, --noising, --sites, --layers and --align need a corrupted prompt behind the first")
	case o.method != "" && o.method != "gradient" && o.method != "ig":
		return usagef("--method %q: want gradient or ig", o.method)
	case !two && !token && (o.method != "" || o.steps != 0):
		return usagef("--method and --steps are of --by token, and of a corrupted prompt: what a part adds directly needs no gradient")
	case (o.steps != 0 || o.baseline != "") && o.method != "ig":
		return usagef("--steps and --baseline need --method ig")
	case o.baseline != "" && !token:
		return usagef("--baseline needs --by token: with a corrupted prompt the path begins there")
	case o.edges && (o.exact != 0 || o.sites != "" || o.layers != "" || o.or(o.positions) != "" || o.by != "component"):
		return usagef("--edges are of all layers and positions, and have no --exact, --sites, --layers, --positions, --span and --by")
	case o.edges && o.align != "":
		return usagef("--edges go from a position to the same position of the other prompt, and have no --align: take prompts of as many tokens")
	case o.top < 0 || o.steps < 0 || o.exact < 0:
		return usagef("--top %d, --steps %d, --exact %d: want 0 or more", o.top, o.steps, o.exact)
	case o.top > 0 && (token || two && !o.edges):
		return usagef("--top is of parts and of --edges: --by token and effects have all")
	case !two && !token && !slices.Contains([]string{"", "logit", "logit_diff"}, o.metric):
		return usagef("--metric %s is no sum of what parts add: leave it out, or take --by token", o.metric)
	case token && o.or(o.positions) != "":
		return usagef("--positions and --span: --by token shows all of them")
	}
	return nil
}

// runAttribute checks what can be checked before a model is opened, attributes and prints.
func runAttribute(ctx context.Context, s *streams, o *attributeOptions) error {
	align, err := o.checkFlags()
	if err != nil {
		return err
	}
	if o.file != "" {
		return runAttributeFile(ctx, s, o, align)
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
	result, err := o.attribute(ctx, s, opened, clean, corrupted, o.secondFlags.given(), align)
	if err != nil {
		return err
	}
	o.edited = o.edits
	return o.show(s, file, result)
}

// attribute attributes the answer of one prompt, or what makes that of two differ.
func (o *attributeOptions) attribute(ctx context.Context, s *streams, opened *auto.Opened, clean, corrupted patchRun, two bool, align lens.Alignment) (found, error) {
	switch {
	case two:
		return o.ofTwo(ctx, s, opened, clean, corrupted, align)
	case o.by == "token":
		return o.ofTokens(ctx, s, opened, clean)
	}
	return o.direct(ctx, s, opened, clean)
}

// direct takes a logit apart.
func (o *attributeOptions) direct(ctx context.Context, s *streams, opened *auto.Opened, run patchRun) (found, error) {
	ao := experiment.AttributeOptions{By: experiment.Kind(o.by), Top: o.top, Label: labels(opened.Tokenizer)}
	var err error
	if ao.MaxMemory, err = o.bound(s); err != nil {
		return nil, err
	}
	o.within = ao.MaxMemory
	if ao.Target, err = o.token(ctx, s, opened, "target", o.target, run.in, o.quiet); err != nil {
		return nil, err
	}
	if o.versus != "" {
		versus, err := o.token(ctx, s, opened, "vs", o.versus, run.in, o.quiet)
		if err != nil {
			return nil, err
		}
		ao.Versus = &versus
	}
	if at := o.or(o.positions); at != "" {
		if run.in.Positions, err = run.turns.at(at, len(run.ids)); err != nil {
			return nil, err
		}
	}
	ao.Progress = s.progressOf("attributing", o.quiet)
	a, err := experiment.Attribute(ctx, opened.Model, run.in, ao)
	if err != nil {
		return nil, err
	}
	describeRun(&a.Run, run.encoded)
	describeModel(&a.Model, opened)
	a.Made, err = o.made(s, opened)
	return a, err
}

// ofTokens attributes a metric to tokens.
func (o *attributeOptions) ofTokens(ctx context.Context, s *streams, opened *auto.Opened, run patchRun) (found, error) {
	io := experiment.InputOptions{Method: experiment.Method(o.method), Steps: o.steps, Label: labels(opened.Tokenizer)}
	var err error
	if o.baseline != "" {
		id, err := o.token(ctx, s, opened, "baseline", o.baseline, run.in, o.quiet)
		if err != nil {
			return nil, err
		}
		io.Baseline = &id
	}
	if io.MaxMemory, err = o.bound(s); err != nil {
		return nil, err
	}
	if err := io.Fits(opened.Model, run.in); err != nil {
		return nil, err
	}
	o.within = io.MaxMemory
	if io.Question, err = o.ofOne(ctx, s, opened, run.in, experiment.Logit, o.quiet); err != nil {
		return nil, err
	}
	a, err := experiment.AttributeInput(ctx, opened.Model, run.in, io)
	if err != nil {
		return nil, err
	}
	if off, of := abs(a.Gap), abs(a.Value-a.From); !o.quiet && off > 0.05*of {
		s.say("the tokens' numbers miss %.2g of a difference of %.2g: take more --steps, or a token as the --baseline", off, of)
	}
	describeRun(&a.Run, run.encoded)
	describeModel(&a.Model, opened)
	a.Made, err = o.made(s, opened)
	return a, err
}

func abs(x lens.Number) lens.Number { return max(x, -x) }

// ofTwo estimates effects, or scores edges.
func (o *attributeOptions) ofTwo(ctx context.Context, s *streams, opened *auto.Opened, clean, corrupted patchRun, align lens.Alignment) (found, error) {
	advice := alignAdvice
	if o.edges {
		advice = "edges need as many: lengthen one"
	}
	if err := sameLength(advice, opened, clean, corrupted, align); err != nil {
		return nil, err
	}
	o.heads = o.by == "head"
	po, err := o.options(s, opened, clean, corrupted)
	if err != nil {
		return nil, err
	}
	po.Align = align
	po.Progress = s.progressOf("attributing", o.quiet)
	if o.edges {
		eo := experiment.EdgeOptions{
			Noising: o.noising, Method: experiment.Method(o.method), Steps: o.steps, Top: o.top,
			Label: po.Label, MaxMemory: po.MaxMemory, Progress: po.Progress,
		}
		if err := eo.Fits(opened.Model, clean.in, corrupted.in); err != nil {
			return nil, err
		}
		if err := o.asking(ctx, s, opened, clean, corrupted, &po); err != nil {
			return nil, err
		}
		eo.Question = po.Question
		e, err := experiment.AttributeEdges(ctx, opened.Model, clean.in, corrupted.in, eo)
		if err != nil {
			return nil, err
		}
		describePair(&e.Between, opened, clean, corrupted)
		e.Made, err = o.made(s, opened)
		return e, err
	}
	eo := experiment.EstimateOptions{PatchOptions: po, Method: experiment.Method(o.method), Steps: o.steps, Exact: o.exact}
	if err := eo.Fits(opened.Model, clean.in, corrupted.in); err != nil {
		return nil, err
	}
	if err := o.asking(ctx, s, opened, clean, corrupted, &eo.PatchOptions); err != nil {
		return nil, err
	}
	e, err := experiment.Estimate(ctx, opened.Model, clean.in, corrupted.in, eo)
	if err != nil {
		return nil, err
	}
	describePair(&e.Between, opened, clean, corrupted)
	e.Made, err = o.made(s, opened)
	return e, err
}
