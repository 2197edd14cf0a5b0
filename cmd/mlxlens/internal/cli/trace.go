package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/render"
	"github.com/mlxlens/mlxlens/model/auto"
)

type traceOptions struct {
	modelOptions
	promptOptions
	rowFlags
	targetFlags
	editFlags
	lens lensesFlags
	memoryFlags
	drawFlags
	goOnFlags
	outputFlags
	track    int
	check    bool
	experts  bool
	json     bool
	export   string
	file     string
	picture  string
	look     pictureFlags
	shard    shardFlag
	together int    // prompts of a file
	keep     string // an old flag: `mlxlens capture` has it now
	given    func(flag string) bool
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
layer's own entropy, KL(final ‖ layer) (both in nats), margin or confidence.
--attn and --mlp read what the halves of a layer add, alone; --lens reads through a lens
that was fitted (mlxlens lens), --lens logit --lens FILE by both, row by row, --lens embed
by the input embedding, and --lens negated turned round: docs/lenses.md, docs/readers.md.

The prompt "-" is read from stdin. With --ids no tokenizer is needed.
Selections such as 0,4,8:12,-1 count from 0; a range leaves out its end, and a
negative number counts from the end.`,
		Example: `  mlxlens trace "The capital of France is"
  mlxlens trace "The capital of France is" --last -k 3
  mlxlens trace "The capital of France is" --target " Paris" --view rank
  mlxlens trace "The capital of France is" --target " Paris" --vs " London" --last
  mlxlens trace "The capital of France is" --lens negated --last
  mlxlens trace "The capital of France is" -o lens.html
  mlxlens trace --file prompts.txt --last -o lens.jsonl
  mlxlens trace --ids 504,3575,282,4649,314 --layers 0,10,-1 --json`,
		Args: cobra.ArbitraryArgs, // words of a prompt without quotes
		RunE: func(cmd *cobra.Command, args []string) error {
			o.arg(s, args)
			o.given = cmd.Flags().Changed
			return runTrace(cmd.Context(), s, o)
		},
	}
	for _, group := range []interface{ flags(*cobra.Command) }{
		&o.modelOptions, &o.promptOptions, &o.rowFlags, &o.targetFlags, &o.editFlags, &o.lens, &o.memoryFlags, &o.goOnFlags, &o.shared,
	} {
		group.flags(cmd)
	}
	o.drawFlags.flags(cmd, "prob", render.ViewNames()...)
	f := cmd.Flags()
	f.IntVar(&o.track, "track", 0, "follow so many tokens through all rows: those of best rank in any row")
	f.BoolVar(&o.experts, "experts", false, "show which experts each layer of a mixture chose, with their weights; --view expert shows them in the grid")
	f.BoolVar(&o.check, "check", false, "compare the last row with the model's own logits; fail if they differ")
	f.StringVar(&o.picture, "picture", "heatmap", "what a picture shows: heatmap, candidates (of the last position; usual with --last), curves (the same by layer) or targets")
	o.look.onScreen = true
	o.look.flags(cmd)
	complete(cmd, "picture", pictureNames...)
	f.StringVar(&o.keep, "keep", "", "")
	_ = f.MarkHidden("keep") // fails for a flag that does not exist
	f.BoolVar(&o.json, "json", false, "print JSON (schema "+lens.TraceSchema+")")
	f.StringVar(&o.export, "export", "", "print another tool's JSON instead: mlxterp, logitlenskit (V2)")
	o.shard.flags(cmd, &o.file, "trace every prompt of a file, a line each (.jsonl: JSON strings, or objects with prompt or ids), and print a JSON object for each (mlxlens help outputs)")
	f.IntVar(&o.together, "together", edit.Lookahead, "how many prompts of --file go through the model together, 1 to "+strconv.Itoa(edit.Lookahead)+": a part of --shard has whole such windows, and the last digits of numbers depend on it")
	o.outputFlags.flags(cmd, "write to a file instead: "+extensions(traceFormats)+"; with --file .jsonl, which goes on where it stopped", append(traceFormats, "jsonl")...)
	return cmd
}

// checkFlags finds what is wrong before the model is opened.
func (o *traceOptions) checkFlags() (render.View, error) {
	view, err := render.ParseView(o.view)
	if err != nil {
		return view, usageError{err}
	}
	if o.track < 0 {
		return view, usagef("--track %d: want 0 or more", o.track)
	}
	checks := []func() error{o.checkCapture, o.drawFlags.check, o.rowFlags.check, o.targetFlags.check, o.lens.check, func() error { return o.limit(&o.modelOptions) }, o.goOnFlags.check,
		o.checkExport, o.checkPicture, o.checkTogether, func() error { return o.shard.check(o.file) }}
	if o.check {
		checks = append(checks, o.lens.ownLast)
	}
	for _, check := range checks {
		if err := check(); err != nil {
			return view, err
		}
	}
	return view, nil
}

// checkTogether checks how many prompts go through the model together.
func (o *traceOptions) checkTogether() error {
	switch {
	case o.given("together") && o.file == "":
		return usagef("--together is of --file: one prompt goes through the model alone")
	case o.together < 1 || o.together > edit.Lookahead:
		return usagef("--together %d: want 1 to %d", o.together, edit.Lookahead)
	}
	return nil
}

// checkCapture names the command that activations have now.
func (o *traceOptions) checkCapture() error {
	if as := o.format(); as == "npz" || as == "safetensors" || o.keep != "" {
		return usagef("activations are kept by another command now: mlxlens capture … --output FILE.npz --keep PLACES")
	}
	return nil
}

// runTrace checks what can be checked before the model is opened, traces and prints.
func runTrace(ctx context.Context, s *streams, o *traceOptions) error {
	view, err := o.checkFlags()
	if err != nil {
		return err
	}
	if o.file != "" {
		return runTraceFile(ctx, s, o)
	}
	if err := cmp.Or(o.outputFlags.check(traceFormats...), o.beside(o.json), o.checkView(s)); err != nil {
		return err
	}
	file, err := o.create(s, o.quiet) // before stdin is read, which it may not be
	if err != nil {
		return err
	}
	defer file.drop()
	text, ids, err := o.read(s)
	if err != nil {
		return err
	}
	opened, err := o.open(s, text != nil)
	if err != nil {
		return err
	}
	defer opened.Close()
	lo, done, err := o.lensOptions(s, opened)
	if err != nil {
		return err
	}
	defer done()
	lo.Progress, lo.Part = s.progressOf("tracing", o.quiet), s.watch.part
	g, err := o.trace(ctx, s, opened, lo, text, ids)
	if err != nil {
		return err
	}
	if file != nil {
		err = file.write(func(w io.Writer) error { return o.write(s, w, g, view) })
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

// lensOptions returns what does not depend on the prompt, and what to call at the end.
func (o *traceOptions) lensOptions(s *streams, opened *auto.Opened) (lens.Options, func(), error) {
	shape := opened.Model.Shape()
	lo := lens.Options{
		Top: min(o.top, shape.DVocab), Embed: o.embed, Mid: o.mid, Attn: o.attn, MLP: o.mlp,
		Track: max(o.track, o.curves()), Check: o.check, Experts: o.experts || o.view == "expert", Label: labels(opened.Tokenizer),
	}
	err := o.checkModel(opened.Model)
	if err != nil {
		return lo, nil, err
	}
	if lo.Layers, err = selection(o.layers, shape.Layers, "layer"); err != nil {
		return lo, nil, err
	}
	if lo.Targets, lo.Contrasts, err = o.scored(s, opened, o.quiet); err != nil {
		return lo, nil, err
	}
	if lo.MaxMemory, err = o.bound(s); err != nil {
		return lo, nil, err
	}
	var done func()
	lo.Translator, lo.Beside, done, err = o.lens.open(s, opened)
	return lo, done, err
}

// curves returns how many tokens the output follows through all rows by itself.
func (o *traceOptions) curves() int {
	switch as := o.format(); {
	case o.export == "logitlenskit":
		return math.MaxInt // every candidate of any row has its curve there
	case as == "html":
		return 10 // what a click on a cell draws
	case o.pictured() && o.picture == "curves":
		return o.top
	}
	return 0
}

// trace computes the grid of a prompt.
func (o *traceOptions) trace(ctx context.Context, s *streams, opened *auto.Opened, lo lens.Options, text *string, ids []int) (*lens.Grid, error) {
	p, err := o.prepare(ctx, opened, newEditor(ctx, s, opened, &o.promptOptions, &o.editFlags, o.quiet), text, ids)
	if err != nil {
		return nil, err
	}
	if err := s.sameInput(o.originOfFiles, p.ids); err != nil {
		return nil, err
	}
	o.note(s, opened, p.in.IDs)
	if part := lo.Part; part != nil {
		lo.Part = func(columns *lens.Grid) {
			o.describe(columns, opened, p)
			part(columns)
		}
	}
	g, err := lens.Run(ctx, opened.Model, p.in, lo)
	if err != nil {
		return nil, withLayers(err)
	}
	o.describe(g, opened, p)
	g.Made, err = o.made(s, opened)
	return g, err
}

// prepared is a prompt as the model gets it.
type prepared struct {
	encoded
	in        edit.Input
	continued int // of the ids, the model's own
}

// own are the ids of the prompt itself, nil before there are any.
func (p *prepared) own() []int {
	if p.in.IDs == nil {
		return nil
	}
	return p.in.IDs[:len(p.in.IDs)-p.continued]
}

// prepare encodes a prompt, lets the model go on, and reads columns and edits.
func (o *traceOptions) prepare(ctx context.Context, opened *auto.Opened, e *editor, text *string, ids []int) (prepared, error) {
	var p prepared
	var err error
	if p.encoded, err = o.encode(opened, text, ids); err != nil {
		return p, err
	}
	if p.ids, p.continued, err = o.goOn(ctx, opened, p.ids); err != nil {
		return p, err
	}
	p.in.IDs = p.ids
	if p.in.Positions, err = o.columns(p.turns, len(p.ids)); err != nil {
		return p, err
	}
	p.in.Edits, err = e.parse(o.edits, p.encoded)
	return p, err
}

// describe says in the grid what it is of.
func (o *traceOptions) describe(g *lens.Grid, opened *auto.Opened, p prepared) {
	p.describe(g, opened.Info)
	g.Continued, g.Timing.Load = p.continued, opened.Info.LoadSeconds
}

// checkExport refuses what the other tool's shape has no place for.
func (o *traceOptions) checkExport() error {
	switch {
	case o.export == "":
		return nil
	case o.export != "mlxterp" && o.export != "logitlenskit":
		return usagef("--export %q: want mlxterp or logitlenskit", o.export)
	case len(o.lens.paths) > 1:
		return usagef("--export %s has the rows of one lens", o.export)
	case o.json || o.embed || o.mid || o.attn || o.mlp || o.check || o.experts || o.track > 0 || len(o.targets) > 0:
		return usagef("--export %s has no place for --json, --embed, --mid, --attn, --mlp, --check, --experts, --track and --target", o.export)
	case o.output != "" && o.format() != "json":
		return usagef("--export %s is JSON: give --output a name that ends in .json", o.export)
	}
	return nil
}

// traceFormats are those of --output for one prompt.
var traceFormats = []string{"json", "csv", "html", "png", "svg", "pdf"}

// write writes the grid in the output's format.
func (o *traceOptions) write(s *streams, w io.Writer, g *lens.Grid, view render.View) error {
	switch o.format() {
	case "csv":
		return render.CSV(w, g)
	case "html":
		g.Made = unplaced(g.Made)
		return render.HTML(w, g, render.HTMLOptions{View: view, Command: commandLine(s.args)})
	case "png", "svg", "pdf":
		p := o.look.options(s, o.format())
		p.Kind, p.View, g.Made = o.kind(), view, unplaced(g.Made)
		if p.Kind == render.Heatmap && view == render.Prob && !o.quiet && render.Dark(g) {
			s.say("few cells have a probability to see: --view rank shows more")
		}
		return render.Picture(w, g, p)
	}
	return o.writeJSON(w, g)
}

// pictures are the kinds by their names.
var (
	pictures     = map[string]render.Kind{"heatmap": render.Heatmap, "candidates": render.Candidates, "curves": render.Curves, "targets": render.Targets}
	pictureNames = []string{"heatmap", "candidates", "curves", "targets"}
)

// kind is what a picture shows: of the last position alone its candidates, unless a flag says more.
func (o *traceOptions) kind() render.Kind {
	if o.last && !o.given("picture") {
		return render.Candidates
	}
	return pictures[o.picture]
}

// checkPicture refuses pictures of what is not there.
func (o *traceOptions) checkPicture() error {
	kind, ok := pictures[o.picture]
	if o.given("picture") && (o.file != "" || !o.pictured()) {
		return usagef("--picture needs --output with a name that ends in .png, .svg or .pdf")
	}
	if err := o.look.check(&o.outputFlags); err != nil {
		return err
	}
	switch {
	case !ok:
		return usagef("--picture %q: want heatmap, candidates, curves or targets", o.picture)
	case kind == render.Targets && len(o.targets) == 0:
		return usagef("--picture targets needs --target")
	case kind == render.Curves || kind == render.Targets:
		return o.look.charts(o.picture)
	}
	return nil
}

// writeJSON writes the grid as JSON of some shape.
func (o *traceOptions) writeJSON(w io.Writer, g *lens.Grid) error {
	switch o.export {
	case "mlxterp":
		return render.MLXTerp(w, g)
	case "logitlenskit":
		return render.LogitLensKit(w, g)
	}
	return render.JSON(w, g)
}

// print writes the grid on stdout.
func (o *traceOptions) print(s *streams, g *lens.Grid, view render.View) error {
	if o.json || o.export != "" {
		return cmp.Or(o.writeJSON(s.out, g), s.inWords(render.Headline(g), func(w io.Writer, t render.TerminalOptions) error {
			t.View, t.Last = view, o.last && view == render.Prob // another view is of a grid, be it of one position
			return render.Terminal(w, g, t)
		}))
	}
	t := o.screenFlags.options(s, o.left())
	t.View, t.Last, t.Numbers = view, o.last, o.look.shown()
	return o.draw(s, g, t)
}
