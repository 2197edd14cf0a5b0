package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/generate"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/render"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
)

type generateOptions struct {
	modelOptions
	promptOptions
	editFlags
	drawFlags
	generate.Sampling
	maxTokens int
	stops     []string
	ignoreEOS bool
	lens      lensFlags
	layers    string
	json      bool
	given     func(flag string) bool
}

func newGenerateCmd(s *streams) *cobra.Command {
	o := &generateOptions{}
	cmd := &cobra.Command{
		Use:   "generate [prompt]",
		Short: "Continue a prompt, token by token",
		Long: `Generate continues a prompt with a cache of keys and values. At temperature 0 each
token is the likeliest. Otherwise it is drawn from p^(1/temperature), with p the softmax
of the logits, after the repetition penalty and what --top-p, --min-p and --top-k leave.
It stops at the model's end-of-text tokens, a stop string, --max-tokens, or where the
model's positions end. Nothing of a stop string is printed, be it one of several tokens or
a part of one; the text of a special token stops too. Without --seed one is made up, and
told, so that the text can be drawn again.

--json prints a line a token, whose text is what is shown of it: what a stop string or the
end of the text cuts off stands in cut. The last line has end: by (stop, end_of_text,
max_tokens or context), the stop string, and the seed.

An --edit acts on every pass, so that it steers the model while it goes on: one without
positions changes the prompt and each new token.

With --lens each new token has its logit lens, or with --lens=LENS another one: a column of
the grid that is drawn when the text ends, of the pass that chose the token, after the
edits. It equals what trace shows of the whole sequence, but for dynamic rope, and for
longrope up to its border: a trace turns all positions by the length of the whole.

Control characters of the text are shown (\x1b), wherever it goes; line feeds and tabs stay.
--json has the text with them.`,
		Example: `  mlxlens generate "The capital of France is" -n 8
  mlxlens generate "Name three rivers." --chat --temperature 0.7 --top-p 0.9 --seed 1
  mlxlens generate --messages chat.json -n 32
  mlxlens generate "The capital of France is" -n 4 --lens --layers 0,10,20,25:
  mlxlens generate "The capital of France is" -n 8 --edit layers.20.mlp_out=scale:0.5
  mlxlens generate "Once upon a time" -n 16 --stop . --json`,
		Args: cobra.ArbitraryArgs, // words of a prompt without quotes
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := lensApart(cmd, args); err != nil {
				return err
			}
			o.arg(s, args)
			o.given = cmd.Flags().Changed
			return runGenerate(cmd.Context(), s, o)
		},
	}
	for _, group := range []interface{ flags(*cobra.Command) }{&o.modelOptions, &o.shared, &o.promptOptions, &o.editFlags} {
		group.flags(cmd)
	}
	o.drawFlags.flags(cmd, "prob", render.ViewNames()...)
	o.flags(cmd)
	return cmd
}

// flags adds what is of this command alone.
func (o *generateOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.IntVarP(&o.maxTokens, "max-tokens", "n", 256, "stop after so many tokens")
	f.Float64Var(&o.Temperature, "temperature", 0, "0 takes the likeliest token; higher is more random")
	f.Float64Var(&o.TopP, "top-p", 0, "draw from the likeliest tokens that make up this probability (0: all)")
	f.IntVar(&o.TopK, "top-k", 0, "draw from so many of the likeliest tokens (0: all)")
	f.Float64Var(&o.MinP, "min-p", 0, "draw from tokens with at least this part of the largest probability (0: all)")
	f.Float64Var(&o.RepetitionPenalty, "repetition-penalty", 0, "make recent tokens less likely, such as by 1.1 (0: do not)")
	f.IntVar(&o.RepetitionContext, "repetition-context", 20, "how many of the last tokens count as recent")
	f.Uint64Var(&o.Seed, "seed", 0, "the same seed gives the same text (default: one is made up, and told)")
	f.StringArrayVar(&o.stops, "stop", nil, "stop before this text (repeatable)")
	f.BoolVar(&o.ignoreEOS, "ignore-eos", false, "go on after end-of-text tokens, and show them")
	f.StringVar(&o.lens.path, "lens", "", "show the lens of each new token; with =LENS "+lensForms)
	f.Lookup("lens").NoOptDefVal = logitLens
	f.BoolVar(&o.lens.any, "any-unembedding", false, "accept a lens of a model with another unembedding")
	f.StringVar(&o.layers, "layers", "", "rows of the lens: 0,4,8:12,-1 (default all)")
	f.BoolVar(&o.json, "json", false, "print a JSON object for each token: id, text, cut, logprob (nats), lens with --lens, end on the last")
}

