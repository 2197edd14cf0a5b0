package cli

import (
	"cmp"
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/mlxlens/mlxlens/edit"
	"github.com/mlxlens/mlxlens/experiment"
	"github.com/mlxlens/mlxlens/lens/sparse"
	"github.com/mlxlens/mlxlens/model/auto"
)

type featuresOptions struct {
	modelOptions
	promptOptions
	spanFlag
	editFlags
	memoryFlags
	foundFlags
	sae       string
	in, out   string
	positions string
	last      bool
	top       int
	tokens    int
	noSplice  bool
}

func newFeaturesCmd(s *streams) *cobra.Command {
	o := &featuresOptions{}
	cmd := &cobra.Command{
		Use:   "features [prompt] --sae DIR",
		Short: "Show which features of a sparse autoencoder a prompt has",
		Long: `Features encodes what passes a place, at each position of a prompt, by a sparse autoencoder
or a transcoder, and shows the features of greatest activation, how far the reconstruction
is from the state, and which tokens the features' directions raise and lower: the logit
lens of the row of W_dec.

It reads SAELens' folders (cfg.json and sae_weights.safetensors: standard, gated, JumpReLU,
TopK, batch TopK, transcoders), and Gemma Scope's (params.npz, or config.json and
params.safetensors). The place is the file's, or --site, and of a transcoder --site-out.

The prompt runs once more with the reconstruction in the place of the states: KL(model ‖
spliced) and the cross-entropy of the prompt's own tokens say what it lacks.

A feature's direction is an edit of its place, in every command that takes edits:

    mlxlens generate … --edit layers.12.resid_post=add:DIR#1234*4
    mlxlens trace … --edit layers.12.resid_post=project-out:DIR#1234`,
		Example: `  mlxlens features "The capital of France is" --sae gemma-scope-2b-pt-res/layer_12/width_16k/average_l0_82
  mlxlens features "The capital of France is" --sae sae --last --top 20 --tokens 10
  mlxlens features "The capital of France is" --sae sae -o features.html`,
		Args: cobra.ArbitraryArgs, // words of a prompt without quotes
		RunE: func(cmd *cobra.Command, args []string) error {
			o.arg(s, args)
			return runFeatures(cmd.Context(), s, o)
		},
	}
	for _, group := range []interface{ flags(*cobra.Command) }{&o.modelOptions, &o.promptOptions, &o.editFlags, &o.memoryFlags} {
		group.flags(cmd)
	}
	f := cmd.Flags()
	f.StringVar(&o.sae, "sae", "", "the dictionary: SAELens' or Gemma Scope's folder, or one of its files; or hub:owner/name/path of one")
	f.StringVar(&o.in, "site", "", "the place that it reads, such as layers.12.resid_post (default what the file says)")
	f.StringVar(&o.out, "site-out", "", "the place that a transcoder reconstructs, such as layers.12.mlp_out (default what the file says)")
	f.StringVar(&o.positions, "positions", "", "positions: 0,4,8:12,-1, or turns of a conversation such as user:0 (default all)")
	o.spanFlag.flags(cmd, "the positions")
	f.BoolVar(&o.last, "last", false, "the last position only")
	f.IntVarP(&o.top, "top", "k", 5, "features of each position")
	f.IntVar(&o.tokens, "tokens", 5, "tokens that each feature's direction raises most, and lowers most")
	f.BoolVar(&o.noSplice, "no-splice", false, "do not run the prompt with the reconstruction")
	o.foundFlags.flags(cmd, experiment.FeaturesSchema)
	return cmd
}

// checkFlags finds what is wrong before a model is opened.
func (o *featuresOptions) checkFlags() error {
	switch {
	case o.sae == "":
		return usagef("there is no dictionary: give --sae DIR, SAELens' or Gemma Scope's folder")
	case o.last && (o.positions != "" || len(o.spans) > 0):
		return usagef("--last excludes --positions and --span")
	case o.top < 1:
		return usagef("--top %d: want 1 or more", o.top)
	case o.tokens < 0:
		return usagef("--tokens %d: want 0 or more", o.tokens)
	}
	return cmp.Or(o.spanFlag.check(o.positions), o.foundFlags.check(foundFormats...), o.limit(&o.modelOptions))
}

// runFeatures checks what can be checked before a model is opened, encodes and prints.
func runFeatures(ctx context.Context, s *streams, o *featuresOptions) error {
	if err := o.checkFlags(); err != nil {
		return err
	}
	file, err := o.create(s, o.quiet)
	if err != nil {
		return err
	}
	defer file.drop()
	text, ids, err := o.read(s)
	if err != nil {
		return err
	}
	o.agree(s)
	a, err := openSparse(s, o.sae)
	if err != nil {
		return err
	}
	defer a.Close()
	opened, err := o.open(s, text != nil)
	if err != nil {
		return err
	}
	defer opened.Close()
	in, at, err := o.input(ctx, s, opened, text, ids)
	if err != nil {
		return err
	}
	fo := experiment.FeaturesOptions{Top: o.top, Tokens: min(o.tokens, opened.Model.Shape().DVocab), Splice: !o.noSplice, Label: labels(opened.Tokenizer), Progress: s.progressOf("encoding", o.quiet)}
	if fo.MaxMemory, err = o.bound(s); err != nil {
		return err
	}
	tellModel(s, opened, a)
	e, err := a.On(opened.Model, sparse.Options{In: o.in, Out: o.out, MaxMemory: fo.MaxMemory})
	switch {
	case errors.Is(err, sparse.ErrNoIn):
		return usagef("%v: %w", theFlag("site"), err)
	case errors.Is(err, sparse.ErrNoOut):
		return usagef("%v: %w", theFlag("site-out"), err)
	case err != nil:
		return err
	}
	defer e.Close()
	r, err := experiment.FeaturesOf(ctx, opened.Model, in, e, fo)
	if err != nil {
		return err
	}
	r.Prompt, r.BOSAdded = at.text, at.bos
	describeModel(&r.Model, opened)
	if r.Made, err = o.made(s, opened); err != nil {
		return err
	}
	return o.show(s, file, r)
}

// input encodes the prompt.
func (o *featuresOptions) input(ctx context.Context, s *streams, opened *auto.Opened, text *string, ids []int) (in edit.Input, at encoded, err error) {
	if at, err = o.encode(opened, text, ids); err != nil {
		return in, at, err
	}
	in.IDs = at.ids
	if in.Positions, err = at.turns.at(o.or(o.positions), len(at.ids)); err != nil {
		return in, at, err
	}
	if o.last {
		in.Positions = []int{-1}
	}
	o.note(s, opened, in.IDs)
	in.Edits, err = newEditor(ctx, s, opened, &o.promptOptions, &o.editFlags, o.quiet).parse(o.edits, at)
	return in, at, err
}

// tellModel tells of a dictionary that names another model than the one it is put on.
func tellModel(s *streams, opened *auto.Opened, a *sparse.Autoencoder) {
	s.tellModel(opened, a.Path, a.Model, "a dictionary has no hash that would tell whether they are the same")
}

// openSparse opens a dictionary, none of whose files may be the output's. A server, which writes none, was started with
// the name: the files that stand behind it come with it.
func openSparse(s *streams, name string) (*sparse.Autoencoder, error) {
	path, called, err := s.local(name, besideSparse)
	if err != nil {
		return nil, err
	}
	if s.served == nil {
		for _, file := range sparse.Files(path) {
			if err := s.readsPath(file, "the dictionary"); err != nil {
				return nil, err
			}
		}
	}
	a, err := sparse.Open(path)
	if err == nil {
		a.Path = called
	}
	return a, err
}
