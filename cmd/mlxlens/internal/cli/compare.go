package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/lens"
	"github.com/mlxlens/mlxlens/lens/render"
	"github.com/mlxlens/mlxlens/model/auto"
)

type compareOptions struct {
	modelOptions
	promptOptions
	rowFlags
	targetFlags
	editFlags
	lens lensFlags
	memoryFlags
	drawFlags
	outputFlags
	secondFlags
	modelB    string
	weightsB  string
	editsB    []string
	lensB     string
	align     string
	threshold float64
	json      bool
	look      pictureFlags
}

func newCompareCmd(s *streams) *cobra.Command {
	o := &compareOptions{}
	cmd := &cobra.Command{
		Use:   "compare [prompt] [prompt-b]",
		Short: "Compare two logit lenses, cell by cell",
		Long: `Compare reads the logit lens twice and shows how far the two distributions of each
layer and position are from each other: two prompts, two models (--model-b), a model's
weights packed and unpacked (--weights-b), a model with and without an edit (--edit-b), or
two lenses (--lens, --lens-b).

Each cell has the Jensen–Shannon divergence (0 to ln 2 = 0.693 nats), KL both ways and
whether the best tokens agree. Below the grid stand the rank and probability of each
--target on both sides, the means of each layer, and the earliest layer and position
whose JS is above --threshold. Models with different numbers of layers are compared at
equal depth. The two vocabularies must be the same.

Prompts of different length need --align start or end.`,
		Example: `  mlxlens compare "The capital of France is" "The capital of Italy is"
  mlxlens compare "The capital of France is" "The capital of Italy is" --target " Paris" --vs " Rome"
  mlxlens compare "The capital of France is" --edit-b layers.20.mlp_out@-1=zero
  mlxlens compare "The capital of France is" --weights dense --weights-b packed`,
		Args: twoPrompts,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.promptOptions.arg(s, o.secondFlags.arg(args))
			return runCompare(cmd.Context(), s, o)
		},
	}
	for _, group := range []interface{ flags(*cobra.Command) }{&o.modelOptions, &o.promptOptions, &o.rowFlags, &o.targetFlags, &o.editFlags, &o.lens, &o.memoryFlags} {
		group.flags(cmd)
	}
	o.drawFlags.flags(cmd, "js", "js", "kl")
	f := cmd.Flags()
	o.secondFlags.flags(cmd)
	f.StringVar(&o.modelB, "model-b", "", "the second side's model (default the first's)")
	f.StringVar(&o.weightsB, "weights-b", "", "how the second side's quantized weights are held: auto, packed or dense")
	f.StringArrayVar(&o.editsB, "edit-b", nil, "an `EDIT` of the second side only, made after those of --edit (repeatable)")
	f.StringVar(&o.lensB, "lens-b", "", "the second side's lens, or the word none (default the first's)")
	f.StringVar(&o.align, "align", "", "how to pair the positions of prompts of different length: start (the first with the first) or end")
	f.Float64Var(&o.threshold, "threshold", 0.1, "the JS, in nats, above which two distributions diverge")
	f.BoolVar(&o.json, "json", false, "print JSON (schema "+lens.CompareSchema+")")
	o.look.onScreen = true
	o.look.flags(cmd)
	o.outputFlags.flags(cmd, "write to a file instead: "+extensions(compareFormats), compareFormats...)
	return cmd
}

// checkFlags finds what is wrong before a model is opened.
func (o *compareOptions) checkFlags() (lens.Alignment, error) {
	align, err := alignment(o.align)
	if err != nil {
		return 0, err
	}
	switch {
	case o.view != "js" && o.view != "kl":
		return 0, usagef("--view %q: want js or kl", o.view)
	case o.lensB == noLens && o.lens.path == "":
		return 0, usagef("--lens-b none needs --lens: without it neither side has a lens")
	case !(o.threshold > 0):
		return 0, usagef("--threshold %g: want more than 0", o.threshold)
	case !o.secondFlags.given() && o.modelB == "" && o.weightsB == "" && len(o.editsB) == 0 && o.lensB == "":
		return 0, usagef("there is nothing to compare: give a second prompt, --ids-b, --messages-b, --model-b, --weights-b, --edit-b or --lens-b")
	}
	for _, check := range []func() error{func() error { return o.secondFlags.check(&o.promptOptions) }, o.drawFlags.check, o.rowFlags.check, o.targetFlags.check, func() error { return o.limit(&o.modelOptions) }, o.checkLens, o.checkOutput} {
		if err := check(); err != nil {
			return 0, err
		}
	}
	return align, nil
}

