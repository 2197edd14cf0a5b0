package cli

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/render"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/tokenizer"
)

type traceOptions struct {
	modelOptions
	promptOptions
	drawOptions
	layers    string
	positions string
	targets   []string
	versus    []string
	embed     bool
	mid       bool
	last      bool
	check     bool
	json      bool
	export    string
	file      string
	output    string
}

func newTraceCmd(s *streams) *cobra.Command {
	o := &traceOptions{}
	cmd := &cobra.Command{
		Use:   "trace [prompt]",
		Short: "Show the logit lens of a prompt",
		Long: `Trace runs a prompt through a model once. The residual stream after each layer
(resid_post) goes through the model's own final norm and unembedding, over the
whole vocabulary (nostalgebraist 2020, "interpreting GPT: the logit lens").

Each row is a layer, the last on top, and each column a position; a cell shows the
token that the layer would say next. Its colour is the view: the probability,
logit or rank that the layer gives to the model's final answer there, or the
layer's own entropy, KL(final ‖ layer) or margin, in nats and logits.

The prompt "-" is read from stdin. With --ids no tokenizer is needed.
Selections such as 0,4,8:12,-1 count from 0; a range leaves out its end, and a
negative number counts from the end.`,
		Example: `  mlxlens trace "The capital of France is"
  mlxlens trace "The capital of France is" --last -k 3
  mlxlens trace "The capital of France is" --target " Paris" --view rank
  mlxlens trace "The capital of France is" --target " Paris" --vs " London" --last
  mlxlens trace --file prompts.txt --last -o lens.jsonl
  mlxlens trace --ids 504,3575,282,4649,314 --layers 0,10,-1 --json`,
		Args: wantArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.arg(args)
			return runTrace(cmd.Context(), s, o)
		},
	}
	o.modelOptions.flags(cmd)
	o.promptOptions.flags(cmd)
	o.drawOptions.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.layers, "layers", "", "rows: 0,4,8:12,-1 (default all)")
	f.StringVar(&o.positions, "positions", "", "columns, likewise (default all)")
	f.StringArrayVar(&o.targets, "target", nil, "a token whose score and rank to show, such as \" Paris\" (repeatable)")
	f.StringArrayVar(&o.versus, "vs", nil, "a token to compare the target with: the difference of their logits (one, or one for each target)")
	f.BoolVar(&o.embed, "embed", false, "a row for the token embedding")
	f.BoolVar(&o.mid, "mid", false, "a row after each layer's attention")
	f.BoolVar(&o.last, "last", false, "the last position only, each layer's candidates side by side")
	f.BoolVar(&o.check, "check", false, "compare the last row with the model's own logits; fail if they differ")
	f.BoolVar(&o.json, "json", false, "print JSON (schema "+lens.TraceSchema+")")
	f.StringVar(&o.export, "export", "", "print another tool's JSON instead: mlxterp")
	f.StringVar(&o.file, "file", "", "trace every prompt of a file, a line each (.jsonl: JSON strings, or objects with prompt or ids), and print a JSON object for each")
	f.StringVarP(&o.output, "output", "o", "", "write to a file instead; .json or .csv, with --file .jsonl, which goes on where it stopped")
	return cmd
}

// runTrace checks what can be checked before the model is opened, traces and prints.
func runTrace(ctx context.Context, s *streams, o *traceOptions) error {
	view, err := o.drawOptions.check()
	if err != nil {
		return err
	}
	if o.last && o.positions != "" {
		return usagef("--last and --positions exclude each other")
	}
	if n := len(o.versus); n > 1 && n != len(o.targets) || n > 0 && len(o.targets) == 0 {
		return usagef("--vs was given %s, and --target %d: want one --vs, or one for each --target", english.Plural(n, "time", ""), len(o.targets))
	}
	if err := o.checkExport(); err != nil {
		return err
	}
	if o.file != "" {
		return runTraceFile(ctx, s, o)
	}
	text, ids, err := o.read(s)
	if err != nil {
		return err
	}
	var file *output
	if o.output != "" {
		if file, err = newOutput(o.output, ".json", ".csv"); err != nil {
			return err
		}
		defer file.drop()
	}

	opened, err := o.open(s, text != nil || len(o.targets) > 0)
	if err != nil {
		return err
	}
	defer opened.Close()
	lo, err := o.lensOptions(s, opened)
	if err != nil {
		return err
	}
	if !o.quiet && terminal(s.err) > 0 {
		lo.Progress = progress(s.err, "cells")
	}
	g, err := o.trace(ctx, opened, lo, text, ids)
	if err != nil {
		return err
	}
	if file != nil {
		write := o.format()
		if o.export == "" && strings.EqualFold(filepath.Ext(o.output), ".csv") {
			write = render.CSV
		}
		err = file.write(func(w io.Writer) error { return write(w, g) })
	} else {
		err = o.print(s, g, view)
	}
	if err == nil {
		err = checkFailure(g)
	}
	return err
}

// checkFailure is what --check says when it fails.
func checkFailure(g *lens.Grid) error {
	if g.Check == nil || g.Check.OK {
		return nil
	}
	return fmt.Errorf("check: the last row differs from the model's own logits by %.3g, more than %.3g", g.Check.MaxDifference, g.Check.Tolerance)
}