// runGenerate checks what can be checked before the model is opened, generates and
// prints.
func runGenerate(ctx context.Context, s *streams, o *generateOptions) error {
	view, err := render.ParseView(o.view)
	if err != nil {
		return usageError{err}
	}
	if err := o.check(); err != nil {
		return err
	}
	text, ids, err := o.read(s)
	if err != nil {
		return err
	}
	opened, err := o.open(s, text != nil || len(o.stops) > 0)
	if err != nil {
		return err
	}
	defer opened.Close()
	if o.ignoreEOS && opened.Tokenizer == nil {
		return usagef("--ignore-eos does nothing: the model has no tokenizer to say which tokens end a text (%v)", opened.TokenizerErr)
	}
	at, err := o.encode(opened, text, ids)
	if err != nil {
		return err
	}
	in := edit.Input{IDs: at.ids}
	if in.Edits, err = newEditor(ctx, s, opened, &o.promptOptions, &o.editFlags, o.quiet).parse(o.edits, at); err != nil {
		return err
	}
	if err := s.sameInput(o.originOfFiles, in.IDs); err != nil {
		return err
	}
	o.noteClamped(s, in.Edits)
	for i := range in.Edits {
		if site := in.Edits[i].Place.Site; o.lens.path != "" && (site == model.FinalNormOut || site == model.Logits) {
			return usagef("edit %q: --lens reads the stream before it, and would show another token than is chosen: leave one of them out", &in.Edits[i])
		}
	}
	o.note(s, opened, in.IDs)
	if o.conversation != nil && o.conversation.EndsWithAssistant() && !o.quiet {
		s.say("the last message is the assistant's, and the text goes on behind its end: leave it out for an answer to the one before")
	}
	run, err := newGeneration(s, o, opened, at, in.Edits)
	if err != nil {
		return err
	}
	defer run.close()
	if err := run.generate(ctx, in); err != nil {
		return err
	}
	if run.grid != nil && !o.json {
		fmt.Fprintln(s.out)
		t := o.screenFlags.options(s, "") // all of the new tokens
		t.View = view
		return o.draw(s, run.grid, t)
	}
	return nil
}

// noteClamped tells of edits that new tokens do not get.
func (o *generateOptions) noteClamped(s *streams, edits []edit.Edit) {
	for i := range edits {
		if e := &edits[i]; e.Op == edit.SwapClamped && e.Positions == nil && !o.quiet {
			s.say("edit %q: new tokens have no run without edits, and are left alone: it changes the prompt", e)
		}
	}
}

// check finds flags that are wrong or would do nothing.
func (o *generateOptions) check() error {
	if err := cmp.Or(o.drawFlags.check(), o.lens.check()); err != nil {
		return err
	}
	if o.maxTokens < 1 {
		return usagef("--max-tokens %d: want 1 or more", o.maxTokens)
	}
	if err := o.Sampling.Err(); err != nil {
		return usageError{err}
	}
	for _, flag := range []string{"layers", "top", "view", "width", "no-color"} {
		if o.given(flag) && o.lens.path == "" {
			return usagef("%v needs --lens", theFlag(flag))
		}
	}
	for _, flag := range []string{"view", "width", "no-color"} {
		if o.given(flag) && o.json {
			return usagef("%v is of the drawing, and --json draws nothing: leave one of them out", theFlag(flag))
		}
	}
	for _, flag := range []string{"top-p", "top-k", "min-p", "seed"} {
		if o.given(flag) && o.Temperature == 0 {
			return usagef("%v does nothing at temperature 0, which takes the likeliest token: add --temperature, such as 0.7, or leave it out", theFlag(flag))
		}
	}
	if o.given("repetition-context") && (o.RepetitionPenalty == 0 || o.RepetitionPenalty == 1) {
		return usagef("--repetition-context needs --repetition-penalty, such as 1.1")
	}
	if slices.Contains(o.stops, "") {
		return usagef("--stop is empty: give the text to stop before")
	}
	return nil
}