func (o *compareOptions) checkLens() error {
	if o.lens.any && o.lens.path == "" && o.lensB != "" {
		return nil
	}
	return o.lens.check()
}

// compareFormats are those of --output of a comparison.
var compareFormats = []string{"json", "html", "png", "svg", "pdf"}

func (o *compareOptions) checkOutput() error {
	if err := cmp.Or(o.outputFlags.check(compareFormats...), o.beside(o.json)); err != nil {
		return err
	}
	if o.last && o.view == "kl" && o.pictured() {
		return usagef("--view kl colours a grid, and a picture of --last has candidates on the colour of their probability: leave one of them out")
	}
	return o.look.check(&o.outputFlags)
}

// write writes the comparison in the output's format.
func (o *compareOptions) write(s *streams, w io.Writer, c *lens.Comparison) error {
	if o.format() != "json" {
		c.Made = unplaced(c.Made)
	}
	if o.format() == "html" {
		f := render.CompareFigure(c, o.view == "kl")
		f.Command = commandLine(s.args)
		return render.FigureHTML(w, f)
	}
	if !o.pictured() {
		return render.CompareJSON(w, c)
	}
	p := o.look.options(s, o.format())
	if o.last {
		p.Kind = render.Candidates
	}
	return render.ComparePicture(w, c, o.view == "kl", p)
}

// side is a model with what it is given.
type side struct {
	opened *auto.Opened
	encoded
	lens.Side
	close func() // closes its lens
}

// runCompare checks what can be checked before a model is opened, compares and prints.
func runCompare(ctx context.Context, s *streams, o *compareOptions) error {
	align, err := o.checkFlags()
	if err != nil {
		return err
	}
	file, err := o.create(s, o.quiet)
	if err != nil {
		return err
	}
	defer file.drop()
	a, b, closeAll, err := o.sides(ctx, s)
	if err != nil {
		return err
	}
	defer closeAll()
	if warning := differentTokens(a, b); warning != "" && !o.quiet {
		s.say("%s", warning)
	}
	if na, nb := len(a.Input.IDs), len(b.Input.IDs); align == lens.AlignEqual && na != nb {
		return usagef("the prompts have %d and %d tokens: give --align start or end\n  a: %s\n  b: %s", na, nb, a.pieces(), b.pieces())
	}
	o.note(s, a.opened, a.Input.IDs)
	o.note(s, b.opened, b.Input.IDs)
	co, err := o.lensOptions(s, a, b, align)
	if err != nil {
		return err
	}
	c, err := lens.Compare(ctx, a.Side, b.Side, co)
	if err != nil {
		return withLayers(err)
	}
	a.describe(&c.A)
	b.describe(&c.B)
	if c.Made, err = o.made(s, a, b); err != nil {
		return err
	}
	switch {
	case file != nil:
		return file.write(func(w io.Writer) error { return o.write(s, w, c) })
	case o.json:
		return cmp.Or(render.CompareJSON(s.out, c), s.inWords(render.CompareHeadline(c), func(w io.Writer, t render.TerminalOptions) error {
			t.Last = o.last
			return render.Compare(w, c, render.CompareOptions{TerminalOptions: t, KL: o.view == "kl"})
		}))
	}
	t := o.screenFlags.options(s, o.left())
	t.Last, t.Numbers = o.last, o.look.shown()
	return s.paged(func(w io.Writer) error {
		return render.Compare(w, c, render.CompareOptions{TerminalOptions: t, KL: o.view == "kl"})
	})
}

