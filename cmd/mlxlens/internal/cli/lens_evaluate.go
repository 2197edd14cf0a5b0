package cli

import (
	"cmp"
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/experiment"
)

type lensEvaluateOptions struct {
	modelOptions
	corpusFlags
	foundFlags
	lenses []string
	any    bool
	layers string
}

func newLensEvaluateCmd(s *streams) *cobra.Command {
	o := &lensEvaluateOptions{}
	cmd := &cobra.Command{
		Use:   "evaluate --file HELD-OUT --lens A [--lens B]",
		Short: "Measure how near lenses come to the model's answer",
		Long: `Evaluate reads the states after each layer at all positions of a corpus, by the logit lens
and by the lenses that are named, and prints the mean of KL(final ‖ row) in nats, over the
whole vocabulary, and the part of positions where the likeliest token is the model's.

The corpus should be one that the lenses were not fitted to: on that one they look better than
they are. --skip leaves out those sequences of a file that they were fitted to.`,
		Example: `  mlxlens lens evaluate --file held-out.txt --lens lens.safetensors
  mlxlens lens evaluate --file corpus.txt --skip 100 --lens a.safetensors --lens b.npz -o lenses.png`,
		Args: wantArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return runLensEvaluate(cmd.Context(), s, o) },
	}
	o.modelOptions.flags(cmd)
	o.corpusFlags.flags(cmd, 128)
	f := cmd.Flags()
	f.StringArrayVar(&o.lenses, "lens", nil, "a lens to read the rows by (repeatable)")
	f.BoolVar(&o.any, "any-unembedding", false, "accept lenses of a model with another unembedding")
	f.StringVar(&o.layers, "layers", "", "rows: 0,4,8:12,-1 (default all)")
	o.foundFlags.flags(cmd, experiment.EvaluateSchema)
	return cmd
}

func runLensEvaluate(ctx context.Context, s *streams, o *lensEvaluateOptions) error {
	if err := cmp.Or(o.checkLenses(), o.corpusFlags.check(), o.foundFlags.check(foundFormats...)); err != nil {
		return err
	}
	file, err := o.create(s, o.quiet)
	if err != nil {
		return err
	}
	defer file.drop()
	opened, c, err := openWithCorpus(s, &o.modelOptions, &o.corpusFlags, o.quiet)
	if err != nil {
		return err
	}
	defer opened.Close()
	eo := experiment.EvaluateOptions{Progress: s.progressOf("evaluating", o.quiet)}
	if eo.Layers, err = selection(o.layers, opened.Model.Shape().Layers, "layer"); err != nil {
		return err
	}
	for _, path := range o.lenses {
		t, err := (&lensFlags{path: path, any: o.any}).open(s, opened)
		if err != nil {
			return err
		}
		defer t.Close()
		eo.Lenses = append(eo.Lenses, t)
	}
	e, err := experiment.Evaluate(ctx, opened.Model, c.sequences, eo)
	if err != nil {
		return withLayers(err)
	}
	e.Corpus.Name, e.Corpus.Digest = c.name, c.digest
	describeModel(&e.Model, opened)
	if e.Made, err = o.made(s, opened); err != nil {
		return err
	}
	return o.show(s, file, e)
}

// checkLenses finds what is wrong with the lenses' names.
func (o *lensEvaluateOptions) checkLenses() error {
	if o.any && len(o.lenses) == 0 {
		return usagef("--any-unembedding needs --lens")
	}
	for i, path := range o.lenses {
		switch {
		case path == logitLens:
			return usagef("--lens logit is there without being named: leave it out (a file of that name is ./logit)")
		case (&lensFlags{path: path}).named():
			return usagef("--lens %s is fitted to nothing, and no answer of the model's: name the file of a lens (one of that name is ./%s)", path, path)
		case slices.Contains(o.lenses[:i], path):
			return usagef("--lens %s is given twice", path)
		}
	}
	return nil
}
