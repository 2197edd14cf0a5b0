package cli

import (
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
	second    string // the second prompt
	idsB      string
	modelB    string
	weightsB  string
	edits     []string
	editsB    []string
	layers    string
	positions string
	embed     bool
	mid       bool
	align     string
	view      string
	threshold float64
	top       int
	noColor   bool
	width     int
	json      bool
	output    string
}

func newCompareCmd(s *streams) *cobra.Command {
	o := &compareOptions{}
	cmd := &cobra.Command{
		Use:   "compare [prompt] [prompt-b]",
		Short: "Compare two logit lenses, cell by cell",
		Long: `Compare reads the logit lens twice and shows how far the two distributions of each
layer and position are from each other: two prompts, two models (--model-b), a model's
weights packed and unpacked (--weights-b), or a model with and without an edit (--edit-b).

In each cell stand Jensen–Shannon divergence (0 to ln 2 = 0.693 nats), KL both ways and
whether the best tokens agree; below the grid the means of each layer, and the earliest
layer and position whose JS is above --threshold. Layers of models of other depth are
paired by depth. The two vocabularies must be the same.

Prompts of different length need --align start or end.`,
		Example: `  mlxlens compare "The capital of France is" "The capital of Italy is"
  mlxlens compare "The capital of France is" --edit-b layers.20.mlp_out@-1=zero
  mlxlens compare "The capital of France is" --weights dense --weights-b packed`,
		Args: wantArgs(cobra.MaximumNArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				o.second = args[1]
				args = args[:1]
			}
			o.arg(args)
			return runCompare(cmd.Context(), s, o)
		},
	}
	o.modelOptions.flags(cmd)
	o.promptOptions.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.idsB, "ids-b", "", "token ids instead of a second prompt")
	f.StringVar(&o.modelB, "model-b", "", "the second side's model (default the first's)")
	f.StringVar(&o.weightsB, "weights-b", "", "how the second side's quantized weights are held: auto, packed or dense")
	f.StringArrayVar(&o.edits, "edit", nil, "an edit of both sides (repeatable; `mlxlens help edits`)")
	f.StringArrayVar(&o.editsB, "edit-b", nil, "an edit of the second side")
	f.StringVar(&o.layers, "layers", "", "rows: 0,4,8:12,-1 (default all)")
	f.StringVar(&o.positions, "positions", "", "columns, of the first prompt (default all that have a partner)")
	f.BoolVar(&o.embed, "embed", false, "a row for the token embedding")
	f.BoolVar(&o.mid, "mid", false, "a row after each layer's attention")
	f.StringVar(&o.align, "align", "", "prompts of different length: start or end belong together")
	f.StringVar(&o.view, "view", "js", "what the colour shows: js or kl")
	f.Float64Var(&o.threshold, "threshold", 0.1, "the JS, in nats, above which two distributions diverge")
	f.IntVarP(&o.top, "top", "k", 5, "candidates of each side in a cell")
	f.BoolVar(&o.noColor, "no-color", false, "no colour, as with $NO_COLOR or a pipe")
	f.IntVar(&o.width, "width", 0, "columns of text (default the terminal's, or 100)")
	f.BoolVar(&o.json, "json", false, "print JSON (schema "+lens.CompareSchema+")")
	f.StringVarP(&o.output, "output", "o", "", "write JSON to a file")
	return cmd
}

// check finds what is wrong before a model is opened.
func (o *compareOptions) check() (lens.Alignment, error) {
	var align lens.Alignment
	switch o.align {
	case "":
	case "start":
		align = lens.AlignStart
	case "end":
		align = lens.AlignEnd
	default:
		return 0, usagef("--align %q: want start or end", o.align)
	}
	switch {
	case o.view != "js" && o.view != "kl":
		return 0, usagef("--view %q: want js or kl", o.view)
	case o.top < 1:
		return 0, usagef("--top %d: want 1 or more", o.top)
	case o.threshold <= 0:
		return 0, usagef("--threshold %g: want more than 0", o.threshold)
	case o.second != "" && o.idsB != "":
		return 0, usagef("a second prompt and --ids-b exclude each other")
	case o.second == "" && o.idsB == "" && o.modelB == "" && o.weightsB == "" && len(o.editsB) == 0:
		return 0, usagef("there is nothing to compare: give a second prompt, --ids-b, --model-b, --weights-b or --edit-b")
	}
	return align, nil
}