// lensOptions returns what does not depend on the prompt.
func (o *traceOptions) lensOptions(s *streams, opened *auto.Opened) (lens.Options, error) {
	shape := opened.Model.Shape()
	lo := lens.Options{Top: min(o.top, shape.DVocab), Embed: o.embed, Mid: o.mid, Check: o.check, Label: labels(opened.Tokenizer)}
	var err error
	if lo.Layers, err = selection(o.layers, shape.Layers, "layer"); err != nil {
		return lo, err
	}
	lo.Targets, lo.Contrasts, err = o.scored(s, opened.Tokenizer)
	return lo, err
}

// trace computes the grid of a prompt.
func (o *traceOptions) trace(ctx context.Context, opened *auto.Opened, lo lens.Options, text *string, ids []int) (*lens.Grid, error) {
	ids, bos, err := o.encode(opened, text, ids)
	if err != nil {
		return nil, err
	}
	if lo.Positions, err = selection(o.positions, len(ids), "position"); err != nil {
		return nil, err
	}
	if o.last {
		lo.Positions = []int{-1}
	}
	g, err := lens.Run(ctx, opened.Model, ids, lo)
	if err != nil {
		return nil, err
	}
	g.Prompt, g.BOSAdded = text, bos
	g.Model.Ref, g.Model.Type, g.Model.Quantization = opened.Info.Ref, opened.Info.Type, opened.Info.Quantization
	g.Timing.Load = opened.Info.LoadSeconds
	return g, nil
}

func selection(text string, n int, what string) ([]int, error) {
	if text == "" {
		return nil, nil
	}
	chosen, err := lens.ParseIndices(text, n, what)
	if err != nil {
		return nil, usageError{err}
	}
	return chosen, nil
}

// labels returns the bytes of each id, or its number in angle brackets where there
// is no tokenizer or it does not know the id.
func labels(t *tokenizer.Tokenizer) func(int) string {
	return func(id int) string {
		if t != nil {
			if piece, ok := t.Piece(id); ok {
				return piece
			}
		}
		return "<" + strconv.Itoa(id) + ">"
	}
}

// scored returns the ids of the targets, and the pairs that --vs makes of them.
func (o *traceOptions) scored(s *streams, t *tokenizer.Tokenizer) (targets []int, contrasts [][2]int, err error) {
	for i, text := range o.targets {
		id, err := o.target(s, t, text)
		if err != nil {
			return nil, nil, err
		}
		targets = append(targets, id)
		if len(o.versus) == 0 {
			continue
		}
		other := o.versus[min(i, len(o.versus)-1)]
		versus, err := o.target(s, t, other)
		if err != nil {
			return nil, nil, err
		}
		if versus == id {
			return nil, nil, usagef("--vs %q is the same token as --target %q", other, text)
		}
		contrasts = append(contrasts, [2]int{id, versus})
	}
	return targets, contrasts, nil
}

// checkExport refuses what the other tool's shape has no place for.
func (o *traceOptions) checkExport() error {
	switch {
	case o.export == "":
		return nil
	case o.export != "mlxterp":
		return usagef("--export %q: want mlxterp", o.export)
	case o.json || o.embed || o.mid || o.check || len(o.targets) > 0:
		return usagef("--export %s has no place for --json, --embed, --mid, --check and --target", o.export)
	case o.output != "" && !strings.EqualFold(filepath.Ext(o.output), ".json"):
		return usagef("--export %s is JSON: give --output a name that ends in .json", o.export)
	}
	return nil
}

// format returns what writes JSON.
func (o *traceOptions) format() func(io.Writer, *lens.Grid) error {
	if o.export == "mlxterp" {
		return render.MLXTerp
	}
	return render.JSON
}

// target returns the id of a target; what is more than one token counts by its
// first, with a warning.
func (o *traceOptions) target(s *streams, t *tokenizer.Tokenizer, text string) (int, error) {
	ids, err := t.Encode(text, false)
	if err != nil {
		return 0, err
	}
	if len(ids) == 0 {
		return 0, usagef("--target %q is no token", text)
	}
	if o.quiet {
		return ids[0], nil
	}
	if len(ids) > 1 {
		var pieces []string
		for _, id := range ids {
			piece, _ := t.Piece(id)
			pieces = append(pieces, strconv.Quote(piece))
		}
		fmt.Fprintf(s.err, "mlxlens: target %q is %d tokens (%s): the first is used\n", text, len(ids), strings.Join(pieces, " "))
	}
	if !strings.HasPrefix(text, " ") {
		if spaced, err := t.Encode(" "+text, false); err == nil && len(spaced) == 1 {
			fmt.Fprintf(s.err, "mlxlens: target %q has no space before it; in the middle of a text %q is likelier\n", text, " "+text)
		}
	}
	return ids[0], nil
}

// print writes the grid on stdout.
func (o *traceOptions) print(s *streams, g *lens.Grid, view render.View) error {
	if o.json || o.export != "" {
		return o.format()(s.out, g)
	}
	return o.draw(s, g, view, o.last)
}
