package cli

import (
	"cmp"
	"context"

	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/lens/tuned"
)

type lensFitOptions struct {
	modelOptions
	corpusFlags
	tuned    bool
	wants    bool // a Jacobian lens
	jacobian jacobianFlags
	train    trainFlags
	output   string
}

func newLensFitCmd(s *streams) *cobra.Command {
	o := &lensFitOptions{}
	cmd := &cobra.Command{
		Use:   "fit --tuned|--jacobian --file CORPUS -o OUT",
		Short: "Fit a lens to a model",
		Long: `Fit --tuned trains a tuned lens (Belrose et al. 2023, arXiv:2303.08112): for each layer an
affine map h + W·h + b of its states that lowers KL(final ‖ lens), what the model answers
against what its final norm and unembedding say of the mapped state, in nats. The model
itself stays as it is, and may be quantized.

The corpus is a text a line, JSON lines, or with --join one text that is cut into sequences.
A lens is as good as its corpus is like what it will read, and is large: d_model² numbers a
layer. --rank limits W to Up·Down of so few columns, --bias-only leaves it out; both need
much less text.

--recipe says where the other options come from: adamw is mlxlens' own, tuned-lens the
reference's (version 0.2.0: SGD with Nesterov's momentum, on resid_pre), mlxterp its port's.

Fit --jacobian computes a Jacobian lens (Gurnee et al. 2026): for each layer the mean, over
the sequences, of what a small change of its states does to the last layer's, by d_model
passes back through the model for each sequence. About 100 sequences of 128 tokens are
usable. --rows computes some rows of the matrices from each sequence, others each time: the
matrices' standard error, which is printed, says how good that is. OUT is .pt, which
TransformerLens 4 reads too, or .safetensors; what is done is kept in OUT.fit.pt.

Of a tuned lens OUT is NAME.safetensors, or NAME.npz or DIR/params.pt for other programs (lens convert). What is done is kept beside it in
OUT.training: after Ctrl-C the same command goes on, and gives the same lens as if it had
not been stopped. A tuned lens that --max-memory leaves too little for is refused: how its sequences are
cut is the same with any memory.`,
		Example: `  mlxlens lens fit --tuned --file corpus.txt --rank 8 -o lens.safetensors
  mlxlens lens fit --tuned --file corpus.txt --join --recipe tuned-lens --steps 250 -o lens.safetensors
  mlxlens lens fit --jacobian --file corpus.txt --prompts 100 -o lens.pt
  mlxlens lens evaluate --lens lens.safetensors --file held-out.txt`,
		Args: wantArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.train.given = cmd.Flags().Changed
			return runLensFit(cmd.Context(), s, o)
		},
	}
	o.modelOptions.flags(cmd)
	o.corpusFlags.flags(cmd, 128)
	f := cmd.Flags()
	f.BoolVar(&o.tuned, "tuned", false, "train a tuned lens")
	f.BoolVar(&o.wants, "jacobian", false, "fit a Jacobian lens")
	o.train.flags(cmd)
	o.jacobian.flags(cmd)
	f.StringVarP(&o.output, "output", "o", "", "the lens: a file that ends in "+extensions(lensFormats)+", of a Jacobian one in "+extensions(jacobianFormats))
	return cmd
}

// kind checks that one kind of lens is asked for, and no option of the other.
func (o *lensFitOptions) kind() error {
	if o.tuned == o.wants {
		return usagef("say which lens to fit: --tuned or --jacobian")
	}
	wrong, right := []string{"layers", "skip-first", "rows", "dim-batch", "f32"}, theFlag("jacobian")
	if o.wants {
		wrong, right = []string{"recipe", "site", "rank", "bias-only", "steps", "batch", "optimizer", "lr", "momentum", "weight-decay", "warmup", "clip", "in-order", "f16"}, theFlag("tuned")
	}
	for _, flag := range wrong {
		if o.train.given(flag) {
			return usagef("%v is an option of %v", theFlag(flag), right)
		}
	}
	if o.wants && o.jacobian.rows == 0 && o.train.given("seed") {
		return usagef("--seed draws the rows of --rows, and without it all are computed: leave it out")
	}
	return nil
}

func runLensFit(ctx context.Context, s *streams, o *lensFitOptions) error {
	if err := o.kind(); err != nil {
		return err
	}
	if o.wants {
		return fitJacobian(ctx, s, o)
	}
	train, err := o.train.options()
	if err != nil {
		return err
	}
	if err := cmp.Or(o.corpusFlags.check(), o.jacobian.limit(&o.modelOptions)); err != nil {
		return err
	}
	out, err := createLens(s, o.output, o.quiet)
	if err != nil {
		return err
	}
	defer out.drop()
	opened, c, err := openWithCorpus(s, &o.modelOptions, &o.corpusFlags, o.quiet)
	if err != nil {
		return err
	}
	defer opened.Close()
	if train.MaxMemory, err = o.jacobian.bound(s); err != nil {
		return err
	}
	if d := opened.Model.Shape().DModel; train.Rank >= d {
		return usagef("--rank %d is no limit: the model's d_model is %d", train.Rank, d)
	}
	t, err := tuned.NewTrainer(opened.Model, c.sequences, train)
	if err != nil {
		return err
	}
	defer t.Close()
	of, err := o.train.origin(s, opened, c, train)
	if err != nil {
		return err
	}
	run := &training{keeping: keeping{s: s, of: of, path: o.output + ".training", quiet: o.quiet}, t: t, steps: train.Steps, layers: opened.Model.Shape().Layers}
	if err := run.run(ctx); err != nil {
		return err
	}
	l, err := t.Lens()
	if err != nil {
		return err
	}
	l.Model, l.Half = cmp.Or(o.train.name, modelName(opened)), o.train.half
	l.Fitted.Corpus, l.Fitted.Revision = c.digest, of.Revision
	if err := out.writeTuned(l); err != nil {
		return err
	}
	return run.finish()
}
