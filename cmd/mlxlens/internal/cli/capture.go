package cli

import (
	"cmp"
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/model"
	"github.com/mlxlens/mlxlens/model/auto"
	"github.com/mlxlens/mlxlens/states"
)

type captureOptions struct {
	modelOptions
	promptOptions
	editFlags
	memoryFlags
	goOnFlags
	outputFlags
	positions string
	spanFlag
	keep string
}

func newCaptureCmd(s *streams) *cobra.Command {
	o := &captureOptions{}
	cmd := &cobra.Command{
		Use:   "capture [prompt] --output FILE",
		Short: "Keep a prompt's activations in a file",
		Long: `Capture runs a prompt through a model and writes what passes some places
(mlxlens help sites) to a file: .npz for numpy.load, or .safetensors. An array is named
by its place, layers.5.resid_post, and has an axis of positions and no batch; beside
them the file has ids, the prompt's tokens, and positions, those that the arrays are of.

Of attn_scores and pattern all keys are kept. What comes after the last place that is
kept is not computed. With --edit what is kept is what the edits leave.

The file is a patch: --edit PLACE=set:FILE puts it back, in this prompt or another.`,
		Example: `  mlxlens capture "The capital of France is" -o states.npz
  mlxlens capture "The capital of France is" -o states.npz --keep 'layers.0:4.mlp_out,layers.-1.pattern'
  mlxlens capture "The capital of Italy is" -o italy.npz --keep layers.20.resid_post --positions -1`,
		Args: cobra.ArbitraryArgs, // words of a prompt without quotes
		RunE: func(cmd *cobra.Command, args []string) error {
			o.arg(s, args)
			return runCapture(cmd.Context(), s, o)
		},
	}
	for _, group := range []interface{ flags(*cobra.Command) }{&o.modelOptions, &o.promptOptions, &o.editFlags, &o.memoryFlags, &o.goOnFlags, &o.shared} {
		group.flags(cmd)
	}
	f := cmd.Flags()
	f.StringVar(&o.keep, "keep", "layers.*.resid_post", "places, such as layers.0:4.mlp_out,layers.-1.pattern (mlxlens help sites)")
	f.StringVar(&o.positions, "positions", "", "positions to keep: 0,4,8:12,-1, or turns of a conversation such as user:0 (default all)")
	o.spanFlag.flags(cmd, "keep the positions")
	o.outputFlags.flags(cmd, "the file: "+extensions(captureFormats), captureFormats...)
	return cmd
}

var captureFormats = []string{"npz", "safetensors"}

// runCapture checks what can be checked before the model is opened, captures and writes.
func runCapture(ctx context.Context, s *streams, o *captureOptions) error {
	if o.output == "" {
		return usagef("there is no --output: give a name that ends in .%s", strings.Join(captureFormats, " or ."))
	}
	if err := cmp.Or(o.limit(&o.modelOptions), o.goOnFlags.check(), o.outputFlags.check(captureFormats...)); err != nil {
		return err
	}
	if err := o.spanFlag.check(o.positions); err != nil {
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
	places, err := opened.Model.Paths().Places(o.keep)
	if err != nil {
		return usageError{err}
	}
	in, prompt, err := o.input(ctx, s, opened, text, ids)
	if err != nil {
		return err
	}
	files := func(options map[string]string) error { return originOfEdits(o.edits, options) }
	if err := s.sameInput(files, in.IDs); err != nil {
		return err
	}
	o.note(s, opened, in.IDs)
	if err := o.fits(s, opened.Model, in, places); err != nil {
		return err
	}
	set, err := states.Capture(ctx, opened.Model, in, places)
	if err != nil {
		return err
	}
	if file == nil { // the first rank writes
		return nil
	}
	o.describe(set, opened.Info.Ref, prompt)
	return file.write(func(w io.Writer) error {
		if o.format() == "npz" {
			return set.WriteNPZ(w)
		}
		return set.WriteSafetensors(w)
	})
}

// input is what the model is given: the prompt, or what was generated of it, which of its
// positions are read, and the edits.
func (o *captureOptions) input(ctx context.Context, s *streams, opened *auto.Opened, text *string, ids []int) (in edit.Input, prompt *string, err error) {
	at, err := o.encode(opened, text, ids)
	if err != nil {
		return in, nil, err
	}
	if at.ids, _, err = o.goOn(ctx, opened, at.ids); err != nil {
		return in, nil, err
	}
	in.IDs = at.ids
	if in.Positions, err = at.turns.at(o.or(o.positions), len(in.IDs)); err != nil {
		return in, nil, err
	}
	in.Edits, err = newEditor(ctx, s, opened, &o.promptOptions, &o.editFlags, o.quiet).parse(o.edits, at)
	return in, at.text, err
}

// describe notes in the file what its numbers are of.
func (o *captureOptions) describe(set *states.Set, ref string, text *string) {
	set.Metadata["model"] = ref
	if text != nil {
		set.Metadata["prompt"] = *text
	}
	if len(o.edits) > 0 {
		set.Metadata["edits"] = strings.Join(o.edits, " ")
	}
}

// fits returns an error when --max-memory is too little.
func (o *captureOptions) fits(s *streams, m model.Model, in edit.Input, places []model.Place) error {
	bound, err := o.bound(s)
	if err != nil || bound == 0 {
		return err
	}
	result, work, err := states.Memory(m, in, places)
	if err != nil {
		return err
	}
	free, err := model.Free(m, bound)
	if err != nil {
		return err
	}
	if work > free {
		return failf("the activations take %d MB, and to compute them %d MB beside the weights, of which --max-memory leaves %d: keep fewer places or positions, or allow more",
			(result+1<<20-1)>>20, (work+1<<20-1)>>20, max(0, free>>20))
	}
	return nil
}
