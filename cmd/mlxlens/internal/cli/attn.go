package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/internal/spelling"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

type attnOptions struct {
	modelOptions
	promptOptions
	editFlags
	memoryFlags
	foundFlags
	spanFlag
	layers    string
	heads     string
	positions string
	keys      string
	weighted  string
	scoreFlags
	knockoutFlags
}

// scoreFlags say how heads are scored.
type scoreFlags struct {
	scores         bool
	kinds          []string
	measure        string
	excludeFirst   bool
	excludeCurrent bool
	random         int
	samples        int
	seed           uint64
	given          func(flag string) bool
}

func (o *scoreFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&o.scores, "scores", false, "score the chosen heads too (without --heads and --layers all heads are scored, and no pattern is shown)")
	f.StringSliceVar(&o.kinds, "kinds", nil, "kinds of heads that are scored: previous, first, current, duplicate, induction (default all)")
	f.StringVar(&o.measure, "measure", "", "how: share, distance, or with --random diagonal (default share, with --random diagonal)")
	f.BoolVar(&o.excludeFirst, "exclude-first", false, "attention to the first token counts for no score")
	f.BoolVar(&o.excludeCurrent, "exclude-current", false, "attention to a query's own token counts for no score")
	f.IntVar(&o.random, "random", 0, "instead of a prompt so many random tokens that differ, and the same ones again")
	f.IntVar(&o.samples, "samples", 10, "samples of --random, whose mean score is shown")
	f.Uint64Var(&o.seed, "seed", 0, "seed of --random")
	o.given = cmd.Flags().Changed
}

func (o *scoreFlags) check() error {
	switch {
	case o.given("random") && o.random < 2:
		return usagef("--random %d: want 2 tokens or more", o.random)
	case o.random == 0 && (o.given("samples") || o.given("seed")):
		return usagef("--samples and --seed are of --random")
	case o.samples < 1 || o.samples > maxSamples:
		return usagef("--samples %d: want 1 to %d", o.samples, maxSamples)
	}
	for _, kind := range o.kinds {
		if !slices.Contains(experiment.HeadKinds(), experiment.HeadKind(kind)) {
			return usagef("--kinds: %q is unknown%s (have: previous, first, current, duplicate, induction)", kind, spelling.DidYouMean(kind, experiment.HeadKinds()))
		}
	}
	switch m := experiment.Measure(o.measure); {
	case m == "", m == experiment.Share, m == experiment.Distance:
	case m != experiment.MeanDiagonal:
		return usagef("--measure %q: want share, distance or diagonal", o.measure)
	case o.random == 0:
		return usagef("--measure diagonal is of tokens that repeat: give --random")
	}
	return nil
}

