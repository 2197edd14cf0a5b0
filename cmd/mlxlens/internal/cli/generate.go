package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/generate"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/render"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/tokenizer"
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
	lens      bool
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
model's positions end.

An --edit acts on every pass, so that it steers the model while it goes on: one without
positions changes the prompt and each new token.

With --lens each new token has its logit lens: a column of the grid that is drawn when
the text ends, of the pass that chose the token, after the edits. It equals what trace
shows of the whole sequence.

Control characters of the text are shown (\x1b), wherever it goes; line feeds and tabs stay.
--json has the text as it is.`,
		Example: `  mlxlens generate "The capital of France is" -n 8
  mlxlens generate "Name three rivers." --chat --temperature 0.7 --top-p 0.9 --seed 1
  mlxlens generate "The capital of France is" -n 4 --lens --layers 0,10,20,25:
  mlxlens generate "The capital of France is" -n 8 --edit layers.20.mlp_out=scale:0.5
  mlxlens generate "Once upon a time" -n 16 --stop . --json`,
		Args: wantArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.arg(args)
			o.given = cmd.Flags().Changed
			return runGenerate(cmd.Context(), s, o)
		},
	}
	o.modelOptions.flags(cmd)
	o.promptOptions.flags(cmd)
	o.editFlags.flags(cmd)
	o.drawFlags.flags(cmd, "prob", render.ViewNames()...)
	f := cmd.Flags()
	f.IntVarP(&o.maxTokens, "max-tokens", "n", 256, "stop after so many tokens")
	f.Float64Var(&o.Temperature, "temperature", 0, "0 takes the likeliest token; higher is more random")
	f.Float64Var(&o.TopP, "top-p", 0, "draw from the likeliest tokens that make up this probability (0: all)")
	f.IntVar(&o.TopK, "top-k", 0, "draw from so many of the likeliest tokens (0: all)")
	f.Float64Var(&o.MinP, "min-p", 0, "draw from tokens with at least this part of the largest probability (0: all)")
	f.Float64Var(&o.RepetitionPenalty, "repetition-penalty", 0, "make recent tokens less likely, such as by 1.1 (0: do not)")
	f.IntVar(&o.RepetitionContext, "repetition-context", 20, "how many of the last tokens count as recent")
	f.Uint64Var(&o.Seed, "seed", 0, "the same seed gives the same text")
	f.StringArrayVar(&o.stops, "stop", nil, "stop before this text (repeatable)")
	f.BoolVar(&o.ignoreEOS, "ignore-eos", false, "go on after end-of-text tokens, and show them")
	f.BoolVar(&o.lens, "lens", false, "show the logit lens of each new token")
	f.StringVar(&o.layers, "layers", "", "rows of the lens: 0,4,8:12,-1 (default all)")
	f.BoolVar(&o.json, "json", false, "print a JSON object for each token: id, text, logprob (nats), and lens with --lens")
	return cmd
}

// runGenerate checks what can be checked before the model is opened, generates and
// prints.
func runGenerate(ctx context.Context, s *streams, o *generateOptions) error {
	view, err := render.ParseView(o.view)
	if err != nil {
		return usageError{err}
	}
	if err := o.drawFlags.check(); err != nil {
		return err
	}
	if o.maxTokens < 1 {
		return usagef("--max-tokens %d: want 1 or more", o.maxTokens)
	}
	for _, flag := range []string{"layers", "top", "view", "width", "no-color"} {
		if o.given(flag) && !o.lens {
			return usagef("--%s needs --lens", flag)
		}
	}
	if err := o.Sampling.Err(); err != nil {
		return usageError{err}
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
	in := edit.Input{}
	if in.IDs, _, err = o.encode(opened, text, ids); err != nil {
		return err
	}
	if in.Edits, err = newEditor(ctx, s, opened, &o.promptOptions).parse(o.edits, in.IDs); err != nil {
		return err
	}
	for i := range in.Edits {
		if site := in.Edits[i].Place.Site; o.lens && (site == model.FinalNormOut || site == model.Logits) {
			return usagef("edit %q: --lens reads the stream before it, and would show another token than is chosen: leave one of them out", &in.Edits[i])
		}
	}
	o.note(s, opened, len(in.IDs))
	run, err := newGeneration(s, o, opened)
	if err != nil {
		return err
	}
	defer run.close()
	if err := run.generate(ctx, in); err != nil {
		return err
	}
	if run.grid != nil && !o.json {
		fmt.Fprintln(s.out)
		return o.draw(s, run.grid, view, false)
	}
	return nil
}

// generation is one run of the command.
type generation struct {
	s       *streams
	o       *generateOptions
	opened  *auto.Opened
	gen     *generate.Generator
	reader  *lens.Reader // nil without --lens
	grid    *lens.Grid   // of the tokens so far, or nil
	decoder *tokenizer.Decoder
	stops   *generate.Stops
	label   func(int) string
}

func newGeneration(s *streams, o *generateOptions, opened *auto.Opened) (*generation, error) {
	g := &generation{s: s, o: o, opened: opened, stops: generate.NewStops(o.stops...), label: labels(opened.Tokenizer)}
	options := generate.Options{Sampling: o.Sampling}
	if !o.quiet && terminal(s.err) > 0 {
		options.Progress = progress(s.err, "tokens of the prompt")
	}
	if o.lens {
		shape := opened.Model.Shape()
		lo := lens.Options{Top: min(o.top, shape.DVocab), Label: g.label}
		var err error
		if lo.Layers, err = selection(o.layers, shape.Layers, "layer"); err != nil {
			return nil, err
		}
		if g.reader, err = lens.NewReader(opened.Model, lo); err != nil {
			return nil, err
		}
		options.Tap = func(p generate.Pass) *model.Tap {
			if !p.Chooses {
				return nil
			}
			return g.reader.Tap()
		}
	}
	if opened.Tokenizer != nil {
		g.decoder = opened.Tokenizer.NewDecoder()
		g.decoder.KeepSpecial = o.ignoreEOS
	}
	var err error
	g.gen, err = generate.New(opened.Model, options)
	return g, err
}

func (g *generation) close() {
	g.gen.Close()
	if g.reader != nil {
		g.reader.Close()
	}
}

// generate runs the prompt and prints tokens until one of the reasons to stop.
func (g *generation) generate(ctx context.Context, in edit.Input) error {
	start, ids := time.Now(), in.IDs
	if err := g.gen.Prompt(ctx, in); err != nil {
		return err
	}
	var eos []int
	if g.opened.Tokenizer != nil && !g.o.ignoreEOS {
		eos = g.opened.Tokenizer.EOS()
	}
	why, n := "--max-tokens", 0
	var first time.Time
	fed := ids[len(ids)-1]
	for ; n < g.o.maxTokens; n++ {
		token, err := g.gen.Next(ctx)
		if errors.Is(err, generate.ErrContext) {
			why = "the end of the model's positions"
			break
		}
		if err != nil {
			return err
		}
		if n == 0 {
			first = time.Now()
		}
		ended := slices.Contains(eos, token.ID)
		stopped, err := g.show(ctx, fed, token, ended)
		if err != nil {
			return err
		}
		fed = token.ID
		if ended || stopped {
			why = "the end of the text"
			if stopped {
				why = "a stop string"
			}
			n++
			break
		}
	}
	if err := g.finish(); err != nil {
		return err
	}
	g.o.note(g.s, g.opened, len(ids)+n)
	if !g.o.quiet {
		g.s.say("%d tokens after a prompt of %d, stopped by %s; %.1f tokens/s of the prompt, %.1f generated",
			n, len(ids), why, rate(len(ids), first.Sub(start)), rate(n-1, time.Since(first)))
	}
	return nil
}

func rate(n int, d time.Duration) float64 { return float64(n) / max(d.Seconds(), 1e-9) }

// show prints a token, which the pass of fed chose. The text of one that ends the
// sequence is not shown.
func (g *generation) show(ctx context.Context, fed int, token generate.Token, ended bool) (stopped bool, err error) {
	var column *lens.Grid
	if g.reader != nil {
		if column, err = g.reader.Read(ctx, []int{fed}); err != nil {
			return false, err
		}
		if g.grid == nil { // its positions are those of the whole sequence, as in a trace of it
			ids := g.gen.IDs()
			g.grid = column
			g.grid.Positions = []int{len(ids) - 2}
			g.grid.Tokens = nil
			for _, id := range ids[:len(ids)-1] {
				g.grid.Tokens = append(g.grid.Tokens, lens.Token{ID: id, Bytes: g.label(id)})
			}
		} else if err := g.grid.Append(column); err != nil {
			return false, err
		}
	}
	var text string
	if !ended {
		if text, err = g.text(token.ID); err != nil {
			return false, err
		}
		text, stopped = g.stops.Add(text)
	}
	if !g.o.json {
		_, err = io.WriteString(g.s.out, render.Safe(text))
		return stopped, err
	}
	return stopped, g.line(token, column)
}

func (g *generation) text(id int) (string, error) {
	if g.decoder == nil {
		return g.label(id) + " ", nil
	}
	return g.decoder.Add(id)
}

// line prints a token as JSON.
func (g *generation) line(token generate.Token, column *lens.Grid) error {
	type cells struct {
		Position int         `json:"position"` // of the token that was fed, in the whole sequence
		Rows     []string    `json:"rows"`
		Cells    []lens.Cell `json:"cells"`
	}
	line := struct {
		lens.TokenJSON
		LogProb float64 `json:"logprob"`
		Lens    *cells  `json:"lens,omitempty"`
	}{lens.Token{ID: token.ID, Bytes: g.label(token.ID)}.JSON(), token.LogProb, nil}
	if column != nil {
		line.Lens = &cells{Position: len(g.gen.IDs()) - 2, Rows: column.Rows}
		for _, row := range column.Cells {
			line.Lens.Cells = append(line.Lens.Cells, row[0])
		}
	}
	return render.WriteJSON(g.s.out, line)
}

// finish prints what was held back, and ends the line.
func (g *generation) finish() error {
	if g.grid != nil { // the last token has no column of its own
		ids := g.gen.IDs()
		last := ids[len(ids)-1]
		g.grid.Tokens = append(g.grid.Tokens, lens.Token{ID: last, Bytes: g.label(last)})
		g.grid.Final.Position = -2
	}
	if g.o.json {
		return nil
	}
	var b strings.Builder
	if g.decoder != nil {
		text, _ := g.stops.Add(g.decoder.Flush())
		b.WriteString(text)
	}
	b.WriteString(g.stops.Flush())
	b.WriteByte('\n')
	_, err := io.WriteString(g.s.out, render.Safe(b.String()))
	return err
}