func (o *compareOptions) lensOptions(s *streams, a, b *side, align lens.Alignment) (lens.CompareOptions, error) {
	co := lens.CompareOptions{
		Embed: o.embed, Mid: o.mid, Attn: o.attn, MLP: o.mlp, Top: min(o.top, a.Model.Shape().DVocab), Align: align, Threshold: o.threshold,
		Labels: [2]func(int) string{labels(a.opened.Tokenizer), labels(b.opened.Tokenizer)},
	}
	err := cmp.Or(o.checkModel(a.Model), o.checkModel(b.Model))
	if err != nil {
		return co, err
	}
	if co.Layers, err = selection(o.layers, a.Model.Shape().Layers, "layer"); err != nil {
		return co, err
	}
	if co.Targets, co.Contrasts, err = o.scored(s, a.opened, o.quiet); err != nil {
		return co, err
	}
	if co.MaxMemory, err = o.bound(s); err != nil {
		return co, err
	}
	co.Progress = s.progressOf("comparing", o.quiet)
	return co, nil
}

// sides opens the models, one for both where they are the same, and encodes the prompts.
func (o *compareOptions) sides(ctx context.Context, s *streams) (a, b *side, closeAll func(), err error) {
	text, ids, err := o.promptOptions.read(s)
	if err != nil {
		return nil, nil, nil, err
	}
	promptB, textB, idsB, err := o.secondFlags.read(s, &o.promptOptions, text, ids)
	if err != nil {
		return nil, nil, nil, err
	}
	first, err := o.open(s, text != nil || textB != nil)
	if err != nil {
		return nil, nil, nil, err
	}
	closeAll = first.Close
	other := first
	if o.modelB != "" || o.weightsB != "" {
		mo := o.modelOptions
		if o.modelB != "" {
			mo.ref = o.modelB
		}
		if o.weightsB != "" {
			mo.weights = o.weightsB
		}
		mo.quiet = true // the first side has said which model it is
		if other, err = mo.open(s, textB != nil); err != nil {
			closeAll()
			return nil, nil, nil, err
		}
		closeAll = func() { first.Close(); other.Close() }
	}
	if a, err = o.side(ctx, s, first, &o.promptOptions, text, ids, o.edits, o.lens); err == nil {
		second := o.lens
		if o.lensB != "" {
			second.path = o.lensB
		}
		if o.lensB == noLens {
			second.path = ""
		}
		models := closeAll
		closeAll = func() { a.close(); models() }
		b, err = o.side(ctx, s, other, promptB, textB, idsB, append(o.edits[:len(o.edits):len(o.edits)], o.editsB...), second)
	}
	if err != nil {
		closeAll()
		return nil, nil, nil, err
	}
	if a.Input.Positions, err = o.columns(a.turns, len(a.Input.IDs)); err != nil {
		closeAll()
		return nil, nil, nil, err
	}
	before := closeAll
	return a, b, func() { b.close(); before() }, nil
}

func (o *compareOptions) side(ctx context.Context, s *streams, opened *auto.Opened, prompt *promptOptions, text *string, ids []int, edits []string, file lensFlags) (*side, error) {
	e := &side{opened: opened, Side: lens.Side{Model: opened.Model}, close: func() {}}
	var err error
	if e.encoded, err = prompt.encode(opened, text, ids); err != nil {
		return nil, err
	}
	e.Input.IDs = e.ids
	if e.Input.Edits, err = newEditor(ctx, s, opened, prompt, &o.editFlags, o.quiet).parse(edits, e.encoded); err != nil {
		return nil, err
	}
	e.Translator, e.close, err = file.reader(s, opened)
	return e, err
}

func (e *side) pieces() string {
	if e.opened.Tokenizer == nil {
		return fmt.Sprint(e.Input.IDs)
	}
	return pieces(e.opened.Tokenizer, e.Input.IDs)
}

// describe says in the result what a side is of.
func (e *side) describe(c *lens.Compared) {
	c.Prompt, c.BOSAdded = e.text, e.bos
	c.Model.Ref, c.Model.Type, c.Model.Quantization = e.opened.Info.Ref, e.opened.Info.Type, e.opened.Info.Quantization
}

// differentTokens says so when ids do not mean the same to both tokenizers.
func differentTokens(a, b *side) string {
	ta, tb := a.opened.Tokenizer, b.opened.Tokenizer
	if ta == nil || tb == nil || ta == tb {
		return ""
	}
	for id := range a.Model.Shape().DVocab {
		pa, _ := ta.Piece(id)
		pb, _ := tb.Piece(id)
		if pa != pb {
			return fmt.Sprintf("the tokenizers differ: id %d is %q for one and %q for the other, and probabilities are compared by id", id, pa, pb)
		}
	}
	return ""
}