func newAttnCmd(s *streams) *cobra.Command {
	o := &attnOptions{}
	o.usual, o.alone = "prob, and logit_diff with --vs", true
	cmd := &cobra.Command{
		Use:   "attn [prompt]",
		Short: "Show what attention heads attend to, and what kind they are",
		Long: `Attn shows attention as the model computes it: soft-capped, within windows, after the norms
of queries and keys, the part of a sink left out, so that a row of a pattern sums to 1 or,
with a sink, to less.

Without --heads and --layers it scores each head by the keys k that a query q looks at:

  previous   k = q − 1
  first      k = 0
  current    k = q
  duplicate  an earlier occurrence of the query's token
  induction  what came after an earlier occurrence of the query's token
             (Olsson et al. 2022, arXiv:2209.11895)

A score is by default TransformerLens' detect_head: the part of all of the head's attention
that goes to such keys; --measure distance is its error measure "abs". With --random N there
is no prompt, but N random tokens twice, behind BOS where the tokenizer has one, unless
--no-bos: the score is then the mean of a diagonal of the pattern, as in TransformerLens'
induction score, pattern.diagonal(offset = 1 − N).

With --heads or --layers it shows patterns, query by key. --weighted multiplies them by the
norm of what the key's value adds to the output, |α·v·W_O| (Kobayashi et al. 2020,
arXiv:2004.10102), --weighted=value by that of the value.

With --knockout it hides --keys, by default all tokens before each, from the last token or
from --positions, in one head of a layer at a time, and shows what that does to the answer
(attention knock-out: Geva et al. 2023, arXiv:2304.14767): the metric less that of the run as
it is. Scores are masked before softmax, so that the other keys share the weight. A column is
a head, with --knockout=key a key that all heads lose, with --knockout=all there is one.
--window hides in so many layers at once.

An edit hides tokens from heads: layers.5.attn_scores@-1/0:3=mask (see mlxlens help edits).`,
		Example: `  mlxlens attn "When Mary and John went to the store, John gave a drink to"
  mlxlens attn "The capital of France is" --heads 15.3
  mlxlens attn "The capital of France is" --layers 0:4 --heads 0 --positions -1 --weighted
  mlxlens attn --random 50 --samples 4 --kinds induction,previous
  mlxlens attn "The capital of France is" --heads 0.0,1.3 --scores --json
  mlxlens attn "The capital of France is" --knockout --target " Paris" --vs " Rome"
  mlxlens attn "The capital of France is" --knockout=key --window 9 --metric logprob`,
		Args: cobra.ArbitraryArgs, // words of a prompt without quotes
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := kindsApart(cmd, args); err != nil {
				return err
			}
			o.arg(s, args)
			return runAttn(cmd.Context(), s, o)
		},
	}
	for _, group := range []interface{ flags(*cobra.Command) }{&o.modelOptions, &o.promptOptions, &o.editFlags, &o.memoryFlags, &o.scoreFlags, &o.knockoutFlags, &o.shared} {
		group.flags(cmd)
	}
	o.placeFlags(cmd)
	o.foundFlags.flags(cmd, experiment.AttentionSchema)
	return cmd
}

// placeFlags say which heads and tokens.
func (o *attnOptions) placeFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.layers, "layers", "", "layers whose patterns are shown, or rows of --knockout: 0,4,8:12,-1")
	f.StringVar(&o.heads, "heads", "", "heads whose patterns are shown: 0,3:6 of each of --layers, or LAYER.HEAD such as 3.7,5.2")
	f.StringVar(&o.positions, "positions", "", "rows of patterns, the tokens that look: 0,4,8:12,-1, or turns of a conversation such as user:0 (default all; of --knockout the last)")
	o.spanFlag.flags(cmd, "the tokens that look")
	f.StringVar(&o.keys, "keys", "", "columns of patterns, the tokens that are looked at, likewise (default all up to the last row; of --knockout all before each)")
	f.StringVar(&o.weighted, "weighted", "", "multiply by the norm of what the key adds: output, or value before the output matrix")
	f.Lookup("weighted").NoOptDefVal = string(experiment.OutputNorm)
}

// patterns reports whether patterns are asked for.
func (o *attnOptions) patterns() bool { return o.knockout == "" && (o.heads != "" || o.layers != "") }

