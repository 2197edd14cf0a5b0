package cli

import (
	"context"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/generate"
	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/render"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/tokenizer"
)

type traceOptions struct {
	modelOptions
	promptOptions
	drawOptions
	rowOptions
	continued int
	places    string
	json      bool
	export    string
	file      string
	output    string
	picture   string
	fonts     bool
	given     func(flag string) bool
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
layer's own entropy, KL(final ‖ layer), margin or confidence, in nats and logits.
--attn and --mlp read what the halves of a layer add, alone; --lens reads through a
tuned lens (Belrose et al. 2023, arXiv:2303.08112).

The prompt "-" is read from stdin. With --ids no tokenizer is needed.
Selections such as 0,4,8:12,-1 count from 0; a range leaves out its end, and a
negative number counts from the end.`,
		Example: `  mlxlens trace "The capital of France is"
  mlxlens trace "The capital of France is" --last -k 3
  mlxlens trace "The capital of France is" --target " Paris" --view rank
  mlxlens trace "The capital of France is" --target " Paris" --vs " London" --last
  mlxlens trace "The capital of France is" -o lens.html
  mlxlens trace "The capital of France is" -o states.npz --keep 'layers.0:4.mlp_out'
  mlxlens trace --file prompts.txt --last -o lens.jsonl
  mlxlens trace --ids 504,3575,282,4649,314 --layers 0,10,-1 --json`,
		Args: wantArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.arg(args)
			o.given = cmd.Flags().Changed
			return runTrace(cmd.Context(), s, o)
		},
	}
	o.modelOptions.flags(cmd)
	o.promptOptions.flags(cmd)
	o.drawOptions.flags(cmd)
	o.rowOptions.flags(cmd)
	f := cmd.Flags()
	f.IntVar(&o.continued, "continue", 0, "let the model go on for so many tokens first, the likeliest each, and trace these too")
	f.StringVar(&o.picture, "picture", "heatmap", "what a .png or .svg shows: heatmap, curves (the last position's candidates by layer) or targets")
	f.BoolVar(&o.fonts, "system-fonts", false, "in a .png, draw what the built-in fonts have only as dots with the system's")
	f.StringVar(&o.places, "keep", "layers.*.resid_post", "what to write to a .npz or .safetensors: places such as layers.0:4.mlp_out,layers.-1.pattern (`mlxlens help sites`)")
	f.BoolVar(&o.json, "json", false, "print JSON (schema "+lens.TraceSchema+")")
	f.StringVar(&o.export, "export", "", "print another tool's JSON instead: mlxterp, logitlenskit (V2)")
	f.StringVar(&o.file, "file", "", "trace every prompt of a file, a line each (.jsonl: JSON strings, or objects with prompt or ids), and print a JSON object for each")
	f.StringVarP(&o.output, "output", "o", "", "write to a file instead: "+strings.Join(outputExtensions, " ")+"; with --file .jsonl, which goes on where it stopped")
	return cmd
}

// runTrace checks what can be checked before the model is opened, traces and prints.
func runTrace(ctx context.Context, s *streams, o *traceOptions) error {
	view, err := o.drawOptions.check()
	if err != nil {
		return err
	}
	if err := o.rowOptions.checkFlags(); err != nil {
		return err
	}
	if o.continued < 0 {
		return usagef("--continue %d: want 0 or more", o.continued)
	}
	if err := o.checkExport(); err != nil {
		return err
	}
	if err := o.checkKeep(o.given); err != nil {
		return err
	}
	if err := o.checkPicture(); err != nil {
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
		if file, err = newOutput(o.output, outputExtensions...); err != nil {
			return err
		}
		defer file.drop()
	}

	opened, err := o.open(s, text != nil || len(o.targets) > 0)
	if err != nil {
		return err
	}
	defer opened.Close()
	if o.keeps() {
		return o.keep(ctx, opened, text, ids, file)
	}
	lo, done, err := o.lensOptions(s, opened)
	if err != nil {
		return err
	}
	defer done()
	if !o.quiet && terminal(s.err) > 0 {
		lo.Progress = progressOf(s.err, "tracing")
	}
	g, err := o.trace(ctx, opened, lo, text, ids)
	if err != nil {
		return err
	}
	if file != nil {
		err = file.write(func(w io.Writer) error { return o.write(w, g, view) })
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
	decoder, err := o.lens.open(opened)
	if err != nil {
		return lens.Options{}, nil, err
	}
	done := func() {}
	if decoder != nil {
		done = decoder.Close
	}
	lo, err := o.rowOptions.options(s, opened, o.top, o.quiet)
	if err != nil {
		done()
		return lo, nil, err
	}
	if decoder != nil {
		lo.Decoder = decoder
	}
	lo.Track = max(lo.Track, o.curves())
	return lo, done, nil
}

// curves returns how many tokens the output follows through all rows by itself.
func (o *traceOptions) curves() int {
	switch ext := o.extension(); {
	case o.export == "logitlenskit":
		return math.MaxInt // every candidate of any row has its curve there
	case ext == ".html":
		return 10 // what a click on a cell draws
	case (ext == ".png" || ext == ".svg") && o.picture == "curves":
		return o.top
	}
	return 0
}

// trace computes the grid of a prompt.
func (o *traceOptions) trace(ctx context.Context, opened *auto.Opened, lo lens.Options, text *string, ids []int) (*lens.Grid, error) {
	p, err := o.prepare(ctx, opened, text, ids)
	if err != nil {
		return nil, err
	}
	if lo, err = o.rowOptions.of(lo, opened, len(p.ids)); err != nil {
		return nil, err
	}
	g, err := lens.Run(ctx, opened.Model, p.ids, lo)
	if err != nil {
		return nil, err
	}
	o.describe(g, opened, p)
	return g, nil
}

// prepared is a prompt as the model gets it.
type prepared struct {
	text      *string
	ids       []int
	bos       bool
	continued int // of the ids, the model's own
}

// prepare encodes a prompt, and lets the model continue it.
func (o *traceOptions) prepare(ctx context.Context, opened *auto.Opened, text *string, ids []int) (prepared, error) {
	p := prepared{text: text}
	var err error
	if p.ids, p.bos, err = o.encode(opened, text, ids); err != nil || o.continued == 0 {
		return p, err
	}
	gen, err := generate.New(opened.Model, generate.Options{})
	if err != nil {
		return p, err
	}
	defer gen.Close()
	if err := gen.Prompt(ctx, p.ids); err != nil {
		return p, err
	}
	var eos []int
	if opened.Tokenizer != nil {
		eos = opened.Tokenizer.EOS()
	}
	for p.continued < o.continued && len(gen.IDs()) < opened.Model.Shape().Context {
		token, err := gen.Next(ctx)
		if err != nil {
			return p, err
		}
		if slices.Contains(eos, token.ID) {
			break
		}
		p.continued++
	}
	p.ids = gen.IDs()[:len(p.ids)+p.continued]
	return p, nil
}

// describe says in the grid what it is of.
func (o *traceOptions) describe(g *lens.Grid, opened *auto.Opened, p prepared) {
	g.Prompt, g.BOSAdded, g.Continued = p.text, p.bos, p.continued
	g.Model.Ref, g.Model.Type, g.Model.Quantization = opened.Info.Ref, opened.Info.Type, opened.Info.Quantization
	g.Timing.Load = opened.Info.LoadSeconds
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

// checkExport refuses what the other tool's shape has no place for.
func (o *traceOptions) checkExport() error {
	switch {
	case o.export == "":
		return nil
	case o.export != "mlxterp" && o.export != "logitlenskit":
		return usagef("--export %q: want mlxterp or logitlenskit", o.export)
	case o.json || o.embed || o.mid || o.attn || o.mlp || o.compare || o.track > 0 || len(o.targets) > 0:
		return usagef("--export %s has no place for --json, --embed, --mid, --attn, --mlp, --check, --track and --target", o.export)
	case o.output != "" && !strings.EqualFold(filepath.Ext(o.output), ".json"):
		return usagef("--export %s is JSON: give --output a name that ends in .json", o.export)
	}
	return nil
}

// outputExtensions are those of --output for one prompt.
var outputExtensions = []string{".json", ".csv", ".html", ".png", ".svg", ".npz", ".safetensors"}

func (o *traceOptions) extension() string { return strings.ToLower(filepath.Ext(o.output)) }

// write writes the grid in the output's format.
func (o *traceOptions) write(w io.Writer, g *lens.Grid, view render.View) error {
	switch o.extension() {
	case ".csv":
		return render.CSV(w, g)
	case ".html":
		return render.HTML(w, g, render.HTMLOptions{View: view})
	case ".png", ".svg":
		p := render.PictureOptions{Kind: pictures[o.picture], View: view}
		if o.extension() == ".svg" {
			p.Format = render.SVG
		}
		if o.fonts {
			p.Fonts = render.SystemFonts()
		}
		return render.Picture(w, g, p)
	}
	return o.format()(w, g)
}

// pictures are the kinds by their names.
var pictures = map[string]render.Kind{"heatmap": render.Heatmap, "curves": render.Curves, "targets": render.Targets}

// checkPicture refuses pictures of what is not there.
func (o *traceOptions) checkPicture() error {
	kind, ok := pictures[o.picture]
	switch {
	case !ok:
		return usagef("--picture %q: want heatmap, curves or targets", o.picture)
	case kind == render.Targets && len(o.targets) == 0:
		return usagef("--picture targets needs --target")
	}
	return nil
}

// format returns what writes JSON.
func (o *traceOptions) format() func(io.Writer, *lens.Grid) error {
	switch o.export {
	case "mlxterp":
		return render.MLXTerp
	case "logitlenskit":
		return render.LogitLensKit
	}
	return render.JSON
}

// print writes the grid on stdout.
func (o *traceOptions) print(s *streams, g *lens.Grid, view render.View) error {
	if o.json || o.export != "" {
		return o.format()(s.out, g)
	}
	return o.draw(s, g, view, o.last)
}