// draws reports whether tokens are drawn, and makes up the seed that was not given.
func (o *generateOptions) draws(s *streams) (bool, error) {
	if o.Temperature == 0 {
		return false, nil
	}
	if !o.given("seed") {
		seed, err := s.ranks.First(int64(rand.Uint32()))
		if err != nil {
			return false, err
		}
		o.Seed = uint64(seed)
		if !o.quiet {
			s.say("drawn with --seed %d, which draws the same again", o.Seed)
		}
	}
	return true, nil
}

// generation is one run of the command.
type generation struct {
	s      *streams
	o      *generateOptions
	opened *auto.Opened
	prompt encoded
	edits  []edit.Edit
	gen    *generate.Generator
	reader *lens.Reader // nil without --lens
	done   func()       // ends what it reads by
	grid   *lens.Grid   // of the tokens so far, or nil
	text   generatedText
	label  func(int) string
}

func newGeneration(s *streams, o *generateOptions, opened *auto.Opened, prompt encoded, edits []edit.Edit) (*generation, error) {
	g := &generation{s: s, o: o, opened: opened, prompt: prompt, edits: edits, label: labels(opened.Tokenizer)}
	g.text = generatedText{out: s.out, json: o.json, t: opened.Tokenizer, stops: generate.NewStops(o.stops...), label: g.label}
	if opened.Tokenizer != nil {
		g.text.decoder = opened.Tokenizer.NewDecoder()
		g.text.decoder.KeepSpecial = o.ignoreEOS
	}
	drawn, err := o.draws(s)
	if err != nil {
		return nil, err
	}
	if drawn {
		g.text.seed = &o.Seed
	}
	options := generate.Options{Sampling: o.Sampling}
	options.Progress = s.progress("tokens of the prompt", o.quiet)
	if o.lens.path != "" {
		if err := g.readBy(s, &options); err != nil {
			return nil, err
		}
	}
	g.gen, err = generate.New(opened.Model, options)
	return g, err
}

func (g *generation) close() {
	g.gen.Close()
	if g.reader != nil {
		g.reader.Close()
		g.done()
	}
}

// generate runs the prompt and prints tokens until one of the reasons to stop.
func (g *generation) generate(ctx context.Context, in edit.Input) error {
	start, prompt := time.Now(), len(in.IDs)
	if err := g.gen.Prompt(ctx, in); err != nil {
		return err
	}
	var eos []int
	if g.opened.Tokenizer != nil && !g.o.ignoreEOS {
		eos = g.opened.Tokenizer.EOS()
	}
	var first time.Time
	n, by := 0, ""
	for by == "" {
		token, err := g.gen.Next(ctx)
		if errors.Is(err, generate.ErrContext) {
			by = endContext
			break
		}
		if err != nil {
			return err
		}
		if n++; n == 1 {
			first = time.Now()
		}
		column, err := g.column(ctx, n == 1)
		if err != nil {
			return err
		}
		ended := slices.Contains(eos, token.ID)
		stopped, err := g.text.add(token, column, ended)
		switch {
		case err != nil:
			return err
		case stopped:
			by = endStop
		case ended:
			by = endOfText
		case n == g.o.maxTokens:
			by = endCount
		case prompt+n > g.opened.Model.Shape().Context:
			by = endContext
		default:
			err = g.text.flush()
		}
		if err != nil {
			return err
		}
	}
	by, err := g.text.finish(by)
	if err != nil {
		return err
	}
	g.endGrid()
	g.o.note(g.s, g.opened, g.gen.IDs())
	if !g.o.quiet {
		g.s.say("%s after a prompt of %d, stopped by %v; %.1f tokens/s of the prompt, %.1f generated",
			english.Plural(n, "token", ""), prompt, g.words(by), rate(prompt, first.Sub(start)), rate(n-1, time.Since(first)))
	}
	return g.inWords(by)
}

// words say why the text ended, and whose the bound on positions was.
func (g *generation) words(by string) any {
	if by == endContext && g.opened.Model.Shape().MadeFor > 0 {
		return theFlag("context")
	}
	return endWords[by]
}

func rate(n int, d time.Duration) float64 { return float64(n) / max(d.Seconds(), 1e-9) }