// checkFlags finds what is wrong before a model is opened.
func (o *attnOptions) checkFlags() error {
	switch {
	case o.random > 0 && (o.prompt != nil || o.ids != "" || o.messages != "" || o.chat):
		return usagef("--random draws tokens, and takes no prompt, --ids, --messages and --chat")
	case o.random > 0 && len(o.edits) > 0:
		return usagef("--random and --edit exclude each other")
	case !o.patterns() && o.knockout == "" && (o.positions != "" || o.keys != "" || o.weighted != "" || len(o.spans) > 0):
		return usagef("--positions, --span, --keys and --weighted are of patterns, or of --knockout: choose heads with --heads or --layers")
	case o.patterns() && !o.scores && o.random == 0 && (len(o.kinds) > 0 || o.measure != "" || o.excludeFirst || o.excludeCurrent):
		return usagef("--kinds, --measure, --exclude-first and --exclude-current are of scores: give --scores too")
	case !slices.Contains([]string{"", string(experiment.ValueNorm), string(experiment.OutputNorm)}, o.weighted):
		return usagef("--weighted %q: want output or value", o.weighted)
	}
	for _, check := range []func() error{o.checkKnockout, o.scoreFlags.check, func() error { return o.foundFlags.check(foundFormats...) }, func() error { return o.spanFlag.check(o.positions) }, func() error { return o.limit(&o.modelOptions) }} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// runAttn checks what can be checked before a model is opened, looks and prints.
func runAttn(ctx context.Context, s *streams, o *attnOptions) error {
	if err := o.checkFlags(); err != nil {
		return err
	}
	file, err := o.create(s, o.quiet)
	if err != nil {
		return err
	}
	defer file.drop()
	var text *string
	var ids []int
	if o.random == 0 {
		if text, ids, err = o.read(s); err != nil {
			return err
		}
	}
	opened, err := o.open(s, text != nil)
	if err != nil {
		return err
	}
	defer opened.Close()
	var result found
	if o.random > 0 {
		result, err = o.drawn(ctx, s, opened)
	} else {
		result, err = o.ofPrompt(ctx, s, opened, text, ids)
	}
	if err != nil {
		return err
	}
	if a, ok := result.(*experiment.Attending); ok {
		describeModel(&a.Model, opened)
		if a.Made, err = o.made(s, opened); err != nil {
			return err
		}
	}
	o.edited = o.edits
	if hidden, ok := result.(*experiment.Knockouts); ok {
		o.interrupted = hidden.Interrupted
	}
	return orStopped(o.show(s, file, result), o.interrupted)
}

// ofPrompt encodes a prompt, and looks at it or hides parts of it.
func (o *attnOptions) ofPrompt(ctx context.Context, s *streams, opened *auto.Opened, text *string, ids []int) (found, error) {
	e, err := o.encode(opened, text, ids)
	if err != nil {
		return nil, err
	}
	in := edit.Input{IDs: e.ids}
	if in.Edits, err = newEditor(ctx, s, opened, &o.promptOptions, &o.editFlags, o.quiet).parse(o.edits, e); err != nil {
		return nil, err
	}
	files := func(options map[string]string) error { return originOfEdits(o.edits, options) }
	if err := s.sameInput(files, e.ids); err != nil {
		return nil, err
	}
	o.note(s, opened, e.ids)
	if o.knockout != "" {
		return o.knock(ctx, s, opened, e, in)
	}
	return o.attending(ctx, s, opened, e, in)
}

// attending looks at a prompt.
func (o *attnOptions) attending(ctx context.Context, s *streams, opened *auto.Opened, e encoded, in edit.Input) (*experiment.Attending, error) {
	heads, err := o.chosen(opened.Model)
	if err != nil {
		return nil, err
	}
	var scored *experiment.Attending
	if o.scores || !o.patterns() {
		if scored, err = o.score(ctx, s, opened, []edit.Input{in}, heads); err != nil {
			return nil, err
		}
	}
	if !o.patterns() {
		scored.Prompt, scored.BOSAdded = e.text, e.bos
		return scored, nil
	}
	return o.look(ctx, s, opened, e, in, heads, scored)
}

// drawn scores heads on random tokens, and shows the patterns of the first sample.
func (o *attnOptions) drawn(ctx context.Context, s *streams, opened *auto.Opened) (*experiment.Attending, error) {
	heads, err := o.chosen(opened.Model)
	if err != nil {
		return nil, err
	}
	r := &experiment.Repeats{Length: o.random, Samples: o.samples, Seed: o.seed, First: []int{}}
	var from []int
	if t := opened.Tokenizer; t != nil {
		if bos, ok := t.BOS(); ok && !o.noBOS {
			r.First = []int{bos}
		}
		for id := range min(t.VocabSize(), opened.Model.Shape().DVocab) {
			if _, ok := t.Piece(id); ok && !t.IsSpecial(id) {
				from = append(from, id)
			}
		}
	}
	if err := r.Draw(opened.Model, from); err != nil {
		return nil, usageError{err}
	}
	scored, err := o.score(ctx, s, opened, r.Inputs(), heads)
	if err != nil {
		return nil, err
	}
	scored.Repeated = r
	if !o.patterns() {
		return scored, nil
	}
	return o.look(ctx, s, opened, encoded{ids: r.IDs[0]}, r.Inputs()[0], heads, scored)
}

// chosen are the heads that the flags name, nil for all.
func (o *attnOptions) chosen(m model.Model) ([]experiment.Head, error) {
	if !strings.Contains(o.heads, ".") {
		layers, err := layersWith(m, o.layers, model.Pattern)
		if err != nil || !o.patterns() {
			return nil, err
		}
		numbers, err := selection(o.heads, m.Shape().Heads, "head")
		if err != nil {
			return nil, err
		}
		heads, err := experiment.AllHeads(m, layers, numbers)
		if err != nil {
			return nil, usageError{err}
		}
		return heads, nil
	}
	if o.layers != "" {
		return nil, usagef("--heads %s names layers already: leave --layers out", o.heads)
	}
	var heads []experiment.Head
	for part := range strings.SplitSeq(o.heads, ",") {
		var h experiment.Head
		if err := h.UnmarshalText([]byte(strings.TrimSpace(part))); err != nil {
			return nil, usagef("--heads: %w", err)
		}
		if _, err := experiment.AllHeads(m, []int{h.Layer}, []int{h.Head}); err != nil {
			return nil, usagef("--heads %s: %w", h, err)
		}
		heads = append(heads, h)
	}
	return heads, nil
}

func (o *attnOptions) score(ctx context.Context, s *streams, opened *auto.Opened, inputs []edit.Input, heads []experiment.Head) (*experiment.Attending, error) {
	so := experiment.ScoreOptions{Heads: heads, Measure: experiment.Measure(o.measure), ExcludeFirst: o.excludeFirst, ExcludeCurrent: o.excludeCurrent, Label: labels(opened.Tokenizer)}
	for _, kind := range o.kinds {
		so.Kinds = append(so.Kinds, experiment.HeadKind(kind))
	}
	if so.Measure == "" || so.Measure == experiment.MeanDiagonal {
		so.Period = o.random
	}
	var err error
	if so.MaxMemory, err = o.bound(s); err != nil {
		return nil, err
	}
	so.Progress = s.progressOf("scoring", o.quiet)
	return experiment.HeadScores(ctx, opened.Model, inputs, so)
}

// look adds patterns to what was scored, nil for nothing.
func (o *attnOptions) look(ctx context.Context, s *streams, opened *auto.Opened, e encoded, in edit.Input, heads []experiment.Head, scored *experiment.Attending) (*experiment.Attending, error) {
	ao := experiment.AttentionOptions{Heads: heads, Weight: experiment.Weight(o.weighted), Label: labels(opened.Tokenizer)}
	var err error
	if in.Positions, err = e.turns.at(o.or(o.positions), len(e.ids)); err != nil {
		return nil, err
	}
	if ao.Keys, err = e.turns.at(o.keys, len(e.ids)); err != nil {
		return nil, err
	}
	if ao.MaxMemory, err = o.bound(s); err != nil {
		return nil, err
	}
	ao.Progress = s.progressOf("looking", o.quiet)
	a, err := experiment.Attention(ctx, opened.Model, in, ao)
	if err != nil {
		return nil, err
	}
	a.Prompt, a.BOSAdded = e.text, e.bos
	if scored != nil {
		a.Scoring = scored.Scoring
	}
	return a, nil
}