// side is a model with what it is given.
type side struct {
	opened *auto.Opened
	text   *string
	lens.Side
	bos bool
}

// runCompare checks what can be checked before a model is opened, compares and prints.
func runCompare(ctx context.Context, s *streams, o *compareOptions) error {
	align, err := o.check()
	if err != nil {
		return err
	}
	var file *output
	if o.output != "" {
		if file, err = newOutput(o.output, ".json"); err != nil {
			return err
		}
		defer file.drop()
	}
	a, b, closeAll, err := o.sides(s)
	if err != nil {
		return err
	}
	defer closeAll()
	if warning := differentTokens(a, b); warning != "" && !o.quiet {
		fmt.Fprintln(s.err, "mlxlens: "+warning)
	}
	if align == lens.AlignEqual && len(a.IDs) != len(b.IDs) {
		return usagef("the prompts have %d and %d tokens: give --align start or end\n  a: %s\n  b: %s", len(a.IDs), len(b.IDs), a.pieces(), b.pieces())
	}
	co := lens.CompareOptions{Embed: o.embed, Mid: o.mid, Top: o.top, Align: align, Threshold: o.threshold,
		Labels: [2]func(int) string{labels(a.opened.Tokenizer), labels(b.opened.Tokenizer)}}
	if co.Layers, err = selection(o.layers, a.Model.Shape().Layers, "layer"); err != nil {
		return err
	}
	if co.Positions, err = selection(o.positions, len(a.IDs), "position"); err != nil {
		return err
	}
	if !o.quiet && terminal(s.err) > 0 {
		co.Progress = progressOf(s.err, "comparing")
	}
	c, err := lens.Compare(ctx, a.Side, b.Side, co)
	if err != nil {
		return err
	}
	a.describe(&c.A)
	b.describe(&c.B)
	switch {
	case file != nil:
		return file.write(func(w io.Writer) error { return render.CompareJSON(w, c) })
	case o.json:
		return render.CompareJSON(s.out, c)
	}
	d := drawOptions{noColor: o.noColor, width: o.width}
	return render.Compare(s.out, c, render.CompareOptions{Width: d.columns(s), Color: d.color(s), KL: o.view == "kl"})
}

// sides opens the models, one for both where they are the same, and encodes the prompts.
func (o *compareOptions) sides(s *streams) (a, b *side, closeAll func(), err error) {
	text, ids, err := o.read(s)
	if err != nil {
		return nil, nil, nil, err
	}
	second := promptOptions{ids: o.idsB, noBOS: o.noBOS}
	textB, idsB := text, ids
	if o.second != "" || o.idsB != "" {
		if o.second != "" {
			second.prompt, second.chat, second.system = &o.second, o.chat, o.system
		}
		if textB, idsB, err = second.read(s); err != nil {
			return nil, nil, nil, err
		}
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
	if a, err = o.side(first, text, ids, o.edits); err == nil {
		b, err = o.side(other, textB, idsB, append(o.edits[:len(o.edits):len(o.edits)], o.editsB...))
	}
	if err != nil {
		closeAll()
		return nil, nil, nil, err
	}
	return a, b, closeAll, nil
}

func (o *compareOptions) side(opened *auto.Opened, text *string, ids []int, edits []string) (*side, error) {
	e := &side{opened: opened, text: text, Side: lens.Side{Model: opened.Model}}
	var err error
	if e.IDs, e.bos, err = o.encode(opened, text, ids); err != nil {
		return nil, err
	}
	e.Edits, err = parseEdits(edits, opened.Model, len(e.IDs))
	return e, err
}

func (e *side) pieces() string {
	if e.opened.Tokenizer == nil {
		return fmt.Sprint(e.IDs)
	}
	return pieces(e.opened.Tokenizer, e.IDs)
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
